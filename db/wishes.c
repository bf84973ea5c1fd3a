/*
 * Wishes: what a person wants of a job, recorded by a route for the leader to act on. No
 * statement here writes a state.
 */
#include <assert.h>
#include <stdlib.h>

#include "db/job_filter.h"
#include "db/sql.h"

/* SQL keeps its own lines. */
/* clang-format off */

/* The jobs of a batch, locked in the order of their ids, each for the first command that names it.
 * Each is looked up by itself: no plan locks them in another order, or reads a whole table. */
#define FIND(condition)                                                                            \
        "WITH w AS MATERIALIZED (SELECT d.ord, d.by_user, d.request_id, j.id"                      \
        "  FROM (SELECT DISTINCT ON (i.id) * FROM {input} i ORDER BY i.id, i.ord) d,"              \
        "  LATERAL (SELECT j.id FROM jobs j WHERE j.id = d.id"                                     \
        "   AND j.project_id = ANY (" GW_SQL_PROJECTS("d.projects") ")"                            \
        "   AND " condition " LIMIT 1 FOR UPDATE) j),"

/* The same of a filter: its conditions stand between the two. */
#define FIND_MANY                                                                                  \
        "WITH w AS MATERIALIZED (SELECT d.ord, d.by_user, d.request_id, j.id"                      \
        "  FROM {input} d JOIN jobs j ON true"
#define FOUND_MANY(condition, most)                                                                \
        " AND " condition " ORDER BY j.id LIMIT " most " FOR UPDATE OF j),"
#define TEXT_OF(number) #number
#define TEXT(macro) TEXT_OF(macro)

#define MAKE(set, event) MAKE_AFTER("0", set, event)
/* `counts`: of the parts that come before, as for GW_SQL_LOCK. */
#define MAKE_AFTER(counts, set, event)                                                             \
        " u AS (UPDATE jobs j SET version = j.version + 1, wished = true" set                      \
        "  FROM w WHERE j.id = w.id RETURNING j.id, j.project_id, j.state, j.reason),"             \
        GW_SQL_LOCK("(SELECT count(*) FROM u) + " counts)                                          \
        " e AS (INSERT INTO events (n, project_id, job_id, kind, state, reason, actor, request_id)" \
        "  SELECT nextval('events_n'), u.project_id, u.id, '" event "', u.state, u.reason,"        \
        "   w.by_user, w.request_id FROM l, u JOIN w ON w.id = u.id RETURNING n, job_id),"         \
        GW_SQL_NOTIFY " SELECT w.ord, w.id FROM x, e JOIN w ON w.id = e.job_id"

#define LIVES "j.state IN " GW_SQL_LIVE
#define TO_CANCEL LIVES " AND j.cancel_requested_at IS NULL"
#define CANCEL                                                                                     \
        MAKE(", claimable = false, cancel_requested_at = now(), cancel_requested_by = w.by_user",    \
             "cancel_requested")

static const char cancel_sql[] = FIND(TO_CANCEL) CANCEL;

static const char hold_sql[] =
        FIND(LIVES " AND NOT j.held AND (j.state <> 'running' OR j.counts IS NOT NULL)")
        MAKE(", held = true, claimable = false", "held");

static const char release_sql[] =
        FIND(LIVES " AND j.held")
        MAKE(", held = false", "released");

static const char spec_sql[] =
        FIND(LIVES)
        " s AS (UPDATE job_specs s SET spec = d.spec"
        "  FROM w JOIN {input} d USING (ord) WHERE s.job_id = w.id RETURNING 1),"
        MAKE_AFTER("(SELECT count(*) FROM s)", "", "changed");

static const char remove_sql[] =
        FIND("j.state NOT IN " GW_SQL_LIVE)
        " r AS (DELETE FROM jobs j USING w WHERE j.id = w.id"
        "  RETURNING j.id, j.project_id, j.state, j.reason),"
        " a AS (DELETE FROM job_specs t USING r WHERE t.job_id = r.id RETURNING 1),"
        " b AS (DELETE FROM tasks t USING r WHERE t.job_id = r.id RETURNING 1),"
        " g AS (DELETE FROM task_wishes t USING r WHERE t.job_id = r.id RETURNING 1),"
        " h AS (DELETE FROM dead_wishes t USING r WHERE t.job_id = r.id RETURNING 1),"
        " c AS (DELETE FROM submissions t USING r WHERE t.job_id = r.id RETURNING t.job_id, t.identity),"
        " f AS (DELETE FROM attempts t USING r WHERE t.job_id = r.id RETURNING 1),"
        " k AS (DELETE FROM kept_logs t USING r WHERE t.job_id = r.id RETURNING 1),"
        GW_SQL_LOCK("(SELECT count(*) FROM r) + (SELECT count(*) FROM a) + (SELECT count(*) FROM b)"
                    " + (SELECT count(*) FROM c) + (SELECT count(*) FROM f) + (SELECT count(*) FROM g)"
                    " + (SELECT count(*) FROM k) + (SELECT count(*) FROM h)")
        " e AS (INSERT INTO events (n, project_id, job_id, kind, state, reason, actor, request_id)"
        "  SELECT nextval('events_n'), r.project_id, r.id, 'removed', r.state, r.reason,"
        "   w.by_user, w.request_id FROM l, r JOIN w ON w.id = r.id RETURNING n, job_id),"
        GW_SQL_NOTIFY " SELECT w.ord, (SELECT jsonb_agg(DISTINCT c.identity)::text FROM c"
        "   WHERE c.job_id = w.id AND c.identity IS NOT NULL) FROM x, e JOIN w ON w.id = e.job_id";

/* clang-format on */

/* ---- one ---------------------------------------------------------------------------------- */

static const struct gw_db_column wish_columns[] = {
        {"id", GW_DB_UUID},         {"projects", GW_DB_TEXT}, {"by_user", GW_DB_INT8},
        {"request_id", GW_DB_TEXT}, {"spec", GW_DB_JSON},
};

static void wish_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_job_wish *c = GW_DB_COMMAND(cmd, struct gw_db_job_wish);
        gw_db_put_uuid(in, c->id);
        gw_db_put_text(in, c->projects);
        gw_db_put_int8(in, c->user_id);
        gw_db_put_text(in, c->request_id);
        gw_db_put_text(in, c->spec);
}

static void remove_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_job_wish *c = GW_DB_COMMAND(cmd, struct gw_db_job_wish);
        free(c->identities); /* of an answer that was lost */
        c->identities = gw_db_copy_text(row, 1);
}

#define WISH_KIND(kind_name, statement, ...)                                                       \
        {                                                                                          \
                .name = (kind_name), .sql = (statement), .columns = wish_columns,                  \
                .column_count = GW_COUNT(wish_columns), .encode = wish_encode, __VA_ARGS__         \
        }

static const struct gw_db_kind wish_kinds[] = {
        [GW_WISH_CANCEL] = WISH_KIND("job_cancel", cancel_sql),
        [GW_WISH_HOLD] = WISH_KIND("job_hold", hold_sql),
        [GW_WISH_RELEASE] = WISH_KIND("job_release", release_sql),
        /* One at a time: two of one job may differ. */
        [GW_WISH_SPEC] = WISH_KIND("job_spec", spec_sql, .batch_max = 1),
        [GW_WISH_REMOVE] = WISH_KIND("job_remove", remove_sql, .row = remove_row),
};

void gw_db_job_wish_init(struct gw_db_job_wish *c)
{
        assert(c->wish < GW_COUNT(wish_kinds));
        c->cmd.kind = &wish_kinds[c->wish];
}

/* ---- some tasks --------------------------------------------------------------------------- */

static const struct gw_db_column tasks_columns[] = {
        {"id", GW_DB_UUID},      {"projects", GW_DB_TEXT},   {"by_user", GW_DB_INT8},
        {"indices", GW_DB_TEXT}, {"request_id", GW_DB_TEXT},
};

static void tasks_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_task_cancel *c = GW_DB_COMMAND(cmd, struct gw_db_task_cancel);
        gw_db_put_uuid(in, c->job);
        gw_db_put_text(in, c->projects);
        gw_db_put_int8(in, c->user_id);
        gw_db_put_text(in, c->indices);
        gw_db_put_text(in, c->request_id);
}

/* clang-format off */
static const struct gw_db_kind tasks_kind = {
        .name = "task_cancel",
        .sql = FIND(LIVES)
               " i AS (INSERT INTO task_wishes (job_id, indices, by_user) SELECT d.id, d.indices, d.by_user"
               "  FROM w JOIN {input} d ON d.id = w.id WHERE NOT EXISTS (SELECT FROM task_wishes t"
               "   WHERE t.job_id = d.id AND t.indices = d.indices AND t.by_user = d.by_user)"
               "  RETURNING 1),"
               " u AS (UPDATE jobs j SET version = j.version + 1, wished = true"
               "  FROM w WHERE j.id = w.id RETURNING j.id, j.project_id, j.state, j.reason),"
               GW_SQL_LOCK("(SELECT count(*) FROM u) + (SELECT count(*) FROM i)")
               " e AS (INSERT INTO events (n, project_id, job_id, kind, state, reason, indices, actor, request_id)"
               "  SELECT nextval('events_n'), u.project_id, u.id, 'cancel_requested', u.state, u.reason,"
               "   d.indices, w.by_user, w.request_id FROM l, u JOIN w ON w.id = u.id JOIN {input} d ON d.id = w.id"
               "  RETURNING n, job_id),"
               GW_SQL_NOTIFY " SELECT w.ord FROM x, e JOIN w ON w.id = e.job_id",
        .columns = tasks_columns,
        .column_count = GW_COUNT(tasks_columns),
        .encode = tasks_encode,
        .batch_max = 1,
};
/* clang-format on */

void gw_db_task_cancel_init(struct gw_db_task_cancel *c)
{
        c->cmd.kind = &tasks_kind;
}

/* ---- a dead attempt ----------------------------------------------------------------------- */

static const struct gw_db_column dead_columns[] = {
        {"id", GW_DB_UUID},         {"projects", GW_DB_TEXT},  {"by_user", GW_DB_INT8},
        {"indices", GW_DB_TEXT},    {"ordinals", GW_DB_JSONB}, {"attempt", GW_DB_INT4},
        {"request_id", GW_DB_TEXT},
};

static void dead_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_dead_confirm *c = GW_DB_COMMAND(cmd, struct gw_db_dead_confirm);
        gw_db_put_uuid(in, c->job);
        gw_db_put_text(in, c->projects);
        gw_db_put_int8(in, c->user_id);
        gw_db_put_text(in, c->indices);
        gw_db_put_text(in, c->ordinals);
        gw_db_put_int4(in, c->attempt);
        gw_db_put_text(in, c->request_id);
}

/* clang-format off */
#define IS_SILENT(o) o ".state = 'running' AND " o ".reason = 'node_unavailable' AND " o ".attempt = d.attempt"
static const struct gw_db_kind dead_kind = {
        .name = "dead_confirm",
        .sql = FIND("CASE WHEN d.ordinals IS NULL THEN " IS_SILENT("j")
                    "  ELSE EXISTS (SELECT FROM tasks t, jsonb_array_elements(d.ordinals) s"
                    "   WHERE t.job_id = j.id AND t.lo <= (s->>1)::int AND t.hi >= (s->>0)::int"
                    "   AND " IS_SILENT("t") ") END")
               " i AS (INSERT INTO dead_wishes (job_id, indices, by_user, attempt)"
               "  SELECT d.id, d.indices, d.by_user, d.attempt FROM w JOIN {input} d ON d.id = w.id"
               "  WHERE NOT EXISTS (SELECT FROM dead_wishes t WHERE t.job_id = d.id AND t.indices = d.indices"
               "   AND t.by_user = d.by_user AND t.attempt = d.attempt) RETURNING 1),"
               " u AS (UPDATE jobs j SET version = j.version + 1, wished = true"
               "  FROM w WHERE j.id = w.id RETURNING j.id, j.project_id, j.state, j.reason, j.counts),"
               GW_SQL_LOCK("(SELECT count(*) FROM u) + (SELECT count(*) FROM i)")
               " e AS (INSERT INTO events (n, project_id, job_id, kind, state, reason, indices, attempt, actor,"
               "   request_id) SELECT nextval('events_n'), u.project_id, u.id, 'confirmed_dead', u.state, u.reason,"
               "   CASE WHEN u.counts IS NOT NULL THEN d.indices END, d.attempt, w.by_user, w.request_id"
               "  FROM l, u JOIN w ON w.id = u.id JOIN {input} d ON d.id = w.id RETURNING n, job_id),"
               GW_SQL_NOTIFY " SELECT w.ord FROM x, e JOIN w ON w.id = e.job_id",
        .columns = dead_columns,
        .column_count = GW_COUNT(dead_columns),
        .encode = dead_encode,
        .batch_max = 1,
};
/* clang-format on */

void gw_db_dead_confirm_init(struct gw_db_dead_confirm *c)
{
        c->cmd.kind = &dead_kind;
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
        gw_buf_str(&sql, FIND_MANY);
        gw_job_filter_where(&c->filter, &sql);
        gw_buf_str(&sql, FOUND_MANY(TO_CANCEL, TEXT(GW_CANCEL_AT_ONCE)) CANCEL);
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
