/*
 * Finding the output of an attempt: the job → (of an array: the task) → its attempts → (where the
 * backend needs it: its submission) → the file its backend has. What both ways of reading a log
 * begin with.
 *
 * Embedded in a handler's state. The handler forwards resume and end while the search is going
 * on. Used again for a later attempt, it searches anew.
 */
#ifndef GW_ROUTES_LOG_FIND_H
#define GW_ROUTES_LOG_FIND_H

#include "db/kept_logs.h"
#include "routes/log_kept.h"
#include "routes/task_indices.h"

enum gw_log_found {
        GW_LOG_THERE,   /* `source` is it */
        GW_LOG_NOT_YET, /* the attempt has not started, and may: an event tells */
        GW_LOG_SOON,    /* it has started and its backend has no file yet: no event tells */
        GW_LOG_NEVER,   /* the job has ended, or gone on, without it */
        GW_LOG_AWAY,    /* the record or the backend cannot be asked now: `error` says why */
        GW_LOG_GONE,    /* it is not to be had any more, nor here: `error` says why */
};

struct gw_log_find {
        /* in */
        struct gw_id id;
        int64_t index;    /* of the task; */
        bool placed;      /* or its place, which a search finds out and keeps: */
        uint32_t ordinal; /* in the job */
        int32_t behind;   /* > 0: the attempt after this one, which may not be there yet */
        bool in_order;    /* 0 is such a number too, and not the attempt asked for or the latest */
        /* out */
        enum gw_log_found found;
        struct gw_error error;
        int32_t attempt;             /* the one that was looked for */
        struct gw_log_source source; /* its descriptor is ours until it is taken */
        bool kept;                   /* it is not the file, but what the record keeps of it */
        struct gw_log_kept_place
                kept_place; /* of that; whoever takes the descriptor takes it, too */
        uint64_t omitted;   /* bytes that it does not */
        /* private */
        struct gw_log_kept_room *room;
        int64_t user_id;
        struct gw_job_read read;
        struct gw_db_task_get task;
        struct gw_db_attempts attempts;
        struct gw_db_submission_get record;
        struct gw_db_log_get kept_get;
        char node[256];     /* where the attempt runs or ran, or "" */
        bool ended;         /* the attempt has, says the record */
        int32_t latest;     /* attempt of the task */
        bool over;          /* the task has ended */
        int32_t submission; /* of the attempt; 0: it is not recorded, or ended unstarted */
        bool overwritten;   /* by a run that the scheduler began itself, with the same file */
        bool running;       /* the attempt has started and has not ended, says the record */
        enum {
                LOG_FIND_READ,
                LOG_FIND_TASK,
                LOG_FIND_ATTEMPTS,
                LOG_FIND_RECORD,
                LOG_FIND_SOURCE,
                LOG_FIND_KEPT
        } stage;
        bool opened; /* the source came home */
};

/* Zeroed but for the inputs, or done with. Whether the job is the caller's is asked each time. */
enum gw_next gw_log_find_begin(struct gw_call *call, struct gw_log_find *f);
/* True: the outputs are set. False: *ret_next is what the handler returns. */
bool gw_log_find_resume(struct gw_call *call, struct gw_log_find *f, enum gw_next *ret_next);
/* Whether the task had ended when it was read: there will be no later attempt than the latest. */
bool gw_log_find_is_last(const struct gw_log_find *f);
/* Answers the problem for an outcome that is not GW_LOG_THERE. */
enum gw_next gw_log_find_fail(struct gw_call *call, const struct gw_log_find *f);
void gw_log_find_done(struct gw_log_find *f);
/* Retryable: whoever has begun to answer may try again. */
bool gw_log_find_is_passing(const struct gw_error *error);

#endif
