/*
 * Wishes: what a person wants of a job, recorded by a route for the leader to act on. No
 * statement here writes a state.
 */
#include <assert.h>

#include "db/job_filter.h"
#include "db/sql.h"

/* clang-format off: SQL keeps its own lines */

/* A wish's statement in two halves, between them the condition that says which jobs: the jobs are
 * locked in the order of their ids, changed, and one event each is recorded. */
#define WISH_FIND                                                                                  \
        "WITH w AS MATERIALIZED ("                                                                 \
        "  SELECT d.ord, d.by_user, d.request_id, j.id FROM {input} d JOIN jobs j ON true"
#define WISH_MAKE(set, due, event)                                                                                                           \
        "  AND j.state IN " GW_SQL_LIVE " AND " due " ORDER BY j.id FOR UPDATE OF j),"                                                       \
        " u AS (UPDATE jobs j SET version = j.version + 1, wished = true, " set                                                              \
        "  FROM w WHERE j.id = w.id RETURNING j.id, j.project_id, j.state, j.reason)," GW_SQL_LOCK(                                          \
                "(SELECT count(*) FROM u)") " e AS (INSERT INTO events (n, project_id, job_id, kind, state, reason, actor,"                  \
                                            "   request_id)"                                                                                 \
                                            "  SELECT nextval('events_n'), u.project_id, u.id, '" event                                      \
                                            "', u.state, u.reason,"                                                                          \
                                            "   w.by_user, w.request_id FROM l, u JOIN w ON w.id = u.id RETURNING n, job_id)," GW_SQL_NOTIFY \
                                            " SELECT w.ord, w.id FROM x, e JOIN w ON w.id = e.job_id"

#define BY_ID "j.id = d.id AND j.project_id = ANY (" GW_SQL_PROJECTS("d.projects") ")"
#define CANCEL                                                                                     \
        WISH_MAKE(                                                                                 \
                "claimable = false, cancel_requested_at = now(), cancel_requested_by = w.by_user", \
                "j.cancel_requested_at IS NULL", "cancel_requested")
#define HOLD                                                                                       \
        WISH_MAKE("held = true, claimable = false", "NOT j.held AND j.state <> 'running'", "held")
#define RELEASE WISH_MAKE("held = false", "j.held AND j.state <> 'running'", "released")

static const char remove_sql[] =
        "WITH d AS MATERIALIZED (SELECT * FROM {input} input),"
        " r AS (DELETE FROM jobs j USING d WHERE " BY_ID " AND j.state NOT IN " GW_SQL_LIVE
        "  RETURNING j.id, j.project_id, j.state, j.reason),"
        " a AS (DELETE FROM job_specs t USING r WHERE t.job_id = r.id RETURNING 1),"
        " b AS (DELETE FROM tasks t USING r WHERE t.job_id = r.id RETURNING 1),"
        " c AS (DELETE FROM submissions t USING r WHERE t.job_id = r.id RETURNING 1),"
        " f AS (DELETE FROM attempts t USING r WHERE t.job_id = r.id RETURNING 1)," GW_SQL_LOCK(
                "(SELECT count(*) FROM a) + (SELECT count(*) FROM b)"
                " + (SELECT count(*) FROM c) + (SELECT count(*) FROM f)") " e AS (INSERT INTO events (n, project_id, job_id, kind, state, reason, actor, request_id)"
                                                                          "  SELECT nextval('events_n'), r.project_id, r.id, 'removed', r.state, r.reason,"
                                                                          "   d.by_user, d.request_id FROM l, r JOIN d ON d.id = r.id RETURNING n, job_id)," GW_SQL_NOTIFY
                                                                          " SELECT d.ord FROM x, e JOIN d ON d.id = e.job_id";

/* clang-format on */

/* ---- one ---------------------------------------------------------------------------------- */

static const struct gw_db_column wish_columns[] = {
        {"id", GW_DB_UUID},
        {"projects", GW_DB_TEXT},
        {"by_user", GW_DB_INT8},
        {"request_id", GW_DB_TEXT},
};

static void wish_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_job_wish *c = GW_DB_COMMAND(cmd, struct gw_db_job_wish);
        gw_db_put_uuid(in, c->id);
        gw_db_put_text(in, c->projects);
        gw_db_put_int8(in, c->user_id);
        gw_db_put_text(in, c->request_id);
}

static int wish_order(const struct gw_db_command *a, const struct gw_db_command *b)
{
        return gw_id_compare(&GW_DB_COMMAND(a, struct gw_db_job_wish)->id,
                             &GW_DB_COMMAND(b, struct gw_db_job_wish)->id);
}

#define WISH_KIND(kind_name, statement)                                                            \
        {                                                                                          \
                .name = (kind_name), .sql = (statement), .columns = wish_columns,                  \
                .column_count = GW_COUNT(wish_columns), .encode = wish_encode, .order = wish_order \
        }

static const struct gw_db_kind wish_kinds[] = {
        [GW_WISH_CANCEL] = WISH_KIND("job_cancel", WISH_FIND " WHERE " BY_ID CANCEL),
        [GW_WISH_HOLD] = WISH_KIND("job_hold", WISH_FIND " WHERE " BY_ID HOLD),
        [GW_WISH_RELEASE] = WISH_KIND("job_release", WISH_FIND " WHERE " BY_ID RELEASE),
        [GW_WISH_REMOVE] = WISH_KIND("job_remove", remove_sql),
};

void gw_db_job_wish_init(struct gw_db_job_wish *c)
{
        assert(c->wish < GW_COUNT(wish_kinds));
        c->cmd.kind = &wish_kinds[c->wish];
}

/* ---- many --------------------------------------------------------------------------------- */

static const struct gw_db_column cancel_many_columns[] = {
        GW_JOB_FILTER_COLUMNS,
        {"by_user", GW_DB_INT8},
        {"request_id", GW_DB_TEXT},
};

static void cancel_many_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_job_cancel_many *c = GW_DB_COMMAND(cmd, struct gw_db_job_cancel_many);
        gw_job_filter_encode(&c->filter, in);
        gw_db_put_int8(in, c->user_id_by);
        gw_db_put_text(in, c->request_id);
}

static void cancel_many_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_job_cancel_many *c = GW_DB_COMMAND(cmd, struct gw_db_job_cancel_many);
        c->each(c->arg, gw_db_get_uuid(row, 1));
}

int gw_db_job_cancel_many_init(struct gw_db_job_cancel_many *c)
{
        struct gw_buf sql = GW_BUF_INIT(GW_JOB_FILTER_SQL);
        gw_buf_str(&sql, WISH_FIND);
        gw_job_filter_where(&c->filter, &sql);
        gw_buf_str(&sql, CANCEL);
        c->sql = gw_buf_take(&sql, NULL);
        c->kind = (struct gw_db_kind){
                .sql = c->sql,
                .columns = cancel_many_columns,
                .column_count = GW_COUNT(cancel_many_columns),
                .encode = cancel_many_encode,
                .row = cancel_many_row,
                .batch_max = 1,
        };
        c->cmd.kind = &c->kind;
        return c->sql ? 0 : -1;
}

void gw_db_job_cancel_many_done(struct gw_db_job_cancel_many *c)
{
        free(GW_TAKE(c->sql));
}
