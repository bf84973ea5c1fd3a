/*
 * GET …/logs?follow=true. Runs on the exchange's loop thread.
 *
 *   search ─► send ─► the attempt's end ─► search for the next ─► … ─► the job's end
 *     └► nothing yet: wait at the hub for the job's next event, search again after a pause
 *
 * The header is sent when it is known that there is something to wait for. From then on a
 * problem cannot be told any more: it cuts the answer off, so that the client sees that it is
 * not complete, and so does the end of the gateway. What passes, such as the database being
 * away, is waited out.
 */
#include "routes/log_follow.h"

#include "routes/log_view.h"
#include "server/base/clock.h"

static enum gw_next search(struct gw_call *call, struct gw_log_follow *l)
{
        l->stage = LOG_FOLLOW_SEARCH;
        l->began_us = gw_clock_mono_us();
        l->since = gw_hub_now(call->service->hub);
        return gw_log_find_begin(call, &l->find);
}

enum gw_next gw_log_follow_begin(struct gw_call *call, struct gw_log_follow *l)
{
        struct gw_error err = {0};
        struct gw_work home = {.home = gw_call_home(call), .owner = call->exchange};
        l->call = call;
        l->find.id = gw_call_path_id(call, 0);
        l->find.index = gw_call_int(call, "task", 0);
        l->follower = gw_follower_new(call->service->follow, call->principal->user_id, &home, &err);
        return l->follower ? search(call, l) : gw_call_fail(call, &err);
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* How long, when there is no event. */
static int64_t longest_us(enum gw_log_found found)
{
        static const int64_t longest[] = {[GW_LOG_NOT_YET] = GW_FOLLOW_LOOK_US,
                                          [GW_LOG_SOON] = GW_FOLLOW_SOON_US,
                                          [GW_LOG_AWAY] = GW_FOLLOW_AGAIN_US};
        return longest[found];
}

static ssize_t wait_at_hub(struct gw_call *call, struct gw_log_follow *l, struct gw_id job,
                           int64_t until_us)
{
        l->wait = (struct gw_hub_wait){
                .work = {.home = gw_call_home(call), .owner = call->exchange},
                .job = job,
                .since = l->find.found == GW_LOG_AWAY ? gw_hub_now(call->service->hub) : l->since,
                .until_us = until_us,
                .sure = true,
        };
        if (gw_follow_draining(call->service->follow) ||
            gw_hub_wait(call->service->hub, &l->wait, NULL))
                return GW_STREAM_CUT;
        l->stage = LOG_FOLLOW_WAIT;
        return GW_STREAM_WAIT;
}

static ssize_t wait_for_event(struct gw_call *call, struct gw_log_follow *l)
{
        return wait_at_hub(call, l, l->find.id, gw_clock_mono_us() + longest_us(l->find.found));
}

static ssize_t wait_for_time(struct gw_call *call, struct gw_log_follow *l)
{
        return wait_at_hub(call, l, (struct gw_id){0}, l->next_us);
}

/* Something happened, or the time is over. */
static enum gw_next after_wait(struct gw_call *call, struct gw_log_follow *l)
{
        if (gw_clock_mono_us() >= l->next_us)
                return search(call, l);
        l->stage = LOG_FOLLOW_PAUSE;
        return GW_NEXT_RESPOND;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* All attempts until the job's end, unless one was asked for. */
static bool is_done(const struct gw_call *call, const struct gw_log_follow *l)
{
        return gw_call_int(call, "attempt", 0) > 0 || gw_log_find_is_last(&l->find);
}

/* The attempt has been sent. */
static ssize_t go_on(struct gw_call *call, struct gw_log_follow *l)
{
        if (is_done(call, l))
                return GW_STREAM_END;
        l->find.behind = l->find.attempt;
        return search(call, l) == GW_NEXT_WAIT ? GW_STREAM_WAIT : GW_STREAM_CUT;
}

static ssize_t send_more(struct gw_call *call, struct gw_log_follow *l, char *out, size_t max)
{
        ssize_t n = gw_follower_read(l->follower, out, max);
        switch (n) {
        case GW_FOLLOW_WAIT:
                return GW_STREAM_WAIT;
        case GW_FOLLOW_END:
                return go_on(call, l);
        case GW_FOLLOW_FAILED:
                return GW_STREAM_CUT;
        default:
                return n;
        }
}

static ssize_t read_on(void *arg, char *out, size_t max)
{
        struct gw_log_follow *l = arg;
        struct gw_call *call = l->call;
        switch (l->stage) {
        case LOG_FOLLOW_SEND:
                return send_more(call, l, out, max);
        case LOG_FOLLOW_STAND:
                return wait_for_event(call, l);
        case LOG_FOLLOW_PAUSE:
                return wait_for_time(call, l);
        case LOG_FOLLOW_END:
                return GW_STREAM_END;
        case LOG_FOLLOW_SEARCH: /* it failed, and there was no memory to say so */
        case LOG_FOLLOW_WAIT:
                break;
        }
        return GW_STREAM_CUT;
}

/* Sets the answer, the first time. */
static enum gw_next stream(struct gw_call *call, struct gw_log_follow *l)
{
        if (!l->streaming)
                gw_log_stream_begin(call, &l->stream, &l->find.read.seen, read_on, l);
        l->streaming = true;
        return GW_NEXT_RESPOND;
}

/* ---- the search is over ---------------------------------------------------------------------- */

static enum gw_next open_log(struct gw_call *call, struct gw_log_follow *l)
{
        uint64_t first = 0;
        bool old = l->find.behind == 0 && !l->streaming; /* it was there when the call came */
        if (old && gw_log_first(call, &l->find.source, &first))
                return gw_call_fail_code(call, GW_ERR_IO, "the output could not be read");
        gw_follower_open(l->follower, &l->find.source, first);
        gw_log_kept_place_move(&l->place, &l->find.kept_place);
        l->stage = LOG_FOLLOW_SEND;
        return stream(call, l);
}

/* There is no such attempt and never will be; perhaps there is one after it. */
static enum gw_next after_none(struct gw_call *call, struct gw_log_follow *l)
{
        if (!l->streaming)
                return gw_log_find_fail(call, &l->find);
        l->stage = LOG_FOLLOW_END;
        if (is_done(call, l))
                return GW_NEXT_RESPOND;
        l->find.behind = l->find.attempt;
        return search(call, l);
}

/* From here on each attempt is sent: the next search must not take a later one for the first. */
static void keep_order(const struct gw_call *call, struct gw_log_find *find)
{
        if (gw_call_int(call, "attempt", 0) > 0)
                return;
        find->in_order = true;
        find->behind = find->attempt - 1;
}

static enum gw_next after_search(struct gw_call *call, struct gw_log_follow *l)
{
        l->next_us = gw_follow_next_us(l->began_us);
        switch (l->find.found) {
        case GW_LOG_THERE:
                return open_log(call, l);
        case GW_LOG_NOT_YET:
        case GW_LOG_SOON:
                keep_order(call, &l->find);
                break;
        case GW_LOG_NEVER:
                return after_none(call, l);
        case GW_LOG_AWAY:
                if (!l->streaming)
                        return gw_log_find_fail(call, &l->find);
                break;
        case GW_LOG_GONE: /* an answer that has begun is cut */
                return gw_log_find_fail(call, &l->find);
        }
        l->stage = LOG_FOLLOW_STAND;
        return stream(call, l);
}

enum gw_next gw_log_follow_resume(struct gw_call *call, struct gw_log_follow *l)
{
        enum gw_next next;
        if (gw_log_stream_resume(&l->stream, &next))
                return next;
        switch (l->stage) {
        case LOG_FOLLOW_SEARCH:
                return gw_log_find_resume(call, &l->find, &next) ? after_search(call, l) : next;
        case LOG_FOLLOW_WAIT:
                return after_wait(call, l);
        case LOG_FOLLOW_SEND: /* the follower came home */
        case LOG_FOLLOW_STAND:
        case LOG_FOLLOW_PAUSE:
        case LOG_FOLLOW_END:
                break;
        }
        return GW_NEXT_RESPOND;
}

void gw_log_follow_abandon(struct gw_call *call, struct gw_log_follow *l)
{
        if (gw_log_stream_abandon(&l->stream))
                return;
        if (l->stage == LOG_FOLLOW_SEND)
                gw_follower_abandon(l->follower);
        else if (l->stage == LOG_FOLLOW_WAIT)
                gw_hub_abandon(call->service->hub, &l->wait);
}

void gw_log_follow_done(struct gw_log_follow *l)
{
        gw_follower_free(l->follower);
        gw_log_kept_place_give_back(&l->place);
        gw_log_find_done(&l->find);
}
