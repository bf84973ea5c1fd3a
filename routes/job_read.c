/*
 * The read: question → look → (wait at the hub → question) … Runs on the exchange's loop
 * thread, but for take_row, which runs on the database's while the question is out.
 *
 * No event is missed: the hub's number is taken before each question, so whatever is recorded
 * after the row was read is above it and ends the wait at once.
 */
#include "routes/job_read.h"

#include <string.h>

#include "routes/job_json.h"
#include "server/base/clock.h"
#include "server/base/str.h"

static void take_row(void *arg, const struct gw_job_row *row)
{
        struct gw_job_read *r = arg;
        r->seen = (struct gw_job_seen){
                .project_id = row->project_id,
                .user_id = row->user_id,
                .version = row->version,
                .task_count = row->task_count,
                .attempt = row->attempt,
                .state = row->state,
                .is_array = row->index_set != NULL,
        };
        gw_str_copy(r->seen.backend, sizeof r->seen.backend, row->backend);
        gw_buf_clear(&r->out);
        if (r->write)
                r->write(&r->out, row, r->fields);
}

static enum gw_next ask(struct gw_call *call, struct gw_job_read *r)
{
        r->since = gw_hub_now(call->service->hub);
        return gw_call_read(call, &r->get.cmd);
}

enum gw_next gw_job_read_begin(struct gw_call *call, struct gw_job_read *r)
{
        if (r->out.max == 0)
                gw_buf_init(&r->out, GW_MAX_JOB_JSON);
        r->again = false;
        r->get.id = r->id;
        r->get.each = take_row;
        r->get.arg = r;
        gw_db_job_get_init(&r->get);
        return ask(call, r);
}

/* Differs from what the client has, or from what it was when the call began. */
static bool has_changed(struct gw_call *call, const struct gw_job_read *r)
{
        char etag[GW_JOB_ETAG];
        if (r->seen.version != r->first_version)
                return true;
        gw_job_etag(r->seen.version, r->fields, etag);
        return gw_exchange_header(call->exchange, "If-None-Match") && !gw_call_knows(call, etag);
}

/* A job that has ended changes no more, whatever is waited for. */
static bool is_there(struct gw_call *call, const struct gw_job_read *r)
{
        if (gw_state_terminal(r->seen.state))
                return true;
        switch (r->until) {
        case GW_UNTIL_STARTED:
                return r->seen.state == GW_RUNNING;
        case GW_UNTIL_CHANGE:
                return has_changed(call, r);
        case GW_UNTIL_TERMINAL:
                break;
        }
        return false;
}

static enum gw_next wait_for_event(struct gw_call *call, struct gw_job_read *r)
{
        struct gw_error err = {0};
        r->wait.work.home = gw_call_home(call);
        r->wait.work.owner = call->exchange;
        r->wait.job = r->id;
        r->wait.since = r->since;
        r->wait.until_us = r->deadline_us;
        r->wait.met = false;
        if (gw_hub_wait(call->service->hub, &r->wait, &err))
                return gw_call_fail(call, &err);
        r->waiting = true;
        return GW_NEXT_WAIT;
}

/* The row is here, or there is none. */
static bool look(struct gw_call *call, struct gw_job_read *r, enum gw_next *ret_next)
{
        *ret_next = GW_NEXT_RESPOND;
        if (r->get.cmd.error.code != GW_OK) {
                gw_call_fail(call, &r->get.cmd.error);
                return false;
        }
        if (r->get.cmd.rows == 0) {
                gw_call_no_job(call);
                return false;
        }
        if (!gw_job_allows(call, &r->seen, GW_VERB_READ))
                return false;
        if (!r->again)
                r->first_version = r->seen.version;
        r->again = true;
        if (!r->deadline_us || gw_clock_mono_us() >= r->deadline_us || is_there(call, r))
                return true;
        *ret_next = wait_for_event(call, r);
        return false;
}

bool gw_job_read_resume(struct gw_call *call, struct gw_job_read *r, enum gw_next *ret_next)
{
        if (!r->waiting)
                return look(call, r, ret_next);
        r->waiting = false;
        if (!r->wait.met)
                r->deadline_us = 0;
        *ret_next = ask(call, r);
        return false;
}

void gw_job_read_abandon(struct gw_call *call, struct gw_job_read *r)
{
        r->deadline_us = 0;
        if (r->waiting)
                gw_hub_abandon(call->service->hub, &r->wait);
}

void gw_job_read_done(struct gw_job_read *r)
{
        gw_buf_done(&r->out);
}

/* ---- who may ------------------------------------------------------------------------------- */

enum gw_job_until gw_job_until(const struct gw_call *call)
{
        static const char *const names[] = {
                [GW_UNTIL_STARTED] = "started",
                [GW_UNTIL_TERMINAL] = "terminal",
                [GW_UNTIL_CHANGE] = "change",
        };
        const char *name = gw_call_text(call, "until");
        for (size_t i = 0; i < GW_COUNT(names); i++)
                if (strcmp(name, names[i]) == 0)
                        return (enum gw_job_until)i;
        return GW_UNTIL_TERMINAL;
}

unsigned gw_job_status(const struct gw_call *call, enum gw_state state, unsigned usual)
{
        bool failed = gw_state_terminal(state) && state != GW_SUCCEEDED;
        return failed && gw_call_flag(call, "fail_on_failure") ? 424 : usual;
}

const struct gw_membership *gw_job_membership(const struct gw_call *call,
                                              const struct gw_job_seen *seen)
{
        return gw_principal_project_id(call->principal, seen->project_id);
}

bool gw_job_allows(struct gw_call *call, const struct gw_job_seen *seen, enum gw_verb verb)
{
        struct gw_error err = {0};
        bool own = seen->user_id == call->principal->user_id;
        if (gw_policy_check(call->principal, gw_job_membership(call, seen), verb, own, &err) == 0)
                return true;
        if (err.code == GW_ERR_NOT_FOUND)
                gw_call_no_job(call);
        else
                gw_call_fail(call, &err);
        return false;
}
