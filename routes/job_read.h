/*
 * Reading one job for its caller, once or until it is somewhere: what most routes begin with.
 *
 * Embedded in a handler's state. The handler forwards resume, abandon and end while the read is
 * going on. A job that the caller may not see is answered exactly as one that does not exist.
 */
#ifndef GW_ROUTES_JOB_READ_H
#define GW_ROUTES_JOB_READ_H

#include "db/jobs.h"
#include "routes/call.h"

enum gw_job_until { GW_UNTIL_STARTED, GW_UNTIL_TERMINAL, GW_UNTIL_CHANGE };

/* What handlers decide by. */
struct gw_job_seen {
        int64_t project_id, user_id;
        int32_t version, task_count, attempt;
        enum gw_state state;
        bool is_array;
        char backend[64];
};

struct gw_job_read {
        /* in */
        struct gw_id id;
        /* Called with the row on the database's thread, on an empty buffer; NULL: nothing to
         * write. */
        void (*write)(struct gw_buf *out, const struct gw_job_row *row, unsigned fields);
        unsigned fields;
        enum gw_job_until until;
        int64_t deadline_us; /* monotonic; 0: answer at once */
        /* out */
        struct gw_job_seen seen;
        struct gw_buf out;
        /* private */
        struct gw_db_job_get get;
        struct gw_hub_wait wait;
        bool waiting, again; /* the wait is out; this is not the first look */
        int64_t since;
        int32_t first_version;
};

/* Sends the question out. The inputs are set, the rest is zero, or done with. */
enum gw_next gw_job_read_begin(struct gw_call *call, struct gw_job_read *r);
/* True: seen and out are what the job is now. False: *ret_next is what the handler returns. */
bool gw_job_read_resume(struct gw_call *call, struct gw_job_read *r, enum gw_next *ret_next);
/* Nobody waits any more: what is there is the answer. */
void gw_job_read_abandon(struct gw_call *call, struct gw_job_read *r);
void gw_job_read_done(struct gw_job_read *r);

/* ?until= of the call. */
enum gw_job_until gw_job_until(const struct gw_call *call);
/* The status of an answer that shows a job in that state: 424 when ?fail_on_failure= asks for it
 * and the job has ended in any other way than with success, `usual` otherwise. */
unsigned gw_job_status(const struct gw_call *call, enum gw_state state, unsigned usual);
/* The caller's membership in the job's project; NULL when there is none. */
const struct gw_membership *gw_job_membership(const struct gw_call *call,
                                              const struct gw_job_seen *seen);
/* Whether the caller may do that to the job that was read. True; or false with an answer set. */
bool gw_job_allows(struct gw_call *call, const struct gw_job_seen *seen, enum gw_verb verb);

#endif
