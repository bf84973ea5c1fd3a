/*
 * GET /v1/events and …/jobs/{id}/events: pages of the event log. The exchange's loop thread;
 * rows are written on the database's.
 *
 * A cursor is the number of an event, so a client that passes on what it was given misses
 * nothing: numbers are in commit order. The hub's number is taken before each page is read, so
 * an event that comes after an empty page ends the wait.
 */
#include "db/events.h"

#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/job_read.h"
#include "server/base/clock.h"
#include "server/model/cursor.h"

#define MAX_PAGE (16 * 1024 * 1024)
#define CURSOR_KIND 'e'

struct events {
        struct gw_job_read read; /* whether the job is visible; not for all events */
        struct gw_db_event_page page;
        struct gw_hub_wait wait;
        const struct gw_principal *principal;
        struct gw_buf items;
        int64_t last; /* number of the last event written, or of `after` */
        int64_t since, deadline_us;
        enum { EVENTS_JOB, EVENTS_PAGE, EVENTS_WAIT } stage;
};

/* ---- items --------------------------------------------------------------------------------- */

static void write_cursor(struct gw_buf *out, int64_t n)
{
        struct gw_cursor cursor = {.kind = CURSOR_KIND, .n = n, .filter = GW_CURSOR_NO_FILTER};
        char text[GW_CURSOR_TEXT];
        gw_cursor_encode(&cursor, text);
        gw_buf_json_str(out, text);
}

static void write_event(struct gw_buf *out, const struct gw_event_row *e, const char *project)
{
        char id[GW_ID_TEXT];
        gw_id_format(e->job, id);
        gw_buf_str(out, "{\"cursor\":");
        write_cursor(out, e->n);
        gw_buf_str(out, ",\"at\":");
        gw_buf_json_time(out, e->at_us);
        gw_buf_str(out, ",\"kind\":");
        gw_buf_json_str(out, e->kind);
        gw_buf_str(out, ",\"job_id\":");
        gw_buf_json_str(out, id);
        gw_buf_str(out, ",\"project\":");
        gw_buf_json_str(out, project);
        gw_buf_str(out, ",\"state\":");
        gw_buf_json_str(out, e->state);
        gw_buf_str(out, ",\"reason\":");
        gw_buf_json_str(out, e->reason);
        gw_buf_str(out, ",\"indices\":");
        gw_buf_json_str(out, e->indices);
        gw_buf_str(out, ",\"attempt\":");
        if (e->attempt > 0)
                gw_buf_int(out, e->attempt);
        else
                gw_buf_str(out, "null");
        gw_buf_str(out, ",\"actor\":");
        gw_buf_json_str(out, e->actor);
        gw_buf_str(out, ",\"request_id\":");
        gw_buf_json_str(out, e->request_id);
        gw_buf_str(out, ",\"data\":");
        gw_buf_str(out, e->data ? e->data : "null");
        gw_buf_char(out, '}');
}

static void take_event(void *arg, const struct gw_event_row *row)
{
        struct events *e = arg;
        const struct gw_membership *m = gw_principal_project_id(e->principal, row->project_id);
        if (e->items.len > 0)
                gw_buf_char(&e->items, ',');
        write_event(&e->items, row, m ? m->project : "");
        e->last = row->n;
}

/* ---- page and wait ------------------------------------------------------------------------- */

static enum gw_next ask(struct gw_call *call, struct events *e)
{
        e->stage = EVENTS_PAGE;
        e->since = gw_hub_now(call->service->hub);
        return gw_call_page(call, &e->page.cmd);
}

/* Returns 0, or -1 with an answer set. */
static int prepare(struct gw_call *call, struct events *e)
{
        const char *after = gw_call_text(call, "after");
        struct gw_cursor cursor = {0};
        struct gw_error err = {0};
        if (after && gw_cursor_decode(after, CURSOR_KIND, GW_CURSOR_NO_FILTER, &cursor, &err)) {
                gw_faults_add(call->faults, err.code, "?after", "%s", err.message);
                gw_call_fail_faults(call, call->faults);
                return -1;
        }
        gw_buf_init(&e->items, MAX_PAGE);
        e->principal = call->principal;
        e->deadline_us = gw_call_deadline(call);
        e->last = cursor.n;
        e->page.after = cursor.n;
        e->page.limit = (int32_t)gw_call_int(call, "limit", 0);
        e->page.each = take_event;
        e->page.arg = e;
        return 0;
}

static enum gw_next answer(struct gw_call *call, struct events *e)
{
        struct gw_buf json = GW_BUF_INIT(MAX_PAGE + 256);
        gw_buf_reserve(&json, e->items.len + 256);
        gw_buf_str(&json, "{\"items\":[");
        gw_buf_add(&json, e->items.data, e->items.len);
        gw_buf_str(&json, "],\"next\":");
        write_cursor(&json, e->last);
        gw_buf_char(&json, '}');
        json.failed |= e->items.failed;
        gw_buf_done(&e->items); /* not to be held until the answer has been read */
        return gw_call_json(call, 200, &json);
}

static enum gw_next wait_for_event(struct gw_call *call, struct events *e)
{
        struct gw_error err = {0};
        e->wait.work.home = gw_call_home(call);
        e->wait.work.owner = call->exchange;
        e->wait.job = e->page.job;
        e->wait.projects = call->principal->project_ids;
        e->wait.project_count = call->principal->count;
        e->wait.since = e->since;
        e->wait.until_us = e->deadline_us;
        e->wait.met = false;
        if (gw_hub_wait(call->service->hub, &e->wait, &err))
                return gw_call_fail(call, &err);
        e->stage = EVENTS_WAIT;
        return GW_NEXT_WAIT;
}

static enum gw_next take_page(struct gw_call *call, struct events *e)
{
        if (e->page.cmd.error.code != GW_OK)
                return gw_call_fail(call, &e->page.cmd.error);
        if (e->page.cmd.rows > 0 || !e->deadline_us || gw_clock_mono_us() >= e->deadline_us)
                return answer(call, e);
        return wait_for_event(call, e);
}

/* ---- handlers ------------------------------------------------------------------------------ */

static enum gw_next begin_all(struct gw_call *call)
{
        struct events *e = call->state;
        if (prepare(call, e))
                return GW_NEXT_RESPOND;
        e->page.projects = call->principal->project_list;
        gw_db_event_page_init(&e->page);
        return ask(call, e);
}

static enum gw_next begin_job(struct gw_call *call)
{
        struct events *e = call->state;
        if (prepare(call, e))
                return GW_NEXT_RESPOND;
        e->page.job = e->read.id = gw_call_path_id(call, 0);
        gw_db_event_page_init(&e->page);
        return gw_job_read_begin(call, &e->read);
}

static enum gw_next resume(struct gw_call *call, struct gw_work *work)
{
        struct events *e = call->state;
        enum gw_next next;
        (void)work;
        switch (e->stage) {
        case EVENTS_JOB:
                return gw_job_read_resume(call, &e->read, &next) ? ask(call, e) : next;
        case EVENTS_PAGE:
                return take_page(call, e);
        case EVENTS_WAIT:
                break;
        }
        if (!e->wait.met)
                e->deadline_us = 0;
        return ask(call, e);
}

static void abandon(struct gw_call *call)
{
        struct events *e = call->state;
        e->deadline_us = 0;
        if (e->stage == EVENTS_WAIT)
                gw_hub_abandon(call->service->hub, &e->wait);
}

static void end(struct gw_call *call)
{
        struct events *e = call->state;
        gw_job_read_done(&e->read);
        gw_buf_done(&e->items);
}

#define EVENTS_HANDLER(begin_function)                                                             \
        {                                                                                          \
                .begin = (begin_function), .resume = resume, .end = end,                           \
                .state_size = sizeof(struct events), .abandon = abandon                            \
        }

const struct gw_handler gw_route_listEvents = EVENTS_HANDLER(begin_all);
const struct gw_handler gw_route_listJobEvents = EVENTS_HANDLER(begin_job);
