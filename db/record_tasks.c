/*
 * The tasks of arrays in the record: reading rows as the leader's questions give them, and
 * writing what gw_tasks_apply() found in one statement, fenced as in record_write.c. Used on
 * the leader's own session.
 */
#include "db/record.h"

#include <jansson.h>
#include <string.h>

#include "db/record_text.h"
#include "db/sql.h"
#include "server/base/buf.h"

#define MAX_TEXT (256 * 1024 * 1024)

/* ---- reading ------------------------------------------------------------------------------- */

static int fail_record(struct gw_error *err)
{
        return gw_fail(err, GW_ERR_INTERNAL, "the record of an array's tasks cannot be read");
}

static int load(const char *text, json_t **ret, struct gw_error *err)
{
        *ret = text ? json_loads(text, 0, NULL) : json_array();
        return *ret ? 0 : fail_record(err);
}

static uint32_t number_at(const json_t *row, size_t i)
{
        return (uint32_t)json_integer_value(json_array_get(row, i));
}

static int64_t time_at(const json_t *row, size_t i)
{
        return json_integer_value(json_array_get(row, i));
}

static const char *text_at(const json_t *row, size_t i)
{
        return json_string_value(json_array_get(row, i));
}

static int reason_at(const json_t *row, size_t i, enum gw_reason *ret)
{
        const char *name = text_at(row, i);
        *ret = GW_REASON_NONE;
        return name ? gw_reason_parse(name, ret) : 0;
}

static int read_part(const json_t *row, struct gw_record_part *ret)
{
        const char *state = text_at(row, 1);
        *ret = (struct gw_record_part){
                .number = number_at(row, 0),
                .ordinals = text_at(row, 2),
                .attempt = number_at(row, 3),
                .ref = text_at(row, 4),
                .send_before_us = time_at(row, 5),
                .changing = json_is_true(json_array_get(row, 6)),
                .identity = text_at(row, 7),
                .most_tasks = number_at(row, 8),
        };
        return state && ret->ordinals ? gw_submission_state_parse(state, &ret->state) : -1;
}

/* The state of the open submission with that number; NONE when there is none. */
static enum gw_submission_state state_of(const json_t *parts, uint32_t number)
{
        size_t i;
        const json_t *row;
        json_array_foreach(parts, i, row)
        {
                struct gw_record_part part;
                if (number_at(row, 0) == number && read_part(row, &part) == 0)
                        return part.state;
        }
        return GW_SUBMISSION_NONE;
}

/* While it waits at the backend, as it is held there: by us or by someone else. */
static bool is_held(const struct gw_task *task, bool wish)
{
        if (task->step == GW_STEP_PENDING)
                return task->reason == GW_REASON_HELD;
        return wish && task->step != GW_STEP_RUNNING && task->step != GW_STEP_ENDED;
}

static int read_run(const json_t *row, const json_t *parts, bool held, struct gw_run *ret)
{
        struct gw_task *task = &ret->task;
        const char *state = text_at(row, 2);
        *ret = (struct gw_run){.lo = number_at(row, 0), .hi = number_at(row, 1)};
        task->submission = number_at(row, 4);
        task->tries = number_at(row, 5);
        task->attempt = number_at(row, 6);
        task->delayed_us = time_at(row, 8);
        if (!state || gw_state_parse(state, &task->state) < 0 ||
            reason_at(row, 3, &task->reason) < 0 || reason_at(row, 7, &task->stop) < 0)
                return -1;
        task->step = gw_job_step_of(task->state, state_of(parts, task->submission));
        task->held = is_held(task, held);
        return 0;
}

/* The tables of an array; of the starts those from `next` on are still to be put. */
struct tables {
        json_t *runs, *parts, *starts;
        size_t next;
        int64_t silent_us; /* of the tasks that are */
};

/* The starts of the tasks of a run; runs come in order. */
static int put_starts(struct tables *tables, const struct gw_run *run, struct gw_tasks *t,
                      struct gw_error *err)
{
        const json_t *row;
        while ((row = json_array_get(tables->starts, tables->next)) &&
               number_at(row, 0) <= run->hi) {
                struct gw_run one = *run;
                one.lo = one.hi = number_at(row, 0);
                one.task.restart = number_at(row, 1);
                one.task.started_us = time_at(row, 2);
                if (one.lo < run->lo || run->task.step != GW_STEP_RUNNING)
                        return fail_record(err);
                if (gw_tasks_put(t, &one, err) < 0)
                        return -1;
                tables->next++;
        }
        return 0;
}

static int put_runs(struct tables *tables, bool held, struct gw_tasks *t, struct gw_error *err)
{
        size_t i;
        const json_t *row;
        json_array_foreach(tables->runs, i, row)
        {
                struct gw_run run;
                if (read_run(row, tables->parts, held, &run) < 0 || run.lo > run.hi ||
                    run.hi >= t->total)
                        return fail_record(err);
                if (run.task.step == GW_STEP_RUNNING &&
                    run.task.reason == GW_REASON_NODE_UNAVAILABLE)
                        run.task.silent_us = tables->silent_us;
                if (gw_tasks_put(t, &run, err) < 0 || put_starts(tables, &run, t, err) < 0)
                        return -1;
        }
        return 0;
}

static int give_parts(const json_t *parts,
                      int (*each)(void *arg, const struct gw_record_part *part), void *arg,
                      struct gw_error *err)
{
        size_t i;
        const json_t *row;
        json_array_foreach(parts, i, row)
        {
                struct gw_record_part part;
                if (read_part(row, &part) < 0)
                        return fail_record(err);
                if (each(arg, &part) < 0)
                        return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        }
        return 0;
}

int gw_record_tasks(const struct gw_record_row *row, uint32_t total, struct gw_tasks *t,
                    int (*each)(void *arg, const struct gw_record_part *part), void *arg,
                    struct gw_error *err)
{
        struct tables tables = {.silent_us = row->silent_us};
        int rc = 0;
        if (gw_tasks_init(t, total, row->wants_hold, row->job.delayed_us, err) < 0 ||
            load(row->tasks, &tables.runs, err) < 0 || load(row->parts, &tables.parts, err) < 0 ||
            load(row->starts, &tables.starts, err) < 0 ||
            put_runs(&tables, row->wants_hold, t, err) < 0)
                rc = -1;
        if (rc == 0)
                rc = give_parts(tables.parts, each, arg, err);
        json_decref(tables.runs);
        json_decref(tables.parts);
        json_decref(tables.starts);
        return rc;
}

/* ---- writing ------------------------------------------------------------------------------- */

static const struct gw_db_column columns[] = {
        {"lease", GW_DB_TEXT},       {"epoch", GW_DB_INT8},       {"backend", GW_DB_TEXT},
        {"id", GW_DB_UUID},          {"version", GW_DB_INT4},     {"state", GW_DB_TEXT},
        {"reason", GW_DB_TEXT},      {"stop", GW_DB_TEXT},        {"submission", GW_DB_INT4},
        {"attempt", GW_DB_INT4},     {"not_before", GW_DB_TIME},  {"started_at", GW_DB_TIME},
        {"ended_at", GW_DB_TIME},    {"claimable", GW_DB_BOOL},   {"intends", GW_DB_BOOL},
        {"wish_read", GW_DB_BOOL},   {"wishes_read", GW_DB_INT8}, {"counts", GW_DB_JSON},
        {"gone", GW_DB_JSONB},       {"runs", GW_DB_JSONB},       {"parts", GW_DB_JSONB},
        {"attempts", GW_DB_JSONB},   {"events", GW_DB_JSONB},     {"delay_due", GW_DB_TIME},
        {"timer_fired", GW_DB_TEXT}, {"ended", GW_DB_BOOL},       {"message", GW_DB_TEXT},
};

static void encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_tasks_write *c = GW_DB_COMMAND(cmd, struct gw_db_tasks_write);
        const struct gw_job *job = c->job;
        gw_db_put_text(in, c->lease);
        gw_db_put_int8(in, c->epoch);
        gw_db_put_text(in, c->backend);
        gw_db_put_uuid(in, job->id);
        gw_db_put_int4(in, c->version);
        gw_db_put_text(in, gw_state_name(job->state));
        gw_db_put_text(in, gw_reason_name(job->reason));
        gw_db_put_text(in, gw_reason_name(job->stop));
        gw_db_put_int4(in, (int32_t)job->submission);
        gw_db_put_int4(in, (int32_t)job->attempt);
        gw_db_put_time(in, job->delayed_us);
        gw_db_put_time(in, job->first_started_us);
        gw_db_put_time(in, job->ended_us);
        gw_db_put_bool(in, c->claimable);
        gw_db_put_bool(in, c->intends);
        gw_db_put_bool(in, c->wish_read);
        gw_db_put_int8(in, c->wishes_read);
        gw_db_put_text(in, c->counts);
        gw_db_put_text(in, c->gone);
        gw_db_put_text(in, c->rows);
        gw_db_put_text(in, c->parts_text);
        gw_db_put_text(in, c->attempts);
        gw_db_put_text(in, c->events);
        gw_db_put_time(in, c->delay_due_us);
        gw_db_put_text(in, c->timer_fired);
        gw_db_put_bool(in, gw_state_terminal(job->state));
        gw_db_put_text(in, job->message[0] ? job->message : NULL);
}

static void take_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_tasks_write *c = GW_DB_COMMAND(cmd, struct gw_db_tasks_write);
        c->new_version = gw_db_get_int4(row, 1);
        free(c->identity);
        c->identity = gw_db_copy_text(row, 2);
}

static int order(const struct gw_db_command *a, const struct gw_db_command *b)
{
        return gw_id_compare(&GW_DB_COMMAND(a, struct gw_db_tasks_write)->job->id,
                             &GW_DB_COMMAND(b, struct gw_db_tasks_write)->job->id);
}

/* Each row that changes is found by its key: how many others the array has is no matter. */
/* SQL keeps its own lines. */
/* clang-format off */
static const struct gw_db_kind kind = {
        .name = "tasks_write",
        .sql = GW_SQL_FENCE
               " w AS MATERIALIZED (SELECT j.id FROM f, d, LATERAL (SELECT j.id FROM jobs j WHERE j.id = d.id"
               "  AND j.state IN " GW_SQL_LIVE " AND (NOT d.intends"
               "   OR NOT (j.held OR j.wished OR j.cancel_requested_at IS NOT NULL)) LIMIT 1 FOR UPDATE) j),"
               " u AS (UPDATE jobs j SET version = j.version + 1, state = d.state, reason = d.reason,"
               "   message = d.message, held = j.held AND NOT d.ended, counts = (SELECT array_agg(c::int) FROM"
               "    json_array_elements_text(d.counts) c),"
               "   claimable = d.claimable AND NOT j.held AND j.cancel_requested_at IS NULL,"
               "   stop = d.stop, submission = d.submission, attempt = d.attempt,"
               "   not_before = d.not_before, started_at = d.started_at, ended_at = d.ended_at,"
               "   wished = NOT d.ended AND ((j.wished AND NOT (d.wish_read AND j.version = d.version))"
               "    OR (d.wishes_read > 0 AND (EXISTS (SELECT FROM task_wishes x WHERE x.job_id = j.id"
               "      AND x.no > d.wishes_read) OR EXISTS (SELECT FROM dead_wishes x WHERE x.job_id = j.id"
               "      AND x.no > d.wishes_read))))"
               "  FROM w JOIN d USING (id) WHERE j.id = w.id RETURNING j.id, j.project_id, j.version),"
               " r AS MATERIALIZED (SELECT d.id, r.* FROM d JOIN u USING (id), jsonb_to_recordset(d.runs)"
               "  AS r (lo int, hi int, state text, reason text, submission int, tries int, attempt int,"
               "   stop text, not_before float8)),"
               " g AS (DELETE FROM tasks t USING d JOIN u USING (id), jsonb_array_elements_text(d.gone) x"
               "  WHERE t.job_id = d.id AND t.lo = x::int RETURNING 1),"
               " i AS (INSERT INTO tasks (job_id, lo, hi, state, reason, submission, tries, attempt, stop,"
               "   not_before) SELECT r.id, r.lo, r.hi, r.state, r.reason, coalesce(r.submission, 0),"
               "   r.tries, r.attempt, r.stop, to_timestamp(r.not_before / 1e6) FROM r"
               "  ON CONFLICT (job_id, lo) DO UPDATE SET hi = excluded.hi, state = excluded.state,"
               "   reason = excluded.reason, submission = excluded.submission, tries = excluded.tries,"
               "   attempt = excluded.attempt, stop = excluded.stop, not_before = excluded.not_before"
               "  RETURNING 1),"
               " s AS (INSERT INTO submissions (job_id, no, backend, epoch, ordinals, attempt, state,"
               "   send_before, ref, error, changing, most_tasks, identity)"
               "  SELECT d.id, p.number, d.backend, d.epoch, p.ordinals, p.attempt, p.state,"
               "   to_timestamp(p.send_before / 1e6), p.ref, p.error, coalesce(p.changing, false), p.most_tasks,"
               "   " GW_SQL_IDENTITY
               "  FROM d JOIN u USING (id), jsonb_to_recordset(d.parts) AS p (number int, ordinals text,"
               "   attempt int, state text, send_before float8, ref text, error text, changing boolean,"
               "   most_tasks int)"
               GW_SQL_SUBMISSION_AGAIN "),"
               " a AS (" GW_SQL_ATTEMPTS("r.ordinal") "),"
               " t AS (INSERT INTO timers (job_id, kind, backend, due_at)"
               "  SELECT d.id, 'retry_delay', d.backend, d.delay_due FROM d JOIN u USING (id)"
               "  WHERE d.delay_due IS NOT NULL"
               "  ON CONFLICT (job_id, kind, ordinal) DO UPDATE SET due_at = excluded.due_at RETURNING 1),"
               " z AS (DELETE FROM timers x USING d, u WHERE u.id = d.id AND x.job_id = d.id"
               "  AND (d.ended OR (x.kind = d.timer_fired"
               "   AND NOT (x.kind = 'retry_delay' AND d.delay_due IS NOT NULL))) RETURNING 1),"
               " q AS (DELETE FROM task_wishes x USING d, u WHERE u.id = d.id AND x.job_id = d.id"
               "  AND (d.ended OR x.no <= d.wishes_read) RETURNING 1),"
               " y AS (DELETE FROM dead_wishes x USING d, u WHERE u.id = d.id AND x.job_id = d.id"
               "  AND (d.ended OR x.no <= d.wishes_read) RETURNING 1),"
               GW_SQL_LOCK("(SELECT count(*) FROM u) + (SELECT count(*) FROM g)"
                           " + (SELECT count(*) FROM i) + (SELECT count(*) FROM s)"
                           " + (SELECT count(*) FROM a) + (SELECT count(*) FROM t)"
                           " + (SELECT count(*) FROM z) + (SELECT count(*) FROM q)"
                           " + (SELECT count(*) FROM y)")
               " e AS (INSERT INTO events (n, project_id, job_id, kind, state, reason, indices)"
               "  SELECT nextval('events_n'), u.project_id, u.id, v.kind, v.state, v.reason, v.indices"
               "  FROM l, u JOIN d USING (id), jsonb_to_recordset(d.events) AS v (kind text, state text,"
               "   reason text, indices text) RETURNING n),"
               GW_SQL_NOTIFY " SELECT d.ord, u.version, s.identity::text FROM u JOIN d USING (id)"
               "  LEFT JOIN s ON s.job_id = u.id AND s.no = d.submission LEFT JOIN x ON true",
        .columns = columns,
        .column_count = GW_COUNT(columns),
        .encode = encode,
        .row = take_row,
        .order = order,
        .batch_max = 16, /* each may be megabytes */
};
/* clang-format on */

/* ---- texts --------------------------------------------------------------------------------- */

static void begin_item(struct gw_buf *b, bool *first)
{
        if (!*first)
                gw_buf_char(b, ',');
        *first = false;
}

/* Where the record may have rows that are no more: none begins there now, or one that is as all
 * were at first. */
static void write_gone(struct gw_buf *b, const struct gw_db_tasks_write *c)
{
        bool first = true;
        const struct gw_spans *starts = &c->effect->starts;
        for (size_t i = 0; i < starts->count; i++) {
                for (uint64_t o = starts->items[i].first; o <= starts->items[i].last; o++) {
                        struct gw_run row = gw_tasks_row(c->tasks, (uint32_t)o);
                        if (row.lo == o && !gw_task_untouched(&row.task))
                                continue;
                        begin_item(b, &first);
                        gw_buf_int(b, (int64_t)o);
                }
        }
}

static void write_run(struct gw_buf *b, const struct gw_run *row, bool *first)
{
        const struct gw_task *task = &row->task;
        begin_item(b, first);
        gw_buf_printf(b, "{\"lo\":%u,\"hi\":%u,\"tries\":%u,\"attempt\":%u", row->lo, row->hi,
                      task->tries, task->attempt);
        if (task->submission)
                gw_buf_printf(b, ",\"submission\":%u", task->submission);
        gw_record_put_text(b, "state", gw_state_name(task->state));
        gw_record_put_text(b, "reason", gw_reason_name(task->reason));
        gw_record_put_text(b, "stop", gw_reason_name(task->stop));
        gw_record_put_time(b, "not_before", task->delayed_us);
        gw_buf_char(b, '}');
}

/* What is now in the ranges. */
static void write_runs(struct gw_buf *b, const struct gw_db_tasks_write *c)
{
        bool first = true;
        const struct gw_spans *rows = &c->effect->rows;
        for (size_t i = 0; i < rows->count; i++) {
                for (uint64_t o = rows->items[i].first; o <= rows->items[i].last;) {
                        struct gw_run row = gw_tasks_row(c->tasks, (uint32_t)o);
                        o = (uint64_t)row.hi + 1;
                        if (!gw_task_untouched(&row.task))
                                write_run(b, &row, &first);
                }
        }
}

static void write_parts(struct gw_buf *b, const struct gw_db_tasks_write *c)
{
        bool first = true;
        for (size_t i = 0; i < c->part_count; i++) {
                const struct gw_record_part *p = &c->parts[i];
                begin_item(b, &first);
                gw_buf_printf(b, "{\"number\":%u,\"attempt\":%u", p->number, p->attempt);
                if (p->most_tasks)
                        gw_buf_printf(b, ",\"most_tasks\":%u", p->most_tasks);
                gw_record_put_text(b, "state", gw_submission_state_name(p->state));
                gw_record_put_text(b, "ordinals", p->ordinals);
                gw_record_put_text(b, "ref", p->ref);
                gw_record_put_text(b, "error", p->error);
                gw_record_put_time(b, "send_before", p->send_before_us);
                if (p->changing)
                        gw_buf_str(b, ",\"changing\":true");
                gw_buf_char(b, '}');
        }
}

static void write_attempts(struct gw_buf *b, const struct gw_db_tasks_write *c)
{
        bool first = true;
        for (size_t i = 0; i < c->effect->attempt_count; i++) {
                const struct gw_task_attempt *a = &c->effect->attempts[i];
                begin_item(b, &first);
                gw_record_put_attempt(b, &a->attempt, a->ordinal);
        }
}

static void write_indices(struct gw_buf *b, const struct gw_db_tasks_write *c,
                          const struct gw_spans *ordinals)
{
        struct gw_indexset some = {0};
        struct gw_buf text = GW_BUF_INIT(GW_MAX_INDEX_TEXT + 1);
        int rc = gw_indexset_subset(c->indices, ordinals, &some, NULL);
        if (rc == 0)
                gw_indexset_format(&some, &text);
        /* Too ragged for a text: an event of the whole. */
        gw_record_put_text(b, "indices", rc == 0 && gw_buf_ok(&text) ? text.data : NULL);
        gw_indexset_done(&some);
        gw_buf_done(&text);
}

static void write_events(struct gw_buf *b, const struct gw_db_tasks_write *c)
{
        bool first = true;
        for (size_t i = 0; i < c->effect->change_count; i++) {
                const struct gw_task_change *change = &c->effect->changes[i];
                begin_item(b, &first);
                gw_buf_str(b, "{\"kind\":\"tasks\"");
                gw_record_put_text(b, "state", gw_state_name(change->state));
                gw_record_put_text(b, "reason", gw_reason_name(change->reason));
                write_indices(b, c, &change->ordinals);
                gw_buf_char(b, '}');
        }
        if (!c->state_changed)
                return;
        begin_item(b, &first);
        gw_buf_str(b, "{\"kind\":\"state\"");
        gw_record_put_text(b, "state", gw_state_name(c->job->state));
        gw_record_put_text(b, "reason", gw_reason_name(c->job->reason));
        gw_buf_char(b, '}');
}

static void write_counts(struct gw_buf *b, const struct gw_db_tasks_write *c)
{
        for (int i = 0; i < GW_STATE_COUNT; i++)
                gw_buf_printf(b, "%s%u", i ? "," : "", c->tasks->counts[i]);
}

static char *list_of(const struct gw_db_tasks_write *c,
                     void (*write)(struct gw_buf *b, const struct gw_db_tasks_write *c))
{
        struct gw_buf b = GW_BUF_INIT(MAX_TEXT);
        gw_buf_char(&b, '[');
        write(&b, c);
        gw_buf_char(&b, ']');
        return gw_buf_take(&b, NULL);
}

int gw_db_tasks_write_init(struct gw_db_tasks_write *c)
{
        c->cmd.kind = &kind;
        c->gone = list_of(c, write_gone);
        c->rows = list_of(c, write_runs);
        c->parts_text = list_of(c, write_parts);
        c->attempts = list_of(c, write_attempts);
        c->events = list_of(c, write_events);
        c->counts = list_of(c, write_counts);
        bool all = c->gone && c->rows && c->parts_text && c->attempts && c->events && c->counts;
        return all ? 0 : -1;
}

void gw_db_tasks_write_done(struct gw_db_tasks_write *c)
{
        free(GW_TAKE(c->gone));
        free(GW_TAKE(c->rows));
        free(GW_TAKE(c->parts_text));
        free(GW_TAKE(c->identity));
        free(GW_TAKE(c->attempts));
        free(GW_TAKE(c->events));
        free(GW_TAKE(c->counts));
}
