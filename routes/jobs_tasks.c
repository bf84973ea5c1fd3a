/*
 * The tasks of a job and the attempts of each. A plain job has one task, which is the job
 * itself: its row tells all of it. The exchange's loop thread; rows are taken on the database's.
 */
#include <string.h>

#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/job_json.h"
#include "routes/job_read.h"
#include "server/model/cursor.h"

#define MAX_ATTEMPTS_JSON (16 * 1024 * 1024)
#define CURSOR_KIND 't'

struct tasks {
        struct gw_job_read read;
        struct gw_db_attempts attempts;
        struct gw_buf items;
        bool asked; /* for the attempts */
};

static enum gw_next begin(struct gw_call *call)
{
        struct tasks *t = call->state;
        t->read.id = gw_call_path_id(call, 0);
        t->read.write = gw_task_json;
        return gw_job_read_begin(call, &t->read);
}

static void end(struct gw_call *call)
{
        struct tasks *t = call->state;
        gw_job_read_done(&t->read);
        gw_buf_done(&t->items);
}

static enum gw_next no_task(struct gw_call *call)
{
        return gw_call_fail_code(call, GW_ERR_NOT_FOUND, "the job has no such task");
}

/* ---- listTasks ----------------------------------------------------------------------------- */

/* The page after the only one is never given out. */
static enum gw_next begin_list(struct gw_call *call)
{
        const char *text = gw_call_text(call, "cursor");
        struct gw_cursor cursor;
        struct gw_error err = {0};
        if (text && gw_cursor_decode(text, CURSOR_KIND, GW_CURSOR_NO_FILTER, &cursor, &err)) {
                gw_faults_add(call->faults, err.code, "?cursor", "%s", err.message);
                return gw_call_fail_faults(call, call->faults);
        }
        return begin(call);
}

static bool is_wanted(const struct gw_call *call, enum gw_state state)
{
        const json_t *states = gw_call_value(call, "state"), *one;
        size_t i;
        json_array_foreach(states, i, one)
        {
                if (strcmp(json_string_value(one), gw_state_name(state)) == 0)
                        return true;
        }
        return states == NULL;
}

static enum gw_next resume_list(struct gw_call *call, struct gw_work *work)
{
        struct tasks *t = call->state;
        struct gw_buf json = GW_BUF_INIT(GW_MAX_JOB_JSON);
        enum gw_next next;
        (void)work;
        if (!gw_job_read_resume(call, &t->read, &next))
                return next;
        gw_buf_str(&json, "{\"items\":[");
        if (is_wanted(call, t->read.seen.state) && !gw_call_text(call, "cursor"))
                gw_buf_add(&json, t->read.out.data, t->read.out.len);
        gw_buf_str(&json, "],\"next\":null}");
        json.failed |= t->read.out.failed;
        return gw_call_json(call, 200, &json);
}

/* ---- getTask ------------------------------------------------------------------------------- */

static enum gw_next resume_one(struct gw_call *call, struct gw_work *work)
{
        struct tasks *t = call->state;
        enum gw_next next;
        (void)work;
        if (!gw_job_read_resume(call, &t->read, &next))
                return next;
        if (gw_call_path_int(call, 1) != 0)
                return no_task(call);
        return gw_call_json(call, 200, &t->read.out);
}

/* ---- listAttempts -------------------------------------------------------------------------- */

static void take_attempt(void *arg, const struct gw_attempt_row *row)
{
        struct tasks *t = arg;
        if (t->items.len > 0)
                gw_buf_char(&t->items, ',');
        gw_attempt_json(&t->items, row);
}

static enum gw_next ask_attempts(struct gw_call *call, struct tasks *t)
{
        if (gw_call_path_int(call, 1) != 0)
                return no_task(call);
        t->asked = true;
        gw_buf_init(&t->items, MAX_ATTEMPTS_JSON);
        t->attempts.job = t->read.id;
        t->attempts.each = take_attempt;
        t->attempts.arg = t;
        gw_db_attempts_init(&t->attempts);
        return gw_call_read(call, &t->attempts.cmd);
}

static enum gw_next resume_attempts(struct gw_call *call, struct gw_work *work)
{
        struct tasks *t = call->state;
        struct gw_buf json = GW_BUF_INIT(MAX_ATTEMPTS_JSON + 64);
        enum gw_next next;
        (void)work;
        if (!t->asked)
                return gw_job_read_resume(call, &t->read, &next) ? ask_attempts(call, t) : next;
        if (t->attempts.cmd.error.code != GW_OK)
                return gw_call_fail(call, &t->attempts.cmd.error);
        gw_buf_str(&json, "{\"items\":[");
        gw_buf_add(&json, t->items.data, t->items.len);
        gw_buf_str(&json, "],\"next\":null}");
        json.failed |= t->items.failed;
        gw_buf_done(&t->items); /* not to be held until the answer has been read */
        return gw_call_json(call, 200, &json);
}

#define TASKS_HANDLER(begin_function, resume_function)                                             \
        {                                                                                          \
                .begin = (begin_function), .resume = (resume_function), .end = end,                \
                .state_size = sizeof(struct tasks)                                                 \
        }

const struct gw_handler gw_route_listTasks = TASKS_HANDLER(begin_list, resume_list);
const struct gw_handler gw_route_getTask = TASKS_HANDLER(begin, resume_one);
const struct gw_handler gw_route_listAttempts = TASKS_HANDLER(begin, resume_attempts);
