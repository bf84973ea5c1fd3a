/*
 * One connection to PostgreSQL. Runs on the thread that opened it, or was given it: a session
 * is never used by two threads. The connection is non-blocking and in libpq's pipeline mode;
 * only gw_db_session_exec() leaves it for a moment.
 *
 * A lost connection is never repaired here: the owner closes the session and opens another.
 */
#include "db/session.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"

#define SILENCE_MS 10000 /* beyond the statement time-out */
#define MIN_SERVER_VERSION 150000
#define MAX_SQL (64 * 1024)

/* PostgreSQL's words as one line, for the log. */
static const char *server_words(const char *message, char *out, size_t size)
{
        size_t n = 0;
        for (; *message && n + 1 < size; message++)
                out[n++] = *message == '\n' ? ' ' : *message;
        while (n > 0 && out[n - 1] == ' ')
                n--;
        out[n] = '\0';
        return out;
}

static void ignore_notice(void *arg, const PGresult *notice)
{
        (void)arg;
        (void)notice;
}

/* Of a keyword given twice libpq takes the last: the conninfo may overrule what comes before
 * it and nothing that comes after. */
static PGconn *connect_to(const struct gw_db_session_settings *settings)
{
        const char *const keys[] = {"connect_timeout",  "keepalives_idle",  "keepalives_interval",
                                    "keepalives_count", "tcp_user_timeout", "dbname",
                                    "application_name", "client_encoding",  NULL};
        const char *const values[] = {"10",
                                      "30",
                                      "10",
                                      "3",
                                      "30000",
                                      settings->conninfo,
                                      settings->application_name ? settings->application_name
                                                                 : "jobgate",
                                      "UTF8",
                                      NULL};
        return PQconnectdbParams(keys, values, 1);
}

/* One round trip sets the session up and asks what the server is. The pages of an index are as
 * near as those of a table: what is read is in memory or on a disk without arms, and a planner
 * that believes otherwise reads all of a project and sorts it for one page of a list. */
static int set_up(PGconn *conn, const struct gw_db_session_settings *settings, struct gw_error *err)
{
        struct gw_buf sql = GW_BUF_INIT(MAX_SQL);
        gw_buf_printf(&sql,
                      "SELECT pg_is_in_recovery(), current_setting('server_encoding'),"
                      " set_config('default_transaction_read_only', '%s', false),"
                      " set_config('statement_timeout', '%u', false),"
                      " set_config('idle_in_transaction_session_timeout', '60000', false),"
                      " set_config('synchronous_commit', 'on', false),"
                      " set_config('default_transaction_isolation', 'read committed', false),"
                      " set_config('standard_conforming_strings', 'on', false),"
                      " set_config('search_path', 'public, pg_temp', false),"
                      " set_config('timezone', 'UTC', false),"
                      " set_config('random_page_cost', '1.1', false),"
                      " set_config('jit', 'off', false)",
                      settings->read_only ? "on" : "off", settings->statement_timeout_ms);
        PGresult *r = gw_buf_ok(&sql) ? PQexec(conn, sql.data) : NULL;
        gw_buf_done(&sql);
        char words[GW_ERROR_MESSAGE / 2];
        int ret = 0;
        if (PQresultStatus(r) != PGRES_TUPLES_OK)
                ret = gw_fail(err, GW_ERR_UNAVAILABLE, "the session cannot be set up: %s",
                              server_words(PQerrorMessage(conn), words, sizeof words));
        else if (PQserverVersion(conn) < MIN_SERVER_VERSION)
                ret = gw_fail(err, GW_ERR_UNAVAILABLE, "PostgreSQL is older than 15");
        else if (strcmp(PQgetvalue(r, 0, 0), "f") != 0)
                ret = gw_fail(err, GW_ERR_UNAVAILABLE, "the server is a standby");
        else if (strcmp(PQgetvalue(r, 0, 1), "UTF8") != 0)
                ret = gw_fail(err, GW_ERR_UNAVAILABLE, "the database's encoding is not UTF8");
        PQclear(r);
        return ret;
}

static int listen_to(struct gw_db_session *s, const char *channels, struct gw_error *err)
{
        gw_autofree char *copy = strdup(channels);
        if (!copy)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        char *rest = copy;
        for (char *name; (name = strsep(&rest, ","));) {
                char sql[128];
                int n = snprintf(sql, sizeof sql, "LISTEN %s", name);
                if (n >= (int)sizeof sql)
                        return gw_fail(err, GW_ERR_INTERNAL, "the channel's name is too long");
                if (gw_db_session_exec(s, sql, err) < 0)
                        return -1;
        }
        return 0;
}

/* What libpq calls a connection string; all else is the name of a database to it. */
static bool is_readable(const char *conninfo)
{
        if (!strchr(conninfo, '=') && !strstr(conninfo, "://"))
                return true;
        PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
        PQconninfoFree(options);
        return options != NULL;
}

/* libpq quotes what it cannot read, and that may be a part of the password. */
static int fail_connect(const struct gw_db_session *s, const char *conninfo, struct gw_error *err)
{
        char words[GW_ERROR_MESSAGE / 2];
        if (!is_readable(conninfo))
                return gw_fail(err, GW_ERR_UNAVAILABLE,
                               "the connection string of the database is malformed: blanks in its "
                               "values must be quoted, and special characters of a URI be "
                               "percent-encoded");
        return gw_fail(err, GW_ERR_UNAVAILABLE, "%s",
                       server_words(PQerrorMessage(s->conn), words, sizeof words));
}

static int start(struct gw_db_session *s, const struct gw_db_session_settings *settings,
                 struct gw_error *err)
{
        s->pipeline = gw_db_pipeline_new();
        s->conn = connect_to(settings);
        if (!s->pipeline || !s->conn)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        if (PQstatus(s->conn) != CONNECTION_OK)
                return fail_connect(s, settings->conninfo, err);
        PQsetNoticeReceiver(s->conn, ignore_notice, NULL);
        if (set_up(s->conn, settings, err) < 0)
                return -1;
        if (PQsetnonblocking(s->conn, 1) < 0 || !PQenterPipelineMode(s->conn))
                return gw_fail(err, GW_ERR_INTERNAL, "libpq refuses pipeline mode");
        return settings->listen ? listen_to(s, settings->listen, err) : 0;
}

struct gw_db_session *gw_db_session_open(const struct gw_db_session_settings *settings,
                                         struct gw_error *err)
{
        struct gw_db_session *s = calloc(1, sizeof *s);
        if (!s) {
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        gw_db_input_init(&s->input);
        s->rows_max = settings->rows_max;
        s->patience_ms = settings->statement_timeout_ms
                                 ? (int)settings->statement_timeout_ms + SILENCE_MS
                                 : -1;
        if (start(s, settings, err) < 0) {
                gw_db_session_close(s);
                return NULL;
        }
        return s;
}

void gw_db_session_close(struct gw_db_session *s)
{
        if (!s)
                return;
        PQfinish(s->conn);
        gw_db_input_done(&s->input);
        gw_db_pipeline_free(s->pipeline);
        free(s->statements);
        free(s);
}

int gw_db_session_wait(struct gw_db_session *s, bool for_input)
{
        for (;;) {
                int unsent = PQflush(s->conn);
                if (unsent < 0)
                        return -1;
                if (!unsent && !for_input)
                        return 0;
                struct pollfd p = {PQsocket(s->conn), (short)(unsent ? POLLIN | POLLOUT : POLLIN),
                                   0};
                int n = poll(&p, 1, s->patience_ms);
                if (n == 0 || (n < 0 && errno != EINTR))
                        return -1;
                if (n < 0 || !(p.revents & ~POLLOUT))
                        continue;
                if (!PQconsumeInput(s->conn))
                        return -1;
                if (for_input)
                        return 0;
        }
}

int gw_db_session_exec(struct gw_db_session *s, const char *sql, struct gw_error *err)
{
        if (!PQexitPipelineMode(s->conn))
                return gw_fail(err, GW_ERR_UNAVAILABLE, "the database connection is lost");
        PGresult *r = PQexec(s->conn, sql);
        ExecStatusType status = PQresultStatus(r);
        int ret = 0;
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
            status != PGRES_EMPTY_QUERY) {
                bool lost = PQstatus(s->conn) != CONNECTION_OK;
                const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
                ret = gw_fail(err, lost ? GW_ERR_UNAVAILABLE : GW_ERR_INTERNAL, "%s",
                              text ? text : "the database connection is lost");
        }
        PQclear(r);
        if (!PQenterPipelineMode(s->conn))
                ret = gw_fail(err, GW_ERR_UNAVAILABLE, "the database connection is lost");
        return ret;
}

int gw_db_session_fd(const struct gw_db_session *s)
{
        return PQsocket(s->conn);
}

int gw_db_session_notifications(struct gw_db_session *s,
                                void (*each)(void *arg, const char *channel, const char *payload),
                                void *arg)
{
        bool open = PQconsumeInput(s->conn) && PQstatus(s->conn) == CONNECTION_OK;
        for (PGnotify *n; (n = PQnotifies(s->conn)); PQfreemem(n)) {
                if (each)
                        each(arg, n->relname, n->extra);
        }
        return open ? 0 : -1;
}
