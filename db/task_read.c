/*
 * Reading the tasks of an array, and the attempts of a task. Runs on the thread of whichever
 * session it is given to.
 */
#include "db/jobs.h"

/* ---- a page of tasks --------------------------------------------------------------------- */

static const struct gw_db_column page_columns[] = {
        {"job_id", GW_DB_UUID},
        {"after", GW_DB_INT4},
        {"lim", GW_DB_INT4},
        {"states", GW_DB_TEXT},
};

static void page_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_task_page *c = GW_DB_COMMAND(cmd, struct gw_db_task_page);
        gw_db_put_uuid(in, c->job);
        gw_db_put_int4(in, (int32_t)c->after);
        gw_db_put_int4(in, c->limit);
        gw_db_put_text(in, c->states);
}

static void page_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_task_page *c = GW_DB_COMMAND(cmd, struct gw_db_task_page);
        struct gw_task_row t = {
                .ordinal = (uint32_t)gw_db_get_int4(row, 1),
                .state = gw_db_get_text(row, 2, NULL),
                .reason = gw_db_get_text(row, 3, NULL),
                .attempts = gw_db_get_int4(row, 4),
                .message = gw_db_get_text(row, 5, NULL),
                .exit_code = gw_db_is_null(row, 6) ? -1 : gw_db_get_int4(row, 6),
                .signal = gw_db_get_int4(row, 7),
                .started_us = gw_db_get_time(row, 8),
                .ended_us = gw_db_get_time(row, 9),
        };
        c->each(c->arg, &t);
}

#define WANTED(state) "(d.states IS NULL OR " state " = ANY (string_to_array(d.states, ',')))"

/* The row that `after` may be in; nothing before it is read. */
#define FIRST                                                                                      \
        "coalesce((SELECT max(x.lo) FROM tasks x WHERE x.job_id = d.job_id AND x.lo <= d.after), 0)"

/*
 * r: runs as recorded. g: what lies between them, where nothing differs yet: it waits. Of both
 * the first that hold enough tasks are taken apart, and each task is joined with its last
 * attempt, which alone knows how it ended.
 */
/* SQL keeps its own lines. */
/* clang-format off */
static const struct gw_db_kind page_kind = {
        .name = "task_page",
        .sql = "WITH d AS MATERIALIZED (SELECT * FROM {input} input),"
               " r AS (SELECT t.lo, t.hi, t.state, t.reason, t.attempt FROM d, LATERAL"
               "  (SELECT * FROM tasks t WHERE t.job_id = d.job_id AND t.lo >= " FIRST " AND t.hi >= d.after"
               "   AND " WANTED("t.state") " ORDER BY t.lo LIMIT d.lim) t),"
               " g AS (SELECT g.last + 1 AS lo, g.lo - 1 AS hi, 'queued' AS state, w.reason, 0 AS attempt"
               "  FROM d, LATERAL (SELECT j.task_count, CASE WHEN j.held THEN 'held'"
               "    WHEN j.not_before > now() THEN 'not_before' END AS reason FROM jobs j"
               "   WHERE j.id = d.job_id LIMIT 1) w, LATERAL"
               "  (SELECT b.lo, lag(b.hi, 1, d.after - 1) OVER (ORDER BY b.lo) AS last FROM"
               "   ((SELECT t.lo, t.hi FROM tasks t WHERE t.job_id = d.job_id AND t.lo >= " FIRST
               "     AND t.hi >= d.after AND " WANTED("'queued'") " ORDER BY t.lo"
               "     LIMIT CASE WHEN d.states IS NULL THEN d.lim + 1 END)"
               "    UNION ALL SELECT w.task_count, w.task_count) b) g"
               "  WHERE " WANTED("'queued'") " AND g.lo > g.last + 1 AND g.lo - 1 >= d.after"
               "  ORDER BY g.lo LIMIT (SELECT lim FROM d)),"
               " s AS (SELECT x.*, sum(x.hi - greatest(x.lo, d.after) + 1) OVER (ORDER BY x.lo) AS through"
               "  FROM d, (SELECT * FROM r UNION ALL SELECT * FROM g) x),"
               " p AS (SELECT o.n, s.state, s.reason, s.attempt FROM d, s, LATERAL generate_series("
               "   greatest(s.lo, d.after), least(s.hi, greatest(s.lo, d.after) + d.lim - 1)) AS o (n)"
               "  WHERE s.through - (s.hi - greatest(s.lo, d.after) + 1) < d.lim"
               "  ORDER BY o.n LIMIT (SELECT lim FROM d))"
               " SELECT d.ord, p.n, p.state, p.reason, p.attempt, a.message, a.exit_code::int, a.signal::int,"
               "  a.started_at, a.ended_at"
               " FROM d, p LEFT JOIN LATERAL (SELECT * FROM attempts a WHERE a.job_id = (SELECT job_id FROM d)"
               "  AND a.ordinal = p.n AND a.no = p.attempt LIMIT 1) a ON true ORDER BY p.n",
        .columns = page_columns,
        .column_count = GW_COUNT(page_columns),
        .encode = page_encode,
        .row = page_row,
        .batch_max = 1,
};
/* clang-format on */

void gw_db_task_page_init(struct gw_db_task_page *c)
{
        c->cmd.kind = &page_kind;
}

/* ---- one task ---------------------------------------------------------------------------- */

static const struct gw_db_column get_columns[] = {{"job_id", GW_DB_UUID}, {"ordinal", GW_DB_INT4}};

static void get_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_task_get *c = GW_DB_COMMAND(cmd, struct gw_db_task_get);
        gw_db_put_uuid(in, c->job);
        gw_db_put_int4(in, (int32_t)c->ordinal);
}

static void get_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_task_get *c = GW_DB_COMMAND(cmd, struct gw_db_task_get);
        /* The column holds only what gw_state_name() wrote. */
        (void)gw_state_parse(gw_db_get_text(row, 1, NULL), &c->state);
        c->attempts = gw_db_get_int4(row, 2);
}

/* clang-format off */
static const struct gw_db_kind get_kind = {
        .name = "task_get",
        .sql = "SELECT d.ord, t.state, t.attempt FROM {input} d JOIN LATERAL"
               " (SELECT * FROM tasks t WHERE t.job_id = d.job_id AND t.lo <= d.ordinal"
               "  ORDER BY t.lo DESC LIMIT 1) t ON t.hi >= d.ordinal",
        .columns = get_columns,
        .column_count = GW_COUNT(get_columns),
        .encode = get_encode,
        .row = get_row,
};
/* clang-format on */

void gw_db_task_get_init(struct gw_db_task_get *c)
{
        c->cmd.kind = &get_kind;
        c->state = GW_QUEUED;
        c->attempts = 0;
}

/* ---- those that failed ------------------------------------------------------------------- */

static const struct gw_db_column failed_columns[] = {{"job_id", GW_DB_UUID}};

static void failed_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        gw_db_put_uuid(in, GW_DB_COMMAND(cmd, struct gw_db_task_failed)->job);
}

static void failed_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_task_failed *c = GW_DB_COMMAND(cmd, struct gw_db_task_failed);
        c->each(c->arg, gw_db_get_text(row, 1, NULL));
}

/* clang-format off */
static const struct gw_db_kind failed_kind = {
        .name = "task_failed",
        .sql = "SELECT d.ord, (SELECT string_agg(t.lo || '-' || t.hi, ',' ORDER BY t.lo) FROM tasks t"
               "  WHERE t.job_id = d.job_id AND t.state = 'failed') FROM {input} d",
        .columns = failed_columns,
        .column_count = GW_COUNT(failed_columns),
        .encode = failed_encode,
        .row = failed_row,
        .batch_max = 1,
};
/* clang-format on */

void gw_db_task_failed_init(struct gw_db_task_failed *c)
{
        c->cmd.kind = &failed_kind;
}

/* ---- attempts ---------------------------------------------------------------------------- */

static const struct gw_db_column attempts_columns[] = {{"job_id", GW_DB_UUID},
                                                       {"ordinal", GW_DB_INT4}};

static void attempts_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_attempts *c = GW_DB_COMMAND(cmd, struct gw_db_attempts);
        gw_db_put_uuid(in, c->job);
        gw_db_put_int4(in, c->ordinal);
}

static void attempts_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_attempts *c = GW_DB_COMMAND(cmd, struct gw_db_attempts);
        struct gw_attempt_row a = {
                .ordinal = gw_db_get_int4(row, 1),
                .no = gw_db_get_int4(row, 2),
                .submission = gw_db_get_int4(row, 3),
                .restart = gw_db_get_int4(row, 4),
                .origin = gw_db_get_text(row, 5, NULL),
                .state = gw_db_get_text(row, 6, NULL),
                .provisional_reason = gw_db_get_text(row, 7, NULL),
                .reason = gw_db_get_text(row, 8, NULL),
                .message = gw_db_get_text(row, 9, NULL),
                .exit_code = gw_db_is_null(row, 10) ? -1 : gw_db_get_int4(row, 10),
                .signal = gw_db_get_int4(row, 11),
                .node = gw_db_get_text(row, 12, NULL),
                .usage = gw_db_get_text(row, 13, NULL),
                .started_us = gw_db_get_time(row, 14),
                .ended_us = gw_db_get_time(row, 15),
        };
        c->each(c->arg, &a);
}

/* SQL keeps its own lines. */
/* clang-format off */
static const struct gw_db_kind attempts_kind = {
        .name = "attempts",
        .sql = "SELECT d.ord, a.ordinal, a.no, a.submission, a.restart, a.origin, a.state,"
               " a.provisional_reason, a.reason, a.message, a.exit_code::int, a.signal::int, a.node,"
               " a.usage::text, a.started_at, a.ended_at"
               " FROM {input} d JOIN attempts a ON a.job_id = d.job_id AND a.ordinal = d.ordinal"
               " ORDER BY d.ord, a.no",
        .columns = attempts_columns,
        .column_count = GW_COUNT(attempts_columns),
        .encode = attempts_encode,
        .row = attempts_row,
};
/* clang-format on */

void gw_db_attempts_init(struct gw_db_attempts *c)
{
        c->cmd.kind = &attempts_kind;
}
