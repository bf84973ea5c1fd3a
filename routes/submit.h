/*
 * From a spec to a recorded job, safe to repeat: what POST /v1/jobs, its many lines and …/retry
 * share. Embedded in a handler's state.
 *
 *   prepare   project, backend, rules, what the backend can carry
 *   command   the insert
 *   take      its outcome; a key that is taken is settled from the record by a second command,
 *             and the outcome is lost when that cannot be sent
 *
 * Where one job is the answer, the handler forwards resume, abandon and end:
 *
 *   post      prepared: the command is sent
 *   resume    true once the job is there; the answer may be held back by ?wait=
 */
#ifndef GW_ROUTES_SUBMIT_H
#define GW_ROUTES_SUBMIT_H

#include "backends/backend.h"
#include "db/jobs.h"
#include "routes/job_read.h"
#include "server/model/spec.h"

enum gw_submit_outcome {
        GW_SUBMIT_RECORDED,
        GW_SUBMIT_REPLAYED,  /* by an earlier request: id is that job's */
        GW_SUBMIT_UNSETTLED, /* settle.cmd is to be run, and taken again */
        GW_SUBMIT_REFUSED,
};

struct gw_submit {
        /* in */
        struct gw_id retry_of; /* nil: none */
        const char *key;       /* or NULL; lives until the outcome is taken, as the next two */
        const char *key_field; /* what the client calls it */
        const char *request_id;
        bool in_order; /* as in gw_db_job_insert */
        /* made by prepare */
        const struct gw_membership *membership;
        struct gw_backend *backend;
        struct gw_spec spec;
        struct gw_buf warnings; /* JSON array */
        bool warned;            /* it is not empty */
        struct gw_buf indices;  /* of an array, as text */
        struct gw_span whole;   /* all ordinals */
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

/* Where a spec that names these, or does not (NULL), goes; NULL with a fault. */
struct gw_backend *gw_submit_backend(struct gw_call *call, const char *project,
                                     const char *backend);
/* Resolves and checks a decoded spec, which is changed. True; or false with everything that is
 * wrong in call->faults, or, when there is nothing, in *err. */
bool gw_submit_prepare(struct gw_call *call, struct gw_submit *s, json_t *spec,
                       struct gw_error *err);
/* Adds a warning to those of prepare. rule: a stable name; pointer: into the spec. */
void gw_submit_warn(struct gw_submit *s, const char *rule, const char *pointer, const char *detail);
/* Answers what prepare found. */
enum gw_next gw_submit_refuse(struct gw_call *call, const struct gw_error *err);
/* The submission the backend would get. Borrows from s. */
struct gw_submission gw_submit_submission(const struct gw_submit *s);

/* The insert, without its home. digest: of what the request says, kept with its key. */
struct gw_db_command *gw_submit_command(struct gw_call *call, struct gw_submit *s,
                                        const uint8_t digest[32]);
/* Gives up what the command, which was made, and its outcome do not need. */
void gw_submit_pack(struct gw_submit *s);
/* Bytes that a packed one holds beside itself. */
size_t gw_submit_held(const struct gw_submit *s);
/* The command that was out is home. GW_SUBMIT_REFUSED fills *err. */
enum gw_submit_outcome gw_submit_take(struct gw_submit *s, struct gw_error *err);

/* settle.cmd could not be sent: fills *err, which says that the outcome is not known. */
void gw_submit_lose(const struct gw_submit *s, const struct gw_error *why, struct gw_error *err);

/* Sends the command, under the Idempotency-Key if there is one. */
enum gw_next gw_submit_post(struct gw_call *call, struct gw_submit *s, const uint8_t digest[32]);
/* True: s->read.out is the job's JSON. False: *ret_next is what the handler returns. */
bool gw_submit_resume(struct gw_call *call, struct gw_submit *s, enum gw_next *ret_next);
/* The job, and where it is; `extra` is written before its last brace ("" or `,"name":…`). */
enum gw_next gw_submit_answer(struct gw_call *call, struct gw_submit *s, unsigned status,
                              const char *extra);

void gw_submit_abandon(struct gw_call *call, struct gw_submit *s);
void gw_submit_done(struct gw_submit *s);

#endif
