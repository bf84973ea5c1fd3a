/*
 * One table: a job's members in the order of the answer, each with its writer. Pure; runs on
 * the database's thread for every job that is read, so it copies nothing twice.
 */
#include "routes/job_json.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"

#define FIRST_BYTES 1024 /* a job without its spec is smaller */

static void write_bool(struct gw_buf *out, bool v)
{
        gw_buf_str(out, v ? "true" : "false");
}

static void write_id(struct gw_buf *out, struct gw_id id)
{
        char text[GW_ID_TEXT + 1];
        text[0] = '"';
        gw_id_format(id, text + 1);
        text[GW_ID_TEXT] = '"';
        gw_buf_add(out, text, sizeof text);
}

/* A number, or null for the value that stands for none. */
static void write_number(struct gw_buf *out, int v, int none)
{
        if (v == none)
                gw_buf_str(out, "null");
        else
                gw_buf_int(out, v);
}

/* ---- members ------------------------------------------------------------------------------ */

static void put_id(struct gw_buf *out, const struct gw_job_row *row)
{
        write_id(out, row->id);
}

static void put_name(struct gw_buf *out, const struct gw_job_row *row)
{
        gw_buf_json_str(out, row->name);
}

static void put_project(struct gw_buf *out, const struct gw_job_row *row)
{
        gw_buf_json_str(out, row->project);
}

static void put_owner(struct gw_buf *out, const struct gw_job_row *row)
{
        gw_buf_json_str(out, row->owner);
}

static void put_backend(struct gw_buf *out, const struct gw_job_row *row)
{
        gw_buf_json_str(out, row->backend);
}

static void put_labels(struct gw_buf *out, const struct gw_job_row *row)
{
        gw_buf_str(out, row->labels ? row->labels : "{}");
}

static void put_state(struct gw_buf *out, const struct gw_job_row *row)
{
        gw_buf_json_str(out, gw_state_name(row->state));
}

static void put_reason(struct gw_buf *out, const struct gw_job_row *row)
{
        gw_buf_json_str(out, row->reason);
}

static void put_message(struct gw_buf *out, const struct gw_job_row *row)
{
        gw_buf_json_str(out, row->message);
}

static void put_exit_code(struct gw_buf *out, const struct gw_job_row *row)
{
        write_number(out, row->exit_code, -1);
}

static void put_signal(struct gw_buf *out, const struct gw_job_row *row)
{
        write_number(out, row->signal, 0);
}

static void put_terminal(struct gw_buf *out, const struct gw_job_row *row)
{
        write_bool(out, gw_state_terminal(row->state));
}

static void put_succeeded(struct gw_buf *out, const struct gw_job_row *row)
{
        write_bool(out, row->state == GW_SUCCEEDED);
}

static void put_held(struct gw_buf *out, const struct gw_job_row *row)
{
        write_bool(out, row->held);
}

static void put_task_count(struct gw_buf *out, const struct gw_job_row *row)
{
        gw_buf_int(out, row->task_count);
}

/* A plain job's one task is in the job's state. */
#define ONE(queued, pending, running, succeeded, failed, cancelled)                                \
        "{\"queued\":" #queued ",\"pending\":" #pending ",\"running\":" #running                   \
        ",\"succeeded\":" #succeeded ",\"failed\":" #failed ",\"cancelled\":" #cancelled "}"

static const char *const counts_of_one[GW_STATE_COUNT] = {
        [GW_QUEUED] = ONE(1, 0, 0, 0, 0, 0),  [GW_PENDING] = ONE(0, 1, 0, 0, 0, 0),
        [GW_RUNNING] = ONE(0, 0, 1, 0, 0, 0), [GW_SUCCEEDED] = ONE(0, 0, 0, 1, 0, 0),
        [GW_FAILED] = ONE(0, 0, 0, 0, 1, 0),  [GW_CANCELLED] = ONE(0, 0, 0, 0, 0, 1),
};

/* The record's "[1,0,…]" gains its names; without one all tasks are in the job's state. */
static void put_counts(struct gw_buf *out, const struct gw_job_row *row)
{
        const char *at = row->counts ? row->counts + 1 : NULL;
        if (!at && row->task_count == 1) {
                gw_buf_str(out, counts_of_one[row->state]);
                return;
        }
        for (int s = 0; s < GW_STATE_COUNT; s++) {
                char *end = NULL;
                long n = at ? strtol(at, &end, 10) : (s == (int)row->state ? row->task_count : 0);
                gw_buf_char(out, s ? ',' : '{');
                gw_buf_json_str(out, gw_state_name((enum gw_state)s));
                gw_buf_char(out, ':');
                gw_buf_int(out, n);
                if (at)
                        at = *end ? end + 1 : end;
        }
        gw_buf_char(out, '}');
}

static void put_retry_of(struct gw_buf *out, const struct gw_job_row *row)
{
        if (gw_id_is_nil(row->retry_of))
                gw_buf_str(out, "null");
        else
                write_id(out, row->retry_of);
}

static void put_cancel(struct gw_buf *out, const struct gw_job_row *row)
{
        gw_buf_json_time(out, row->cancel_requested_us);
}

static void put_created(struct gw_buf *out, const struct gw_job_row *row)
{
        gw_buf_json_time(out, gw_id_time_us(row->id));
}

static void put_started(struct gw_buf *out, const struct gw_job_row *row)
{
        gw_buf_json_time(out, row->started_us);
}

static void put_ended(struct gw_buf *out, const struct gw_job_row *row)
{
        gw_buf_json_time(out, row->ended_us);
}

static void put_scheduler(struct gw_buf *out, const struct gw_job_row *row)
{
        gw_buf_str(out, row->scheduler ? row->scheduler : "null");
}

static void put_spec(struct gw_buf *out, const struct gw_job_row *row)
{
        gw_buf_add(out, row->spec, row->spec_len);
}

struct field {
        const char *key; /* as written, with the comma before it */
        size_t key_len;
        void (*put)(struct gw_buf *out, const struct gw_job_row *row);
};

#define FIELD(name, put)                                                                           \
        {                                                                                          \
                ",\"" name "\":", sizeof(",\"" name "\":") - 1, put                                \
        }

static const struct field fields_of_job[] = {
        FIELD("id", put_id),
        FIELD("name", put_name),
        FIELD("project", put_project),
        FIELD("owner", put_owner),
        FIELD("backend", put_backend),
        FIELD("labels", put_labels),
        FIELD("state", put_state),
        FIELD("reason", put_reason),
        FIELD("message", put_message),
        FIELD("exit_code", put_exit_code),
        FIELD("signal", put_signal),
        FIELD("terminal", put_terminal),
        FIELD("succeeded", put_succeeded),
        FIELD("held", put_held),
        FIELD("task_count", put_task_count),
        FIELD("counts", put_counts),
        FIELD("retry_of", put_retry_of),
        FIELD("cancel_requested_at", put_cancel),
        FIELD("created_at", put_created),
        FIELD("started_at", put_started),
        FIELD("ended_at", put_ended),
        FIELD("scheduler", put_scheduler),
        FIELD("spec", put_spec),
};

static_assert((1u << GW_COUNT(fields_of_job)) - 1 == GW_JOB_ALL_FIELDS, "a bit for each member");
static_assert(1u << (GW_COUNT(fields_of_job) - 1) == GW_JOB_FIELD_SPEC, "the spec comes last");
static_assert(1u << (GW_COUNT(fields_of_job) - 2) == GW_JOB_FIELD_SCHEDULER, "and this before it");

/* ---- the interface ------------------------------------------------------------------------ */

static unsigned field_bit(const char *name)
{
        size_t len = strlen(name);
        for (size_t i = 0; i < GW_COUNT(fields_of_job); i++)
                if (fields_of_job[i].key_len == len + strlen(",\"\":") &&
                    memcmp(fields_of_job[i].key + strlen(",\""), name, len) == 0)
                        return 1u << i;
        return 0;
}

unsigned gw_job_fields(const json_t *names, unsigned absent)
{
        unsigned fields = GW_JOB_FIELD_ID;
        size_t i;
        const json_t *name;
        if (!names)
                return absent | GW_JOB_FIELD_ID;
        json_array_foreach(names, i, name)
        {
                fields |= field_bit(json_string_value(name));
        }
        return fields;
}

void gw_job_json(struct gw_buf *out, const struct gw_job_row *row, unsigned fields)
{
        bool first = true;
        gw_buf_reserve(out, FIRST_BYTES + (fields & GW_JOB_FIELD_SPEC ? row->spec_len : 0));
        gw_buf_char(out, '{');
        for (size_t i = 0; i < GW_COUNT(fields_of_job); i++) {
                const struct field *f = &fields_of_job[i];
                if (!(fields & 1u << i))
                        continue;
                gw_buf_add(out, f->key + first, f->key_len - first);
                f->put(out, row);
                first = false;
        }
        gw_buf_char(out, '}');
}

void gw_job_etag(int32_t version, unsigned fields, char out[GW_JOB_ETAG])
{
        snprintf(out, GW_JOB_ETAG, "\"%d-%x\"", version, fields);
}

/* What a task, an attempt and their like say of an end. */
static void write_end(struct gw_buf *out, int exit_code, int signal)
{
        gw_buf_str(out, ",\"exit_code\":");
        write_number(out, exit_code, -1);
        gw_buf_str(out, ",\"signal\":");
        write_number(out, signal, 0);
}

static void write_times(struct gw_buf *out, int64_t started_us, int64_t ended_us)
{
        gw_buf_str(out, ",\"started_at\":");
        gw_buf_json_time(out, started_us);
        gw_buf_str(out, ",\"ended_at\":");
        gw_buf_json_time(out, ended_us);
        gw_buf_char(out, '}');
}

static void write_state(struct gw_buf *out, const char *state, const char *reason,
                        const char *message)
{
        gw_buf_str(out, ",\"state\":");
        gw_buf_json_str(out, state);
        gw_buf_str(out, ",\"reason\":");
        gw_buf_json_str(out, reason);
        gw_buf_str(out, ",\"message\":");
        gw_buf_json_str(out, message);
}

void gw_array_task_json(struct gw_buf *out, uint32_t index, const struct gw_task_row *row)
{
        gw_buf_printf(out, "{\"index\":%u", index);
        write_state(out, row->state, row->reason, row->message);
        write_end(out, row->exit_code, row->signal);
        gw_buf_printf(out, ",\"attempts\":%d", (int)row->attempts);
        write_times(out, row->started_us, row->ended_us);
}

void gw_task_json(struct gw_buf *out, const struct gw_job_row *row, unsigned fields)
{
        struct gw_task_row task = {
                .state = gw_state_name(row->state),
                .reason = row->reason,
                .message = row->message,
                .exit_code = row->exit_code,
                .signal = row->signal,
                .attempts = row->attempt,
                .started_us = row->started_us,
                .ended_us = row->ended_us,
        };
        (void)fields;
        gw_array_task_json(out, 0, &task);
}

void gw_attempt_json(struct gw_buf *out, const struct gw_attempt_row *row)
{
        gw_buf_printf(out, "{\"attempt\":%d,\"origin\":", (int)row->no);
        gw_buf_json_str(out, row->origin);
        write_state(out, row->state, row->reason ? row->reason : row->provisional_reason,
                    row->message);
        write_end(out, row->exit_code, row->signal);
        gw_buf_str(out, ",\"node\":");
        gw_buf_json_str(out, row->node);
        write_times(out, row->started_us, row->ended_us);
}
