/*
 * Writing what gw_job_apply() found: the job, its submission, attempts, timers and the event
 * in one statement, fenced by the lease's epoch.
 */
#include "db/record.h"

#include "db/record_text.h"
#include "db/sql.h"
#include "server/base/buf.h"

static const struct gw_db_column write_columns[] = {
        {"lease", GW_DB_TEXT},      {"epoch", GW_DB_INT8},        {"backend", GW_DB_TEXT},
        {"id", GW_DB_UUID},         {"version", GW_DB_INT4},      {"state", GW_DB_TEXT},
        {"reason", GW_DB_TEXT},     {"message", GW_DB_TEXT},      {"exit_code", GW_DB_INT4},
        {"signal", GW_DB_INT4},     {"claimable", GW_DB_BOOL},    {"stop", GW_DB_TEXT},
        {"submission", GW_DB_INT4}, {"attempt", GW_DB_INT4},      {"not_before", GW_DB_TIME},
        {"started_at", GW_DB_TIME}, {"ended_at", GW_DB_TIME},     {"wish_read", GW_DB_BOOL},
        {"sub_no", GW_DB_INT4},     {"sub_state", GW_DB_TEXT},    {"sub_ref", GW_DB_TEXT},
        {"sub_error", GW_DB_TEXT},  {"send_before", GW_DB_TIME},  {"attempts", GW_DB_JSONB},
        {"delay_due", GW_DB_TIME},  {"timer_fired", GW_DB_TEXT},  {"ended", GW_DB_BOOL},
        {"event", GW_DB_TEXT},      {"sub_changing", GW_DB_BOOL}, {"wishes_read", GW_DB_INT8},
};

static void put_small(struct gw_db_input *in, int value, int none)
{
        if (value == none)
                gw_db_put_null(in);
        else
                gw_db_put_int4(in, value);
}

static void put_job(struct gw_db_input *in, const struct gw_db_record_write *c)
{
        const struct gw_job *job = c->job;
        gw_db_put_uuid(in, job->id);
        gw_db_put_int4(in, c->version);
        gw_db_put_text(in, gw_state_name(job->state));
        gw_db_put_text(in, gw_reason_name(job->reason));
        gw_db_put_text(in, *job->message ? job->message : NULL);
        put_small(in, job->exit_code, -1);
        put_small(in, job->signal, 0);
        gw_db_put_bool(in, c->claimable);
        gw_db_put_text(in, gw_reason_name(job->stop));
        gw_db_put_int4(in, (int32_t)job->submission);
        gw_db_put_int4(in, (int32_t)job->attempt);
        gw_db_put_time(in, job->delayed_us);
        gw_db_put_time(in, job->first_started_us);
        gw_db_put_time(in, job->ended_us);
        gw_db_put_bool(in, c->wish_read);
}

static void write_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_record_write *c = GW_DB_COMMAND(cmd, struct gw_db_record_write);
        gw_db_put_text(in, c->lease);
        gw_db_put_int8(in, c->epoch);
        gw_db_put_text(in, c->backend);
        put_job(in, c);
        gw_db_put_int4(in, (int32_t)c->effect->submission_no);
        gw_db_put_text(in, gw_submission_state_name(c->effect->submission));
        gw_db_put_text(in, c->ref);
        gw_db_put_text(in, c->error);
        gw_db_put_time(in, c->send_before_us);
        gw_db_put_text(in, c->attempts);
        gw_db_put_time(in, c->effect->delay_timer_us);
        gw_db_put_text(in, c->timer_fired);
        gw_db_put_bool(in, c->effect->ended);
        gw_db_put_text(in, c->effect->state_changed ? "state" : NULL);
        gw_db_put_bool(in, c->changing);
        gw_db_put_int8(in, c->wishes_read);
}

static void write_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_record_write *c = GW_DB_COMMAND(cmd, struct gw_db_record_write);
        c->new_version = gw_db_get_int4(row, 1);
        free(c->identity);
        c->identity = gw_db_copy_text(row, 2);
}

static int write_order(const struct gw_db_command *a, const struct gw_db_command *b)
{
        return gw_id_compare(&GW_DB_COMMAND(a, struct gw_db_record_write)->job->id,
                             &GW_DB_COMMAND(b, struct gw_db_record_write)->job->id);
}

/* The jobs are locked in the order of their ids, as wishes do (the batch is sorted, and each is
 * looked up by itself). An intent is recorded only for a job that is still as it was claimed:
 * people may have held or cancelled it meanwhile. */
/* SQL keeps its own lines. */
/* clang-format off */
static const struct gw_db_kind write_kind = {
        .name = "record_write",
        .sql = GW_SQL_FENCE
               " w AS MATERIALIZED (SELECT j.id FROM f, d, LATERAL (SELECT j.id FROM jobs j WHERE j.id = d.id"
               "  AND j.state IN " GW_SQL_LIVE " AND (d.sub_state IS DISTINCT FROM 'intended'"
               "   OR j.submission = d.submission OR j.claimable) LIMIT 1 FOR UPDATE) j),"
               " u AS (UPDATE jobs j SET version = j.version + 1, state = d.state, reason = d.reason,"
               "   held = j.held AND d.state IN ('queued', 'pending'),"
               "   message = d.message, exit_code = d.exit_code, signal = d.signal,"
               "   claimable = d.claimable AND NOT j.held AND j.cancel_requested_at IS NULL,"
               "   stop = d.stop, submission = d.submission, attempt = d.attempt,"
               "   not_before = d.not_before, started_at = d.started_at, ended_at = d.ended_at,"
               "   wished = j.wished AND NOT d.ended AND (NOT (d.wish_read AND j.version = d.version)"
               "    OR EXISTS (SELECT FROM dead_wishes x WHERE x.job_id = j.id AND x.no > d.wishes_read))"
               "  FROM w JOIN d USING (id) WHERE j.id = w.id RETURNING j.id, j.project_id, j.version),"
               " s AS (INSERT INTO submissions (job_id, no, backend, epoch, attempt, state, send_before, ref, error,"
               "   changing, identity) SELECT d.id, d.sub_no, d.backend, d.epoch, d.attempt, d.sub_state, d.send_before,"
               "   d.sub_ref, d.sub_error, d.sub_changing, " GW_SQL_IDENTITY
               "  FROM d JOIN u USING (id) WHERE d.sub_state IS NOT NULL"
               GW_SQL_SUBMISSION_AGAIN "),"
               " a AS (" GW_SQL_ATTEMPTS("0") "),"
               " t AS (INSERT INTO timers (job_id, kind, backend, due_at)"
               "  SELECT d.id, 'retry_delay', d.backend, d.delay_due FROM d JOIN u USING (id)"
               "  WHERE d.delay_due IS NOT NULL"
               "  ON CONFLICT (job_id, kind, ordinal) DO UPDATE SET due_at = excluded.due_at RETURNING 1),"
               " z AS (DELETE FROM timers x USING d, u WHERE u.id = d.id AND x.job_id = d.id"
               "  AND (d.ended OR x.kind = d.timer_fired) RETURNING 1),"
               " q AS (DELETE FROM task_wishes x USING d, u WHERE d.wishes_read > 0 AND u.id = d.id"
               "  AND x.job_id = d.id AND x.no <= d.wishes_read RETURNING 1),"
               " y AS (DELETE FROM dead_wishes x USING d, u WHERE (d.ended OR d.wishes_read > 0) AND u.id = d.id"
               "  AND x.job_id = d.id AND (d.ended OR x.no <= d.wishes_read) RETURNING 1),"
               GW_SQL_LOCK("(SELECT count(*) FROM u) + (SELECT count(*) FROM s)"
                           " + (SELECT count(*) FROM a) + (SELECT count(*) FROM t)"
                           " + (SELECT count(*) FROM z) + (SELECT count(*) FROM q)"
                           " + (SELECT count(*) FROM y)")
               " e AS (INSERT INTO events (n, project_id, job_id, kind, state, reason, attempt)"
               "  SELECT nextval('events_n'), u.project_id, u.id, d.event, d.state, d.reason,"
               "   nullif(d.attempt, 0) FROM l, u JOIN d USING (id) WHERE d.event IS NOT NULL"
               "  RETURNING n),"
               GW_SQL_NOTIFY " SELECT d.ord, u.version, s.identity::text FROM u JOIN d USING (id)"
               "  LEFT JOIN s ON s.job_id = u.id LEFT JOIN x ON true",
        .columns = write_columns,
        .column_count = GW_COUNT(write_columns),
        .encode = write_encode,
        .row = write_row,
        .order = write_order,
};
/* clang-format on */

void gw_record_put_text(struct gw_buf *b, const char *name, const char *value)
{
        if (!value || !*value)
                return;
        gw_buf_printf(b, ",\"%s\":", name);
        gw_buf_json_str(b, value);
}

void gw_record_put_time(struct gw_buf *b, const char *name, int64_t us)
{
        if (us == 0)
                return;
        gw_buf_printf(b, ",\"%s\":", name);
        gw_buf_int(b, us);
}

void gw_record_put_attempt(struct gw_buf *b, const struct gw_attempt *a, uint32_t ordinal)
{
        gw_buf_printf(b, "{\"ordinal\":%u,\"no\":%u,\"submission\":%u,\"restart\":%u", ordinal,
                      a->no, a->submission, a->restart);
        gw_record_put_text(b, "origin", a->by_scheduler ? "scheduler" : "jobgate");
        gw_record_put_text(b, "state", gw_state_name(a->state));
        gw_record_put_text(b, "provisional", gw_reason_name(a->provisional));
        gw_record_put_text(b, "reason", gw_reason_name(a->reason));
        gw_record_put_text(b, "message", a->message);
        gw_record_put_text(b, "node", a->node);
        if (a->exit_code >= 0)
                gw_buf_printf(b, ",\"exit_code\":%d", a->exit_code);
        if (a->signal > 0)
                gw_buf_printf(b, ",\"signal\":%d", a->signal);
        gw_record_put_time(b, "started", a->started_us);
        gw_record_put_time(b, "ended", a->ended_us);
        if (a->usage)
                gw_buf_printf(b, ",\"usage\":%s", a->usage);
        gw_buf_char(b, '}');
}

#define ATTEMPTS_MAX (32 * 1024)

int gw_db_record_write_init(struct gw_db_record_write *c)
{
        struct gw_buf b = GW_BUF_INIT(ATTEMPTS_MAX);
        gw_buf_char(&b, '[');
        for (unsigned i = 0; i < c->effect->attempt_count; i++) {
                if (i)
                        gw_buf_char(&b, ',');
                gw_record_put_attempt(&b, &c->effect->attempts[i], 0);
        }
        gw_buf_char(&b, ']');
        c->attempts = gw_buf_take(&b, NULL);
        c->cmd.kind = &write_kind;
        return c->attempts ? 0 : -1;
}

void gw_db_record_write_done(struct gw_db_record_write *c)
{
        free(GW_TAKE(c->attempts));
        free(GW_TAKE(c->identity));
}
