/*
 * What each event does to a job in each step, and the table of it at the end. Pure: any
 * thread; it sees no clock and no other job.
 *
 * Invariants: `stop` is set only while the backend has the job, or may have it; `held` only
 * while it waits; started_us is set once the current attempt was seen running; ENDED is left
 * by nothing. An attempt's row is added when its run was seen to begin, to change or to end.
 */
#include "server/model/job_rules.h"

#include <assert.h>
#include <stddef.h>

#include "server/base/clock.h"
#include "server/base/str.h"

/* ---- words ----------------------------------------------------------------------------- */

/* Whether an attempt can end for this reason. */
static bool ends(enum gw_reason r)
{
        return r >= GW_REASON_COMPLETED || r == GW_REASON_IMAGE_PULL;
}

/* The reason of a fact about something that goes on: never one that only an end has. */
static enum gw_reason lasting(enum gw_reason r)
{
        return r < GW_REASON_COMPLETED ? r : GW_REASON_NONE;
}

static bool is_cancel(enum gw_reason r)
{
        return gw_reason_outcome(r) == GW_CANCELLED;
}

/* Why the attempt ended: what people asked for when the backend calls it cancelled, or has it no
 * more and cannot say why; else what the backend says. What it cannot name is never taken for a
 * success. */
static enum gw_reason end_reason(const struct gw_job *job, const struct gw_job_event *event)
{
        enum gw_reason r = ends(event->reason) ? event->reason : GW_REASON_BACKEND_ERROR;

        if (job->stop != GW_REASON_NONE)
                return is_cancel(r) || r == GW_REASON_LOST ? job->stop : r;
        return r == GW_REASON_CANCELLED_BY_USER ? GW_REASON_CANCELLED_EXTERNALLY : r;
}

/* Why it is to end, for the three events that ask for it. */
static enum gw_reason wish_reason(const struct gw_job_event *event)
{
        if (event->type == GW_EVENT_TIMER_DEADLINE)
                return GW_REASON_DEADLINE;
        if (event->type == GW_EVENT_TIMER_START_DEADLINE)
                return GW_REASON_START_DEADLINE;
        return is_cancel(event->reason) ? event->reason : GW_REASON_CANCELLED_BY_USER;
}

/* Why a job that is not handed over waits, as far as the job itself knows. */
static enum gw_reason waiting_reason(const struct gw_job *job)
{
        if (job->held)
                return GW_REASON_HELD;
        if (job->delayed_us == 0)
                return GW_REASON_NONE;
        return job->submission == 0 ? GW_REASON_NOT_BEFORE : GW_REASON_RETRY_DELAY;
}

static void copy_words(char *dst, size_t size, const char *words)
{
        gw_str_copy(dst, size, words ? words : "");
        gw_str_clean(dst);
}

static void set_message(struct gw_job *job, const char *words)
{
        copy_words(job->message, sizeof job->message, words);
}

/* ---- steps ----------------------------------------------------------------------------- */

static void enter(struct gw_job *job, enum gw_job_step step, enum gw_reason reason)
{
        static const enum gw_state states[] = {
                [GW_STEP_WAITING] = GW_QUEUED,  [GW_STEP_INTENDED] = GW_QUEUED,
                [GW_STEP_UNKNOWN] = GW_QUEUED,  [GW_STEP_PENDING] = GW_PENDING,
                [GW_STEP_RUNNING] = GW_RUNNING,
        };
        assert((size_t)step < sizeof states / sizeof states[0]);
        job->step = step;
        job->state = states[step];
        job->reason = reason;
        if (reason != GW_REASON_NODE_UNAVAILABLE)
                job->silent_us = 0;
}

static void note_silence(struct gw_job *job, const struct gw_job_event *event)
{
        if (job->reason == GW_REASON_NODE_UNAVAILABLE && job->silent_us == 0)
                job->silent_us = event->at_us;
}

static void finish(struct gw_job *job, enum gw_reason reason, int64_t ended_us,
                   struct gw_job_effect *effect)
{
        job->step = GW_STEP_ENDED;
        job->state = gw_reason_outcome(reason);
        job->reason = reason;
        job->held = false;
        job->delayed_us = 0;
        job->silent_us = 0;
        job->ended_us = ended_us;
        effect->ended = true;
}

static void mark_submission(const struct gw_job *job, enum gw_submission_state state,
                            struct gw_job_effect *effect)
{
        effect->submission = state;
        effect->submission_no = job->submission;
}

/* Whatever the backend says of a job shows that it has the job. */
static void accept(const struct gw_job *job, struct gw_job_effect *effect)
{
        if (job->step == GW_STEP_INTENDED || job->step == GW_STEP_UNKNOWN)
                mark_submission(job, GW_SUBMISSION_ACCEPTED, effect);
}

/* ---- attempts -------------------------------------------------------------------------- */

static struct gw_attempt *add_attempt(const struct gw_job *job, const struct gw_job_event *event,
                                      struct gw_job_effect *effect)
{
        assert(effect->attempt_count < 2);
        struct gw_attempt *row = &effect->attempts[effect->attempt_count++];
        row->no = job->attempt;
        row->submission = job->submission;
        row->restart = job->restart;
        row->by_scheduler = job->restart > 0;
        row->state = GW_RUNNING;
        row->exit_code = -1;
        row->started_us = job->started_us;
        copy_words(row->message, sizeof row->message, job->message);
        copy_words(row->node, sizeof row->node, event->node);
        return row;
}

static void mark_started(struct gw_job *job, int64_t started_us)
{
        /* The first start was this one, guessed so far. */
        if (job->first_started_us == job->started_us)
                job->first_started_us = started_us;
        job->started_us = started_us;
}

/* The scheduler began another run by itself: the one seen before is over, without an outcome
 * of its own, and the next gets a number. */
static void follow_restart(struct gw_job *job, const struct gw_job_event *event,
                           struct gw_job_effect *effect)
{
        if (event->restart <= job->restart)
                return;
        if (job->started_us != 0) {
                bool told = event->type <= GW_EVENT_FACT_RUNNING &&
                            lasting(event->reason) != event->reason;
                struct gw_attempt *row = add_attempt(job, event, effect);
                row->reason = told ? event->reason : GW_REASON_PREEMPTED;
                row->state = gw_reason_outcome(row->reason);
                row->ended_us = event->at_us;
                row->node[0] = '\0';
                job->attempt++;
                job->started_us = 0;
        }
        job->restart = event->restart;
}

static void end_attempt(struct gw_job *job, const struct gw_job_event *event, enum gw_reason reason,
                        enum gw_submission_state submission, struct gw_job_effect *effect)
{
        bool fact = event->type == GW_EVENT_FACT_ENDED;

        job->exit_code = fact ? event->exit_code : -1;
        job->signal = fact ? event->signal : 0;
        set_message(job, event->raw);
        struct gw_attempt *row = add_attempt(job, event, effect);
        row->state = gw_reason_outcome(reason);
        row->reason = reason;
        row->exit_code = job->exit_code;
        row->signal = job->signal;
        row->usage = event->usage;
        row->ended_us = event->ended_us ? event->ended_us : event->at_us;
        mark_submission(job, submission, effect);
}

static void wait_for_retry(struct gw_job *job, int64_t now_us, struct gw_job_effect *effect)
{
        int64_t delay_s = gw_retry_delay_s(&job->retry, job->submission);

        job->delayed_us = delay_s > 0 ? now_us + delay_s * GW_SECOND : 0;
        effect->delay_timer_us = job->delayed_us;
        enter(job, GW_STEP_WAITING, waiting_reason(job));
}

/* ---- rules: the hand-over -------------------------------------------------------------- */

static void ignore(struct gw_job *job, const struct gw_job_event *event,
                   struct gw_job_effect *effect)
{
        (void)job;
        (void)event;
        (void)effect;
}

static void claim(struct gw_job *job, const struct gw_job_event *event,
                  struct gw_job_effect *effect)
{
        if (!gw_job_claimable(job, event->at_us))
                return;
        job->submission++;
        job->attempt++;
        job->restart = 0;
        job->delayed_us = 0;
        job->started_us = 0;
        job->exit_code = -1;
        job->signal = 0;
        set_message(job, NULL);
        enter(job, GW_STEP_INTENDED, GW_REASON_NONE);
        mark_submission(job, GW_SUBMISSION_INTENDED, effect);
}

/* Observation numbers begin anew with each leader. */
static void recover(struct gw_job *job, const struct gw_job_event *event,
                    struct gw_job_effect *effect)
{
        (void)effect;
        job->seen = 0;
        note_silence(job, event);
}

static void recover_intended(struct gw_job *job, const struct gw_job_event *event,
                             struct gw_job_effect *effect)
{
        recover(job, event, effect);
        enter(job, GW_STEP_UNKNOWN, GW_REASON_SUBMIT_UNKNOWN);
        mark_submission(job, GW_SUBMISSION_UNKNOWN, effect);
}

static void done(struct gw_job *job, const struct gw_job_event *event, struct gw_job_effect *effect)
{
        accept(job, effect);
        set_message(job, event->raw);
        enter(job, GW_STEP_PENDING, GW_REASON_NONE);
}

static void refused(struct gw_job *job, const struct gw_job_event *event,
                    struct gw_job_effect *effect)
{
        enum gw_reason reason = job->stop ? job->stop : GW_REASON_REJECTED;

        end_attempt(job, event, reason, GW_SUBMISSION_REFUSED, effect);
        finish(job, reason, event->at_us, effect);
}

static void refused_late(struct gw_job *job, const struct gw_job_event *event,
                         struct gw_job_effect *effect)
{
        if (job->restart == 0)
                refused(job, event, effect);
}

/* The backend surely has nothing of it, and nobody wants it any more. */
static void drop(struct gw_job *job, const struct gw_job_event *event, struct gw_job_effect *effect)
{
        mark_submission(job, GW_SUBMISSION_CLOSED, effect);
        set_message(job, NULL); /* that it did not get there is not why it ended */
        finish(job, job->stop, event->at_us, effect);
}

/* It waits for what the event says, where it says something, until it is tried again. */
static void not_sent(struct gw_job *job, const struct gw_job_event *event,
                     struct gw_job_effect *effect)
{
        if (job->stop != GW_REASON_NONE) {
                drop(job, event, effect);
        } else if (event->reason != GW_REASON_NONE) {
                set_message(job, event->raw);
                enter(job, GW_STEP_INTENDED, lasting(event->reason));
        }
}

static void lost_answer(struct gw_job *job, const struct gw_job_event *event,
                        struct gw_job_effect *effect)
{
        if (job->step == GW_STEP_INTENDED)
                mark_submission(job, GW_SUBMISSION_UNKNOWN, effect);
        set_message(job, event->raw);
        enter(job, GW_STEP_UNKNOWN, GW_REASON_SUBMIT_UNKNOWN);
}

static void absent(struct gw_job *job, const struct gw_job_event *event,
                   struct gw_job_effect *effect)
{
        if (job->stop != GW_REASON_NONE) {
                drop(job, event, effect);
                return;
        }
        mark_submission(job, GW_SUBMISSION_INTENDED, effect);
        set_message(job, event->raw);
        enter(job, GW_STEP_INTENDED, GW_REASON_NONE);
}

/* ---- rules: facts ---------------------------------------------------------------------- */

static void pending(struct gw_job *job, const struct gw_job_event *event,
                    struct gw_job_effect *effect)
{
        follow_restart(job, event, effect);
        accept(job, effect);
        /* A hold that came or went at the backend: our wish came true, or someone else's. A
         * wish that is still on its way there stays (gw_job_actions). */
        bool was = job->reason == GW_REASON_HELD;
        bool is = event->reason == GW_REASON_HELD;
        if (was != is)
                job->held = is;
        set_message(job, event->raw);
        enter(job, GW_STEP_PENDING, lasting(event->reason));
}

static void requeued(struct gw_job *job, const struct gw_job_event *event,
                     struct gw_job_effect *effect)
{
        if (event->restart > job->restart)
                pending(job, event, effect);
}

/* It runs, or (provisional) has an outcome but may still run. */
static void go_on(struct gw_job *job, const struct gw_job_event *event, enum gw_reason reason,
                  enum gw_reason provisional, struct gw_job_effect *effect)
{
        follow_restart(job, event, effect);
        accept(job, effect);
        int64_t started_us = event->started_us;
        if (started_us == 0)
                started_us = job->started_us ? job->started_us : event->at_us;
        bool news = job->step != GW_STEP_RUNNING || job->reason != reason ||
                    job->started_us != started_us;

        mark_started(job, started_us);
        job->held = false;
        set_message(job, event->raw);
        enter(job, GW_STEP_RUNNING, reason);
        note_silence(job, event);
        if (news)
                add_attempt(job, event, effect)->provisional = provisional;
}

static void running(struct gw_job *job, const struct gw_job_event *event,
                    struct gw_job_effect *effect)
{
        go_on(job, event, lasting(event->reason), GW_REASON_NONE, effect);
}

static void ending(struct gw_job *job, const struct gw_job_event *event,
                   struct gw_job_effect *effect)
{
        go_on(job, event, GW_REASON_ENDING, event->reason, effect);
}

static void ended(struct gw_job *job, const struct gw_job_event *event,
                  struct gw_job_effect *effect)
{
        enum gw_reason reason = end_reason(job, event);

        follow_restart(job, event, effect);
        if (event->started_us != 0)
                mark_started(job, event->started_us);
        end_attempt(job, event, reason, GW_SUBMISSION_CLOSED, effect);
        /* Only our own hand-overs count: what the scheduler repeats by itself is not ours. */
        if (job->stop == GW_REASON_NONE &&
            gw_retry_wants(&job->retry, reason, event->exit_code, job->submission))
                wait_for_retry(job, event->at_us, effect);
        else
                finish(job, reason, event->ended_us ? event->ended_us : event->at_us, effect);
}

static void gone(struct gw_job *job, const struct gw_job_event *event, struct gw_job_effect *effect)
{
        enum gw_reason reason = job->stop ? job->stop : GW_REASON_LOST;

        end_attempt(job, event, reason, GW_SUBMISSION_CLOSED, effect);
        finish(job, reason, event->at_us, effect);
}

/* Only of what may still run because its node is silent: what came back meanwhile goes on. */
static void dead(struct gw_job *job, const struct gw_job_event *event, struct gw_job_effect *effect)
{
        enum gw_reason reason = job->stop ? job->stop : GW_REASON_NODE_FAILURE;

        if (job->reason != GW_REASON_NODE_UNAVAILABLE || job->attempt != event->attempt)
                return;
        end_attempt(job, event, reason, GW_SUBMISSION_CLOSED, effect);
        if (job->stop == GW_REASON_NONE && gw_retry_wants(&job->retry, reason, -1, job->submission))
                wait_for_retry(job, event->at_us, effect);
        else
                finish(job, reason, event->at_us, effect);
}

/* ---- rules: wishes and timers ---------------------------------------------------------- */

/* START_DEADLINE is about the first start only. */
static bool is_late(const struct gw_job *job, const struct gw_job_event *event)
{
        return event->type == GW_EVENT_TIMER_START_DEADLINE && job->first_started_us != 0;
}

static void stop_waiting(struct gw_job *job, const struct gw_job_event *event,
                         struct gw_job_effect *effect)
{
        if (!is_late(job, event))
                finish(job, wish_reason(event), event->at_us, effect);
}

static void stop(struct gw_job *job, const struct gw_job_event *event, struct gw_job_effect *effect)
{
        (void)effect;
        if (job->stop == GW_REASON_NONE && !is_late(job, event))
                job->stop = wish_reason(event);
}

static void hold_waiting(struct gw_job *job, const struct gw_job_event *event,
                         struct gw_job_effect *effect)
{
        (void)effect;
        bool hold = event->type == GW_EVENT_HOLD;
        if (!hold && !job->held && job->reason != GW_REASON_HELD)
                return; /* it waits for something else */
        job->held = hold;
        job->reason = waiting_reason(job);
}

static void hold(struct gw_job *job, const struct gw_job_event *event, struct gw_job_effect *effect)
{
        (void)effect;
        job->held = event->type == GW_EVENT_HOLD;
}

static void delay_over(struct gw_job *job, const struct gw_job_event *event,
                       struct gw_job_effect *effect)
{
        if (job->delayed_us > event->at_us) { /* another clock was ahead */
                effect->delay_timer_us = job->delayed_us;
                return;
        }
        job->delayed_us = 0;
        if (job->reason == GW_REASON_NOT_BEFORE || job->reason == GW_REASON_RETRY_DELAY)
                job->reason = GW_REASON_NONE;
}

/* ---- the table ------------------------------------------------------------------------- */

static gw_job_rule *const rules[GW_STEP_COUNT][GW_EVENT_COUNT] = {
        [GW_STEP_WAITING] =
                {
                        [GW_EVENT_CLAIM] = claim,
                        [GW_EVENT_RECOVER] = recover,
                        [GW_EVENT_DONE... GW_EVENT_DEAD] = ignore,
                        [GW_EVENT_CANCEL] = stop_waiting,
                        [GW_EVENT_HOLD] = hold_waiting,
                        [GW_EVENT_RELEASE] = hold_waiting,
                        [GW_EVENT_TIMER_DELAY] = delay_over,
                        [GW_EVENT_TIMER_START_DEADLINE] = stop_waiting,
                        [GW_EVENT_TIMER_DEADLINE] = stop_waiting,
                },
        [GW_STEP_INTENDED] =
                {
                        [GW_EVENT_CLAIM] = ignore,
                        [GW_EVENT_RECOVER] = recover_intended,
                        [GW_EVENT_DONE] = done,
                        [GW_EVENT_REFUSED] = refused,
                        [GW_EVENT_NOT_SENT] = not_sent,
                        [GW_EVENT_LOST_ANSWER] = lost_answer,
                        [GW_EVENT_ABSENT] = ignore,
                        [GW_EVENT_FACT_PENDING] = pending,
                        [GW_EVENT_FACT_RUNNING] = running,
                        [GW_EVENT_FACT_ENDING] = ending,
                        [GW_EVENT_FACT_ENDED] = ended,
                        [GW_EVENT_GONE... GW_EVENT_DEAD] = ignore,
                        [GW_EVENT_CANCEL] = stop,
                        [GW_EVENT_HOLD] = hold,
                        [GW_EVENT_RELEASE] = hold,
                        [GW_EVENT_TIMER_DELAY] = ignore,
                        [GW_EVENT_TIMER_START_DEADLINE] = stop,
                        [GW_EVENT_TIMER_DEADLINE] = stop,
                },
        [GW_STEP_UNKNOWN] =
                {
                        [GW_EVENT_CLAIM] = ignore,
                        [GW_EVENT_RECOVER] = recover,
                        [GW_EVENT_DONE] = done,
                        [GW_EVENT_REFUSED] = refused,
                        [GW_EVENT_NOT_SENT] = ignore,
                        [GW_EVENT_LOST_ANSWER] = lost_answer,
                        [GW_EVENT_ABSENT] = absent,
                        [GW_EVENT_FACT_PENDING] = pending,
                        [GW_EVENT_FACT_RUNNING] = running,
                        [GW_EVENT_FACT_ENDING] = ending,
                        [GW_EVENT_FACT_ENDED] = ended,
                        [GW_EVENT_GONE... GW_EVENT_DEAD] = ignore,
                        [GW_EVENT_CANCEL] = stop,
                        [GW_EVENT_HOLD] = hold,
                        [GW_EVENT_RELEASE] = hold,
                        [GW_EVENT_TIMER_DELAY] = ignore,
                        [GW_EVENT_TIMER_START_DEADLINE] = stop,
                        [GW_EVENT_TIMER_DEADLINE] = stop,
                },
        [GW_STEP_PENDING] =
                {
                        [GW_EVENT_CLAIM] = ignore,
                        [GW_EVENT_RECOVER] = recover,
                        [GW_EVENT_DONE] = ignore,
                        [GW_EVENT_REFUSED] = refused_late,
                        [GW_EVENT_NOT_SENT... GW_EVENT_ABSENT] = ignore,
                        [GW_EVENT_FACT_PENDING] = pending,
                        [GW_EVENT_FACT_RUNNING] = running,
                        [GW_EVENT_FACT_ENDING] = ending,
                        [GW_EVENT_FACT_ENDED] = ended,
                        [GW_EVENT_GONE] = gone,
                        [GW_EVENT_DEAD] = ignore,
                        [GW_EVENT_CANCEL] = stop,
                        [GW_EVENT_HOLD] = hold,
                        [GW_EVENT_RELEASE] = hold,
                        [GW_EVENT_TIMER_DELAY] = ignore,
                        [GW_EVENT_TIMER_START_DEADLINE] = stop,
                        [GW_EVENT_TIMER_DEADLINE] = stop,
                },
        [GW_STEP_RUNNING] =
                {
                        [GW_EVENT_CLAIM] = ignore,
                        [GW_EVENT_RECOVER] = recover,
                        [GW_EVENT_DONE... GW_EVENT_ABSENT] = ignore,
                        [GW_EVENT_FACT_PENDING] = requeued,
                        [GW_EVENT_FACT_RUNNING] = running,
                        [GW_EVENT_FACT_ENDING] = ending,
                        [GW_EVENT_FACT_ENDED] = ended,
                        [GW_EVENT_GONE] = gone,
                        [GW_EVENT_DEAD] = dead,
                        [GW_EVENT_CANCEL] = stop,
                        [GW_EVENT_HOLD... GW_EVENT_TIMER_DELAY] = ignore,
                        [GW_EVENT_TIMER_START_DEADLINE] = stop,
                        [GW_EVENT_TIMER_DEADLINE] = stop,
                },
        [GW_STEP_ENDED] =
                {
                        [GW_EVENT_CLAIM] = ignore,
                        [GW_EVENT_RECOVER] = recover,
                        [GW_EVENT_DONE... GW_EVENT_TIMER_DEADLINE] = ignore,
                },
};

gw_job_rule *gw_job_rule_of(enum gw_job_step step, enum gw_job_event_type type)
{
        assert((unsigned)step < GW_STEP_COUNT && (unsigned)type < GW_EVENT_COUNT);
        assert(rules[step][type]);
        return rules[step][type];
}
