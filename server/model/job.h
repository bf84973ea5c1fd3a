/*
 * The one way to change a job: gw_job_apply(), pure and total over step × event.
 *
 * A job's *step* is what the engine must know to go on; its state and reason are what people
 * see. Facts from backends are levels: repeating one changes nothing, an older one is ignored.
 * What must be done at the backend is not remembered but derived from the job
 * (gw_job_actions), so that a crash between a write and a call loses nothing.
 *
 * This page is about a plain job or one run of equal ordinals of an array: both take the same
 * steps.
 */
#ifndef GW_MODEL_JOB_H
#define GW_MODEL_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/id.h"
#include "server/model/retry.h"
#include "server/model/state.h"

enum gw_job_step {
        GW_STEP_WAITING,  /* queued; the backend has nothing of it */
        GW_STEP_INTENDED, /* queued; the intent is recorded, the hand-over not answered */
        GW_STEP_UNKNOWN,  /* queued, submit_unknown; must be resolved before anything else */
        GW_STEP_PENDING,  /* the backend has it, and it waits there */
        GW_STEP_RUNNING,  /* it runs, or may run (reasons node_unavailable, ending) */
        GW_STEP_ENDED,    /* terminal: nothing changes it any more */
        GW_STEP_COUNT
};

enum gw_job_event_type {
        GW_EVENT_CLAIM,   /* the leader takes it: a new submission is intended */
        GW_EVENT_RECOVER, /* a new leader found it: what was in flight is unknown */
        GW_EVENT_DONE,    /* answers of the backend (backends/backend.h) */
        GW_EVENT_REFUSED,
        GW_EVENT_NOT_SENT,
        GW_EVENT_LOST_ANSWER, /* GW_ANSWER_UNKNOWN */
        GW_EVENT_ABSENT,
        GW_EVENT_FACT_PENDING, /* facts of the backend */
        GW_EVENT_FACT_RUNNING,
        GW_EVENT_FACT_ENDING,
        GW_EVENT_FACT_ENDED,
        GW_EVENT_GONE,   /* a complete read shows nothing of an accepted submission */
        GW_EVENT_DEAD,   /* people know that `attempt` has ended with its node, which is silent */
        GW_EVENT_CANCEL, /* wishes of people; reason says by whom */
        GW_EVENT_HOLD,
        GW_EVENT_RELEASE,
        GW_EVENT_TIMER_DELAY, /* not_before or the retry delay is over */
        GW_EVENT_TIMER_START_DEADLINE,
        GW_EVENT_TIMER_DEADLINE,
        GW_EVENT_COUNT
};

#define GW_JOB_MESSAGE 512
#define GW_JOB_NODE 128

struct gw_job {
        struct gw_id id;
        enum gw_job_step step;
        enum gw_state state;
        enum gw_reason reason;
        char message[GW_JOB_MESSAGE]; /* the backend's words, UTF-8, or "" */
        int exit_code;                /* of the last attempt; -1: none */
        int signal;                   /* 0: none */
        bool held;           /* people's wish while it waits; at the backend also what it reports */
        enum gw_reason stop; /* why it is to end: cancelled_by_…, deadline, start_deadline; NONE */
        uint32_t submission; /* the highest number used; the open one in steps INTENDED … RUNNING */
        uint32_t attempt;    /* the highest number used */
        uint32_t restart;    /* runs the scheduler began by itself in this submission */
        uint64_t seen;       /* the last observation applied in this epoch */
        int64_t delayed_us;       /* not to be handed over before (not_before, retry); 0: at once */
        int64_t started_us;       /* of the current or last attempt */
        int64_t silent_us;        /* since when its node is known to be silent; 0: it is not */
        int64_t first_started_us; /* of the job; 0: never ran */
        int64_t ended_us;
        struct gw_retry retry;
};

struct gw_job_event {
        enum gw_job_event_type type;
        int64_t at_us;         /* wall time of the event: this module has no clock */
        enum gw_reason reason; /* of a fact, who cancels, or why it was not sent; or NONE */
        int exit_code, signal;
        uint64_t seen;                /* of a fact and of GONE: observation number */
        uint32_t restart;             /* of a fact */
        uint32_t attempt;             /* of DEAD */
        int64_t started_us, ended_us; /* of a fact; 0: not known, at_us is taken */
        const char *raw;              /* the backend's words, or NULL */
        const char *node;             /* or NULL */
        const char *usage;            /* JSON text, or NULL */
};

enum gw_submission_state {
        GW_SUBMISSION_NONE, /* no change to write */
        GW_SUBMISSION_INTENDED,
        GW_SUBMISSION_UNKNOWN,
        GW_SUBMISSION_ACCEPTED,
        GW_SUBMISSION_REFUSED,
        GW_SUBMISSION_CLOSED
};
const char *gw_submission_state_name(enum gw_submission_state s); /* NULL for NONE */
int gw_submission_state_parse(const char *name, enum gw_submission_state *ret);

/* An attempt's row, to be written over what is there; node "" and usage NULL leave what is. */
struct gw_attempt {
        uint32_t no, submission, restart;
        bool by_scheduler; /* origin: the scheduler started it by itself */
        enum gw_state state;
        enum gw_reason provisional; /* while ending */
        enum gw_reason reason;
        char message[GW_JOB_MESSAGE];
        int exit_code, signal;
        char node[GW_JOB_NODE];
        const char *usage; /* borrowed from the event, or NULL */
        int64_t started_us, ended_us;
};

/* What gw_job_apply() found to be recorded, all in one transaction. */
struct gw_job_effect {
        bool changed;                        /* the job's row differs */
        bool state_changed;                  /* state or reason differs: an event is due */
        enum gw_submission_state submission; /* new state of submission_no, or NONE */
        uint32_t submission_no;
        unsigned attempt_count; /* attempts to write: 0, 1 or 2 (an old one ends, a new one is seen)
                                 */
        struct gw_attempt attempts[2];
        int64_t delay_timer_us; /* arm TIMER_DELAY for then; 0: leave it */
        bool ended;             /* terminal now: its timers go */
};

/* Applies one event. *job is changed, *effect is filled from zero. Never fails: an event that
 * does not fit the step changes nothing. Answers and facts are about the job's open submission:
 * the caller drops those of another number, and gives answers to SUBMIT and RESOLVE only. The
 * strings of the event are borrowed for the call, `usage` for the effect's life. */
void gw_job_apply(struct gw_job *job, const struct gw_job_event *event,
                  struct gw_job_effect *effect);

/* What the backend must be told now, as bits; idempotent, repeated until it no longer holds. */
enum gw_job_action {
        GW_ACTION_SUBMIT = 1,  /* step INTENDED */
        GW_ACTION_RESOLVE = 2, /* step UNKNOWN */
        GW_ACTION_CANCEL = 4,  /* handed over and stop is set */
        GW_ACTION_CHANGE = 8,  /* pending, and not held there as it is `held` here: tell it */
};
unsigned gw_job_actions(const struct gw_job *job);

/* Whether nothing keeps it from being handed over, as of now_us. */
bool gw_job_claimable(const struct gw_job *job, int64_t now_us);

/* The step a recorded job is in: its state and the state of its open submission (NONE when it
 * has none). */
enum gw_job_step gw_job_step_of(enum gw_state state, enum gw_submission_state open);

/* Whether the backend has it, or may have it: from the intent to the end. */
bool gw_job_step_handed_over(enum gw_job_step s);
/* Whether it was seen at the backend. */
bool gw_job_event_is_fact(enum gw_job_event_type type);

const char *gw_job_step_name(enum gw_job_step s);
const char *gw_job_event_name(enum gw_job_event_type t);

#endif
