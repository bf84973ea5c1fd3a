/*
 * The job: applying an event, and what follows from the step a job is in. Pure; any thread.
 *
 * The rules are in job_rules.c. Here is what all of them share: facts that are out of date do
 * nothing, and whether the job's row changed is found by comparing, so no rule can forget it.
 */
#include "server/model/job.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "server/model/job_rules.h"

static const char *const step_names[GW_STEP_COUNT] = {
        [GW_STEP_WAITING] = "waiting", [GW_STEP_INTENDED] = "intended",
        [GW_STEP_UNKNOWN] = "unknown", [GW_STEP_PENDING] = "pending",
        [GW_STEP_RUNNING] = "running", [GW_STEP_ENDED] = "ended",
};

static const char *const event_names[GW_EVENT_COUNT] = {
        [GW_EVENT_CLAIM] = "claim",
        [GW_EVENT_RECOVER] = "recover",
        [GW_EVENT_DONE] = "done",
        [GW_EVENT_REFUSED] = "refused",
        [GW_EVENT_NOT_SENT] = "not_sent",
        [GW_EVENT_LOST_ANSWER] = "lost_answer",
        [GW_EVENT_ABSENT] = "absent",
        [GW_EVENT_FACT_PENDING] = "fact_pending",
        [GW_EVENT_FACT_RUNNING] = "fact_running",
        [GW_EVENT_FACT_ENDING] = "fact_ending",
        [GW_EVENT_FACT_ENDED] = "fact_ended",
        [GW_EVENT_GONE] = "gone",
        [GW_EVENT_DEAD] = "dead",
        [GW_EVENT_CANCEL] = "cancel",
        [GW_EVENT_HOLD] = "hold",
        [GW_EVENT_RELEASE] = "release",
        [GW_EVENT_TIMER_DELAY] = "timer_delay",
        [GW_EVENT_TIMER_START_DEADLINE] = "timer_start_deadline",
        [GW_EVENT_TIMER_DEADLINE] = "timer_deadline",
};

static const char *const submission_names[] = {
        [GW_SUBMISSION_NONE] = NULL,         [GW_SUBMISSION_INTENDED] = "intended",
        [GW_SUBMISSION_UNKNOWN] = "unknown", [GW_SUBMISSION_ACCEPTED] = "accepted",
        [GW_SUBMISSION_REFUSED] = "refused", [GW_SUBMISSION_CLOSED] = "closed",
};

const char *gw_job_step_name(enum gw_job_step s)
{
        assert((unsigned)s < GW_STEP_COUNT);
        return step_names[s];
}

const char *gw_job_event_name(enum gw_job_event_type t)
{
        assert((unsigned)t < GW_EVENT_COUNT);
        return event_names[t];
}

const char *gw_submission_state_name(enum gw_submission_state s)
{
        assert((unsigned)s <= GW_SUBMISSION_CLOSED);
        return submission_names[s];
}

int gw_submission_state_parse(const char *name, enum gw_submission_state *ret)
{
        for (unsigned i = GW_SUBMISSION_INTENDED; i <= GW_SUBMISSION_CLOSED; i++) {
                if (strcmp(name, submission_names[i]) == 0) {
                        *ret = (enum gw_submission_state)i;
                        return 0;
                }
        }
        return -1;
}

bool gw_job_step_handed_over(enum gw_job_step s)
{
        return s != GW_STEP_WAITING && s != GW_STEP_ENDED;
}

bool gw_job_event_is_fact(enum gw_job_event_type type)
{
        return type >= GW_EVENT_FACT_PENDING && type <= GW_EVENT_FACT_ENDED;
}

/* Whether the event was observed before what is known already. */
static bool is_stale(const struct gw_job *job, const struct gw_job_event *event)
{
        if (gw_job_event_is_fact(event->type))
                return event->seen < job->seen || event->restart < job->restart;
        return event->type == GW_EVENT_GONE && event->seen < job->seen;
}

static bool state_differs(const struct gw_job *a, const struct gw_job *b)
{
        return a->state != b->state || a->reason != b->reason;
}

static bool times_differ(const struct gw_job *a, const struct gw_job *b)
{
        return a->delayed_us != b->delayed_us || a->started_us != b->started_us ||
               a->first_started_us != b->first_started_us || a->ended_us != b->ended_us;
}

static bool numbers_differ(const struct gw_job *a, const struct gw_job *b)
{
        return a->submission != b->submission || a->attempt != b->attempt ||
               a->restart != b->restart || a->exit_code != b->exit_code || a->signal != b->signal;
}

static bool differs(const struct gw_job *a, const struct gw_job *b)
{
        return a->step != b->step || state_differs(a, b) || a->held != b->held ||
               a->stop != b->stop || numbers_differ(a, b) || times_differ(a, b) ||
               strcmp(a->message, b->message) != 0;
}

void gw_job_apply(struct gw_job *job, const struct gw_job_event *event,
                  struct gw_job_effect *effect)
{
        struct gw_job before = *job;

        memset(effect, 0, sizeof *effect);
        if (is_stale(job, event))
                return;
        if (gw_job_event_is_fact(event->type) && gw_job_step_handed_over(job->step))
                job->seen = event->seen;
        gw_job_rule_of(job->step, event->type)(job, event, effect);
        effect->changed = differs(&before, job);
        effect->state_changed = state_differs(&before, job);
}

unsigned gw_job_actions(const struct gw_job *job)
{
        bool told = (job->reason == GW_REASON_HELD) == job->held;

        switch (job->step) {
        case GW_STEP_INTENDED:
                return GW_ACTION_SUBMIT;
        case GW_STEP_UNKNOWN:
                return GW_ACTION_RESOLVE;
        case GW_STEP_PENDING:
                if (job->stop != GW_REASON_NONE)
                        return GW_ACTION_CANCEL;
                return told ? 0 : GW_ACTION_CHANGE;
        case GW_STEP_RUNNING:
                return job->stop != GW_REASON_NONE ? GW_ACTION_CANCEL : 0;
        case GW_STEP_WAITING:
        case GW_STEP_ENDED:
        case GW_STEP_COUNT:
                break;
        }
        return 0;
}

bool gw_job_claimable(const struct gw_job *job, int64_t now_us)
{
        return job->step == GW_STEP_WAITING && !job->held && job->delayed_us <= now_us;
}

enum gw_job_step gw_job_step_of(enum gw_state state, enum gw_submission_state open)
{
        if (gw_state_terminal(state))
                return GW_STEP_ENDED;
        if (state == GW_RUNNING)
                return GW_STEP_RUNNING;
        if (state == GW_PENDING)
                return GW_STEP_PENDING;
        if (open == GW_SUBMISSION_INTENDED)
                return GW_STEP_INTENDED;
        /* Accepted and still queued is what no transaction writes: ask the backend. */
        if (open == GW_SUBMISSION_UNKNOWN || open == GW_SUBMISSION_ACCEPTED)
                return GW_STEP_UNKNOWN;
        return GW_STEP_WAITING;
}
