/* See log_stream.h. The exchange's loop thread. */
#include "routes/log_stream.h"

#include "routes/log_find.h"
#include "routes/log_view.h"
#include "server/base/clock.h"

static ssize_t wait_to_ask(struct gw_log_stream *s)
{
        const struct gw_service *service = s->call->service;
        s->away = false;
        s->wait = (struct gw_hub_wait){
                .work = {.home = gw_call_home(s->call), .owner = s->call->exchange},
                .until_us = gw_clock_mono_us() + GW_FOLLOW_AGAIN_US,
                .sure = true,
        };
        if (gw_follow_draining(service->follow) || gw_hub_wait(service->hub, &s->wait, NULL))
                return GW_STREAM_CUT;
        s->waiting = true;
        return GW_STREAM_WAIT;
}

/* The question is answered. */
static void take(struct gw_log_stream *s, enum gw_next next, const struct gw_error *err)
{
        s->away = next == GW_NEXT_RESPOND && gw_log_find_is_passing(err);
        s->refused = next == GW_NEXT_RESPOND && !s->away;
}

static void ask(struct gw_log_stream *s)
{
        struct gw_error err = {0};
        enum gw_next next = gw_authenticate_begin(s->call, &s->lookup, &err);
        if (next != GW_NEXT_WAIT)
                take(s, next, &err);
}

static bool may_read(const struct gw_log_stream *s)
{
        const struct gw_principal *p = s->call->principal;
        if (p->expires_us && gw_clock_wall_us() >= p->expires_us)
                return false;
        return gw_policy_check(p, gw_job_membership(s->call, s->job), GW_VERB_READ,
                               s->job->user_id == p->user_id, NULL) == 0;
}

static ssize_t read_on(void *arg, char *out, size_t max)
{
        struct gw_log_stream *s = arg;
        if (!s->away && gw_authenticate_is_stale(s->call))
                ask(s);
        if (s->lookup)
                return GW_STREAM_WAIT;
        if (s->away)
                return wait_to_ask(s);
        if (s->refused || !may_read(s))
                return GW_STREAM_CUT;
        return s->read(s->arg, out, max);
}

void gw_log_stream_begin(struct gw_call *call, struct gw_log_stream *s,
                         const struct gw_job_seen *job, gw_stream_read read, void *arg)
{
        *s = (struct gw_log_stream){.call = call, .job = job, .read = read, .arg = arg};
        gw_respond_stream(call->exchange, 200, GW_LOG_TYPE, read_on, s);
        gw_respond_header(call->exchange, "X-Content-Type-Options", "nosniff");
        gw_respond_header(call->exchange, "Cache-Control", "no-store");
        gw_respond_header(call->exchange, "X-Accel-Buffering", "no"); /* nginx would hold it back */
}

bool gw_log_stream_resume(struct gw_log_stream *s, enum gw_next *ret_next)
{
        struct gw_error err = {0};
        *ret_next = GW_NEXT_RESPOND;
        if (s->waiting) {
                s->waiting = false;
                return true;
        }
        if (!s->lookup)
                return false;
        enum gw_next next = gw_authenticate_resume(s->call, s->lookup, &err);
        if (next == GW_NEXT_WAIT) {
                *ret_next = next;
                return true;
        }
        s->lookup = NULL;
        take(s, next, &err);
        return true;
}

bool gw_log_stream_abandon(struct gw_log_stream *s)
{
        if (s->waiting)
                gw_hub_abandon(s->call->service->hub, &s->wait);
        return s->waiting || s->lookup;
}
