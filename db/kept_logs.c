/* See kept_logs.h. Runs on the thread of whichever session it is given to. */
#include "db/kept_logs.h"

#include "db/sql.h"

static void put_name(struct gw_db_input *in, const struct gw_log_name *log)
{
        gw_db_put_uuid(in, log->job);
        gw_db_put_int4(in, log->ordinal);
        gw_db_put_int4(in, log->attempt);
        gw_db_put_text(in, log->is_stderr ? "stderr" : "stdout");
}

#define NAME_COLUMNS                                                                               \
        {"job_id", GW_DB_UUID}, {"ordinal", GW_DB_INT4}, {"attempt", GW_DB_INT4},                  \
        {                                                                                          \
                "stream", GW_DB_TEXT                                                               \
        }

/* ---- whose output is kept ------------------------------------------------------------------ */

static const struct gw_db_column wanted_columns[] = {
        {"name", GW_DB_TEXT}, {"type", GW_DB_TEXT}, {"wanted", GW_DB_BOOL}};

static void wanted_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_log_wanted *c = GW_DB_COMMAND(cmd, struct gw_db_log_wanted);
        gw_db_put_text(in, c->backend);
        gw_db_put_text(in, c->type);
        gw_db_put_bool(in, c->wanted);
}

static const struct gw_db_kind wanted_kind = {
        .name = "log_wanted",
        .sql = "INSERT INTO backends (name, type, logs_kept) SELECT d.name, d.type, d.wanted"
               " FROM {input} d ON CONFLICT (name) DO UPDATE SET logs_kept = excluded.logs_kept"
               " RETURNING 0",
        .columns = wanted_columns,
        .column_count = GW_COUNT(wanted_columns),
        .encode = wanted_encode,
        .batch_max = 1,
};

void gw_db_log_wanted_init(struct gw_db_log_wanted *c)
{
        c->cmd.kind = &wanted_kind;
}

/* ---- what is due --------------------------------------------------------------------------- */

static const struct gw_db_column due_columns[] = {{"backends", GW_DB_TEXT}, {"lim", GW_DB_INT4}};

static void due_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_log_due *c = GW_DB_COMMAND(cmd, struct gw_db_log_due);
        gw_db_put_text(in, c->backends);
        gw_db_put_int4(in, c->limit);
}

static void due_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_log_due *c = GW_DB_COMMAND(cmd, struct gw_db_log_due);
        struct gw_log_due_row due = {
                .job = gw_db_get_uuid(row, 1),
                .ordinal = gw_db_get_int4(row, 2),
                .attempt = gw_db_get_int4(row, 3),
                .submission = gw_db_get_int4(row, 4),
                .backend = gw_db_get_text(row, 5, NULL),
                .identity = gw_db_get_text(row, 6, NULL),
                .ref = gw_db_get_text(row, 7, NULL),
                .ordinals = gw_db_get_text(row, 8, NULL),
                .index_set = gw_db_get_text(row, 9, NULL),
                .node = gw_db_get_text(row, 10, NULL),
                .ended_us = gw_db_get_time(row, 11),
                .spec = gw_db_get_text(row, 12, NULL),
        };
        c->each(c->arg, &due);
}

/* SQL keeps its own lines. */
/* clang-format off */
static const struct gw_db_kind due_kind = {
        .name = "log_due",
        .sql = "SELECT 0, a.job_id, a.ordinal, a.no, a.submission, j.backend,"
               "  coalesce(s.identity, pb.identity)::text, s.ref, s.ordinals, sp.index_set, a.node, a.ended_at,"
               "  " GW_SQL_SCRIPT
               " FROM {input} d, attempts a"
               " JOIN LATERAL (SELECT * FROM submissions s WHERE s.job_id = a.job_id AND s.no = a.submission"
               "  LIMIT 1) s ON true"
               " JOIN LATERAL (SELECT * FROM jobs j WHERE j.id = a.job_id LIMIT 1) j ON true"
               " JOIN LATERAL (SELECT * FROM job_specs sp WHERE sp.job_id = a.job_id LIMIT 1) sp ON true"
               " LEFT JOIN project_backends pb ON pb.project_id = j.project_id AND pb.backend = j.backend"
               " WHERE a.log_due <= now() AND j.backend = ANY (string_to_array(d.backends, ','))"
               " ORDER BY a.log_due LIMIT (SELECT lim FROM {input} e)",
        .columns = due_columns,
        .column_count = GW_COUNT(due_columns),
        .encode = due_encode,
        .row = due_row,
        .batch_max = 1,
};
/* clang-format on */

void gw_db_log_due_init(struct gw_db_log_due *c)
{
        c->cmd.kind = &due_kind;
}

/* ---- keeping ------------------------------------------------------------------------------- */

static const struct gw_db_column keep_columns[] = {
        NAME_COLUMNS,
        {"size", GW_DB_INT8},
        {"head", GW_DB_BYTES},
        {"tail", GW_DB_BYTES},
};

static void keep_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_log_keep *c = GW_DB_COMMAND(cmd, struct gw_db_log_keep);
        put_name(in, &c->log);
        gw_db_put_int8(in, c->text.size);
        gw_db_put_bytes(in, c->text.head_len > 0 ? c->text.head : "", c->text.head_len);
        gw_db_put_bytes(in, c->text.tail_len > 0 ? c->text.tail : "", c->text.tail_len);
}

/* Whoever removes the job waits, and then finds the row. Of a run after which the scheduler began
 * another by itself nothing is kept any more: that writes to the same file. */
/* clang-format off */
static const struct gw_db_kind keep_kind = {
        .name = "log_keep",
        .sql = "INSERT INTO kept_logs (job_id, ordinal, attempt, stream, size, head, tail)"
               " SELECT d.job_id, d.ordinal, d.attempt, d.stream, d.size, d.head, d.tail FROM {input} d,"
               "  LATERAL (SELECT FROM jobs j WHERE j.id = d.job_id LIMIT 1 FOR KEY SHARE) j"
               " WHERE NOT EXISTS (SELECT FROM attempts a, attempts n WHERE a.job_id = d.job_id AND a.ordinal = d.ordinal"
               "  AND a.no = d.attempt AND n.job_id = d.job_id AND n.ordinal = d.ordinal AND n.no > a.no"
               "  AND n.submission = a.submission AND n.started_at IS NOT NULL)"
               " ON CONFLICT DO NOTHING RETURNING 0",
        .columns = keep_columns,
        .column_count = GW_COUNT(keep_columns),
        .encode = keep_encode,
        .batch_max = 1,
};
/* clang-format on */

void gw_db_log_keep_init(struct gw_db_log_keep *c)
{
        c->cmd.kind = &keep_kind;
}

static const struct gw_db_column settle_columns[] = {NAME_COLUMNS, {"due", GW_DB_TIME}};

static void settle_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_log_settle *c = GW_DB_COMMAND(cmd, struct gw_db_log_settle);
        put_name(in, &c->log);
        gw_db_put_time(in, c->due_us);
}

static const struct gw_db_kind settle_kind = {
        .name = "log_settle",
        .sql = "UPDATE attempts a SET log_due = d.due FROM {input} d WHERE a.job_id = d.job_id"
               " AND a.ordinal = d.ordinal AND a.no = d.attempt RETURNING 0",
        .columns = settle_columns,
        .column_count = GW_COUNT(settle_columns),
        .encode = settle_encode,
        .batch_max = 1,
};

void gw_db_log_settle_init(struct gw_db_log_settle *c)
{
        c->cmd.kind = &settle_kind;
}

/* ---- reading ------------------------------------------------------------------------------- */

static const struct gw_db_column get_columns[] = {NAME_COLUMNS};

static void get_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        put_name(in, &GW_DB_COMMAND(cmd, struct gw_db_log_get)->log);
}

static void get_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_log_get *c = GW_DB_COMMAND(cmd, struct gw_db_log_get);
        struct gw_log_text text = {.size = gw_db_get_int8(row, 1)};
        text.head = gw_db_get_bytes(row, 2, &text.head_len);
        text.tail = gw_db_get_bytes(row, 3, &text.tail_len);
        c->take(c->arg, &text);
}

static const struct gw_db_kind get_kind = {
        .name = "log_get",
        .sql = "SELECT d.ord, k.size, k.head, k.tail FROM {input} d, LATERAL"
               " (SELECT * FROM kept_logs k WHERE k.job_id = d.job_id AND k.ordinal = d.ordinal"
               "  AND k.attempt = d.attempt AND k.stream = d.stream LIMIT 1) k",
        .columns = get_columns,
        .column_count = GW_COUNT(get_columns),
        .encode = get_encode,
        .row = get_row,
        .batch_max = 1,
};

void gw_db_log_get_init(struct gw_db_log_get *c)
{
        c->cmd.kind = &get_kind;
}
