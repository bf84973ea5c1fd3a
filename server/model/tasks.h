/*
 * The tasks of an array job, as runs of equal ordinals.
 *
 * Each task takes the steps of job.h by itself, and neighbours that are equal are kept as one
 * run: an array of a million tasks that wait is one run, and a task that has ended keeps only
 * what tells it from others. One event is applied to a set of ordinals at once; what follows
 * for the record gathers in a gw_tasks_effect, for as many events as the caller likes, until
 * the caller has recorded it. Pure: no I/O, no clock. One thread each.
 */
#ifndef GW_MODEL_TASKS_H
#define GW_MODEL_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"
#include "server/model/job.h"
#include "server/model/spans.h"

struct gw_task {
        enum gw_job_step step;
        enum gw_state state;
        enum gw_reason reason;
        enum gw_reason stop; /* why this task is to end, while the backend has it; or NONE */
        bool held;           /* as in gw_job: while it waits */
        uint32_t submission; /* the open one's number, in steps INTENDED … RUNNING; else 0 */
        uint32_t tries;      /* hand-overs of ours so far: what the retry budget counts */
        uint32_t attempt;    /* the highest number used */
        uint32_t restart;    /* as in gw_job */
        uint64_t seen;
        int64_t delayed_us;
        int64_t started_us;
        int64_t silent_us;
};

/* Ordinals lo … hi, both included. */
struct gw_run {
        uint32_t lo, hi;
        struct gw_task task;
};

struct gw_tasks {
        struct gw_run *runs; /* every ordinal from 0 on is in one, in order */
        size_t count;
        uint32_t total;                  /* tasks */
        uint32_t counts[GW_STATE_COUNT]; /* how many are in each state */
        /* Private: the memory of the runs, which lie anywhere in it, and the first ordinals of the
         * record's rows. */
        struct gw_run *memory;
        size_t cap;
        uint32_t *rows;
        size_t row_count, row_cap;
};

/* All tasks wait, none was handed over. held, delayed_us: of the job. total: at least 1. Returns
 * 0, or -1 with GW_ERR_NOMEM. Ends with gw_tasks_done(). */
int gw_tasks_init(struct gw_tasks *t, uint32_t total, bool held, int64_t delayed_us,
                  struct gw_error *err);
void gw_tasks_done(struct gw_tasks *t);
/* Returns 0, or -1 with GW_ERR_NOMEM; *ret ends with gw_tasks_done(), also on failure. */
int gw_tasks_copy(const struct gw_tasks *t, struct gw_tasks *ret, struct gw_error *err);

/* Puts a recorded run in place of what is there: for reading the record, which holds only runs
 * that differ from the first state. lo <= hi < total. Returns 0, or -1 with GW_ERR_NOMEM. */
int gw_tasks_put(struct gw_tasks *t, const struct gw_run *run, struct gw_error *err);

/* The row of the record that the ordinal is in: neighbours that differ only in what was observed
 * last (held, restart, seen, started_us, silent_us) are one. */
struct gw_run gw_tasks_row(const struct gw_tasks *t, uint32_t ordinal);

/* Whether a task is as all were at first: the record has no row of it. */
bool gw_task_untouched(const struct gw_task *task);

/* The run that the ordinal is in. */
const struct gw_run *gw_tasks_run(const struct gw_tasks *t, uint32_t ordinal);

/* ---- events -------------------------------------------------------------------------------- */

/* An attempt's row of one task. */
struct gw_task_attempt {
        uint32_t ordinal;
        uint32_t turn; /* private */
        struct gw_attempt attempt;
};

/* Tasks that entered a state, or took another reason within it. */
struct gw_task_change {
        enum gw_state state;
        enum gw_reason reason;
        struct gw_spans ordinals;
};

/* What is to be recorded. Begins as all zero, ends with gw_tasks_effect_clear(). After
 * gw_tasks_effect_settle() the spans in it are sets, and an attempt has one row. */
struct gw_tasks_effect {
        bool changed;         /* there is something */
        size_t pieces;        /* runs, or pieces of runs, that were changed: so many rows, about */
        struct gw_spans rows; /* where rows differ from the record: rows begin and end where these
                                 spans do, then and now */
        /* Where rows of the record began: with all of those at which none begins now. */
        struct gw_spans starts;
        struct gw_task_attempt *attempts;
        size_t attempt_count, attempt_cap;
        struct gw_task_change *changes;
        size_t change_count, change_cap;
        int64_t delay_timer_us; /* the earliest that was asked for; 0: none */
};
void gw_tasks_effect_settle(struct gw_tasks_effect *e);
void gw_tasks_effect_clear(struct gw_tasks_effect *e); /* empty and usable again */

/* What of an event concerns a submission as a whole. */
struct gw_tasks_outcome {
        enum gw_submission_state submission; /* the new state, or NONE; never CLOSED */
        uint32_t left;                       /* tasks that it has no more */
        int64_t started_us;                  /* the earliest start that was seen; 0: none */
};

/*
 * Applies one event to the ordinals of `which`, not empty and all below total: to those that
 * `number` has (answers and facts), or to all of them (number 0: claims, wishes and timers). job:
 * what all tasks share (id, retry). For GW_EVENT_CLAIM, `claim` is the number of the submission
 * they go into. Attempts are rows of tasks that ran, or of a single task: a wide set that never
 * ran leaves none. One sweep, whatever the number of spans. Returns 0; or -1 with GW_ERR_NOMEM,
 * after which `t` must be read from the record anew.
 */
int gw_tasks_apply(struct gw_tasks *t, const struct gw_job *job, const struct gw_spans *which,
                   uint32_t number, uint32_t claim, const struct gw_job_event *event,
                   struct gw_tasks_effect *effect, struct gw_tasks_outcome *outcome,
                   struct gw_error *err);

/* ---- the whole ----------------------------------------------------------------------------- */

/* Whether all have ended. */
bool gw_tasks_over(const struct gw_tasks *t);

/* The job's state and reason, as its tasks make it: running if any runs, else pending, else
 * queued; when all have ended failed if any failed, else cancelled if any was, else succeeded.
 * The reason is that of the first task in that state. */
void gw_tasks_summary(const struct gw_tasks *t, enum gw_state *ret_state,
                      enum gw_reason *ret_reason);

/* The first tasks that can be handed over together (equal attempt numbers), at most `most` of
 * them; empty when there are none. Returns 0, or -1 with GW_ERR_NOMEM. */
int gw_tasks_claimable(const struct gw_tasks *t, int64_t now_us, uint32_t most,
                       struct gw_spans *ret, struct gw_error *err);

/* When the next of the delayed tasks is due; 0: none is delayed. */
int64_t gw_tasks_next_delay(const struct gw_tasks *t);

#endif
