/*
 * How a task of an array finds out which it is, where its scheduler numbers the tasks of a
 * submission in its own way. Pure; any thread.
 */
#ifndef GW_BACKENDS_TASK_INDEX_H
#define GW_BACKENDS_TASK_INDEX_H

#include <jansson.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/model/indexset.h"
#include "server/model/spans.h"

/* Tasks whose indices are the same step apart: `count` of them from one ordinal on. */
struct gw_index_range {
        uint32_t ordinal, place, count; /* place: among the tasks of the submission, from 0 */
        uint32_t index, step;           /* of the first; to the next */
};

/* Gives each range of some ordinals of a job with these indices, in order; `place` counts them. */
void gw_index_ranges(const struct gw_indexset *indices, const struct gw_spans *ordinals,
                     void (*give)(void *arg, const struct gw_index_range *range), void *arg);

/*
 * Appends lines for /bin/sh. Their number grows with the values and with the ranges of the index
 * set, not with the tasks. A failed buffer is too large.
 *
 * The first exports JOBGATE_TASK_INDEX, made of a variable with the task's place among the
 * submission's ordinals; the second exports the matrix values of the task with that index. matrix
 * may be NULL.
 */
void gw_task_index_lines(const struct gw_indexset *indices, const struct gw_spans *ordinals,
                         const char *place_variable, struct gw_buf *out);
void gw_task_values_lines(const json_t *matrix, struct gw_buf *out);

#endif
