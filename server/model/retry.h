/*
 * When an attempt that ended is followed by another one, and how long after.
 *
 * What is the job's own fault is not repeated unless the client lists it: the default is
 * 3 retries after 10 s, 20 s, 40 s … at most 10 min, for node_failure, preempted, evicted and
 * launch_failed (gw_reason_retryable_by_default). Some ends can never be listed: rejected
 * (the same spec would be refused again), cancelled_*, the job's own deadlines, and lost
 * (it may still run, and nothing runs twice). Pure; a policy is a plain value.
 */
#ifndef GW_MODEL_RETRY_H
#define GW_MODEL_RETRY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/model/faults.h"
#include "server/model/state.h"

#define GW_MAX_RETRIES 100
#define GW_MAX_BACKOFF 100

struct gw_retry {
        unsigned limit;         /* attempts after the first, 0 … GW_MAX_RETRIES */
        int64_t delay_s;        /* before the first of them */
        double backoff;         /* factor for each further one, 1 … GW_MAX_BACKOFF */
        int64_t max_delay_s;    /* the wait grows no further than this */
        int64_t orphan_wait_s;  /* what is on a silent node is waited for so long; 0: for ever */
        uint64_t reasons;       /* bit n: enum gw_reason n; EXIT_CODE means any code but 0 */
        uint64_t exit_codes[4]; /* bit n: code n, 1 … 255, where the reason is EXIT_CODE */
};

/* The policy of a job that says nothing. */
struct gw_retry gw_retry_default(void);

/* Whether a reason may stand in `on`. */
bool gw_retry_may_list(enum gw_reason reason);

/* Whether the attempt that ended so is to be followed by another. exit_code: -1 for none.
 * attempts_made counts that attempt too, so it is at least 1. */
bool gw_retry_wants(const struct gw_retry *retry, enum gw_reason reason, int exit_code,
                    unsigned attempts_made);

/* Seconds to wait after attempt number `attempt` (from 1): delay × backoff^(attempt-1), at
 * most max_delay, but never less than delay itself. */
int64_t gw_retry_delay_s(const struct gw_retry *retry, unsigned attempt);

/* Reads {limit, delay, backoff, max_delay, orphan_wait, on: [reason names and exit codes]}; what is
 * missing, or a NULL `json`, takes its default. Returns 0; or -1 with a fault for each bad
 * member, pointers beginning with "/retry", and *ret untouched. */
int gw_retry_from_json(const json_t *json, struct gw_retry *ret, struct gw_faults *faults);

#endif
