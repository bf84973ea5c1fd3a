/*
 * The record as the leader reads and writes it. Every write is fenced: it locks the lease row
 * FOR SHARE and gives no rows when the epoch is over.
 */
#ifndef GW_DB_RECORD_H
#define GW_DB_RECORD_H

#include "db/db.h"
#include "server/model/indexset.h"
#include "server/model/job.h"
#include "server/model/tasks.h"

/* A job as the leader needs it; texts borrowed until the row function returns. */
struct gw_record_row {
        struct gw_job job; /* retry is not set: it comes from the spec */
        int64_t project_id, user_id;
        int32_t weight; /* the project's, from 1 */
        const char *project, *name;
        int32_t version;
        const char *spec;
        size_t spec_len;
        const char *ref;        /* of the open submission, or NULL */
        int64_t send_before_us; /* likewise; 0: none */
        const char *identity;   /* JSON or NULL */
        bool cancel;            /* the wish: somebody asked to cancel … */
        int64_t cancel_by;      /* … who */
        bool wants_hold;        /* the wish, as recorded */
        bool wished;            /* there is a wish that was not read yet */
        bool changing;          /* of the open submission: as in gw_record_part */
        int64_t silent_us; /* since when its node, or that of its tasks that fell silent last, is
                            * silent, where it has an orphan_wait; 0: not known */
        const char *timer; /* gw_record_timers: the kind that is due */
        /* JSON rows [number, indices, by whom, attempt] of wishes about tasks, of a plain job about
         * task 0; or NULL. attempt: it is dead; null: they are to be cancelled. */
        const char *task_wishes;
        /* Of an array; NULL for a plain job. */
        const char *index_set;
        int32_t max_parallel; /* 0: no limit */
        const char *tasks;    /* JSON rows, gw_record_tasks() reads them; or NULL */
        const char *parts;    /* JSON rows of the open submissions, likewise; or NULL */
        const char *starts;   /* JSON rows of the attempts that run, likewise; or NULL */
};

enum gw_record_what {
        GW_RECORD_OPEN,   /* every job with an open submission */
        GW_RECORD_ARRAY,  /* one array; these two have its tasks and parts, the others its wishes */
        GW_RECORD_CLAIM,  /* what can be handed over, per project in turn */
        GW_RECORD_WISHES, /* jobs with an unread wish */
        GW_RECORD_TIMERS, /* jobs with a timer that is due */
};

struct gw_db_record_read {
        struct gw_db_command cmd;
        const char *backend;
        int32_t limit; /* ignored for GW_RECORD_OPEN */
        /* GW_RECORD_CLAIM: the project of each job that waits at the backend ("1,1,7"), and the
         * project that was served last. NULL, 0: none. */
        const char *busy;
        int64_t last_project;
        /* Likewise of each job that was claimed and waits for a pause: a project that has
         * most_paused of them is given no more. NULL: none. */
        const char *paused;
        int32_t most_paused;
        struct gw_id job; /* GW_RECORD_ARRAY */
        void (*each)(void *arg, const struct gw_record_row *row);
        void *arg;
};
void gw_db_record_read_init(struct gw_db_record_read *c, enum gw_record_what what);

/* Which of the three questions would be answered now: most looks find nothing, and a question that
 * reads whole jobs costs ten times as much as to learn that. */
struct gw_db_record_due {
        struct gw_db_command cmd;
        const char *backend;
        bool wishes, timers, claims; /* out */
};
void gw_db_record_due_init(struct gw_db_record_due *c);

/* For who begins to lead: a leader of the release before, which knows no dead_wishes, may have
 * taken the wish of such a job for read. */
struct gw_db_wishes_again {
        struct gw_db_command cmd;
        const char *backend;
};
void gw_db_wishes_again_init(struct gw_db_wishes_again *c);

/* One job after gw_job_apply(): everything that follows from the effect, in one statement. rows
 * is 0 when the lease is lost, or the job is no longer what it was (an intent whose job was
 * held or cancelled meanwhile; of an array, an intent while there is any unread wish). */
struct gw_db_record_write {
        struct gw_db_command cmd;
        const char *lease;
        int64_t epoch;
        const char *backend;
        const struct gw_job *job;
        const struct gw_job_effect *effect;
        bool claimable;
        int32_t version;         /* as last read or written */
        bool wish_read;          /* clears `wished` unless another wish came since version, or one
                                  * about its task is not granted yet */
        int64_t wishes_read;     /* those about its task up to this number are; 0: none */
        const char *ref;         /* the scheduler's id, or NULL */
        const char *error;       /* why a submission was refused, or NULL */
        const char *timer_fired; /* the kind of the timer this event was, or NULL: it goes */
        int64_t send_before_us;
        bool changing;  /* of the submission, as in gw_record_part */
        char *attempts; /* private */
        /* out */
        int32_t new_version;
        char *identity; /* JSON text: whom the submission was recorded for; NULL: none was written
                         */
};
/* Returns 0, or -1 without memory. */
int gw_db_record_write_init(struct gw_db_record_write *c);
void gw_db_record_write_done(struct gw_db_record_write *c);

/* What the scheduler has made of a submission of a living job. rows is 0 when that is recorded
 * already, or the lease is lost. */
struct gw_db_about_write {
        struct gw_db_command cmd;
        const char *lease;
        int64_t epoch;
        struct gw_id job;
        uint32_t no;
        const char *about; /* JSON text */
};
void gw_db_about_write_init(struct gw_db_about_write *c);

/* ---- arrays -------------------------------------------------------------------------------- */

/* A submission of an array, as recorded. */
struct gw_record_part {
        uint32_t number, attempt;
        uint32_t most_tasks; /* of the backend's, as in gw_submission; 0: not known */
        enum gw_submission_state state;
        int64_t send_before_us;
        const char *ordinals;    /* text of gw_spans_format() */
        const char *ref, *error; /* or NULL */
        const char *identity;    /* when read: JSON text: whom it was recorded for, or NULL */
        bool changing;           /* a wish to hold or release is being told to the backend */
};

/* The parts and tasks of a row; strings are borrowed until each() returns. *t is made anew and is
 * the caller's, also on failure. Returns 0, or -1 with GW_ERR_NOMEM, or GW_ERR_INTERNAL when the
 * record holds what nobody writes. */
int gw_record_tasks(const struct gw_record_row *row, uint32_t total, struct gw_tasks *t,
                    int (*each)(void *arg, const struct gw_record_part *part), void *arg,
                    struct gw_error *err);

/* An array after gw_tasks_apply(): what differs, in one statement. rows is 0 as in
 * gw_db_record_write. */
struct gw_db_tasks_write {
        struct gw_db_command cmd;
        const char *lease;
        int64_t epoch;
        const char *backend;
        const struct gw_job *job; /* the whole, as the tasks make it */
        const struct gw_tasks *tasks;
        const struct gw_tasks_effect *effect; /* settled */
        const struct gw_indexset *indices;
        const struct gw_record_part *parts; /* that changed */
        size_t part_count;
        bool intends;       /* a hand-over: not if there is a wish that was not read yet */
        bool claimable;     /* some tasks can be handed over */
        bool state_changed; /* of the whole: an event is due */
        int32_t version;
        bool wish_read;
        int64_t wishes_read; /* those about tasks up to this number are granted; 0: none */
        const char *timer_fired;
        int64_t delay_due_us;                                        /* 0: leave the timer */
        char *gone, *rows, *parts_text, *attempts, *events, *counts; /* private */
        /* out */
        int32_t new_version;
        char *identity; /* likewise, of the newest submission */
};
/* Returns 0, or -1 without memory. */
int gw_db_tasks_write_init(struct gw_db_tasks_write *c);
void gw_db_tasks_write_done(struct gw_db_tasks_write *c);

#endif
