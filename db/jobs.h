/*
 * Jobs as routes see them: submit, read, list, and the wishes (cancel, hold, release, remove).
 * A route never writes a state: it records a wish, and the leader acts on it.
 *
 * Each struct is one command (db/db.h): set the inputs, gw_db_job_…_init() sets kind; rows and
 * error tell the outcome. `each` functions run on the database thread with borrowed data: they
 * must be pure.
 */
#ifndef GW_DB_JOBS_H
#define GW_DB_JOBS_H

#include "db/db.h"
#include "server/model/state.h"

/* Ids of projects as text "1,7,12", for `projects` below: what the caller may see or touch. */

/* ---- submit -------------------------------------------------------------------------- */

/* Inserts key, job, spec, timers and event. rows is 1 when it was recorded; 0 when the key is
 * taken or the command is being repeated: gw_db_job_settle tells which. */
struct gw_db_job_insert {
        struct gw_db_command cmd;
        struct gw_id id;
        int64_t project_id, user_id;
        const char *backend, *name;
        const char *labels; /* JSON object, or NULL */
        int32_t cpus_milli, gpus, priority;
        int64_t memory;
        bool held;
        int64_t not_before_us, start_deadline_us, deadline_us; /* wall; 0: none */
        struct gw_id retry_of;                                 /* nil: none */
        const char *spec;                                      /* resolved, JSON text */
        size_t spec_len;
        const char *index_set; /* of an array, or NULL */
        int32_t task_count;    /* of an array */
        const char *key;       /* Idempotency-Key, or NULL */
        /* Of two with one key and this set, posted to one channel, the first makes the job. */
        bool in_order;
        uint8_t sha256[32];
        const char *request_id;
};
/* Call it when the inputs are set. */
void gw_db_job_insert_init(struct gw_db_job_insert *c);

/* What became of an insert that gave no row. */
struct gw_db_job_settle {
        struct gw_db_command cmd;
        struct gw_id id; /* the one that was to be inserted */
        int64_t project_id, user_id;
        const char *key; /* or NULL */
        /* out */
        struct gw_id holder;  /* the job that has the key, or id */
        uint8_t sha256[32];   /* of the request that took the key */
        bool has_key, exists; /* whether a key was found; whether holder's record is there */
};
void gw_db_job_settle_init(struct gw_db_job_settle *c);

/* ---- read ---------------------------------------------------------------------------- */

struct gw_job_row {
        struct gw_id id;
        int64_t project_id, user_id;
        const char *project, *owner, *backend, *name;
        const char *labels; /* JSON object or NULL */
        int32_t version;
        enum gw_state state;
        const char *reason, *message; /* or NULL */
        int exit_code, signal;        /* -1, 0: none */
        int32_t task_count, priority, attempt;
        const char *counts; /* JSON array or NULL */
        bool held;
        int64_t not_before_us, cancel_requested_us, started_us, ended_us;
        struct gw_id retry_of;
        const char *scheduler; /* JSON object or NULL; this and the next ones only where they
                                  were asked for */
        const char *spec;
        size_t spec_len;
        const char *index_set; /* of an array, or NULL */
};
typedef void (*gw_job_row_fn)(void *arg, const struct gw_job_row *row);

struct gw_db_job_get {
        struct gw_db_command cmd;
        struct gw_id id;
        gw_job_row_fn each; /* called at most once */
        void *arg;
};
void gw_db_job_get_init(struct gw_db_job_get *c);

/* Whether a job is there, and as which version: for those who have the rest. */
struct gw_db_job_peek {
        struct gw_db_command cmd;
        struct gw_id id;
        int32_t version; /* out, when there is a row */
};
void gw_db_job_peek_init(struct gw_db_job_peek *c);

/* Filters of a list, also of a bulk cancel; NULL, 0 or nil: not filtered. */
struct gw_job_filter {
        const char *projects; /* "1,7": never NULL */
        const char *states;   /* "queued,running" */
        const char *ids;      /* "uuid,uuid" */
        int64_t user_id;
        const char *owner, *name, *backend, *idempotency_key;
        const char *labels;      /* JSON object: all of these */
        const char *label_names; /* "a,b": has all of these */
        int64_t created_after_us, created_before_us;
};

/* A page, newest first. */
struct gw_db_job_list {
        struct gw_db_command cmd;
        struct gw_job_filter filter;
        struct gw_id before; /* nil: from the newest */
        int32_t limit;
        bool with_spec;
        gw_job_row_fn each;
        void *arg;
        /* private: the statement made for these filters */
        struct gw_db_kind kind;
        char *sql;
};
/* Builds the statement; call after the inputs are set. Returns 0, or -1 without memory. */
int gw_db_job_list_init(struct gw_db_job_list *c);
void gw_db_job_list_done(struct gw_db_job_list *c);

/* ---- tasks of an array ----------------------------------------------------------------- */

struct gw_task_row {
        uint32_t ordinal;
        const char *state, *reason, *message; /* reason, message: or NULL */
        int exit_code, signal;                /* of the last attempt; -1, 0: none */
        int32_t attempts;
        int64_t started_us, ended_us;
};

/* The tasks from ordinal `after` on, in order. */
struct gw_db_task_page {
        struct gw_db_command cmd;
        struct gw_id job;
        uint32_t after;
        int32_t limit;
        const char *states; /* "failed,cancelled", or NULL: all */
        void (*each)(void *arg, const struct gw_task_row *row);
        void *arg;
};
void gw_db_task_page_init(struct gw_db_task_page *c);

/* One task, for those who want no more of it than this. */
struct gw_db_task_get {
        struct gw_db_command cmd;
        struct gw_id job;
        uint32_t ordinal;
        /* out; without a row nothing of it differs yet, and it waits */
        enum gw_state state;
        int32_t attempts;
};
void gw_db_task_get_init(struct gw_db_task_get *c);

/* The ordinals of the tasks that failed, as gw_spans_format() writes them. */
struct gw_db_task_failed {
        struct gw_db_command cmd;
        struct gw_id job;
        /* Called once, with NULL when there are none; the text is borrowed. */
        void (*each)(void *arg, const char *ordinals);
        void *arg;
};
void gw_db_task_failed_init(struct gw_db_task_failed *c);

/* ---- attempts ------------------------------------------------------------------------ */

struct gw_attempt_row {
        int32_t ordinal, no, submission, restart;
        const char *origin, *state, *provisional_reason, *reason, *message, *node;
        const char *usage; /* JSON or NULL */
        int exit_code, signal;
        int64_t started_us, ended_us;
};

struct gw_db_attempts {
        struct gw_db_command cmd;
        struct gw_id job;
        int32_t ordinal;
        void (*each)(void *arg, const struct gw_attempt_row *row); /* in order of no */
        void *arg;
};
void gw_db_attempts_init(struct gw_db_attempts *c);

/* ---- submissions --------------------------------------------------------------------- */

/* What is recorded of a submission. rows is 0 when there is none of that number, or none at all. */
struct gw_db_submission_get {
        struct gw_db_command cmd;
        struct gw_id job;
        int32_t no; /* 0: the latest */
        /* out */
        int32_t found, attempt; /* its number; from 1 */
        int32_t most_tasks;     /* of one, when it was made; 0: not known */
        /* owned; NULL when there is none */
        char *identity;  /* JSON text: whom it was made for */
        char *ref;       /* the scheduler's id */
        char *ordinals;  /* as gw_spans_format() writes them; of a plain job none */
        char *index_set; /* of the job; likewise */
        char *spec;      /* likewise, where its script may have lines for a submit command */
};
void gw_db_submission_get_init(struct gw_db_submission_get *c);
void gw_db_submission_get_done(struct gw_db_submission_get *c); /* also one that is zero */

/* ---- wishes -------------------------------------------------------------------------- */

enum gw_wish {
        GW_WISH_CANCEL, /* of what lives */
        GW_WISH_HOLD,   /* of what waits */
        GW_WISH_RELEASE,
        GW_WISH_SPEC,   /* of what lives */
        GW_WISH_REMOVE, /* a finished job's record; done at once. Its Idempotency-Key stays, and
                           answers 410 */
};

/* rows is 1 when the wish was recorded: the job is visible, in a state that allows it and not
 * so already. Otherwise 0: read the job to know why. */
struct gw_db_job_wish {
        struct gw_db_command cmd;
        struct gw_id id;
        const char *projects;
        int64_t user_id;
        const char *request_id;
        enum gw_wish wish;
        const char *spec; /* with GW_WISH_SPEC: the new one; NULL otherwise */
        char *identities; /* out, with GW_WISH_REMOVE: JSON text, a list of all that it was handed
                           * over as; the caller's, or NULL */
};
void gw_db_job_wish_init(struct gw_db_job_wish *c); /* after wish is set */

/* The wish that some tasks of an array end. rows is 1 when it was recorded; 0: the job is not
 * visible, or it has ended. */
struct gw_db_task_cancel {
        struct gw_db_command cmd;
        struct gw_id job;
        const char *projects;
        const char *indices; /* text of gw_indexset_format() */
        int64_t user_id;
        const char *request_id;
};
void gw_db_task_cancel_init(struct gw_db_task_cancel *c);

/* Somebody knows that an attempt of some tasks has ended with its node. rows is 1 when that is
 * recorded; 0: the job is not visible, or that attempt of none of them runs on a silent node. */
struct gw_db_dead_confirm {
        struct gw_db_command cmd;
        struct gw_id job;
        const char *projects;
        const char *indices;  /* text of gw_indexset_format(); "0": a plain job */
        const char *ordinals; /* JSON text [[first, last], ...] of the same; NULL: a plain job */
        int32_t attempt;
        int64_t user_id;
        const char *request_id;
};
void gw_db_dead_confirm_init(struct gw_db_dead_confirm *c);

/* Cancels what lives and matches, at most GW_CANCEL_AT_ONCE: with that many rows there may be
 * more, and it is to be run again. each: the ids. */
#define GW_CANCEL_AT_ONCE 5000
struct gw_db_job_cancel_many {
        struct gw_db_command cmd;
        struct gw_job_filter filter;
        int64_t user_id_by;
        const char *request_id;
        void (*each)(void *arg, struct gw_id id);
        void *arg;
        struct gw_db_kind kind;
        char *sql;
};
int gw_db_job_cancel_many_init(struct gw_db_job_cancel_many *c);
void gw_db_job_cancel_many_done(struct gw_db_job_cancel_many *c);

#endif
