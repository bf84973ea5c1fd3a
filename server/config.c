/*
 * The settings table and what is made of it. Runs on the main thread before others start.
 *
 * A table's rows say everything about a setting; the functions below only walk them. A dot in
 * a row's name is a level in the file.
 */
#include "server/config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/backend.h"
#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/base/str.h"
#include "server/base/yaml.h"
#include "server/model/duration.h"
#include "server/setting.h"

#define MAX_FILE (1024 * 1024)
#define MAX_BACKENDS 64
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define AT(member) offsetof(struct gw_config, member)
#define BACKEND_AT(member) offsetof(struct gw_config_backend, member)

static const struct gw_setting settings[] = {
        {"listen.address", GW_SETTING_TEXT, AT(listen_address), "127.0.0.1", 0, 63, false,
         "The numeric address to listen on; `::` is every address of both families. The gateway "
         "speaks plain HTTP: put a TLS proxy in front of anything but loopback."},
        {"listen.port", GW_SETTING_NUMBER, AT(listen_port), "8000", 1, 65535, false,
         "The TCP port."},
        {"listen.loops", GW_SETTING_NUMBER, AT(listen_loops), "0", 0, 256, false,
         "How many threads answer requests; 0 is one for each core."},
        {"listen.max_connections", GW_SETTING_NUMBER, AT(listen_max_connections),
         TEXT(GW_MAX_CONNECTIONS), 1, 1000000, false,
         "How many clients may be connected at a time."},
        {"listen.max_body", GW_SETTING_SIZE, AT(listen_max_body), "1Mi", 1024, 256 << 20, false,
         "The largest request body, and the longest line of one of many lines."},
        {"listen.max_lines", GW_SETTING_SIZE, AT(listen_max_lines), "64Mi", 1024, 1 << 30, false,
         "The largest request body of many lines, each a job. It is read as it arrives and never "
         "held whole."},
        {"listen.max_lines_time", GW_SETTING_SECONDS, AT(listen_max_lines_s), GW_MAX_LINES_TIME, 1,
         86400, false, "The longest time that such a request may take to arrive."},
        {"listen.max_user_lines", GW_SETTING_SIZE, AT(listen_max_user_lines), "96Mi", 1 << 20,
         GW_MAX_BODIES_BYTES / 2, false,
         "How much memory such requests of one user may hold together, with the answers that were "
         "not read yet, of the 128Mi that those of all may."},
        {"database.serve", GW_SETTING_SECRET, AT(database_serve), NULL, 0, 0, true,
         "How to reach PostgreSQL as the role that serves requests, in either of libpq's forms. "
         "Passwords are better kept in a `passfile`."},
        {"database.owner", GW_SETTING_SECRET, AT(database_owner), NULL, 0, 0, false,
         "The same for the role that owns the schema: `--migrate` and the commands for users, "
         "projects and tokens use it. Without it they use `database.serve`."},
        {"log.level", GW_SETTING_LEVEL, AT(log_level), "info", 0, 0, false,
         "The least important lines that are still logged, as JSON on standard error. A request is a "
         "line of `debug` when it succeeded, of `info` when it was refused, of `warn` when the "
         "gateway failed."},
        {"url", GW_SETTING_URL, AT(url), NULL, 0, 0, false,
         "How clients and jobs reach the gateway. The default is made of `listen`."},
        {"cors.origins", GW_SETTING_ORIGINS, AT(cors_origins), NULL, 0, 0, false,
         "The web pages of other origins that may call the API from a browser, with a token of their "
         "own. `*` is every page."},
        {"retention", GW_SETTING_SECONDS, AT(retention_s), "90d", 0, GW_MAX_DURATION_S, false,
         "How long finished jobs are kept at least; they go by the month. 0 keeps them for ever."},
        {"max_wait", GW_SETTING_SECONDS, AT(max_wait_s), "4m", 0, GW_MAX_WAIT_S, false,
         "The longest `?wait=` of a request."},
        {"max_waiters", GW_SETTING_NUMBER, AT(max_waiters), TEXT(GW_MAX_WAITERS), 1, 1000000, false,
         "How many requests may wait at a time."},
        {"max_array", GW_SETTING_NUMBER, AT(max_array), TEXT(GW_MAX_ARRAY), 1, GW_MAX_ARRAY, false,
         "The most tasks that an array may have."},
        {"max_followers", GW_SETTING_NUMBER, AT(max_followers), TEXT(GW_MAX_FOLLOWERS), 1, 100000,
         false, "How many logs may be followed at a time."},
        {"max_user_followers", GW_SETTING_NUMBER, AT(max_user_followers),
         TEXT(GW_MAX_USER_FOLLOWERS), 1, 100000, false, "How many of them may be one user's."},
        {"logs.keep_head", GW_SETTING_SIZE, AT(logs_head), "1Mi", 0, 64 << 20, false,
         "How much of the beginning of each output is kept in PostgreSQL once its attempt has ended, "
         "where the files are not the gateway's own: on Slurm."},
        {"logs.keep_tail", GW_SETTING_SIZE, AT(logs_tail), "4Mi", 0, 64 << 20, false,
         "The same of its end. With 0 for both nothing is kept."},
};

static const struct gw_setting backend_settings[] = {
        {"name", GW_SETTING_NAME, BACKEND_AT(name), NULL, 0, 31, true,
         "What users call it. It is written into the record: do not change it later."},
        {"type", GW_SETTING_NAME, BACKEND_AT(type), NULL, 0, 31, true,
         "What kind of cluster it is; the other settings of the section are the type's."},
        {"window", GW_SETTING_NUMBER, BACKEND_AT(window), "100", 1, 100000, false,
         "How many submissions it is given at most that have not started yet. The others wait in "
         "the gateway, where projects take turns."},
        {"send_time", GW_SETTING_SECONDS, BACKEND_AT(send_s), "60s", 5, 60, false,
         "How long it is tried to hand over a submission. Whether one arrived that it gave no answer "
         "to is not known for certain before this is over."},
};

/* ---- the file -------------------------------------------------------------------------------- */

static char *read_all(int fd, size_t *ret_len)
{
        struct gw_buf b = GW_BUF_INIT(MAX_FILE);
        ssize_t n;
        gw_buf_str(&b, "");
        do {
                if (gw_buf_reserve(&b, 4096) < 0)
                        break;
                n = read(fd, b.data + b.len, 4096);
                if (n > 0)
                        b.len += (size_t)n;
        } while (n > 0 || (n < 0 && errno == EINTR));
        if (gw_buf_ok(&b) && n == 0) {
                b.data[b.len] = '\0';
                return gw_buf_take(&b, ret_len);
        }
        if (!gw_buf_ok(&b))
                errno = EFBIG;
        gw_buf_done(&b);
        return NULL;
}

static json_t *read_file(const char *path, struct gw_faults *faults)
{
        gw_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
        size_t len;
        gw_autofree char *text = fd < 0 ? NULL : read_all(fd, &len);
        struct gw_error err = {0};
        char reason[128];
        if (!text) {
                gw_faults_add(faults, GW_ERR_INVALID, "", "%s cannot be read: %s", path,
                              strerror_r(errno, reason, sizeof reason));
                return NULL;
        }
        json_t *document = gw_yaml_parse(path, text, len, &err);
        if (!document)
                gw_faults_add(faults, err.code, "", "%s", err.message);
        return document;
}

/* ---- names ---- */

/* Every name and every section, for the search after a likely typo. */
static const char *candidate(const void *list, size_t i)
{
        static const char *const sections[] = {"listen", "database", "log", "cors", "backends"};
        (void)list;
        if (i < GW_COUNT(settings))
                return settings[i].name;
        i -= GW_COUNT(settings);
        return i < GW_COUNT(sections) ? sections[i] : NULL;
}

static bool is_setting(const char *path)
{
        for (size_t i = 0; i < GW_COUNT(settings); i++)
                if (strcmp(settings[i].name, path) == 0)
                        return true;
        return strcmp(path, "backends") == 0;
}

static bool is_section(const char *path)
{
        size_t len = strlen(path);
        for (size_t i = 0; i < GW_COUNT(settings); i++)
                if (strncmp(settings[i].name, path, len) == 0 && settings[i].name[len] == '.')
                        return true;
        return false;
}

static void fail_unknown(const char *path, struct gw_faults *faults)
{
        const char *nearest = gw_str_nearest(path, candidate, NULL);
        if (nearest)
                gw_faults_add(faults, GW_ERR_INVALID, path,
                              "there is no such setting; did you mean %s?", nearest);
        else
                gw_faults_add(faults, GW_ERR_INVALID, path,
                              "there is no such setting (see --print-settings)");
}

static void check_section(const char *section, const json_t *object, struct gw_faults *faults);

static void check_name(const char *path, const json_t *value, struct gw_faults *faults)
{
        if (is_setting(path))
                return;
        if (!is_section(path))
                fail_unknown(path, faults);
        else if (json_is_object(value))
                check_section(path, value, faults);
        else if (!json_is_null(value))
                gw_faults_add(faults, GW_ERR_INVALID, path, "must be a section with settings");
}

/* jansson's iterator takes a writable object and does not write. */
static json_t *iterable(const json_t *object)
{
        return (json_t *)(uintptr_t)object;
}

static void check_section(const char *section, const json_t *object, struct gw_faults *faults)
{
        const char *name;
        json_t *value;
        char path[GW_ERROR_POINTER];
        json_object_foreach(iterable(object), name, value)
        {
                snprintf(path, sizeof path, "%s%s%.100s", section, section[0] ? "." : "", name);
                const char *dot = strchr(name, '.');
                if (dot)
                        gw_faults_add(faults, GW_ERR_INVALID, path,
                                      "must stand in the section %.*s, without the dot",
                                      (int)(dot - name < 64 ? dot - name : 64), name);
                else
                        check_name(path, value, faults);
        }
}

static const json_t *find(const json_t *document, const char *name)
{
        char section[64];
        const char *dot = strchr(name, '.');
        if (!dot)
                return json_object_get(document, name);
        snprintf(section, sizeof section, "%.*s", (int)(dot - name), name);
        return json_object_get(json_object_get(document, section), dot + 1);
}

/* ---- backends ---- */

static void check_backend(const struct gw_config *c, size_t index, const char *path,
                          struct gw_faults *faults)
{
        const struct gw_config_backend *b = &c->backends[index];
        char place[64];
        for (size_t i = 0; b->name && i < index; i++) {
                if (!c->backends[i].name || strcmp(c->backends[i].name, b->name) != 0)
                        continue;
                snprintf(place, sizeof place, "%s.name", path);
                gw_faults_add(faults, GW_ERR_INVALID, place, "backends[%zu] has the same name", i);
        }
        if (b->type && !gw_backend_type_find(b->type)) {
                snprintf(place, sizeof place, "%s.type", path);
                gw_faults_add(faults, GW_ERR_INVALID, place,
                              "there is no backend type \"%s\"; there are: %s", b->type,
                              gw_backend_type_names());
        }
}

static void read_backend(struct gw_config *c, size_t index, const json_t *section,
                         struct gw_faults *faults)
{
        struct gw_config_backend *b = &c->backends[index];
        char path[32], place[64];
        snprintf(path, sizeof path, "backends[%zu]", index);
        if (!json_is_object(section)) {
                gw_faults_add(faults, GW_ERR_INVALID, path, "must be a section with settings");
                return;
        }
        b->settings = json_copy(iterable(section));
        for (size_t i = 0; i < GW_COUNT(backend_settings); i++) {
                const struct gw_setting *s = &backend_settings[i];
                snprintf(place, sizeof place, "%s.%s", path, s->name);
                gw_setting_read(s, json_object_get(section, s->name), place, b, faults);
                json_object_del(b->settings, s->name);
        }
        if (!b->settings)
                gw_faults_add(faults, GW_ERR_NOMEM, path, "out of memory");
        check_backend(c, index, path, faults);
}

static void read_backends(struct gw_config *c, const json_t *list, struct gw_faults *faults)
{
        size_t count = json_array_size(list);
        if (list && !json_is_null(list) && (!json_is_array(list) || count > MAX_BACKENDS)) {
                gw_faults_add(faults, GW_ERR_INVALID, "backends",
                              "must be a list of at most %d sections", MAX_BACKENDS);
                return;
        }
        c->backends = calloc(count + 1, sizeof *c->backends);
        if (!c->backends) {
                gw_faults_add(faults, GW_ERR_NOMEM, "backends", "out of memory");
                return;
        }
        c->backend_count = count;
        for (size_t i = 0; i < count; i++)
                read_backend(c, i, json_array_get(list, i), faults);
}

/* ---- all of it ---- */

/* An address that stands for all of them is no place to send a client to. */
static char *default_url(const struct gw_config *c)
{
        char host[256] = "localhost";
        const char *address = c->listen_address;
        char *url;
        if (strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0) {
                gethostname(host, sizeof host - 1);
                address = host;
        }
        bool v6 = strchr(address, ':') != NULL;
        int n = asprintf(&url, "http://%s%s%s:%" PRId64, v6 ? "[" : "", address, v6 ? "]" : "",
                         c->listen_port);
        return n < 0 ? NULL : url;
}

/* Jobs are told how to reach the gateway by their backend. */
static void pass_url(struct gw_config *c, struct gw_faults *faults)
{
        if (!c->url)
                c->url = default_url(c);
        for (size_t i = 0; c->url && i < c->backend_count; i++) {
                json_t *own = c->backends[i].settings;
                if (!json_object_get(own, "url") &&
                    json_object_set_new(own, "url", json_string(c->url)) < 0)
                        gw_faults_add(faults, GW_ERR_NOMEM, "url", "out of memory");
        }
        if (!c->url)
                gw_faults_add(faults, GW_ERR_NOMEM, "url", "out of memory");
}

static void read_document(const json_t *document, struct gw_config *c, struct gw_faults *faults)
{
        if (!json_is_object(document) && !json_is_null(document)) {
                gw_faults_add(faults, GW_ERR_INVALID, "",
                              "the settings file must hold a mapping of settings");
                return;
        }
        check_section("", document, faults);
        for (size_t i = 0; i < GW_COUNT(settings); i++)
                gw_setting_read(&settings[i], find(document, settings[i].name), settings[i].name, c,
                                faults);
        read_backends(c, json_object_get(document, "backends"), faults);
        if (!gw_faults_any(faults))
                pass_url(c, faults);
}

int gw_config_load(const char *path, struct gw_config *ret, struct gw_faults *faults)
{
        struct gw_config c = {0};
        json_auto_t *document = read_file(path, faults);
        if (document)
                read_document(document, &c, faults);
        if (gw_faults_any(faults)) {
                gw_config_done(&c);
                return -1;
        }
        *ret = c;
        return 0;
}

void gw_config_done(struct gw_config *c)
{
        for (size_t i = 0; i < GW_COUNT(settings); i++)
                gw_setting_done(&settings[i], c);
        for (size_t i = 0; i < c->backend_count; i++) {
                for (size_t k = 0; k < GW_COUNT(backend_settings); k++)
                        gw_setting_done(&backend_settings[k], &c->backends[i]);
                json_decref(c->backends[i].settings);
        }
        free(c->backends);
        *c = (struct gw_config){0};
}

/* ---- printing ---- */

/* A type's own settings: what the name calls a secret is one. */
static void print_own(const char *name, const json_t *value, struct gw_buf *out)
{
        static const char *const secret[] = {"password", "token", "secret", "key"};
        gw_buf_printf(out, "    %s: ", name);
        for (size_t i = 0; i < GW_COUNT(secret); i++) {
                if (strstr(name, secret[i])) {
                        gw_buf_str(out, "\"****\"\n");
                        return;
                }
        }
        gw_autofree char *text = json_dumps(value, JSON_ENCODE_ANY);
        gw_buf_printf(out, "%s\n", text ? text : "null");
}

static void print_backend(const struct gw_config_backend *b, struct gw_buf *out)
{
        const char *name;
        json_t *value;
        for (size_t i = 0; i < GW_COUNT(backend_settings); i++) {
                gw_buf_printf(out, "  %s %s: ", i ? " " : "-", backend_settings[i].name);
                gw_setting_print(&backend_settings[i], b, out);
                gw_buf_char(out, '\n');
        }
        json_object_foreach(b->settings, name, value)
        {
                print_own(name, value, out);
        }
}

void gw_config_print(const struct gw_config *c, struct gw_buf *out)
{
        const char *section = "";
        for (size_t i = 0; i < GW_COUNT(settings); i++) {
                const char *name = settings[i].name;
                const char *dot = strchr(name, '.');
                if (dot && strncmp(section, name, (size_t)(dot + 1 - name)) != 0)
                        gw_buf_printf(out, "%.*s:\n", (int)(dot - name), name);
                section = name;
                gw_buf_printf(out, "%s%s: ", dot ? "  " : "", dot ? dot + 1 : name);
                gw_setting_print(&settings[i], c, out);
                gw_buf_char(out, '\n');
        }
        gw_buf_str(out, c->backend_count ? "backends:\n" : "backends: []\n");
        for (size_t i = 0; i < c->backend_count; i++)
                print_backend(&c->backends[i], out);
}

#define TABLE_HEAD "| Setting | Value | Default | |\n|---|---|---|---|\n"

static void describe_table(const struct gw_setting *table, size_t count, struct gw_buf *out)
{
        gw_buf_str(out, TABLE_HEAD);
        for (size_t i = 0; i < count; i++) {
                gw_buf_printf(out, "| `%s` | ", table[i].name);
                gw_setting_describe(&table[i], out);
                if (table[i].preset)
                        gw_buf_printf(out, " | `%s`", table[i].preset);
                else
                        gw_buf_str(out, table[i].required ? " | required" : " | none");
                gw_buf_printf(out, " | %s |\n", table[i].help);
        }
}

static void describe_type(const struct gw_backend_type *type, struct gw_buf *out)
{
        struct gw_backend_setting s;
        gw_buf_printf(out, "\n### Of the type `%s`\n\n", type->name);
        gw_buf_str(out, TABLE_HEAD);
        for (size_t i = 0; type->setting(i, &s); i++)
                gw_buf_printf(out, "| `%s` | %s | %s | %s |\n", s.name, s.value,
                              s.preset ? s.preset : "required", s.help);
}

void gw_config_reference(struct gw_buf *out)
{
        gw_buf_str(out,
                   "# Settings\n\n"
                   "Written by `jobgate --print-settings`. The file is YAML; a dot in a name is a "
                   "level in it. `jobgate --config FILE --check-config` says what is wrong with a "
                   "file, `--print-config` what is in force.\n\n");
        describe_table(settings, GW_COUNT(settings), out);
        gw_buf_printf(out,
                      "\n## `backends`\n\nA list of sections, one for each cluster. The types are: "
                      "%s.\n\n",
                      gw_backend_type_names());
        describe_table(backend_settings, GW_COUNT(backend_settings), out);
        const struct gw_backend_type *type;
        for (size_t i = 0; (type = gw_backend_type_at(i)); i++)
                describe_type(type, out);
}
