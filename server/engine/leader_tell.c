/*
 * Telling the backend what is due. It is not remembered but derived from the jobs as they are
 * recorded, for each submission that is open; what was not taken is asked again later. Leader's
 * thread only.
 */
#include "server/engine/leader_state.h"

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/crash.h"

static struct gw_mark mark_of(const struct live *v, const struct part *p)
{
        return (struct gw_mark){v->job.id, v->array ? p->number : v->job.submission};
}

/* How many tasks of it may run at a time, where the backend keeps that. */
static uint32_t parallel_of(const struct gw_leader *l, const struct live *v, const struct part *p)
{
        return v->array && l->backend->type->whole_arrays ? gw_array_parallel(v->array, p) : 0;
}

static int tell_submit(struct gw_leader *l, struct live *v, struct part *p)
{
        struct gw_submission s;
        gw_live_submission(v, p, &s);
        uint32_t parallel = parallel_of(l, v, p);
        p->told_held = s.held;
        p->kept = parallel == GW_PARALLEL_NONE;
        s.held = s.held || p->kept;
        s.max_parallel = p->kept ? 0 : parallel;
        gw_pause_asked(l, v, p, s.mark);
        p->paused = false;
        gw_crash_point("leader.intended");
        int rc = l->backend->type->submit(l->backend, &s);
        p->told_parallel = parallel;
        gw_crash_point("leader.handed");
        return rc;
}

static int tell_resolve(struct gw_leader *l, struct live *v, struct part *p)
{
        struct gw_submission s;
        gw_live_submission(v, p, &s);
        return l->backend->type->resolve(l->backend, &s);
}

static int tell_cancel(struct gw_leader *l, struct live *v, struct part *p)
{
        struct gw_spans some = GW_SPANS_INIT;
        int rc = v->array ? gw_array_stopped(v->array, p, &some)
                          : gw_spans_append(&some, 0, 0, NULL);
        if (rc == 0 && some.count > 0)
                rc = l->backend->type->cancel(l->backend, mark_of(v, p), some.items, some.count);
        gw_spans_done(&some);
        if (rc == 0)
                p->cancels = false;
        return rc;
}

/* What the submission is due by itself. */
static unsigned own_actions(const struct live *v, const struct part *p)
{
        return v->array ? gw_array_actions(v, p) : gw_job_actions(&v->job);
}

/* Where it is only about how many run, what others held or released there stays so; but what none
 * may run of is held until its turn comes, for no scheduler has a word for that. */
static int tell_change(struct gw_leader *l, struct live *v, struct part *p)
{
        bool hold = p->changes ? p->hold : v->job.held;
        uint32_t parallel = parallel_of(l, v, p);
        bool none = parallel == GW_PARALLEL_NONE;
        p->said_hold = p->changes || none != p->kept || (own_actions(v, p) & GW_ACTION_CHANGE);
        int rc =
                l->backend->type->change(l->backend, mark_of(v, p),
                                         p->said_hold ? hold || none : -1, -1, none ? 0 : parallel);
        if (p->said_hold)
                p->told_held = p->hold = hold;
        if (rc == 0) {
                p->told_parallel = parallel;
                p->kept = none;
                p->changes = false;
                p->changes_out++;
        }
        return rc;
}

static const struct {
        unsigned action;
        int (*tell)(struct gw_leader *l, struct live *v, struct part *p);
} requests[] = {
        {GW_ACTION_SUBMIT, tell_submit},
        {GW_ACTION_RESOLVE, tell_resolve},
        {GW_ACTION_CANCEL, tell_cancel},
        {GW_ACTION_CHANGE, tell_change},
};

/* Whether some of it is to end, and the submit is out: what that brings may begin at any time, long
 * before the answer is recorded. */
static bool cancels_unanswered(const struct live *v, const struct part *p, unsigned due)
{
        bool is_out = due & p->asked & GW_ACTION_SUBMIT;
        return is_out && (v->array ? p->cancels : v->job.stop != GW_REASON_NONE);
}

static unsigned actions_of(const struct gw_leader *l, const struct live *v, const struct part *p)
{
        unsigned due = own_actions(v, p);
        if (cancels_unanswered(v, p, due))
                due |= GW_ACTION_CANCEL;
        bool can_change = v->array ? p->state == GW_SUBMISSION_ACCEPTED
                                   : v->job.step == GW_STEP_PENDING && !v->job.stop;
        bool changes = p->changes || p->told_parallel != parallel_of(l, v, p);
        return changes && can_change ? due | GW_ACTION_CHANGE : due;
}

/* Whether nobody wants it to run. */
static bool is_unwanted(const struct live *v, const struct part *p)
{
        return v->array ? gw_array_unwanted(v->array, p) : v->job.stop != GW_REASON_NONE;
}

/* What the backend must be told and was not: as bits. What is not to be sent any more, because
 * nobody wants it or its time is over, is not among it, nor what a pause keeps. */
static unsigned due_now(const struct gw_leader *l, const struct live *v, struct part *p)
{
        unsigned due = actions_of(l, v, p);
        p->asked &= due;
        if (p->changes || p->told_held != v->job.held || p->told_parallel != parallel_of(l, v, p))
                p->asked &= ~(unsigned)GW_ACTION_CHANGE;
        if (p->cancels)
                p->asked &= ~(unsigned)GW_ACTION_CANCEL;
        due &= ~p->asked;
        p->paused = (due & GW_ACTION_SUBMIT) && !gw_pause_lets(l, v, p);
        if (p->paused || is_unwanted(v, p) || p->send_before_us <= gw_clock_wall_us())
                due &= ~(unsigned)GW_ACTION_SUBMIT;
        return due;
}

static void act(struct gw_leader *l, struct live *v, struct part *p)
{
        unsigned due = due_now(l, v, p);
        if (!due || gw_clock_mono_us() < p->again_us)
                return;
        for (size_t i = 0; i < GW_COUNT(requests); i++) {
                if (!(due & requests[i].action))
                        continue;
                if (requests[i].tell(l, v, p) < 0)
                        p->again_us = gw_clock_mono_us() + LEADER_AGAIN_US;
                else
                        p->asked |= requests[i].action;
        }
}

void gw_leader_act(struct gw_leader *l, struct live *v)
{
        struct part *p = NULL;
        while ((p = gw_live_next_part(v, p)))
                act(l, v, p);
}

void gw_leader_share_anew(struct gw_leader *l, struct live *v)
{
        struct part *p = NULL;
        while ((p = gw_live_next_part(v, p))) {
                if (p->changing || parallel_of(l, v, p) != GW_PARALLEL_NONE)
                        continue;
                p->hold = p->changes ? p->hold : v->job.held;
                p->changes = p->changing = p->changed = true;
        }
}

/* ---- what was put off ---------------------------------------------------------------------- */

static void ask_again(struct gw_leader *l, struct live *v, struct part *p)
{
        bool unsent = (actions_of(l, v, p) & GW_ACTION_SUBMIT) && !(p->asked & GW_ACTION_SUBMIT);
        if (unsent && is_unwanted(v, p)) {
                struct gw_job_event e = {
                        .type = GW_EVENT_NOT_SENT, .at_us = gw_clock_wall_us(), .exit_code = -1};
                gw_leader_apply_part(l, v, p, NULL, &e);
        } else if (unsent && !gw_pause_lets(l, v, p)) {
                struct gw_job_event e;
                gw_pause_event(l, v, p, &e);
                gw_leader_apply_part(l, v, p, NULL, &e);
        } else if (unsent && p->send_before_us <= gw_clock_wall_us()) {
                gw_leader_renew(l, v, p);
        } else {
                act(l, v, p);
        }
}

static void ask_job_again(struct gw_leader *l, struct live *v)
{
        struct part *next;
        if (gw_leader_end_orphans(l, v))
                return;
        for (struct part *p = gw_live_next_part(v, NULL); p && !l->lost; p = next) {
                next = gw_live_next_part(v, p); /* the job may be gone after its last */
                ask_again(l, v, p);
        }
}

void gw_leader_ask_again(struct gw_leader *l)
{
        gw_pauses_look(l);
        /* The batch is empty: a flush frees only what the loop has passed. */
        for (size_t i = 0; i < LEADER_BUCKETS && !l->lost; i++) {
                struct live *next;
                for (struct live *v = l->live.buckets[i]; v && !l->lost; v = next) {
                        next = v->next;
                        ask_job_again(l, v);
                }
        }
        gw_leader_flush(l);
}
