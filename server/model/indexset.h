/*
 * The indices of an array job: "0-99:2,120,200-300".
 *
 * The text is a comma-separated list of index, first-last and first-last:step, in any order,
 * without blanks, as sbatch --array takes it (man sbatch). An index named twice counts once.
 * Indices go from 0 to GW_MAX_INDEX: that suits the int of the record, a Kubernetes
 * completion index and every Slurm.
 *
 * A set's *ordinals* are 0 … count-1 in rising order of the indices. Inside, a set is a list
 * of rising runs that do not interleave, made from the set alone and not from how it was
 * written: equal sets have equal runs and the same text. A run of three or more indices has
 * any step; one of two has step 1. It owns its memory and belongs to one thread. Pure.
 */
#ifndef GW_MODEL_INDEXSET_H
#define GW_MODEL_INDEXSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/error.h"
#include "server/base/limits.h"
#include "server/model/spans.h"

#define GW_MAX_INDEX INT32_MAX

struct gw_index_run {
        uint32_t first, last; /* both included, a whole number of steps apart */
        uint32_t step;        /* at least 1 */
        uint32_t ordinal;     /* of first */
};

struct gw_indexset {
        struct gw_index_run *runs; /* at most GW_MAX_INDEX_RANGES */
        size_t run_count;
        uint32_t count; /* of indices, at most GW_MAX_ARRAY */
};

/* Reads a text of at most GW_MAX_INDEX_TEXT bytes that lists at most GW_MAX_ARRAY indices
 * (twice named ones counted twice) in at most GW_MAX_INDEX_RANGES parts, before and after
 * they are put in order. Returns 0; or -1 with GW_ERR_INVALID and a message that quotes the
 * part and its place, or GW_ERR_NOMEM. *ret is never empty; ends with gw_indexset_done. */
int gw_indexset_parse(const char *text, struct gw_indexset *ret, struct gw_error *err);

/* The indices 0 … count-1, count from 1 to GW_MAX_ARRAY. Returns 0, or -1 with GW_ERR_NOMEM. */
int gw_indexset_first(uint32_t count, struct gw_indexset *ret, struct gw_error *err);

void gw_indexset_done(struct gw_indexset *set); /* frees; empty afterwards */

/* Appends the set's one text, at most GW_MAX_INDEX_TEXT bytes; nothing for an empty set. */
void gw_indexset_format(const struct gw_indexset *set, struct gw_buf *out);

/* The run that holds an ordinal below set->count. */
const struct gw_index_run *gw_indexset_run(const struct gw_indexset *set, uint32_t ordinal);

/* Index to ordinal and back, in O(log runs). Return 0, or -1 when it is none of the set. */
int gw_indexset_ordinal(const struct gw_indexset *set, uint32_t index, uint32_t *ret);
int gw_indexset_index(const struct gw_indexset *set, uint32_t ordinal, uint32_t *ret);

/* The ordinals that the indices `some` have in `all`. Returns 0; or -1 with
 * GW_ERR_UNPROCESSABLE naming the first index that is not in `all`, or GW_ERR_NOMEM. */
int gw_indexset_pick(const struct gw_indexset *all, const struct gw_indexset *some,
                     struct gw_spans *ret, struct gw_error *err);

/* The indices of some ordinals, all of them below all->count. Returns 0; or -1 with
 * GW_ERR_INVALID when that falls into too many runs or too long a text, or GW_ERR_NOMEM. */
int gw_indexset_subset(const struct gw_indexset *all, const struct gw_spans *ordinals,
                       struct gw_indexset *ret, struct gw_error *err);

#endif
