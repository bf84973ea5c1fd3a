/*
 * The inside of a leader, shared by leader*.c. Everything is owned by the leader's thread,
 * except the inbox and what is marked atomic.
 *
 *   leader.c          the thread: taking the lease, the loop, stepping down
 *   leader_inbox.c    what the backend says, copied into messages
 *   leader_live.c     the jobs that have an open submission
 *   leader_array.c    arrays: their parts, and events to them
 *   leader_array_write.c  their record, and claims of parts
 *   leader_read.c     questions to the record: wishes, timers, claims
 *   leader_write.c    an event to a job, and its record
 *   leader_tell.c     what the backend must be told then
 *   leader_orphan.c   ends what is on nodes that are silent for too long
 *   leader_pause.c    pauses between hand-overs that do not get there
 *   leader_about.c    what its scheduler has made of what it was told
 */
#ifndef GW_ENGINE_LEADER_STATE_H
#define GW_ENGINE_LEADER_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "backends/backend.h"
#include "db/db.h"
#include "db/record.h"
#include "server/engine/leader.h"
#include "server/model/job.h"
#include "server/model/tasks.h"

#define LEADER_WRITES 128               /* most jobs in one statement */
#define LEADER_READS 256                /* most rows of one question */
#define LEADER_INBOX 1024               /* most messages of the backend that may wait */
#define LEADER_LOOK_US GW_SECOND        /* between looks at the record without a hint */
#define LEADER_SPACING_US (20 * 1000)   /* least time between two looks */
#define LEADER_GATHER_US (10 * 1000)    /* least time between two takes of what the backend says */
#define LEADER_SEND_US (60 * GW_SECOND) /* where the settings do not say it */
#define LEADER_AGAIN_US GW_SECOND       /* before a request that was not taken is repeated */
#define LEADER_BUCKETS 4096
#define LEADER_ROWS 20000       /* of tasks that a wish or timer changes in one write, about */
#define LEADER_IDLE_RUNS 500000 /* of arrays that are kept though no part of them is open */

/* ---- live jobs ----------------------------------------------------------------------------- */

/* A submission that is not closed. A plain job has one, an array any number, each with some of its
 * tasks. */
struct part {
        char *ref, *error; /* owned, or NULL: the scheduler's id; why it was refused */
        char *identity;    /* owned: whom it is for, fixed when it was recorded; or NULL: nobody */
        unsigned asked;    /* gw_job_action bits that are out, or done and not to be repeated */
        bool told_held;    /* what the backend was last told, where CHANGE is asked */
        bool said_hold;    /* the last CHANGE was about that */
        uint32_t told_parallel; /* of an array: likewise how many may run at a time; 0: nothing */
        bool paused;            /* it is not sent, for a pause kept it when that was due last */
        bool kept;     /* of an array: it was told to hold it, for none of it may run now */
        bool changes;  /* it is to be told of a hold or release, whatever is seen there … */
        bool hold;     /* … namely this */
        bool changing; /* so it was or is to be told, and has not answered: recorded, so that the
                          next leader tells nothing but what is still to be told */
        unsigned changes_out; /* CHANGEs that have not been answered */
        int64_t again_us;     /* monotonic: no request before this */
        int64_t tried_us;     /* monotonic: when it was tried after a pause; 0: never */
        bool changed;         /* since it was recorded */
        int64_t intended_us, send_before_us;
        int64_t accepted_us; /* wall: when this leader learned that the backend has it */
        /* Of an array: */
        LIST_ENTRY(part) link;
        uint32_t number, attempt;
        uint32_t most_tasks; /* the backend's, when it was made; 0: it said nothing */
        uint32_t left;       /* tasks of it that may still run */
        struct gw_spans spans;
        struct gw_spans begun; /* what ran when this leader began */
        struct gw_spans open;  /* what had not ended then */
        char *ordinals;        /* owned: the spans as text */
        enum gw_submission_state state;
        bool cancels; /* the backend is to be told which tasks are to end */
};
LIST_HEAD(parts, part);

struct array;

struct live {
        struct gw_job job;   /* of an array: the whole, as its tasks make it */
        struct part part;    /* the open submission of a plain job */
        struct array *array; /* NULL: a plain job */
        int64_t project_id, user_id;
        int32_t version;
        char *project, *name, *spec; /* owned */
        size_t spec_len;
        char *index_set;   /* owned: of an array: its indices; or NULL */
        bool hold;         /* of a plain job that waits: people want it held, as far as was read */
        bool writing;      /* in the write batch: no event before it is flushed. An array takes more
                              events until then, unless it is being claimed */
        bool kept;         /* in the table; otherwise it goes after its write */
        struct live *next; /* in its bucket */
};

/* Jobs with an open submission, and arrays that will have another, by id. */
struct live_table {
        struct live *buckets[LEADER_BUCKETS];
        size_t count;
};

/* A job from the record, retry policy from its spec; none of a spec that cannot be read (logged),
 * which the backend will refuse. NULL without memory. */
struct live *gw_live_new(const struct gw_record_row *row);
void gw_live_free(struct live *v);
struct live *gw_live_find(const struct live_table *t, struct gw_id job);
void gw_live_keep(struct live_table *t, struct live *v);
void gw_live_drop(struct live_table *t, struct live *v); /* takes it out; does not free */
void gw_live_clear(struct live_table *t);                /* frees all */
/* What is at the backend, or on the way, and neither runs nor is held there. */
struct waiting {
        size_t count;           /* how much of the window it fills … */
        struct gw_buf projects; /* … the project of each ("1,1,7") … */
        struct gw_buf paused;   /* … likewise of what pauses keep, which fills none of it */
};
/* Of both texts at most `max` bytes. */
void gw_live_waiting(const struct live_table *t, bool whole_arrays, size_t max,
                     struct waiting *ret);
void gw_waiting_done(struct waiting *w);
/* How many submissions are open. */
size_t gw_live_open(const struct live_table *t);
/* The open submission of that number, or NULL. */
struct part *gw_live_part(struct live *v, uint32_t number);
/* The open submissions one after the other; p NULL: the first. NULL after the last. */
struct part *gw_live_next_part(struct live *v, const struct part *p);
/* Keeps the scheduler's id; NULL is nothing. */
void gw_part_ref(struct part *p, const char *ref);
/* Keeps whom it was recorded for, which it takes; NULL is nothing. */
void gw_part_identity(struct part *p, char *identity);
/* A submission, as the backend is told of it. Borrows from v and p. */
void gw_live_submission(const struct live *v, const struct part *p, struct gw_submission *ret);

/* ---- arrays ---------------------------------------------------------------------------------- */

struct array {
        struct gw_indexset indices;
        struct gw_tasks tasks;
        struct gw_tasks_effect effect; /* since it was recorded */
        struct parts parts;
        uint32_t max_parallel;   /* most tasks handed over at a time; 0: no limit */
        bool unfinished;         /* a wish was applied to the first of its tasks only */
        bool says_why;           /* the job's message is why a part does not get there */
        int64_t ended_us;        /* the latest end that this leader saw */
        size_t idle_runs;        /* its runs, while it is kept without a part */
        struct part *claimed;    /* its write is a claim of this part … */
        struct gw_tasks before;  /* … these were the tasks before it … */
        uint32_t attempt_before; /* … and this the job's highest attempt */
        /* What goes with the write that is due. */
        bool wish_read;
        int32_t version_read;
        int64_t wishes_read;
        const char *timer_fired;
        enum gw_state recorded_state;
        enum gw_reason recorded_reason;
        struct gw_db_tasks_write command;
        struct gw_record_part *changed_parts; /* of the command */
        struct live *next_write;
};

/* ---- messages of the backend ---------------------------------------------------------------- */

enum message_kind { MESSAGE_FACTS, MESSAGE_SYNCED, MESSAGE_ANSWER };

struct message {
        struct gw_work work;
        enum message_kind kind;
        uint64_t epoch;
        struct gw_fact *facts; /* FACTS: texts point into the message */
        size_t fact_count;
        uint64_t seen; /* SYNCED */
        int64_t asked_at_us;
        enum gw_request request; /* ANSWER */
        struct gw_mark mark;
        enum gw_answer answer;
        int64_t retry_at_us;
        char *ref, *raw; /* ANSWER: point into the message, or NULL */
};

/* ---- the leader ------------------------------------------------------------------------------ */

struct write {
        struct gw_db_record_write command;
        struct gw_job_effect effect;
        struct live *live;
};

/* What goes with an event beside the event. */
struct occasion {
        bool wish_read;          /* the wish of `version` was read */
        int32_t version;         /* of the row that was read */
        int64_t wishes_read;     /* of those about tasks, up to this number; 0: none */
        const char *timer_fired; /* or NULL */
};

struct pause;
LIST_HEAD(pauses, pause);

struct gw_leader {
        struct gw_leader_settings settings;
        struct gw_backend *backend;
        pthread_t thread;
        struct gw_mailbox inbox;
        atomic_bool stopping, hinted, refused, leading;
        atomic_bool lost_answer; /* an answer could not be kept: only the record knows */

        pthread_mutex_t offer_lock; /* describe() to the loop */
        char *offer;
        bool reachable, offer_new;
        bool reached; /* what was last recorded of that; the leader's */

        struct gw_db_session *session;
        int64_t epoch;    /* 0: does not lead */
        int64_t leads_us; /* wall: since when */
        bool lost;        /* leadership is over: step down */
        struct live_table live;
        struct pauses pauses;
        struct write *writes; /* LEADER_WRITES of them */
        size_t write_count;
        struct live *array_writes;   /* linked by array->next_write */
        bool more;                   /* there may be more to claim … */
        bool more_tasks;             /* … of arrays, when there is room for a good part */
        bool room;                   /* … and was room for it */
        int64_t firsts_us;           /* monotonic: no look before for projects without a place */
        int64_t last_project;        /* the one that was served last */
        size_t idle_runs;            /* of arrays that are kept without a part */
        int64_t looked_us, asked_us; /* monotonic: the last look at the record; the last time that
                                        requests that were put off were asked again */
        int64_t took_us;             /* monotonic: the last message of the backend */
};

/* leader_inbox.c */
struct gw_backend_host gw_leader_inbox_host(struct gw_leader *l);
void gw_message_free(struct message *m);

/* leader_write.c. After any of them l->lost may be set.
 *
 * The live job of that id, ready for an event, or NULL. May flush, and so free other live jobs. */
struct live *gw_leader_find(struct gw_leader *l, struct gw_id job);
void gw_leader_apply(struct gw_leader *l, struct live *v, const struct gw_job_event *event,
                     const struct occasion *occasion);
void gw_leader_flush(struct gw_leader *l);
void gw_leader_discard(struct gw_leader *l);     /* forgets what is not flushed */
void gw_leader_check_lease(struct gw_leader *l); /* sets l->lost when it is somebody else's */
/* An event to what the part has of the span (NULL: all of the part), whatever the job is. */
void gw_leader_apply_part(struct gw_leader *l, struct live *v, struct part *p,
                          const struct gw_span *span, const struct gw_job_event *event);
/* What is recorded of the part goes with the next flush. */
void gw_leader_note_part(struct gw_leader *l, struct live *v, struct part *p);
/* A new time until which the part may be sent; recorded before it is used. */
void gw_leader_renew(struct gw_leader *l, struct live *v, struct part *p);

/* leader_about.c. Sets l->lost when it could not be kept. */
void gw_leader_keep_abouts(struct gw_leader *l, const struct message *m);

/* leader_tell.c
 *
 * How many run was changed: what has lost its turn is recorded so, and then held there. */
void gw_leader_share_anew(struct gw_leader *l, struct live *v);
void gw_leader_act(struct gw_leader *l, struct live *v); /* tells the backend what is due */
/* Asks again what was put off, and drops what nobody wants before it was sent. */
void gw_leader_ask_again(struct gw_leader *l);

/* leader_orphan.c
 *
 * Ends what its job waits for no longer. Returns whether there was any; the job may be gone. */
bool gw_leader_end_orphans(struct gw_leader *l, struct live *v);
/* The event that an attempt is dead, without words. */
struct gw_job_event gw_event_dead(uint32_t attempt);

/* leader_pause.c
 *
 * What was said of the hand-over of a part. */
void gw_pause_answered(struct gw_leader *l, const struct live *v, const struct part *p,
                       struct gw_mark mark, const struct gw_job_event *event);
/* Whether the part may be handed over now, as far as pauses go. */
bool gw_pause_lets(const struct gw_leader *l, const struct live *v, const struct part *p);
/* It is handed over. */
void gw_pause_asked(struct gw_leader *l, const struct live *v, struct part *p, struct gw_mark mark);
/* The event to a part that waits for a pause: as if it had been tried. Its words are the pause's.
 */
void gw_pause_event(const struct gw_leader *l, const struct live *v, const struct part *p,
                    struct gw_job_event *ret);
void gw_pauses_cut(struct gw_leader *l);  /* what may have been the cause is over: try now */
void gw_pauses_look(struct gw_leader *l); /* each second: ends those that nobody needs any more */
void gw_pauses_clear(struct gw_leader *l);

/* The batch's other half: writes that are not a plain job's. */
struct gw_work *gw_leader_array_chain(struct gw_leader *l); /* NULL: none, or lost */
void gw_leader_array_conclude(struct gw_leader *l);

/* leader_array.c. After any of them l->lost may be set. Those that take a live array may flush
 * only while it is being claimed; it is then looked up again by the caller. */
int gw_array_load(struct live *v, const struct gw_record_row *row, struct gw_error *err);
void gw_array_free(struct array *a);
/* Takes the spans. NULL without memory. */
struct part *gw_part_new(uint32_t number, uint32_t attempt, struct gw_spans *spans);
void gw_part_free(struct part *p);                            /* NULL is nothing */
struct part *gw_array_part(struct array *a, uint32_t number); /* or NULL. Reorders the parts */
size_t gw_array_open(const struct array *a);                  /* parts */
/* Tasks at the backend that neither run nor are held there; whole: parts that have such tasks.
 * ret_paused: how many of them pauses keep; or NULL. */
size_t gw_array_waiting(const struct array *a, bool whole, size_t *ret_paused);
/* How many tasks of a part may run at a time, where the backend keeps it; 0: any number,
 * GW_PARALLEL_NONE: its turn does not come yet. */
#define GW_PARALLEL_NONE UINT32_MAX
uint32_t gw_array_parallel(const struct array *a, const struct part *p);
size_t gw_array_handed(const struct array *a); /* tasks at the backend, or on the way */
unsigned gw_array_actions(const struct live *v, const struct part *p);
/* Whether every task of the part is to end. */
bool gw_array_unwanted(const struct array *a, const struct part *p);
/* Those of its tasks that are to end. Returns 0, or -1 without memory. */
int gw_array_stopped(const struct array *a, const struct part *p, struct gw_spans *ret);
/* An event to some tasks (NULL: all) of a part, or (part NULL) whatever part they are in. */
void gw_array_apply(struct gw_leader *l, struct live *v, struct part *p,
                    const struct gw_spans *which, const struct gw_job_event *event);
/* To all tasks, whatever part they are in; or to the first of them, so that the write is none too
 * large. Returns whether it came to all. */
bool gw_array_apply_all(struct gw_leader *l, struct live *v, const struct gw_job_event *event);
/* What goes with an event is recorded, whatever the event does. */
void gw_array_occasion(struct gw_leader *l, struct live *v, const struct occasion *occasion);
void gw_array_recover(struct gw_leader *l, struct live *v);
void gw_array_synced(struct gw_leader *l, struct live *v, const struct message *m);
/* To the tasks of the part, by slices as gw_array_apply_all(). Returns likewise. */
bool gw_array_apply_wide(struct gw_leader *l, struct live *v, struct part *p,
                         const struct gw_spans *which, const struct gw_job_event *event);
/* The runs of a part's tasks one after the other; run NULL: the first. NULL after the last. */
const struct gw_run *gw_array_next_run(const struct array *a, const struct part *p,
                                       const struct gw_run *run);
/* Wishes about single tasks, as the record's row gives them. Returns as gw_array_apply_all(). */
bool gw_array_grant_tasks(struct gw_leader *l, struct live *v, const char *wishes);
/* The event of a row of them that says that an attempt is dead; false: it says something else. */
bool gw_wish_is_dead(const json_t *row, struct gw_job_event *ret);

/* leader_array_write.c
 *
 * Hands over at most `room` tasks, fewer than `good` only if none waits at the backend; or, to a
 * backend with whole_arrays, as many as a submission may have. Returns how much of the window that
 * fills. */
size_t gw_array_claim(struct gw_leader *l, struct live *v, size_t room, size_t good);
/* The array's row goes with the next flush, whatever the tasks. */
void gw_array_note(struct gw_leader *l, struct live *v);
void gw_array_discard(struct gw_leader *l);

/* leader_read.c */
void gw_leader_load(struct gw_leader *l);  /* after the lease was taken */
void gw_leader_look(struct gw_leader *l);  /* wishes and timers */
void gw_leader_claim(struct gw_leader *l); /* as far as the window has room */

#endif
