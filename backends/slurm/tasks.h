/*
 * What is known of the tasks of one submission, from slurmctld's records. Pure; one belongs to one
 * thread.
 *
 * Of an array slurmctld has one record of all that waits, its *rest*, under the array's own number,
 * which lists them. A task gets a record of its own when it begins or is told apart; the last one
 * takes over the array's number. A waiting task that is cancelled vanishes: the list becomes
 * shorter, and there is no record of it. A plain job has one record, that of its only task.
 *
 * So what waits is a set of ordinals with one view of them, whatever their number, and a task is
 * kept by itself from its first record until its end was told.
 */
#ifndef GW_BACKENDS_SLURM_TASKS_H
#define GW_BACKENDS_SLURM_TASKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "backends/backend.h"
#include "backends/slurm/record.h"
#include "server/model/spans.h"

/* What is to be told of some tasks. */
struct gw_slurm_view {
        enum gw_phase phase;
        enum gw_reason reason;
        enum gw_reason before; /* how the run before this ended, to be told first; or none */
        int exit_code, signal;
        uint32_t restart;
        int64_t pending_us, started_us, ended_us;
        int64_t silent_s;   /* since when its node is given up and it may still run; 0: not so */
        char *node, *words; /* owned, or NULL */
};

struct gw_slurm_job;

struct gw_slurm_task {
        struct gw_span span; /* one; more are tasks that ended alike without records of their own */
        bool found;          /* the table has its record */
        bool untold;
        bool unexplained; /* it has ended, and is put off until it is known who cancelled it */
        bool followed; /* a run that began was followed by another, and neither is told until it is
                        * known how the first ended, or the other has ended */
        struct gw_slurm_view view;
        /* Of whoever looks for it by its record's number (0: none does); taken out of the list by
         * this module when the task goes. */
        uint32_t number;
        struct gw_slurm_job *job;
        LIST_ENTRY(gw_slurm_task) by_number;
};

/* What has the array's own number in the table, as far as it was read. */
enum gw_slurm_head {
        GW_SLURM_HEAD_NONE,  /* nothing */
        GW_SLURM_HEAD_WAITS, /* the record of what waits */
        GW_SLURM_HEAD_ENDED, /* the same, and it has ended: all that waited has, at once */
        GW_SLURM_HEAD_TASK,  /* the last task: nothing waits any more */
};

struct gw_slurm_tasks {
        struct gw_spans waiting;    /* without a record of their own, and not ended */
        struct gw_spans begun;      /* the engine was told before that these run */
        struct gw_spans cancelling; /* slurmctld was told to cancel these */
        enum gw_slurm_head head;
        struct gw_spans listed;    /* by the record of what waits */
        struct gw_slurm_view rest; /* of what waits */
        bool rest_changed, rest_untold;
        uint64_t rest_from;           /* waiting ordinals below this were told since */
        struct gw_slurm_task **items; /* by ordinal: those with a record, or whose end is untold */
        size_t count, cap;
        bool changed; /* something was read, or went, since the last settling */
        bool settled; /* once */
};

/* All of the ordinals wait; copies. Returns 0, or -1 without memory. */
int gw_slurm_tasks_init(struct gw_slurm_tasks *t, const struct gw_spans *ordinals,
                        const struct gw_span *begun, size_t begun_count);
/* Of those that wait the others have ended, and were told before. Likewise. */
int gw_slurm_tasks_open_only(struct gw_slurm_tasks *t, const struct gw_span *open, size_t count);
void gw_slurm_tasks_done(struct gw_slurm_tasks *t);

/* Nothing is left to be known or told. */
bool gw_slurm_tasks_over(const struct gw_slurm_tasks *t);
/* Whether one of them waits at slurmctld. */
bool gw_slurm_tasks_wait(const struct gw_slurm_tasks *t);
/* Those that may still run. Returns 0, or -1 without memory; *ret is the caller's. */
int gw_slurm_tasks_open(const struct gw_slurm_tasks *t, struct gw_spans *ret);
/* These are being cancelled. Returns 0, or -1 without memory. */
int gw_slurm_tasks_cancelled(struct gw_slurm_tasks *t, const struct gw_spans *spans);

/* ---- records --------------------------------------------------------------------------------- */

/* The task that a record of its own is about. *ret is NULL when it has ended already; one that is
 * taken for lost has not, until that was told. Returns 0, or -1 without memory. */
int gw_slurm_tasks_own(struct gw_slurm_tasks *t, uint32_t ordinal, struct gw_slurm_task **ret);
/* Returns 0, or -1 without memory. */
int gw_slurm_tasks_take(struct gw_slurm_tasks *t, struct gw_slurm_task *task,
                        const struct gw_slurm_record *r);
/* Whether it ended by a record that does not say who cancelled it, and nobody here did. */
bool gw_slurm_tasks_unexplained(const struct gw_slurm_tasks *t, const struct gw_slurm_task *task,
                                const struct gw_slurm_record *r);
/* Its end is not told until another record of it was taken, or it is concluded. */
void gw_slurm_task_put_off(struct gw_slurm_task *task);
void gw_slurm_task_conclude(struct gw_slurm_task *task);
/* How the run ended that another followed; GW_REASON_NONE: nobody knows. */
void gw_slurm_task_followed(struct gw_slurm_task *task, enum gw_reason before);
/* The record of what waits; takes `listed`, its list as ordinals. Returns 0, or -1 without
 * memory. */
int gw_slurm_tasks_take_rest(struct gw_slurm_tasks *t, struct gw_spans *listed,
                             const struct gw_slurm_record *r);
/* The array's own number was given to a task, or is gone. */
void gw_slurm_tasks_head(struct gw_slurm_tasks *t, enum gw_slurm_head head);
/* All records will be said anew. */
void gw_slurm_tasks_unread(struct gw_slurm_tasks *t);

/* Those that would be lost if a table that was read were all that can be known; whether there are
 * some. *ret is the caller's; returns 0, or -1 without memory. */
int gw_slurm_tasks_missing(const struct gw_slurm_tasks *t, bool unbroken, struct gw_spans *ret);
bool gw_slurm_tasks_misses(const struct gw_slurm_tasks *t, bool unbroken);
/* Those that are put off. Likewise. */
int gw_slurm_tasks_put_off(const struct gw_slurm_tasks *t, struct gw_spans *ret);
/* All of a table was read: what it does not have is not there. unbroken: no record can have left
 * slurmctld unseen since all tasks were known to be there. What the list of those that wait has
 * waits, whatever was known of it before: a controller may take up an older state of its own.
 * Returns 0, or -1 without memory: to be read anew. */
int gw_slurm_tasks_settle(struct gw_slurm_tasks *t, bool unbroken);
/* When that was done: those that wait at slurmctld, though it was told that they ended. Returns 0,
 * or -1 without memory; *ret is the caller's. */
int gw_slurm_tasks_again(const struct gw_slurm_tasks *t, struct gw_spans *ret);
/* Nobody can know of any of them any more. Likewise. */
int gw_slurm_tasks_lose(struct gw_slurm_tasks *t, const char *words);
/* One has ended, and not by its record. */
void gw_slurm_task_end(struct gw_slurm_task *task, enum gw_reason reason, int64_t ended_us);

/* What has become of waiting tasks, by what the table has of them. */
enum gw_slurm_absence {
        GW_SLURM_WAITS,
        GW_SLURM_ENDED_WITH_THE_REST,
        GW_SLURM_CANCELLED, /* by whoever it was */
        GW_SLURM_LOST,
};
enum gw_slurm_absence gw_slurm_absence_of(bool listed, enum gw_slurm_head head, bool begun,
                                          bool unbroken);

/* ---- telling --------------------------------------------------------------------------------- */

bool gw_slurm_tasks_untold(const struct gw_slurm_tasks *t);
/* At most `room` facts, without mark, seen and ref; texts are borrowed. Returns how many. */
size_t gw_slurm_tasks_facts(const struct gw_slurm_tasks *t, struct gw_fact *facts, size_t room);
/* The first `count` of them, as they were given, were told. Tasks that have ended go. */
void gw_slurm_tasks_told(struct gw_slurm_tasks *t, size_t count);

#endif
