/*
 * From a spec to a recorded job, safe to repeat: what POST /v1/jobs and …/retry share. Embedded
 * in a handler's state; the handler forwards resume, abandon and end.
 *
 *   prepare   project, backend, rules, what the backend can carry
 *   post      the insert; an Idempotency-Key that is taken is settled from the record
 *   resume    true once the job is there; the answer may be held back by ?wait=
 */
#ifndef GW_ROUTES_SUBMIT_H
#define GW_ROUTES_SUBMIT_H

#include "backends/backend.h"
#include "db/jobs.h"
#include "routes/job_read.h"
#include "server/model/spec.h"

struct gw_submit {
        /* in */
        struct gw_id retry_of; /* nil: none */
        /* made by prepare */
        const struct gw_membership *membership;
        struct gw_backend *backend;
        struct gw_spec spec;
        struct gw_buf warnings; /* JSON array */
        int64_t now_us;
        struct gw_id id;
        /* private */
        struct gw_db_job_insert insert;
        struct gw_db_job_settle settle;
        struct gw_job_read read; /* out: the job's JSON */
        bool waits;              /* ?wait= is one of the operation's parameters */
        bool replayed;
        enum { GW_SUBMIT_INSERTS, GW_SUBMIT_SETTLES, GW_SUBMIT_READS } stage;
};

/* Resolves and checks a decoded spec, which is changed. True; or false with an answer set that
 * names everything that is wrong. */
bool gw_submit_prepare(struct gw_call *call, struct gw_submit *s, json_t *spec);
/* The submission the backend would get. Borrows from s. */
struct gw_submission gw_submit_submission(const struct gw_submit *s);

/* digest: of what the request says, kept with its Idempotency-Key. */
enum gw_next gw_submit_post(struct gw_call *call, struct gw_submit *s, const uint8_t digest[32]);
/* True: s->read.out is the job's JSON. False: *ret_next is what the handler returns. */
bool gw_submit_resume(struct gw_call *call, struct gw_submit *s, enum gw_next *ret_next);
/* The job, and where it is; `extra` is written before its last brace ("" or `,"name":…`). */
enum gw_next gw_submit_answer(struct gw_call *call, struct gw_submit *s, unsigned status,
                              const char *extra);

void gw_submit_abandon(struct gw_call *call, struct gw_submit *s);
void gw_submit_done(struct gw_submit *s);

#endif
