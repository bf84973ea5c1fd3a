/*
 * Reading a job together with what its tasks are called: the first step of all routes about
 * single tasks. Used as routes/job_read.h is, whose functions do the reading.
 */
#ifndef GW_ROUTES_TASK_INDICES_H
#define GW_ROUTES_TASK_INDICES_H

#include "routes/job_read.h"
#include "server/model/indexset.h"

/* For gw_job_read.write: an array's indices; of a plain job, its only task's JSON. */
void gw_task_indices_write(struct gw_buf *out, const struct gw_job_row *row, unsigned fields);

/* After the read: the array's indices, or 0 for a plain job. Returns 0; or -1 with an answer set.
 */
int gw_task_indices(struct gw_call *call, const struct gw_job_read *r, struct gw_indexset *ret);

/* The ordinal of an index of the set. Returns 0; or -1 with an answer set (404). */
int gw_task_ordinal(struct gw_call *call, const struct gw_indexset *set, int64_t index,
                    uint32_t *ret);

/* What a client named of the array, as the set's one text, and (or NULL) its ordinals. Returns 0;
 * or -1 with a fault at the pointer, or with one of memory (GW_ERR_NOMEM). *ret is the caller's,
 * and *ret_ordinals when it returns 0. */
int gw_task_pick(struct gw_call *call, const struct gw_indexset *all, const char *named,
                 const char *pointer, struct gw_buf *ret, struct gw_spans *ret_ordinals);

#endif
