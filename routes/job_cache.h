/*
 * Answers for jobs, kept to be sent again. A job that has ended never changes, so its answer is
 * sent without asking anyone; that of a job that lives holds for one version, and is sent only
 * after the record was asked for the version. Any thread.
 *
 * Bounded by bytes; what was not asked for lately goes first. An answer is kept for a minute at
 * most, because another replica may remove the record meanwhile; what this one removes is gone
 * from here before its 204 leaves.
 */
#ifndef GW_ROUTES_JOB_CACHE_H
#define GW_ROUTES_JOB_CACHE_H

#include <stdint.h>

#include "server/base/id.h"
#include "server/http/http.h"
#include "server/model/state.h"

struct gw_job_cache;

#define GW_JOB_CACHE_BYTES (128 * 1024 * 1024)
#define GW_JOB_CACHE_AGE_US (60 * INT64_C(1000000))

/* max_bytes: of all answers together, with what keeps them. NULL without memory. */
struct gw_job_cache *gw_job_cache_new(size_t max_bytes);
void gw_job_cache_free(struct gw_job_cache *c); /* NULL allowed */

/* What is known of the job of an answer. */
struct gw_job_kept {
        int64_t project;
        int32_t version;
        enum gw_state state;
};

/* A reference to the answer that the caller releases; or NULL. */
struct gw_response *gw_job_cache_find(struct gw_job_cache *c, struct gw_id id, int64_t now_us,
                                      struct gw_job_kept *ret);

/* Read it before reading the job: what was read before a removal is not kept. */
uint64_t gw_job_cache_generation(struct gw_job_cache *c, struct gw_id id);
/* Keeps a reference of its own; does nothing without memory or when it is too large. */
void gw_job_cache_put(struct gw_job_cache *c, struct gw_id id, uint64_t generation, int64_t now_us,
                      struct gw_job_kept job, struct gw_response *r);
void gw_job_cache_remove(struct gw_job_cache *c, struct gw_id id);

#endif
