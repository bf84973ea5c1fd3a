/*
 * Recording a new job: key, job, spec, timers and event in one statement, so that a batch of
 * them is one transaction; and finding out what became of one that gave no row.
 */
#include "db/jobs.h"
#include "db/sql.h"

#include <string.h>

static const struct gw_db_column insert_columns[] = {
        {"id", GW_DB_UUID},
        {"project_id", GW_DB_INT8},
        {"user_id", GW_DB_INT8},
        {"backend", GW_DB_TEXT},
        {"name", GW_DB_TEXT},
        {"labels", GW_DB_JSONB},
        {"cpus", GW_DB_INT4},
        {"memory", GW_DB_INT8},
        {"gpus", GW_DB_INT4},
        {"priority", GW_DB_INT4},
        {"held", GW_DB_BOOL},
        {"not_before", GW_DB_TIME},
        {"start_deadline", GW_DB_TIME},
        {"deadline", GW_DB_TIME},
        {"retry_of", GW_DB_UUID},
        {"spec", GW_DB_JSON},
        {"index_set", GW_DB_TEXT},
        {"task_count", GW_DB_INT4},
        {"key", GW_DB_TEXT},
        {"sha", GW_DB_BYTES},
        {"request_id", GW_DB_TEXT},
};

static void insert_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_job_insert *c = GW_DB_COMMAND(cmd, struct gw_db_job_insert);
        gw_db_put_uuid(in, c->id);
        gw_db_put_int8(in, c->project_id);
        gw_db_put_int8(in, c->user_id);
        gw_db_put_text(in, c->backend);
        gw_db_put_text(in, c->name);
        gw_db_put_text(in, c->labels);
        gw_db_put_int4(in, c->cpus_milli);
        gw_db_put_int8(in, c->memory);
        gw_db_put_int4(in, c->gpus);
        gw_db_put_int4(in, c->priority);
        gw_db_put_bool(in, c->held);
        gw_db_put_time(in, c->not_before_us);
        gw_db_put_time(in, c->start_deadline_us);
        gw_db_put_time(in, c->deadline_us);
        gw_db_put_uuid(in, c->retry_of);
        gw_db_put_textn(in, c->spec, c->spec_len);
        gw_db_put_text(in, c->index_set);
        gw_db_put_int4(in, c->index_set ? c->task_count : 1);
        gw_db_put_text(in, c->key);
        if (c->key)
                gw_db_put_bytes(in, c->sha256, sizeof c->sha256);
        else
                gw_db_put_null(in);
        gw_db_put_text(in, c->request_id);
}

/* Two replicas that insert the same keys take them in the same order. */
static int insert_order(const struct gw_db_command *ca, const struct gw_db_command *cb)
{
        const struct gw_db_job_insert *a = GW_DB_COMMAND(ca, struct gw_db_job_insert);
        const struct gw_db_job_insert *b = GW_DB_COMMAND(cb, struct gw_db_job_insert);
        if (a->project_id != b->project_id)
                return a->project_id < b->project_id ? -1 : 1;
        if (a->user_id != b->user_id)
                return a->user_id < b->user_id ? -1 : 1;
        return a->key && b->key ? strcmp(a->key, b->key) : 0;
}

/*
 * The statement in parts, each over the rows that the one before it gave: a job whose key is
 * taken gives none, and nothing of it is written. The advisory lock comes after every row lock:
 * event numbers are in commit order, and it is held no longer than the commit takes.
 */
/* clang-format off */
#define KEYS(d)                                                                                    \
        " k AS (INSERT INTO idempotency (project_id, user_id, key, request_sha256, job_id,"        \
        "   expires_at)"                                                                           \
        "  SELECT project_id, user_id, key, sha, id, now() + interval '7 days' FROM " d            \
        "  ON CONFLICT DO NOTHING RETURNING job_id),"

#define REASON "CASE WHEN held THEN 'held' WHEN not_before IS NOT NULL THEN 'not_before' END"

#define JOBS(from)                                                                                 \
        " j AS (INSERT INTO jobs (id, project_id, user_id, backend, name, labels, reason, cpus,"   \
        "   memory, gpus, priority, held, claimable, not_before, retry_of, task_count, counts)"    \
        "  SELECT d.id, project_id, user_id, backend, name, labels, " REASON ", cpus, memory,"     \
        "   gpus, priority, held, NOT held AND not_before IS NULL, not_before, retry_of,"          \
        "   task_count, CASE WHEN index_set IS NOT NULL THEN ARRAY[task_count, 0, 0, 0, 0, 0] END" \
        "  FROM " from " RETURNING id),"

#define SPECS(from)                                                                                \
        " s AS (INSERT INTO job_specs (job_id, spec, index_set)"                                   \
        "  SELECT d.id, d.spec, d.index_set FROM " from " RETURNING job_id),"

#define EVENTS(from)                                                                               \
        " e AS (INSERT INTO events (n, project_id, job_id, kind, state, reason, actor, request_id)" \
        "  SELECT nextval('events_n'), project_id, d.id, 'submitted', 'queued', " REASON ","       \
        "   user_id, request_id FROM " from " RETURNING n, job_id)"

#define TIMERS                                                                                     \
        " t AS (INSERT INTO timers (job_id, kind, backend, due_at)"                                \
        "  SELECT id, v.kind, d.backend, v.due_at FROM j JOIN d USING (id), LATERAL (VALUES"       \
        "   ('not_before', d.not_before), ('start_deadline', d.start_deadline),"                   \
        "   ('deadline', d.deadline)) v (kind, due_at) WHERE v.due_at IS NOT NULL RETURNING 1),"

#define MANY(keys, from, timers, count_timers)                                                     \
        "WITH d AS MATERIALIZED (SELECT * FROM {input} input)," keys JOBS(from)                    \
        SPECS("j JOIN d USING (id)") timers                                                        \
        GW_SQL_LOCK("(SELECT count(*) FROM s)" count_timers) EVENTS("l, j JOIN d USING (id)") ","  \
        GW_SQL_NOTIFY " SELECT d.ord FROM x, e JOIN d ON d.id = e.job_id"

/* Of one job nothing has to be told apart, and half of the time of a lone submit is its
 * statement: no counts, no joins. */
#define ONE(keys, from)                                                                            \
        "WITH" keys JOBS(from) SPECS("j, {input} d")                                               \
        " l AS MATERIALIZED (SELECT pg_advisory_xact_lock(7201) FROM s),"                          \
        EVENTS("l, {input} d") " SELECT 0, pg_notify('jobgate', n::text) FROM e"

#define UNKEYED(d) d " ON CONFLICT DO NOTHING" /* a repeat: its own row is there */
/* clang-format on */

#define INSERT_KIND(kind_name, ...)                                                                \
        {                                                                                          \
                .name = (kind_name), __VA_ARGS__, .columns = insert_columns,                       \
                .column_count = GW_COUNT(insert_columns), .encode = insert_encode,                 \
                .order = insert_order                                                              \
        }

#define COUNT_TIMERS " + (SELECT count(*) FROM t)"

/* Most jobs have no timers, and do not pay for them: they are a kind of their own. */
static const struct gw_db_kind insert_kinds[2][2] = {
        {INSERT_KIND("job_insert", .sql = MANY("", UNKEYED("d"), "", ""),
                     .sql_one = ONE("", UNKEYED("{input} d"))),
         INSERT_KIND("job_insert_timed", .sql = MANY("", UNKEYED("d"), TIMERS, COUNT_TIMERS))},
        {INSERT_KIND("job_insert_keyed",
                     .sql = MANY(KEYS("d"), "k JOIN d ON d.id = k.job_id", "", ""),
                     .sql_one = ONE(KEYS("{input} d"), "k, {input} d")),
         INSERT_KIND("job_insert_keyed_timed",
                     .sql = MANY(KEYS("d"), "k JOIN d ON d.id = k.job_id", TIMERS, COUNT_TIMERS))},
};

void gw_db_job_insert_init(struct gw_db_job_insert *c)
{
        /* A batch runs kind by kind: what is to keep its order is of one. */
        bool together = c->key && c->in_order;
        bool timed = together || c->not_before_us || c->start_deadline_us || c->deadline_us;
        c->cmd.kind = &insert_kinds[c->key != NULL][timed];
}

static const struct gw_db_column settle_columns[] = {
        {"id", GW_DB_UUID},
        {"project_id", GW_DB_INT8},
        {"user_id", GW_DB_INT8},
        {"key", GW_DB_TEXT},
};

static void settle_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_job_settle *c = GW_DB_COMMAND(cmd, struct gw_db_job_settle);
        gw_db_put_uuid(in, c->id);
        gw_db_put_int8(in, c->project_id);
        gw_db_put_int8(in, c->user_id);
        gw_db_put_text(in, c->key);
}

static void settle_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_job_settle *c = GW_DB_COMMAND(cmd, struct gw_db_job_settle);
        size_t len = 0;
        c->holder = gw_db_get_uuid(row, 1);
        const void *sha = gw_db_get_bytes(row, 2, &len);
        c->has_key = sha && len == sizeof c->sha256;
        if (c->has_key)
                memcpy(c->sha256, sha, sizeof c->sha256);
        c->exists = gw_db_get_bool(row, 3);
}

/* clang-format off: SQL keeps its own lines */
static const struct gw_db_kind settle_kind = {
        .name = "job_settle",
        .sql = "SELECT d.ord, coalesce(i.job_id, d.id), i.request_sha256,"
               " EXISTS (SELECT FROM jobs j WHERE j.id = coalesce(i.job_id, d.id))"
               " FROM {input} d LEFT JOIN idempotency i"
               " ON i.project_id = d.project_id AND i.user_id = d.user_id AND i.key = d.key",
        .columns = settle_columns,
        .column_count = GW_COUNT(settle_columns),
        .encode = settle_encode,
        .row = settle_row,
};
/* clang-format on */

void gw_db_job_settle_init(struct gw_db_job_settle *c)
{
        c->cmd.kind = &settle_kind;
}
