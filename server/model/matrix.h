/*
 * A matrix: names, each with its list of values. Every combination is a task, and the values
 * reach that task's environment under their names.
 *
 * Combinations are numbered in the order written, the last name fastest: {"a":[1,2],"b":[3,4]}
 * gives a=1 b=3, a=1 b=4, a=2 b=3, a=2 b=4.
 *
 * The text of a value: a string is its own; true and false are their words; a number is what the
 * spec shows of it (spec_text.h): its digits as written up to 15 of them, more where it needs them
 * to read back the same. 0.1 is "0.1", 3 is "3", 1.0 is "1.0", 1e-3 is "0.001", 1e6 is "1000000.0"
 * and 1e-7 is "1e-07".
 *
 * Pure; any thread. A matrix is read only.
 */
#ifndef GW_MODEL_MATRIX_H
#define GW_MODEL_MATRIX_H

#include <jansson.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/model/indexset.h"

/* How many combinations there are, UINT64_MAX for that many or more. 0 for what is no matrix: no
 * object, no names, a name whose values are no list, none, or not strings, numbers and booleans
 * only. */
uint64_t gw_matrix_count(const json_t *matrix);

/* The text of a value: its own, or in `text`, which is overwritten. NULL without memory. */
const char *gw_matrix_text(const json_t *value, struct gw_buf *text);

/* Called for each value of a task, in the order of the names; borrowed until it returns. */
typedef void (*gw_matrix_each)(void *arg, const char *name, const char *value);

/* The values of a combination of a matrix whose count is not 0. Returns 0; or -1 when there is no
 * such combination, or no memory: then some values may have been given already. */
int gw_matrix_values(const json_t *matrix, uint64_t ordinal, gw_matrix_each each, void *arg);

/* The matrix values of a task of a job with these indices, by its ordinal; none without a matrix
 * (NULL). Returns as above, -1 too when the job has no such task. */
int gw_task_values(const struct gw_indexset *indices, const json_t *matrix, uint32_t ordinal,
                   gw_matrix_each each, void *arg);

#endif
