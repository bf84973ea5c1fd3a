/*
 * A submission's tasks as Slurm numbers them: its array indices, which are called ids here.
 *
 * Where all of the job's indices are below the cluster's MaxArraySize the ids are the job's own
 * indices, so that SLURM_ARRAY_TASK_ID is what people expect. Else a task's id is its place among
 * the tasks of the submission, from 0, and its script finds out its index. A plain job has one
 * task, ordinal 0, and no ids. Pure; one belongs to one thread.
 */
#ifndef GW_BACKENDS_SLURM_ARRAY_H
#define GW_BACKENDS_SLURM_ARRAY_H

#include <jansson.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/error.h"
#include "server/model/indexset.h"
#include "server/model/spans.h"

struct gw_slurm_array {
        bool is_array;
        bool limited;               /* MaxArraySize when it was made is known */
        bool by_place;              /* ids are places, not indices */
        struct gw_indexset indices; /* of all the job's tasks */
        struct gw_spans ordinals;   /* of those of the submission */
};

/* index_set: of the job, or NULL: a plain job; spans: those of the submission. most: MaxArraySize
 * when it was made, whatever it is now; 0: not known, and then the ids are indices. Returns 0, or
 * -1 with GW_ERR_INVALID or GW_ERR_NOMEM. */
int gw_slurm_array_init(struct gw_slurm_array *a, const char *index_set,
                        const struct gw_span *spans, size_t span_count, uint32_t most,
                        struct gw_error *err);
/* What MaxArraySize was when it was made, 0: not known. Changes its ids. */
void gw_slurm_array_limit(struct gw_slurm_array *a, uint32_t most);
void gw_slurm_array_done(struct gw_slurm_array *a); /* also of one that is all zero */

/* Appends the ids of some of its tasks as Slurm takes them: "0-8:2,11". */
void gw_slurm_array_ids(const struct gw_slurm_array *a, const struct gw_spans *ordinals,
                        struct gw_buf *out);

/* The ordinal of an id. Returns 0, or -1: none of its tasks has it. */
int gw_slurm_array_ordinal(const struct gw_slurm_array *a, uint64_t id, uint32_t *ret);

/* The id of one of its tasks. Ids rise as ordinals do. */
uint32_t gw_slurm_array_id(const struct gw_slurm_array *a, uint32_t ordinal);
/* The least ordinal whose id is not below this one; above all of its tasks: there is none. */
uint64_t gw_slurm_array_from(const struct gw_slurm_array *a, uint64_t id);

/* Reads the list of tasks of a record, "1-2,9,100-900:10%2", as ordinals; *ret is overwritten, and
 * the caller's. Returns 0, or -1 with GW_ERR_INVALID when it is none or has an id of no task of
 * the submission, or GW_ERR_NOMEM. */
int gw_slurm_array_read(const struct gw_slurm_array *a, const char *tasks, struct gw_spans *ret,
                        struct gw_error *err);

/* Appends lines for /bin/sh by which a task gives itself JOBGATE_TASK_INDEX and its values of the
 * matrix, which may be NULL. Their number grows with the values and with the ranges of the index
 * set, not with the tasks. A failed buffer is too large. */
void gw_slurm_array_prologue(const struct gw_slurm_array *a, const json_t *matrix,
                             struct gw_buf *out);

#endif
