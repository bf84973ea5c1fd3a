/*
 * The tasks of a job and the attempts of each. A plain job has one task, which is the job
 * itself: its row tells all of it. The exchange's loop thread; rows are taken on the database's.
 */
#include <string.h>

#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/filter.h"
#include "routes/job_json.h"
#include "routes/task_indices.h"
#include "server/model/cursor.h"

#define MAX_ITEMS_JSON (16 * 1024 * 1024)
#define CURSOR_KIND 't'

struct tasks {
        struct gw_job_read read;
        struct gw_indexset indices; /* once the job was read */
        struct gw_db_task_page page;
        struct gw_db_attempts attempts;
        struct gw_buf items;
        bool asked; /* for tasks or attempts */
        /* Of a list. */
        const char *states;
        uint64_t filter; /* a hash of them */
        uint32_t next;   /* ordinal */
        int32_t limit, count;
        bool more;
};

static enum gw_next begin(struct gw_call *call)
{
        struct tasks *t = call->state;
        t->read.id = gw_call_path_id(call, 0);
        t->read.write = gw_task_indices_write;
        return gw_job_read_begin(call, &t->read);
}

static void end(struct gw_call *call)
{
        struct tasks *t = call->state;
        gw_job_read_done(&t->read);
        gw_indexset_done(&t->indices);
        gw_buf_done(&t->items);
}

static enum gw_next answer_items(struct gw_call *call, struct tasks *t, const char *next)
{
        struct gw_buf json = GW_BUF_INIT(MAX_ITEMS_JSON + 256);
        gw_buf_str(&json, "{\"items\":[");
        gw_buf_add(&json, t->items.data, t->items.len);
        gw_buf_str(&json, "],\"next\":");
        gw_buf_json_str(&json, next);
        gw_buf_char(&json, '}');
        json.failed |= t->items.failed;
        gw_buf_done(&t->items); /* not to be held until the answer has been read */
        return gw_call_json(call, 200, &json);
}

/* ---- tasks of an array --------------------------------------------------------------------- */

static void take_task(void *arg, const struct gw_task_row *row)
{
        struct tasks *t = arg;
        uint32_t index = 0;
        if (t->count == t->limit) {
                t->more = true;
                return;
        }
        if (t->count++ > 0)
                gw_buf_char(&t->items, ',');
        t->items.failed |= gw_indexset_index(&t->indices, row->ordinal, &index) < 0;
        gw_array_task_json(&t->items, index, row);
        t->next = row->ordinal + 1;
}

static enum gw_next ask_page(struct gw_call *call, struct tasks *t, uint32_t after, int32_t limit)
{
        t->asked = true;
        t->limit = limit;
        gw_buf_init(&t->items, MAX_ITEMS_JSON);
        t->page.job = t->read.id;
        t->page.after = after;
        t->page.limit = limit + 1;
        t->page.states = t->states;
        t->page.each = take_task;
        t->page.arg = t;
        gw_db_task_page_init(&t->page);
        return limit == 1 ? gw_call_read(call, &t->page.cmd) : gw_call_page(call, &t->page.cmd);
}

/* ---- listTasks ----------------------------------------------------------------------------- */

static int read_criteria(struct gw_call *call, struct tasks *t)
{
        const char *text = gw_call_text(call, "cursor");
        struct gw_cursor cursor = {0};
        struct gw_error err = {0};
        t->filter = GW_CURSOR_NO_FILTER;
        if (gw_filter_join(call, gw_call_value(call, "state"), &t->states)) {
                gw_call_fail_code(call, GW_ERR_NOMEM, "out of memory");
                return -1;
        }
        if (t->states)
                t->filter = gw_cursor_filter_add(t->filter, "state", t->states);
        if (text && gw_cursor_decode(text, CURSOR_KIND, t->filter, &cursor, &err)) {
                gw_faults_add(call->faults, err.code, "?cursor", "%s", err.message);
                gw_call_fail_faults(call, call->faults);
                return -1;
        }
        t->next = (uint32_t)cursor.n;
        return 0;
}

static enum gw_next begin_list(struct gw_call *call)
{
        return read_criteria(call, call->state) < 0 ? GW_NEXT_RESPOND : begin(call);
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

/* The page after the only one is never given out. */
static enum gw_next answer_plain(struct gw_call *call, struct tasks *t)
{
        gw_buf_init(&t->items, MAX_ITEMS_JSON);
        if (is_wanted(call, t->read.seen.state) && t->next == 0)
                gw_buf_add(&t->items, t->read.out.data, t->read.out.len);
        t->items.failed |= t->read.out.failed;
        return answer_items(call, t, NULL);
}

static enum gw_next resume_list(struct gw_call *call, struct gw_work *work)
{
        struct tasks *t = call->state;
        enum gw_next next;
        (void)work;
        if (t->asked) {
                char text[GW_CURSOR_TEXT];
                struct gw_cursor cursor = {.kind = CURSOR_KIND, .n = t->next, .filter = t->filter};
                if (t->page.cmd.error.code != GW_OK)
                        return gw_call_fail(call, &t->page.cmd.error);
                gw_cursor_encode(&cursor, text);
                return answer_items(call, t, t->more ? text : NULL);
        }
        if (!gw_job_read_resume(call, &t->read, &next))
                return next;
        if (!t->read.seen.is_array)
                return answer_plain(call, t);
        if (gw_task_indices(call, &t->read, &t->indices) < 0)
                return GW_NEXT_RESPOND;
        return ask_page(call, t, t->next, (int32_t)gw_call_int(call, "limit", 0));
}

/* ---- getTask ------------------------------------------------------------------------------- */

static enum gw_next answer_task(struct gw_call *call, struct tasks *t)
{
        if (t->page.cmd.error.code != GW_OK)
                return gw_call_fail(call, &t->page.cmd.error);
        if (t->count == 0) /* removed meanwhile */
                return gw_call_no_job(call);
        return gw_call_json(call, 200, &t->items);
}

static enum gw_next resume_one(struct gw_call *call, struct gw_work *work)
{
        struct tasks *t = call->state;
        uint32_t ordinal;
        enum gw_next next;
        (void)work;
        if (t->asked)
                return answer_task(call, t);
        if (!gw_job_read_resume(call, &t->read, &next))
                return next;
        if (gw_task_indices(call, &t->read, &t->indices) < 0 ||
            gw_task_ordinal(call, &t->indices, gw_call_path_int(call, 1), &ordinal) < 0)
                return GW_NEXT_RESPOND;
        if (!t->read.seen.is_array)
                return gw_call_json(call, 200, &t->read.out);
        return ask_page(call, t, ordinal, 1);
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
        uint32_t ordinal;
        if (gw_task_indices(call, &t->read, &t->indices) < 0 ||
            gw_task_ordinal(call, &t->indices, gw_call_path_int(call, 1), &ordinal) < 0)
                return GW_NEXT_RESPOND;
        t->asked = true;
        gw_buf_init(&t->items, MAX_ITEMS_JSON);
        t->attempts.job = t->read.id;
        t->attempts.ordinal = (int32_t)ordinal;
        t->attempts.each = take_attempt;
        t->attempts.arg = t;
        gw_db_attempts_init(&t->attempts);
        return gw_call_read(call, &t->attempts.cmd);
}

static enum gw_next resume_attempts(struct gw_call *call, struct gw_work *work)
{
        struct tasks *t = call->state;
        enum gw_next next;
        (void)work;
        if (!t->asked)
                return gw_job_read_resume(call, &t->read, &next) ? ask_attempts(call, t) : next;
        if (t->attempts.cmd.error.code != GW_OK)
                return gw_call_fail(call, &t->attempts.cmd.error);
        return answer_items(call, t, NULL);
}

#define TASKS_HANDLER(begin_function, resume_function)                                             \
        {                                                                                          \
                .begin = (begin_function), .resume = (resume_function), .end = end,                \
                .state_size = sizeof(struct tasks)                                                 \
        }

const struct gw_handler gw_route_listTasks = TASKS_HANDLER(begin_list, resume_list);
const struct gw_handler gw_route_getTask = TASKS_HANDLER(begin, resume_one);
const struct gw_handler gw_route_listAttempts = TASKS_HANDLER(begin, resume_attempts);
