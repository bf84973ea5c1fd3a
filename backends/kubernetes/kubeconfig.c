/*
 * Reading a kubeconfig. What its keys mean here is two tables, of clusters and of users. Any
 * thread; keeps nothing.
 */
#include "backends/kubernetes/kubeconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/base/str.h"
#include "server/base/yaml.h"

struct reader {
        const char *name, *folder;
        struct gw_k8s_access *access;
        struct gw_error *err;
};

static int fail(const struct reader *r, const char *what)
{
        return gw_fail(r->err, GW_ERR_INVALID, "%s: %s", r->name, what);
}

static int no_memory(struct gw_error *err)
{
        return gw_fail(err, GW_ERR_NOMEM, "no memory");
}

static void wipe(char *text)
{
        if (text)
                explicit_bzero(text, strlen(text));
        free(text);
}

void gw_k8s_access_done(struct gw_k8s_access *a)
{
        free(a->server);
        free(a->server_name);
        free(a->ca);
        free(a->certificate);
        wipe(a->key);
        wipe(a->token);
        free(a->home);
        *a = (struct gw_k8s_access){0};
}

/* ---- files ----------------------------------------------------------------------------------- */

static int read_all(int fd, struct gw_buf *content)
{
        ssize_t n = 1;
        while (n > 0 && gw_buf_ok(content)) {
                char piece[16 * 1024];
                n = read(fd, piece, sizeof piece);
                if (n > 0)
                        gw_buf_add(content, piece, (size_t)n);
                else if (n < 0 && errno == EINTR)
                        n = 1;
        }
        return n < 0 ? -1 : 0;
}

/* Returns the content, or NULL. */
static char *read_file(const char *path, size_t max, size_t *ret_len, struct gw_error *err)
{
        gw_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        struct gw_buf content = GW_BUF_INIT(max);
        int rc = fd < 0 ? -1 : read_all(fd, &content);
        if (rc) {
                int why = errno;
                gw_buf_done(&content);
                gw_fail(err, GW_ERR_IO, "%s cannot be read: %s", path, strerrordesc_np(why));
                return NULL;
        }
        if (!gw_buf_ok(&content)) {
                gw_buf_done(&content);
                gw_fail(err, GW_ERR_INVALID, "%s is over %zu bytes", path, max);
                return NULL;
        }
        return gw_buf_take(&content, ret_len);
}

/* One text of a file, without the line ends behind it. */
static char *read_text(const char *path, size_t max, struct gw_error *err)
{
        size_t len = 0;
        char *text = read_file(path, max, &len, err);
        if (text && memchr(text, '\0', len)) {
                wipe(text);
                gw_fail(err, GW_ERR_INVALID, "%s is no text", path);
                return NULL;
        }
        while (text && len > 0 && strchr("\r\n", text[len - 1]))
                text[--len] = '\0';
        return text;
}

static char *path_in(const char *folder, const char *path)
{
        char *whole = NULL;
        if (*path == '/')
                return strdup(path);
        return asprintf(&whole, "%s/%s", folder, path) < 0 ? NULL : whole;
}

/* ---- what a key means ------------------------------------------------------------------------ */

/* text may be NULL, after an error. */
static int set(char **field, char *text)
{
        if (!text)
                return -1;
        wipe(*field);
        *field = text;
        return 0;
}

static int take_text(const struct reader *r, const char *value, char **field)
{
        return set(field, strdup(value)) ? no_memory(r->err) : 0;
}

static int take_data(const struct reader *r, const char *value, char **field)
{
        size_t len = strlen(value), size = len / 4 * 3 + 4;
        char *text = calloc(1, size);
        if (!text)
                return no_memory(r->err);
        ptrdiff_t got = gw_str_base64_decode(value, len, (uint8_t *)text, size - 1);
        if (got < 0 || memchr(text, '\0', (size_t)got)) {
                explicit_bzero(text, size);
                free(text);
                return fail(r, "inline data is not base64 of a text");
        }
        text[got] = '\0';
        return set(field, text);
}

static int take_file(const struct reader *r, const char *value, char **field, size_t max)
{
        gw_autofree char *path = path_in(r->folder, value);
        if (!path)
                return no_memory(r->err);
        return set(field, read_text(path, max, r->err));
}

static int take_pem_file(const struct reader *r, const char *value, char **field)
{
        return take_file(r, value, field, GW_MAX_K8S_FILE_BYTES);
}

static int take_token(const struct reader *r, const char *value, char **field)
{
        if (strlen(value) > GW_MAX_K8S_TOKEN_BYTES)
                return fail(r, "the token is too long");
        return take_text(r, value, field);
}

static int take_token_file(const struct reader *r, const char *value, char **field)
{
        return take_file(r, value, field, GW_MAX_K8S_TOKEN_BYTES);
}

#define AT(member) offsetof(struct gw_k8s_access, member)

/* In the order in which they are taken: of two that say the same the later holds, as for kubectl.
 */
struct key {
        const char *name;
        int (*take)(const struct reader *r, const char *value, char **field); /* NULL: refused */
        size_t at;
};

static const struct key cluster_keys[] = {
        {"server", take_text, AT(server)},
        {"tls-server-name", take_text, AT(server_name)},
        {"certificate-authority", take_pem_file, AT(ca)},
        {"certificate-authority-data", take_data, AT(ca)},
        {"insecure-skip-tls-verify", NULL, 0},
        {"proxy-url", NULL, 0},
        {NULL, NULL, 0},
};

static const struct key user_keys[] = {
        {"client-certificate", take_pem_file, AT(certificate)},
        {"client-certificate-data", take_data, AT(certificate)},
        {"client-key", take_pem_file, AT(key)},
        {"client-key-data", take_data, AT(key)},
        {"token", take_token, AT(token)},
        {"tokenFile", take_token_file, AT(token)},
        {"exec", NULL, 0},
        {"auth-provider", NULL, 0},
        {"username", NULL, 0},
        {"password", NULL, 0},
        {"as", NULL, 0},
        {"as-uid", NULL, 0},
        {"as-groups", NULL, 0},
        {"as-user-extra", NULL, 0},
        {NULL, NULL, 0},
};

/* What is empty says nothing; so is "insecure-skip-tls-verify: false". */
static bool says_nothing(const json_t *value)
{
        if (json_is_string(value))
                return json_string_length(value) == 0;
        return !value || json_is_null(value) || json_is_false(value) ||
               (json_is_array(value) && json_array_size(value) == 0) ||
               (json_is_object(value) && json_object_size(value) == 0);
}

static int take_key(const struct reader *r, const struct key *key, const json_t *value)
{
        if (says_nothing(value))
                return 0;
        if (!key->take)
                return gw_fail(r->err, GW_ERR_INVALID, "%s: %s is not supported", r->name,
                               key->name);
        if (!json_is_string(value))
                return gw_fail(r->err, GW_ERR_INVALID, "%s: %s is no text", r->name, key->name);
        char **field = (char **)(void *)((char *)r->access + key->at);
        return key->take(r, json_string_value(value), field) ? gw_fail_within(r->err, key->name)
                                                             : 0;
}

static int take_keys(const struct reader *r, const struct key *keys, const json_t *object)
{
        for (const struct key *key = keys; key->name; key++)
                if (take_key(r, key, json_object_get(object, key->name)))
                        return -1;
        return 0;
}

/* ---- who is meant ---------------------------------------------------------------------------- */

/* The entry of a list of {name, KIND: …}; NULL with the error. */
static const json_t *find(const struct reader *r, const json_t *config, const char *list,
                          const char *kind, const char *name)
{
        size_t i;
        const json_t *entry;
        json_array_foreach(json_object_get(config, list), i, entry)
        {
                const char *its = json_string_value(json_object_get(entry, "name"));
                const json_t *found = json_object_get(entry, kind);
                if (its && strcmp(its, name) == 0 && json_is_object(found))
                        return found;
        }
        gw_fail(r->err, GW_ERR_INVALID, "%s has no %s \"%s\"", r->name, kind, name);
        return NULL;
}

static const char *text_of(const json_t *object, const char *name)
{
        const char *text = json_string_value(json_object_get(object, name));
        return text ? text : "";
}

/* A user may be missing, like kubectl's: the server is then asked as nobody. */
static int take_user(const struct reader *r, const json_t *config, const char *name)
{
        const json_t *user = *name ? find(r, config, "users", "user", name) : NULL;
        if (!user)
                return *name ? -1 : 0;
        return take_keys(r, user_keys, user);
}

static int check(const struct reader *r)
{
        const struct gw_k8s_access *a = r->access;
        if (!a->server)
                return fail(r, "the cluster has no server");
        if (!a->certificate != !a->key)
                return fail(r, "client-certificate and client-key go together");
        return 0;
}

static int take_context(const struct reader *r, const json_t *config, const char *name)
{
        if (!name)
                name = text_of(config, "current-context");
        if (!*name)
                return fail(r, "it has no current-context, and none was named");
        const json_t *context = find(r, config, "contexts", "context", name);
        if (!context)
                return -1;
        const json_t *cluster = find(r, config, "clusters", "cluster", text_of(context, "cluster"));
        if (!cluster || take_keys(r, cluster_keys, cluster) ||
            take_user(r, config, text_of(context, "user")) || check(r))
                return -1;
        const char *home = text_of(context, "namespace");
        return *home ? take_text(r, home, &r->access->home) : 0;
}

int gw_k8s_access_parse(const char *name, const char *text, size_t len, const char *folder,
                        const char *context, struct gw_k8s_access *ret, struct gw_error *err)
{
        struct gw_error why = {0};
        *ret = (struct gw_k8s_access){0};
        struct reader r = {.name = name, .folder = folder, .access = ret, .err = &why};
        json_t *config = gw_yaml_parse(name, text, len, &why);
        int rc = !config                   ? -1
                 : !json_is_object(config) ? fail(&r, "is no kubeconfig")
                                           : take_context(&r, config, context);
        json_decref(config);
        if (rc == 0)
                return 0;
        gw_k8s_access_done(ret);
        return gw_fail(err, why.code, "%s", why.message);
}

int gw_k8s_access_read(const char *path, const char *context, struct gw_k8s_access *ret,
                       struct gw_error *err)
{
        size_t len = 0;
        *ret = (struct gw_k8s_access){0};
        char *text = read_file(path, GW_MAX_K8S_FILE_BYTES, &len, err);
        if (!text)
                return -1;
        const char *slash = strrchr(path, '/');
        gw_autofree char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
        int rc = folder ? gw_k8s_access_parse(path, text, len, folder, context, ret, err)
                        : no_memory(err);
        explicit_bzero(text, len);
        free(text);
        return rc;
}

/* ---- in a pod -------------------------------------------------------------------------------- */

static int take_account(const struct reader *r, const char *host, const char *port)
{
        struct gw_k8s_access *a = r->access;
        /* An IPv6 address is in brackets in a URL. */
        bool six = strchr(host, ':') && *host != '[';
        if (asprintf(&a->server, "https://%s%s%s:%s", six ? "[" : "", host, six ? "]" : "", port) <
            0) {
                a->server = NULL;
                return no_memory(r->err);
        }
        return take_pem_file(r, "ca.crt", &a->ca) || take_token_file(r, "token", &a->token) ||
                               take_token_file(r, "namespace", &a->home)
                       ? -1
                       : 0;
}

int gw_k8s_access_in_cluster(const char *folder, const char *host, const char *port,
                             struct gw_k8s_access *ret, struct gw_error *err)
{
        struct gw_error why = {0};
        *ret = (struct gw_k8s_access){0};
        struct reader r = {.name = "in-cluster", .folder = folder, .access = ret, .err = &why};
        if (take_account(&r, host, port) == 0)
                return 0;
        gw_k8s_access_done(ret);
        return gw_fail(err, why.code, "%s", why.message);
}
