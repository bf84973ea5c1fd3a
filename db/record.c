/*
 * The record as the leader reads it (one row shape for four questions) and writes it (one
 * statement for all that follows from gw_job_apply). Used on the leader's own session.
 */
#include "db/record.h"

#include <assert.h>
#include <string.h>

#include "db/sql.h"
#include "server/base/buf.h"
#include "server/base/limits.h"
#include "server/base/str.h"

/* ---- reading ------------------------------------------------------------------------------ */

/* j: the job; s: its open submission, or nothing. What is looked up by the job's id is looked up
 * row by row (LIMIT keeps the planner from reading a whole table instead, whatever it believes
 * about sizes), so that of each partitioned table one partition is read. */
#define MICROSECONDS(time) "(extract(epoch FROM " time ") * 1000000)::bigint"
#define IS_OPEN(o) o ".state NOT IN ('refused', 'closed')"
/* clang-format off */
#define JOB_COLUMNS \
        "j.id, j.project_id, j.user_id, p.name, j.name, j.version, j.state, j.reason, j.message," \
        " j.exit_code::int, j.signal::int, j.held, j.stop, j.submission, j.attempt, j.not_before," \
        " j.started_at, j.cancel_requested_at IS NOT NULL, j.cancel_requested_by, s.state, s.ref," \
        " s.send_before, sp.spec::text, coalesce(s.identity, pb.identity)::text, at.started_at, at.restart," \
        " sp.index_set," \
        " (sp.spec->'array'->>'max_parallel')::int, p.weight, s.changing, j.wished"
/* The oldest wishes about some of its tasks, as many as are not large. */
#define WISHES \
        " CASE WHEN sp.index_set IS NOT NULL OR j.wished THEN (SELECT json_agg(json_build_array(w.no, w.indices," \
        "  w.by_user, w.attempt) ORDER BY w.no) FROM (SELECT x.*, sum(length(x.indices)) OVER (ORDER BY x.no) AS through" \
        "   FROM (SELECT y.no, y.indices, y.by_user, NULL::int AS attempt FROM task_wishes y WHERE y.job_id = j.id" \
        "    UNION ALL SELECT y.no, y.indices, y.by_user, y.attempt FROM dead_wishes y WHERE y.job_id = j.id" \
        "    ORDER BY no LIMIT 16) x) w" \
        "  WHERE w.through = length(w.indices) OR w.through < 65536)::text END"
#define TASKS \
        " CASE WHEN sp.index_set IS NOT NULL THEN (SELECT json_agg(json_build_array(t.lo, t.hi, t.state," \
        "  t.reason, t.submission, t.tries, t.attempt, t.stop, " MICROSECONDS("t.not_before") ") ORDER BY t.lo)" \
        "  FROM tasks t WHERE t.job_id = j.id)::text END"
#define PARTS \
        " CASE WHEN sp.index_set IS NOT NULL THEN (SELECT json_agg(json_build_array(o.no, o.state, o.ordinals," \
        "  o.attempt, o.ref, " MICROSECONDS("o.send_before") ", o.changing, coalesce(o.identity, pb.identity)::text," \
        "  o.most_tasks)" \
        "  ORDER BY o.no)" \
        "  FROM submissions o WHERE o.job_id = j.id AND o.backend = j.backend AND " IS_OPEN("o") ")::text END"
/* Of each task that runs its attempt. */
#define STARTS \
        " CASE WHEN sp.index_set IS NOT NULL THEN (SELECT json_agg(json_build_array(x.ordinal, x.restart, " \
        MICROSECONDS("x.started_at") ") ORDER BY x.ordinal) FROM tasks t, LATERAL (SELECT * FROM attempts x" \
        "   WHERE x.job_id = j.id AND x.ordinal BETWEEN t.lo AND t.hi AND x.no = t.attempt" \
        "   LIMIT t.hi - t.lo + 1) x WHERE t.job_id = j.id AND t.state = 'running')::text END"
/* The log has since when; of an array's tasks the last that fell silent are taken for all. */
#define SILENT \
        " CASE WHEN j.state = 'running' AND sp.spec->'retry'->>'orphan_wait' IS NOT NULL THEN (SELECT e.at" \
        "  FROM events e WHERE e.job_id = j.id AND e.state = 'running' AND e.reason = 'node_unavailable'" \
        "  ORDER BY e.n DESC LIMIT 1) END"
#define WHOLE JOB_COLUMNS ", NULL::text," TASKS "," PARTS "," STARTS "," SILENT ", NULL::text"
#define WITHOUT_TASKS JOB_COLUMNS "," WISHES ", NULL::text, NULL::text, NULL::text, NULL::timestamptz"
/* clang-format on */
#define RECORD_JOINS                                                                                \
        " JOIN LATERAL (SELECT * FROM job_specs sp WHERE sp.job_id = j.id LIMIT 1) sp ON true"      \
        " JOIN projects p ON p.id = j.project_id"                                                   \
        " LEFT JOIN project_backends pb ON pb.project_id = j.project_id AND pb.backend = j.backend" \
        " LEFT JOIN LATERAL (SELECT * FROM attempts at WHERE at.job_id = j.id AND at.ordinal = 0"   \
        "  AND at.no = j.attempt LIMIT 1) at ON true"
#define OPEN_SUBMISSION                                                                            \
        " LEFT JOIN LATERAL (SELECT * FROM submissions s WHERE s.job_id = j.id"                    \
        "  AND s.no = j.submission AND " IS_OPEN("s") " LIMIT 1) s ON true"
#define JOB(id) "LATERAL (SELECT * FROM jobs j WHERE j.id = " id " LIMIT 1) j"

enum {
        C_ID = 1,
        C_PROJECT_ID,
        C_USER_ID,
        C_PROJECT,
        C_NAME,
        C_VERSION,
        C_STATE,
        C_REASON,
        C_MESSAGE,
        C_EXIT_CODE,
        C_SIGNAL,
        C_HELD,
        C_STOP,
        C_SUBMISSION,
        C_ATTEMPT,
        C_DELAYED,
        C_FIRST_STARTED,
        C_CANCEL,
        C_CANCEL_BY,
        C_SUBMISSION_STATE,
        C_REF,
        C_SEND_BEFORE,
        C_SPEC,
        C_IDENTITY,
        C_STARTED,
        C_RESTART,
        C_INDEX_SET,
        C_MAX_PARALLEL,
        C_WEIGHT,
        C_CHANGING,
        C_WISHED,
        C_TASK_WISHES,
        C_TASKS,
        C_PARTS,
        C_STARTS,
        C_SILENT,
        C_TIMER
};

static const struct gw_db_column read_columns[] = {
        {"backend", GW_DB_TEXT},      {"lim", GW_DB_INT4}, {"busy", GW_DB_TEXT},
        {"last_project", GW_DB_INT8}, {"id", GW_DB_UUID},  {"paused", GW_DB_TEXT},
        {"most_paused", GW_DB_INT4},
};

static void read_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_record_read *c = GW_DB_COMMAND(cmd, struct gw_db_record_read);
        gw_db_put_text(in, c->backend);
        gw_db_put_int4(in, c->limit);
        gw_db_put_text(in, c->busy);
        gw_db_put_int8(in, c->last_project);
        gw_db_put_uuid(in, c->job);
        gw_db_put_text(in, c->paused);
        gw_db_put_int4(in, c->most_paused);
}

static enum gw_reason reason_of(const struct gw_db_row *row, int column)
{
        enum gw_reason r = GW_REASON_NONE;
        const char *name = gw_db_get_text(row, column, NULL);
        if (name && gw_reason_parse(name, &r) < 0)
                r = GW_REASON_BACKEND_ERROR;
        return r;
}

static void read_job(const struct gw_db_row *row, struct gw_job *job)
{
        enum gw_submission_state open = GW_SUBMISSION_NONE;
        const char *text = gw_db_get_text(row, C_SUBMISSION_STATE, NULL);
        if (text)
                (void)gw_submission_state_parse(text, &open);
        (void)gw_state_parse(gw_db_get_text(row, C_STATE, NULL), &job->state);
        job->id = gw_db_get_uuid(row, C_ID);
        job->step = gw_job_step_of(job->state, open);
        job->reason = reason_of(row, C_REASON);
        text = gw_db_get_text(row, C_MESSAGE, NULL);
        gw_str_copy(job->message, sizeof job->message, text ? text : "");
        job->exit_code = gw_db_is_null(row, C_EXIT_CODE) ? -1 : gw_db_get_int4(row, C_EXIT_CODE);
        job->signal = gw_db_get_int4(row, C_SIGNAL);
        job->held = job->reason == GW_REASON_HELD;
        job->stop = reason_of(row, C_STOP);
        job->submission = (uint32_t)gw_db_get_int4(row, C_SUBMISSION);
        job->attempt = (uint32_t)gw_db_get_int4(row, C_ATTEMPT);
        job->restart = (uint32_t)gw_db_get_int4(row, C_RESTART);
        job->delayed_us = gw_db_get_time(row, C_DELAYED);
        job->first_started_us = gw_db_get_time(row, C_FIRST_STARTED);
        job->started_us = gw_db_get_time(row, C_STARTED);
}

static void read_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_record_read *c = GW_DB_COMMAND(cmd, struct gw_db_record_read);
        struct gw_record_row r = {
                .project_id = gw_db_get_int8(row, C_PROJECT_ID),
                .user_id = gw_db_get_int8(row, C_USER_ID),
                .project = gw_db_get_text(row, C_PROJECT, NULL),
                .name = gw_db_get_text(row, C_NAME, NULL),
                .version = gw_db_get_int4(row, C_VERSION),
                .ref = gw_db_get_text(row, C_REF, NULL),
                .send_before_us = gw_db_get_time(row, C_SEND_BEFORE),
                .identity = gw_db_get_text(row, C_IDENTITY, NULL),
                .wants_hold = gw_db_get_bool(row, C_HELD),
                .cancel = gw_db_get_bool(row, C_CANCEL),
                .cancel_by = gw_db_get_int8(row, C_CANCEL_BY),
                .timer = gw_db_get_text(row, C_TIMER, NULL),
                .index_set = gw_db_get_text(row, C_INDEX_SET, NULL),
                .max_parallel = gw_db_get_int4(row, C_MAX_PARALLEL),
                .weight = gw_db_get_int4(row, C_WEIGHT),
                .changing = gw_db_get_bool(row, C_CHANGING),
                .wished = gw_db_get_bool(row, C_WISHED),
                .tasks = gw_db_get_text(row, C_TASKS, NULL),
                .parts = gw_db_get_text(row, C_PARTS, NULL),
                .starts = gw_db_get_text(row, C_STARTS, NULL),
                .silent_us = gw_db_get_time(row, C_SILENT),
                .task_wishes = gw_db_get_text(row, C_TASK_WISHES, NULL),
        };
        read_job(row, &r.job);
        if (r.job.reason == GW_REASON_NODE_UNAVAILABLE)
                r.job.silent_us = r.silent_us;
        r.spec = gw_db_get_text(row, C_SPEC, &r.spec_len);
        c->each(c->arg, &r);
}

#define READ_KIND(kind_name, statement)                                                            \
        {                                                                                          \
                .name = (kind_name), .sql = (statement), .columns = read_columns,                  \
                .column_count = GW_COUNT(read_columns), .encode = read_encode, .row = read_row,    \
                .batch_max = 1                                                                     \
        }

/*
 * Claims go per project in turn: the projects that have something are found by hopping along
 * the index, each offers its first jobs, and the offers are taken by turn, a project of weight
 * w giving w a turn. What waits at the backend already counts as taken, and among equals the
 * project after the last one served comes first: so turns go on from one claim to the next,
 * even if each has room for one job only.
 */
/* SQL keeps its own lines. */
/* clang-format off */
static const struct gw_db_kind read_kinds[] = {
        [GW_RECORD_OPEN] = READ_KIND(
                "record_open",
                "SELECT d.ord, " WHOLE " FROM {input} d, (SELECT DISTINCT o.job_id"
                "  FROM {input} i JOIN submissions o ON o.backend = i.backend"
                "  AND " IS_OPEN("o") ") o"
                " JOIN " JOB("o.job_id") " ON true" OPEN_SUBMISSION RECORD_JOINS " ORDER BY j.id"),
        [GW_RECORD_ARRAY] = READ_KIND(
                "record_array",
                "SELECT d.ord, " WHOLE " FROM {input} d JOIN " JOB("d.id") " ON j.backend = d.backend"
                OPEN_SUBMISSION RECORD_JOINS),
        [GW_RECORD_CLAIM] = READ_KIND(
                "record_claim",
                "WITH RECURSIVE p AS ("
                " (SELECT j.project_id FROM {input} d JOIN jobs j ON j.backend = d.backend AND j.claimable"
                "  ORDER BY j.project_id LIMIT 1)"
                " UNION ALL SELECT (SELECT j.project_id FROM {input} d JOIN jobs j"
                "  ON j.backend = d.backend AND j.claimable AND j.project_id > p.project_id"
                "  ORDER BY j.project_id LIMIT 1) FROM p WHERE p.project_id IS NOT NULL),"
                " b AS (SELECT b.project_id, count(*) AS waiting FROM {input} d,"
                "  unnest(" GW_SQL_PROJECTS("d.busy") ") AS b (project_id) GROUP BY b.project_id),"
                " k AS (SELECT k.project_id FROM {input} d,"
                "  unnest(" GW_SQL_PROJECTS("d.paused") ") AS k (project_id)"
                "  GROUP BY k.project_id, d.most_paused HAVING count(*) >= d.most_paused),"
                " o AS (SELECT f.id, f.place, p.project_id,"
                "   (coalesce(b.waiting, 0) + f.place - 1) / w.weight AS turn,"
                "   p.project_id <= (SELECT last_project FROM {input} i) AS served"
                "  FROM p JOIN projects w ON w.id = p.project_id LEFT JOIN b ON b.project_id = p.project_id,"
                "  LATERAL ("
                "   SELECT j.id, row_number() OVER (ORDER BY j.priority DESC, j.id) AS place"
                "   FROM {input} d JOIN jobs j ON j.backend = d.backend AND j.claimable"
                "   AND j.project_id = p.project_id ORDER BY j.priority DESC, j.id"
                "   LIMIT (SELECT lim FROM {input} i)) f"
                "  WHERE NOT EXISTS (SELECT FROM k WHERE k.project_id = p.project_id)"
                "  ORDER BY turn, served, p.project_id, f.place LIMIT (SELECT lim FROM {input} i))"
                " SELECT 0, " WITHOUT_TASKS ", NULL::text FROM o JOIN " JOB("o.id") " ON true"
                OPEN_SUBMISSION RECORD_JOINS " ORDER BY o.turn, o.served, o.project_id, o.place"),
        [GW_RECORD_WISHES] = READ_KIND(
                "record_wishes",
                "SELECT d.ord, " WITHOUT_TASKS ", NULL::text FROM {input} d"
                " JOIN jobs j ON j.backend = d.backend AND j.wished" OPEN_SUBMISSION RECORD_JOINS
                " ORDER BY j.id LIMIT (SELECT lim FROM {input} i)"),
        [GW_RECORD_TIMERS] = READ_KIND(
                "record_timers",
                "SELECT d.ord, " WITHOUT_TASKS ", t.kind FROM {input} d"
                " JOIN timers t ON t.backend = d.backend AND t.due_at <= now()"
                " JOIN " JOB("t.job_id") " ON true" OPEN_SUBMISSION RECORD_JOINS
                " ORDER BY t.due_at, t.job_id LIMIT (SELECT lim FROM {input} i)"),
};
/* clang-format on */

void gw_db_record_read_init(struct gw_db_record_read *c, enum gw_record_what what)
{
        assert(what < GW_COUNT(read_kinds));
        c->cmd.kind = &read_kinds[what];
}

/* ---- wishes that were overlooked ------------------------------------------------------------ */

static const struct gw_db_column backend_columns[] = {{"backend", GW_DB_TEXT}};

static void again_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        gw_db_put_text(in, GW_DB_COMMAND(cmd, struct gw_db_wishes_again)->backend);
}

/* clang-format off: SQL keeps its own lines */
static const struct gw_db_kind again_kind = {
        .name = "wishes_again",
        .sql = "WITH w AS MATERIALIZED (SELECT j.id FROM {input} d,"
               "  (SELECT DISTINCT x.job_id FROM dead_wishes x ORDER BY x.job_id) x,"
               "  LATERAL (SELECT j.id FROM jobs j WHERE j.id = x.job_id AND j.backend = d.backend AND NOT j.wished"
               "   AND j.state IN " GW_SQL_LIVE " LIMIT 1 FOR UPDATE) j)"
               " UPDATE jobs j SET version = j.version + 1, wished = true FROM w WHERE j.id = w.id RETURNING 0",
        .columns = backend_columns,
        .column_count = GW_COUNT(backend_columns),
        .encode = again_encode,
        .batch_max = 1,
};
/* clang-format on */

void gw_db_wishes_again_init(struct gw_db_wishes_again *c)
{
        c->cmd.kind = &again_kind;
}

/* ---- whether there is anything to read ------------------------------------------------------ */

static void due_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        gw_db_put_text(in, GW_DB_COMMAND(cmd, struct gw_db_record_due)->backend);
}

static void due_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_record_due *c = GW_DB_COMMAND(cmd, struct gw_db_record_due);
        c->wishes = gw_db_get_bool(row, 1);
        c->timers = gw_db_get_bool(row, 2);
        c->claims = gw_db_get_bool(row, 3);
}

/* The order is that of an index: without, a table may be read from its beginning. */
#define THERE_IS(row, order) " (SELECT true FROM " row " ORDER BY " order " LIMIT 1) IS NOT NULL"

/* clang-format off: SQL keeps its own lines */
static const struct gw_db_kind due_kind = {
        .name = "record_due",
        .sql = "SELECT d.ord," THERE_IS("jobs j WHERE j.backend = d.backend AND j.wished", "j.id") "," THERE_IS(
                "timers t WHERE t.backend = d.backend AND t.due_at <= now()",
                "t.due_at") "," THERE_IS("jobs j WHERE j.backend = d.backend AND j.claimable",
                                         "j.project_id") " FROM {input} d",
        .columns = backend_columns,
        .column_count = GW_COUNT(backend_columns),
        .encode = due_encode,
        .row = due_row,
        .batch_max = 1,
};
/* clang-format on */

void gw_db_record_due_init(struct gw_db_record_due *c)
{
        c->cmd.kind = &due_kind;
}
