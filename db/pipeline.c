/*
 * Runs a list of commands on a session: grouped by kind, one statement and one transaction
 * per group, all sent before the first answer is awaited. Runs on the session's thread.
 *
 * Work goes in rounds. A round sends every range of the sorted entries that is still to be
 * done, cut at the kind's batch size and at a number of bytes, and reads the answers in the
 * same order. A statement that fails gives the ranges of the next round: its two halves, when
 * one of its commands is to blame, or the same again, when it lost against another
 * transaction.
 *
 * Invariant: a command's rows are delivered only after its transaction is known to be
 * committed, and only once. Until then it holds GW_ERR_UNAVAILABLE, which is what remains of
 * it when the connection is lost.
 */
#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "db/row.h"
#include "db/session.h"
#include "db/sqlstate.h"
#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/base/log.h"
#include "server/base/str.h"

#define MAX_REPEATS 5
#define MAX_NAME 80
#define MAX_STATEMENTS 256                /* kinds of one session */
#define MAX_BATCH_BYTES (4 * 1024 * 1024) /* parameters in one statement, but for its last row */
#define DRAIN_BYTES (256 * 1024)

struct entry {
        struct gw_db_command *command;
        unsigned statement; /* index into the session's statements */
        unsigned place;     /* in the caller's list: the last word of the order */
};

/* entries [first, first + count): one transaction, or what is left of it */
struct range {
        size_t first;
        size_t count;
        unsigned repeats;
        bool prepares; /* the statement's Parse went ahead of it, with an answer of its own */
};

struct gw_db_pipeline {
        struct entry *entries;
        struct range *todo; /* this round's */
        struct range *sent;
        struct range *next; /* the next round's */
        size_t cap;         /* of all four */
        size_t todo_count;
        size_t sent_count;
        size_t next_count;
};

struct gw_db_pipeline *gw_db_pipeline_new(void)
{
        return calloc(1, sizeof(struct gw_db_pipeline));
}

void gw_db_pipeline_free(struct gw_db_pipeline *p)
{
        if (!p)
                return;
        free(p->entries);
        free(p->todo);
        free(p->sent);
        free(p->next);
        free(p);
}

static bool grow(void *array, size_t count, size_t size)
{
        void **at = array;
        void *bigger = reallocarray(*at, count, size);
        if (bigger)
                *at = bigger;
        return bigger != NULL;
}

static int reserve(struct gw_db_pipeline *p, size_t count)
{
        if (count <= p->cap)
                return 0;
        if (!grow(&p->entries, count, sizeof *p->entries) ||
            !grow(&p->todo, count, sizeof *p->todo) || !grow(&p->sent, count, sizeof *p->sent) ||
            !grow(&p->next, count, sizeof *p->next))
                return -1;
        p->cap = count;
        return 0;
}

static const char refused[] = "The database refused the operation.";

static enum gw_db_form form_of(const struct range *r)
{
        return r->count == 1 ? GW_DB_ONE : GW_DB_MANY;
}

/* ---- outcomes ------------------------------------------------------------------------ */

static void set_outcome(struct gw_db_command *c, enum gw_error_code code, const char *message)
{
        c->rows = 0;
        c->error.pointer[0] = '\0';
        c->error.message[0] = '\0';
        c->error.code = code;
        if (code != GW_OK)
                gw_str_copy(c->error.message, sizeof c->error.message, message);
}

static void set_outcomes(struct gw_db_pipeline *p, const struct range *r, enum gw_error_code code,
                         const char *message)
{
        for (size_t i = 0; i < r->count; i++)
                set_outcome(p->entries[r->first + i].command, code, message);
}

static int32_t ord_of(const PGresult *result, int row)
{
        assert(PQgetlength(result, row, 0) == sizeof(int32_t));
        uint32_t be;
        memcpy(&be, PQgetvalue(result, row, 0), sizeof be);
        return (int32_t)be32toh(be);
}

/* The range is committed: hands its rows to its commands. */
static void deliver(struct gw_db_pipeline *p, const struct range *r, const PGresult *result)
{
        set_outcomes(p, r, GW_OK, NULL);
        for (int row = 0; row < PQntuples(result); row++) {
                int32_t ord = ord_of(result, row);
                assert(ord >= 0 && (size_t)ord < r->count);
                struct gw_db_command *c = p->entries[r->first + (size_t)ord].command;
                c->rows++;
                if (c->kind->row)
                        c->kind->row(c, &(struct gw_db_row){result, row});
        }
}

static void add_next(struct gw_db_pipeline *p, size_t first, size_t count, unsigned repeats)
{
        if (count > 0)
                p->next[p->next_count++] = (struct range){first, count, repeats, false};
}

static const char *kind_name(const struct gw_db_kind *kind)
{
        return kind->name ? kind->name : "unprepared";
}

/* Never the parameters and never PostgreSQL's message, which may quote them; of a statement
 * that does not even parse the message is the program's own text. */
static void log_fault(const struct gw_db_kind *kind, const char *sqlstate, const PGresult *result)
{
        const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
        const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
        bool own = strncmp(sqlstate, "42", 2) == 0;
        gw_log(GW_LOG_ERROR, "db.statement", "{s:s, s:s, s:s*, s:s*}", "kind", kind_name(kind),
               "sqlstate", sqlstate, "constraint", constraint, "message", own ? message : NULL);
}

static void blame(struct gw_db_pipeline *p, const struct range *r, enum gw_db_verdict verdict,
                  const PGresult *error)
{
        size_t half = r->count / 2;
        if (half > 0) {
                add_next(p, r->first, half, r->repeats);
                add_next(p, r->first + half, r->count - half, r->repeats);
                return;
        }
        if (verdict == GW_DB_VALUE) {
                set_outcomes(p, r, GW_ERR_UNPROCESSABLE,
                             "A value in the request cannot be stored: it holds a character "
                             "such as \\u0000, or is too long or out of range.");
                return;
        }
        log_fault(p->entries[r->first].command->kind, PQresultErrorField(error, PG_DIAG_SQLSTATE),
                  error);
        set_outcomes(p, r, GW_ERR_INTERNAL, refused);
}

static void repeat(struct gw_db_pipeline *p, const struct range *r, const char *sqlstate)
{
        gw_log(GW_LOG_WARN, "db.repeat", "{s:s, s:s, s:i}", "kind",
               kind_name(p->entries[r->first].command->kind), "sqlstate", sqlstate, "repeats",
               (int)r->repeats);
        if (r->repeats < MAX_REPEATS)
                add_next(p, r->first, r->count, r->repeats + 1);
        else
                set_outcomes(p, r, GW_ERR_UNAVAILABLE,
                             "The database is too busy with the same records.");
}

/* What the range's error means for it. Returns 0, or -1 when the connection is lost. */
static int judge(struct gw_db_pipeline *p, const struct range *r, const PGresult *error)
{
        const char *sqlstate = PQresultErrorField(error, PG_DIAG_SQLSTATE);
        enum gw_db_verdict verdict = gw_db_verdict(sqlstate);
        switch (verdict) {
        case GW_DB_LOST:
                return -1;
        case GW_DB_AWAY:
                log_fault(p->entries[r->first].command->kind, sqlstate, error);
                set_outcomes(p, r, GW_ERR_UNAVAILABLE, "The database cannot do this now.");
                return 0;
        case GW_DB_REPEAT:
                repeat(p, r, sqlstate);
                return 0;
        default:
                blame(p, r, verdict, error);
                return 0;
        }
}

/* ---- entries ------------------------------------------------------------------------- */

static int find_statement(struct gw_db_session *s, const struct gw_db_kind *kind, unsigned *ret)
{
        for (size_t i = 0; i < s->statement_count; i++) {
                if (s->statements[i].kind == kind) {
                        *ret = (unsigned)i;
                        return 0;
                }
        }
        assert(s->statement_count < MAX_STATEMENTS);
        if (!grow(&s->statements, s->statement_count + 1, sizeof *s->statements))
                return -1;
        s->statements[s->statement_count] = (struct gw_db_statement){.kind = kind};
        *ret = (unsigned)s->statement_count++;
        return 0;
}

static int compare_entries(const void *a, const void *b)
{
        const struct entry *x = a, *y = b;
        if (x->statement != y->statement)
                return x->statement < y->statement ? -1 : 1;
        const struct gw_db_kind *kind = x->command->kind;
        int order = kind->order ? kind->order(x->command, y->command) : 0;
        return order ? order : (x->place < y->place ? -1 : x->place > y->place);
}

/* Fills and sorts the entries; one range per kind is to be done. */
static int gather(struct gw_db_session *s, struct gw_work *first, size_t count)
{
        struct gw_db_pipeline *p = s->pipeline;
        if (reserve(p, count) < 0)
                return -1;
        size_t n = 0;
        for (struct gw_work *w = first; w; w = w->next, n++) {
                struct entry *e = &p->entries[n];
                *e = (struct entry){.command = gw_db_command_of(w), .place = (unsigned)n};
                if (!e->command->kind->name)
                        e->statement = MAX_STATEMENTS + e->place; /* of its own */
                else if (find_statement(s, e->command->kind, &e->statement) < 0)
                        return -1;
        }
        if (count > 1)
                qsort(p->entries, count, sizeof *p->entries, compare_entries);
        p->todo_count = 0;
        for (size_t i = 0; i < count; i++) {
                if (i == 0 || p->entries[i].statement != p->entries[i - 1].statement)
                        p->todo[p->todo_count++] = (struct range){.first = i};
                p->todo[p->todo_count - 1].count++;
        }
        return 0;
}

/* ---- sending ------------------------------------------------------------------------- */

static void statement_name(const struct gw_db_kind *kind, enum gw_db_form form, char *out)
{
        snprintf(out, MAX_NAME, "%s/%s", kind->name, form == GW_DB_ONE ? "1" : "n");
}

/* The statement's text and its parameters' types. */
static void statement_text(const struct gw_db_kind *kind, enum gw_db_form form, struct gw_buf *sql,
                           Oid oids[GW_DB_MAX_COLUMNS])
{
        gw_db_kind_sql(kind, form, sql);
        assert(gw_buf_ok(sql));
        for (size_t i = 0; i < kind->column_count; i++)
                oids[i] = gw_db_kind_oid(kind, form, i);
}

/* The Parse is a unit of its own, so that its answer is not mixed with the statement's. */
static int send_prepare(struct gw_db_session *s, const struct gw_db_kind *kind,
                        enum gw_db_form form)
{
        struct gw_buf sql = GW_BUF_INIT(GW_DB_MAX_SQL);
        Oid oids[GW_DB_MAX_COLUMNS];
        char name[MAX_NAME];
        statement_text(kind, form, &sql, oids);
        statement_name(kind, form, name);
        bool ok = PQsendPrepare(s->conn, name, sql.data, (int)kind->column_count, oids) &&
                  PQpipelineSync(s->conn);
        gw_buf_done(&sql);
        return ok ? 0 : -1;
}

/* Sends what is in s->input, as a prepared statement or, without a name, with its text. */
static int send_execute(struct gw_db_session *s, const struct gw_db_kind *kind,
                        enum gw_db_form form)
{
        const char *values[GW_DB_MAX_COLUMNS];
        int lengths[GW_DB_MAX_COLUMNS];
        int formats[GW_DB_MAX_COLUMNS];
        int count = (int)kind->column_count;
        bool ok;
        gw_db_input_params(&s->input, form, values, lengths);
        for (int i = 0; i < count; i++)
                formats[i] = 1;
        if (kind->name) {
                char name[MAX_NAME];
                statement_name(kind, form, name);
                ok = PQsendQueryPrepared(s->conn, name, count, values, lengths, formats, 1);
        } else {
                struct gw_buf sql = GW_BUF_INIT(GW_DB_MAX_SQL);
                Oid oids[GW_DB_MAX_COLUMNS];
                statement_text(kind, form, &sql, oids);
                ok = PQsendQueryParams(s->conn, sql.data, count, oids, values, lengths, formats, 1);
                gw_buf_done(&sql);
        }
        return ok && PQpipelineSync(s->conn) ? 0 : -1;
}

/* Encodes commands from the range's first on, as many as one statement takes. */
static size_t encode(struct gw_db_session *s, const struct range *r, bool *failed)
{
        const struct entry *e = &s->pipeline->entries[r->first];
        const struct gw_db_kind *kind = e->command->kind;
        size_t max = gw_db_kind_batch_max(kind, s->rows_max);
        size_t n = 0;
        gw_db_input_begin(&s->input, kind);
        do {
                *failed = gw_db_input_add(&s->input, e[n].command) < 0;
                n++;
        } while (!*failed && n < r->count && n < max &&
                 gw_db_input_bytes(&s->input) < MAX_BATCH_BYTES);
        return n;
}

/* Sends one statement with the first commands of the range, and takes them off it. */
static int send_some(struct gw_db_session *s, struct range *r)
{
        struct gw_db_pipeline *p = s->pipeline;
        const struct entry *e = &p->entries[r->first];
        const struct gw_db_kind *kind = e->command->kind;
        bool failed;
        struct range some = {r->first, encode(s, r, &failed), r->repeats, false};
        r->first += some.count;
        r->count -= some.count;
        if (failed) {
                set_outcomes(p, &some, GW_ERR_NOMEM, "Out of memory.");
                return 0;
        }
        enum gw_db_form form = form_of(&some);
        bool *prepared = kind->name ? &s->statements[e->statement].prepared[form] : NULL;
        if (prepared && !*prepared) {
                if (send_prepare(s, kind, form) < 0)
                        return -1;
                some.prepares = *prepared = true;
        }
        if (send_execute(s, kind, form) < 0)
                return -1;
        p->sent[p->sent_count++] = some;
        /* Keeps what waits inside libpq bounded. */
        return gw_db_input_bytes(&s->input) < DRAIN_BYTES ? 0 : gw_db_session_wait(s, false);
}

static int send_round(struct gw_db_session *s)
{
        struct gw_db_pipeline *p = s->pipeline;
        p->sent_count = 0;
        for (size_t i = 0; i < p->todo_count; i++) {
                while (p->todo[i].count > 0) {
                        if (send_some(s, &p->todo[i]) < 0)
                                return -1;
                }
        }
        return 0;
}

/* ---- reading ------------------------------------------------------------------------- */

/* Reads one unit up to its end. *ret_rows or *ret_error holds its result (PQclear both).
 * Returns -1 when the connection is lost. */
static int read_unit(struct gw_db_session *s, PGresult **ret_rows, PGresult **ret_error)
{
        for (;;) {
                while (PQisBusy(s->conn)) {
                        if (gw_db_session_wait(s, true) < 0)
                                return -1;
                }
                PGresult *r = PQgetResult(s->conn);
                PGresult **keep = NULL;
                switch (PQresultStatus(r)) {
                case PGRES_PIPELINE_SYNC:
                        PQclear(r);
                        return 0;
                case PGRES_TUPLES_OK:
                case PGRES_COMMAND_OK:
                        keep = ret_rows;
                        break;
                case PGRES_FATAL_ERROR:
                        /* Also what a NULL result reads as, which only ends a statement. */
                        keep = r ? ret_error : NULL;
                        break;
                default:
                        break;
                }
                if (keep && !*keep)
                        *keep = r;
                else
                        PQclear(r);
                if (PQstatus(s->conn) != CONNECTION_OK)
                        return -1;
        }
}

/* The Parse failed: the statement's own failure only repeats it, and so would its halves. */
static int judge_prepare(struct gw_db_session *s, const struct range *r, const PGresult *error)
{
        struct gw_db_pipeline *p = s->pipeline;
        const struct entry *e = &p->entries[r->first];
        s->statements[e->statement].prepared[form_of(r)] = false;
        const char *sqlstate = PQresultErrorField(error, PG_DIAG_SQLSTATE);
        if (gw_db_verdict(sqlstate) != GW_DB_STATEMENT)
                return judge(p, r, error);
        log_fault(e->command->kind, sqlstate, error);
        set_outcomes(p, r, GW_ERR_INTERNAL, refused);
        return 0;
}

static int read_range(struct gw_db_session *s, const struct range *r)
{
        PGresult *parsed = NULL, *unparsed = NULL, *rows = NULL, *error = NULL;
        int ret = r->prepares ? read_unit(s, &parsed, &unparsed) : 0;
        if (ret == 0)
                ret = read_unit(s, &rows, &error);
        if (ret == 0 && unparsed)
                ret = judge_prepare(s, r, unparsed);
        else if (ret == 0 && error)
                ret = judge(s->pipeline, r, error);
        else if (ret == 0)
                deliver(s->pipeline, r, rows);
        PQclear(parsed);
        PQclear(unparsed);
        PQclear(rows);
        PQclear(error);
        return ret;
}

static int read_round(struct gw_db_session *s)
{
        struct gw_db_pipeline *p = s->pipeline;
        p->next_count = 0;
        for (size_t i = 0; i < p->sent_count; i++) {
                if (read_range(s, &p->sent[i]) < 0)
                        return -1;
        }
        return 0;
}

/* ---- run ----------------------------------------------------------------------------- */

int gw_db_session_run(struct gw_db_session *s, struct gw_work *first, struct gw_error *err)
{
        size_t count = 0;
        for (struct gw_work *w = first; w; w = w->next, count++)
                set_outcome(gw_db_command_of(w), GW_ERR_UNAVAILABLE, "The database is away.");
        struct gw_db_pipeline *p = s->pipeline;
        if (gather(s, first, count) < 0) {
                for (struct gw_work *w = first; w; w = w->next)
                        set_outcome(gw_db_command_of(w), GW_ERR_NOMEM, "Out of memory.");
                return 0;
        }
        while (p->todo_count > 0) {
                if (send_round(s) < 0 || read_round(s) < 0)
                        return gw_fail(err, GW_ERR_UNAVAILABLE, "the database connection is lost");
                struct range *done = p->todo;
                p->todo = p->next;
                p->next = done;
                p->todo_count = p->next_count;
        }
        return 0;
}

int gw_db_session_run_one(struct gw_db_session *s, struct gw_db_command *c, struct gw_error *err)
{
        c->work.next = NULL;
        int ret = gw_db_session_run(s, &c->work, NULL);
        if (ret < 0 || c->error.code != GW_OK)
                return gw_fail_at(err, c->error.code, c->error.pointer, "%s", c->error.message);
        return 0;
}
