/*
 * Subcommands, from a table: what words each takes, and what it does on a session of its own.
 * Runs on the main thread of a process that does nothing else.
 */
#include "server/cli.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "db/people.h"
#include "server/auth/auth.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/limits.h"
#include "server/base/str.h"
#include "server/model/duration.h"
#include "server/setting.h"

#define MAX_MEMBERS 64
#define MAX_BACKEND_NAME 31
#define ALL_SCOPES "jobs:read,jobs:write"

enum option {
        OPTION_BACKEND = 1,
        OPTION_MEMBER = 2,
        OPTION_USER = 4,
        OPTION_PROJECT = 8,
        OPTION_SCOPES = 16,
        OPTION_EXPIRES = 32,
        OPTION_NAME = 64,
        OPTION_ACCOUNT = 128,
        OPTION_SERVICE_ACCOUNT = 256,
};

struct member {
        char user[GW_MAX_NAME + 1];
        const char *role;
};

struct arguments {
        const char *word[3]; /* behind the command's own two */
        size_t words;
        const char *backend, *user, *project, *scopes, *name, *account, *service_account;
        int64_t expires_us;
        struct member members[MAX_MEMBERS];
        size_t member_count;
};

struct call {
        struct arguments args;
        const struct gw_config *config;
        struct gw_db_session *session;
        struct gw_buf *out;
};

/* ---- the words ------------------------------------------------------------------------------ */

static int check_name(const char *what, const char *name, size_t max, struct gw_error *err)
{
        if (gw_setting_is_name(name, max))
                return 0;
        return gw_fail(err, GW_ERR_INVALID,
                       "\"%.80s\" is no name for a %s: use at most %zu letters, digits, '-', '_' "
                       "and '.'",
                       name, what, max);
}

static int check_role(const char *role, struct gw_error *err)
{
        enum gw_role known;
        if (gw_role_parse(role, &known) == 0)
                return 0;
        return gw_fail(err, GW_ERR_INVALID,
                       "\"%.40s\" is no role; the roles are viewer, submitter and manager", role);
}

static int take_backend(struct arguments *a, const char *value, struct gw_error *err)
{
        a->backend = value;
        return check_name("backend", value, MAX_BACKEND_NAME, err);
}

static int take_member(struct arguments *a, const char *value, struct gw_error *err)
{
        const char *colon = strchr(value, ':');
        if (!colon)
                return gw_fail(err, GW_ERR_INVALID, "--member needs USER:ROLE, not \"%.80s\"",
                               value);
        if (a->member_count == MAX_MEMBERS)
                return gw_fail(err, GW_ERR_INVALID,
                               "more than %d members at once; add the others with "
                               "\"project member\"",
                               MAX_MEMBERS);
        struct member *m = &a->members[a->member_count++];
        size_t len = (size_t)(colon - value);
        if (len > GW_MAX_NAME)
                return check_name("user", value, GW_MAX_NAME, err);
        memcpy(m->user, value, len);
        m->role = colon + 1;
        return check_name("user", m->user, GW_MAX_NAME, err) < 0 || check_role(m->role, err) < 0
                       ? -1
                       : 0;
}

static int take_user(struct arguments *a, const char *value, struct gw_error *err)
{
        a->user = value;
        return check_name("user", value, GW_MAX_NAME, err);
}

static int take_project(struct arguments *a, const char *value, struct gw_error *err)
{
        a->project = value;
        return check_name("project", value, GW_MAX_NAME, err);
}

static int take_scopes(struct arguments *a, const char *value, struct gw_error *err)
{
        unsigned bits = 0;
        a->scopes = value;
        if (gw_scopes_parse(value, &bits, err) < 0)
                return -1;
        return bits ? 0 : gw_fail(err, GW_ERR_INVALID, "--scopes needs at least one scope");
}

static int take_expires(struct arguments *a, const char *value, struct gw_error *err)
{
        int64_t seconds;
        if (gw_duration_parse(value, &seconds, err) < 0)
                return gw_fail_within(err, "--expires");
        if (seconds == 0)
                return gw_fail(err, GW_ERR_INVALID, "--expires needs a duration such as 90d");
        a->expires_us = gw_clock_wall_us() + seconds * GW_SECOND;
        return 0;
}

static int take_name(struct arguments *a, const char *value, struct gw_error *err)
{
        a->name = value;
        return check_name("token", value, GW_MAX_NAME, err);
}

static int take_account(struct arguments *a, const char *value, struct gw_error *err)
{
        a->account = value;
        return check_name("account", value, GW_MAX_NAME, err);
}

static int take_service_account(struct arguments *a, const char *value, struct gw_error *err)
{
        a->service_account = value;
        return check_name("service account", value, GW_MAX_NAME, err);
}

static const struct {
        const char *name;
        enum option option;
        int (*take)(struct arguments *a, const char *value, struct gw_error *err);
} options[] = {
        {"--default-backend", OPTION_BACKEND, take_backend},
        {"--member", OPTION_MEMBER, take_member},
        {"--user", OPTION_USER, take_user},
        {"--project", OPTION_PROJECT, take_project},
        {"--scopes", OPTION_SCOPES, take_scopes},
        {"--expires", OPTION_EXPIRES, take_expires},
        {"--name", OPTION_NAME, take_name},
        {"--account", OPTION_ACCOUNT, take_account},
        {"--service-account", OPTION_SERVICE_ACCOUNT, take_service_account},
};

/* ---- what they do ---- */

static int run(struct call *c, struct gw_db_command *command, struct gw_error *err)
{
        return gw_db_session_run_one(c->session, command, err);
}

static int user_create(struct call *c, struct gw_error *err)
{
        struct gw_db_user_create u = {.name = c->args.word[0]};
        gw_db_user_create_init(&u);
        if (check_name("user", u.name, GW_MAX_NAME, err) < 0 || run(c, &u.cmd, err) < 0)
                return -1;
        return u.cmd.rows ? 0 : gw_fail(err, GW_ERR_CONFLICT, "there is a user %s already", u.name);
}

static int set_member(struct call *c, const char *project, const char *user, const char *role,
                      struct gw_error *err)
{
        struct gw_db_member_set m = {.project = project, .user = user, .role = role};
        gw_db_member_set_init(&m);
        if (run(c, &m.cmd, err) < 0)
                return -1;
        if (m.cmd.rows)
                return 0;
        return gw_fail(err, GW_ERR_NOT_FOUND,
                       "there is no project %s or no user %s: create them first", project, user);
}

static int make_project(struct call *c, struct gw_error *err)
{
        struct arguments *a = &c->args;
        struct gw_db_project_create p = {.name = a->word[0], .default_backend = a->backend};
        gw_db_project_create_init(&p);
        if (run(c, &p.cmd, err) < 0)
                return -1;
        if (!p.cmd.rows)
                return gw_fail(err, GW_ERR_CONFLICT, "there is a project %s already", p.name);
        for (size_t i = 0; i < a->member_count; i++)
                if (set_member(c, p.name, a->members[i].user, a->members[i].role, err) < 0)
                        return -1;
        return 0;
}

/* With its members or not at all. */
static int project_create(struct call *c, struct gw_error *err)
{
        if (check_name("project", c->args.word[0], GW_MAX_NAME, err) < 0 ||
            gw_db_session_exec(c->session, "BEGIN", err) < 0 || make_project(c, err) < 0)
                return -1;
        return gw_db_session_exec(c->session, "COMMIT", err);
}

static int project_member(struct call *c, struct gw_error *err)
{
        const char *project = c->args.word[0], *user = c->args.word[1], *role = c->args.word[2];
        if (check_name("project", project, GW_MAX_NAME, err) < 0 ||
            check_name("user", user, GW_MAX_NAME, err) < 0 || check_role(role, err) < 0)
                return -1;
        return set_member(c, project, user, role, err);
}

static bool is_kubernetes(const struct gw_config *config, const char *backend)
{
        for (size_t i = 0; i < config->backend_count; i++)
                if (strcmp(config->backends[i].name, backend) == 0)
                        return strcmp(config->backends[i].type, "kubernetes") == 0;
        return false;
}

/* A Unix user and what it is charged to; on Kubernetes a namespace and whom pods are there. NULL
 * with an error. */
static json_t *make_identity(const struct call *c, struct gw_error *err)
{
        const struct arguments *a = &c->args;
        bool kubernetes = is_kubernetes(c->config, a->word[1]);
        if (a->account && kubernetes)
                gw_fail(err, GW_ERR_INVALID, "--account is for users of Slurm");
        else if (a->service_account && !kubernetes)
                gw_fail(err, GW_ERR_INVALID, "--service-account is for namespaces of Kubernetes");
        else
                return kubernetes ? json_pack("{s:s, s:s*}", "namespace", a->word[2],
                                              "service_account", a->service_account)
                                  : json_pack("{s:s, s:s*}", "user", a->word[2], "account",
                                              a->account);
        return NULL;
}

/* Whom the project's jobs are on a backend. */
static int project_identity(struct call *c, struct gw_error *err)
{
        const char *project = c->args.word[0], *backend = c->args.word[1], *user = c->args.word[2];
        if (check_name("project", project, GW_MAX_NAME, err) < 0 ||
            check_name("backend", backend, MAX_BACKEND_NAME, err) < 0 ||
            check_name("user", user, GW_MAX_NAME, err) < 0)
                return -1;
        json_auto_t *identity = make_identity(c, err);
        if (!identity && err->code != GW_OK)
                return -1;
        gw_autofree char *text = identity ? json_dumps(identity, JSON_COMPACT) : NULL;
        if (!text)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        struct gw_db_identity_set i = {.project = project, .backend = backend, .identity = text};
        gw_db_identity_set_init(&i);
        if (run(c, &i.cmd, err) < 0)
                return -1;
        return i.cmd.rows ? 0
                          : gw_fail(err, GW_ERR_NOT_FOUND,
                                    "there is no project %s: create it first", project);
}

static int token_create(struct call *c, struct gw_error *err)
{
        struct arguments *a = &c->args;
        char token[GW_TOKEN_TEXT];
        struct gw_db_token_create t = {.user = a->user,
                                       .project = a->project,
                                       .name = a->name ? a->name : "",
                                       .scopes = a->scopes ? a->scopes : ALL_SCOPES,
                                       .expires_us = a->expires_us};
        if (!t.user)
                return gw_fail(err, GW_ERR_INVALID, "token create needs --user");
        gw_token_new(token);
        gw_token_hash(token, t.hash);
        gw_db_token_create_init(&t);
        if (run(c, &t.cmd, err) < 0)
                return -1;
        if (!t.cmd.rows)
                return gw_fail(err, GW_ERR_NOT_FOUND, "there is no user %s%s%s: create it first",
                               t.user, t.project ? " or no project " : "",
                               t.project ? t.project : "");
        gw_buf_printf(c->out, "%s\n", token);
        return 0;
}

static void add_time(struct gw_buf *out, int64_t us)
{
        char text[GW_TIME_TEXT] = "-";
        if (us)
                gw_time_format(us, text);
        gw_buf_printf(out, "\t%.*s", 10, text);
}

static void list_token(void *arg, const struct gw_token_row *row)
{
        struct gw_buf *out = arg;
        const char *name = row->name && row->name[0] ? row->name : "-";
        gw_buf_printf(out, "%" PRId64 "\t%s\t%s\t%s\t%s", row->id, row->user,
                      row->project ? row->project : "-", name, row->scopes);
        add_time(out, row->created_us);
        add_time(out, row->expires_us);
        add_time(out, row->revoked_us);
        gw_buf_printf(out, "\t%s\n", row->last_used ? row->last_used : "-");
}

static int token_list(struct call *c, struct gw_error *err)
{
        struct gw_db_token_list t = {.user = c->args.user, .each = list_token, .arg = c->out};
        gw_db_token_list_init(&t);
        gw_buf_str(c->out, "id\tuser\tproject\tname\tscopes\tcreated\texpires\trevoked\tused\n");
        return run(c, &t.cmd, err);
}

static int token_revoke(struct call *c, struct gw_error *err)
{
        struct gw_db_token_revoke t = {0};
        if (gw_str_int64(c->args.word[0], 1, INT64_MAX, &t.id) < 0)
                return gw_fail(err, GW_ERR_INVALID,
                               "token revoke needs a token's number, as \"token list\" shows it");
        gw_db_token_revoke_init(&t);
        if (run(c, &t.cmd, err) < 0)
                return -1;
        return t.cmd.rows
                       ? 0
                       : gw_fail(err, GW_ERR_NOT_FOUND,
                                 "there is no token %" PRId64 ", or it was revoked before", t.id);
}

/* ---- the commands ---- */

static const struct command {
        const char *noun, *verb;
        size_t words;     /* how many follow */
        unsigned options; /* that it takes */
        int (*run)(struct call *c, struct gw_error *err);
        const char *usage;
} commands[] = {
        {"user", "create", 1, 0, user_create, "NAME"},
        {"project", "create", 1, OPTION_BACKEND | OPTION_MEMBER, project_create,
         "NAME [--default-backend BACKEND] [--member USER:ROLE]…"},
        {"project", "member", 3, 0, project_member, "PROJECT USER ROLE"},
        {"project", "identity", 3, OPTION_ACCOUNT | OPTION_SERVICE_ACCOUNT, project_identity,
         "PROJECT BACKEND {UNIX-USER [--account ACCOUNT] | NAMESPACE [--service-account NAME]}"},
        {"token", "create", 0,
         OPTION_USER | OPTION_PROJECT | OPTION_SCOPES | OPTION_EXPIRES | OPTION_NAME, token_create,
         "--user USER [--project PROJECT] [--scopes jobs:read,jobs:write] [--expires 90d] "
         "[--name NAME]"},
        {"token", "list", 0, OPTION_USER, token_list, "[--user USER]"},
        {"token", "revoke", 1, 0, token_revoke, "ID"},
};

static const struct command *find_command(int count, char **words)
{
        for (size_t i = 0; count >= 2 && i < GW_COUNT(commands); i++)
                if (strcmp(commands[i].noun, words[0]) == 0 &&
                    strcmp(commands[i].verb, words[1]) == 0)
                        return &commands[i];
        return NULL;
}

/* One option at words[0], its value behind '=' or in the next word. Returns how many words it
 * took, or -1. */
static int take_option(struct call *c, const struct command *command, int count, char **words,
                       struct gw_error *err)
{
        size_t len = strcspn(words[0], "=");
        bool joined = words[0][len] == '=';
        for (size_t i = 0; i < GW_COUNT(options); i++) {
                if (strlen(options[i].name) != len || memcmp(options[i].name, words[0], len) != 0 ||
                    !(command->options & options[i].option))
                        continue;
                if (!joined && count < 2)
                        return gw_fail(err, GW_ERR_INVALID, "%s needs a value", words[0]);
                const char *value = joined ? words[0] + len + 1 : words[1];
                return options[i].take(&c->args, value, err) < 0 ? -1 : 2 - joined;
        }
        return gw_fail(err, GW_ERR_INVALID, "%s %s takes no option %.*s", command->noun,
                       command->verb, (int)(len < 40 ? len : 40), words[0]);
}

static int parse(struct call *c, const struct command *command, int count, char **words,
                 struct gw_error *err)
{
        for (int i = 2; i < count;) {
                if (strncmp(words[i], "--", 2) == 0) {
                        int took = take_option(c, command, count - i, words + i, err);
                        if (took < 0)
                                return -1;
                        i += took;
                        continue;
                }
                if (c->args.words < command->words)
                        c->args.word[c->args.words] = words[i];
                c->args.words++;
                i++;
        }
        if (c->args.words != command->words)
                return gw_fail(err, GW_ERR_INVALID, "usage: jobgate --config FILE %s %s %s",
                               command->noun, command->verb, command->usage);
        return 0;
}

int gw_cli_run(const struct gw_config *config, int count, char **words, struct gw_buf *out,
               struct gw_error *err)
{
        const struct command *command = find_command(count, words);
        struct call call = {.out = out, .config = config};
        if (!command)
                return gw_fail(err, GW_ERR_INVALID,
                               "there is no command \"%.40s%s%.40s\" (see --help)", words[0],
                               count > 1 ? " " : "", count > 1 ? words[1] : "");
        if (parse(&call, command, count, words, err) < 0)
                return -1;
        struct gw_db_session_settings s = {
                .conninfo =
                        config->database_owner ? config->database_owner : config->database_serve,
                .application_name = "jobgate command",
        };
        call.session = gw_db_session_open(&s, err);
        if (!call.session)
                return -1;
        int ret = command->run(&call, err);
        gw_db_session_close(call.session);
        return ret;
}

void gw_cli_usage(struct gw_buf *out)
{
        for (size_t i = 0; i < GW_COUNT(commands); i++)
                gw_buf_printf(out, "  %s %s %s\n", commands[i].noun, commands[i].verb,
                              commands[i].usage);
}
