/*
 * What tells the tasks of an array from each other: their indices and the values of a matrix.
 * Pure; one belongs to one thread.
 */
#ifndef GW_BACKENDS_LOCAL_ARRAY_H
#define GW_BACKENDS_LOCAL_ARRAY_H

#include <jansson.h>
#include <stdint.h>

#include "server/base/error.h"
#include "server/model/indexset.h"
#include "server/model/spans.h"

struct gw_local_array {
        struct gw_indexset indices; /* of a plain job the 0 alone */
        json_t *matrix;             /* or NULL */
};

/* index_set and matrix may be NULL; of a matrix a reference is taken. Returns 0, or -1 with
 * GW_ERR_INVALID or GW_ERR_NOMEM. */
int gw_local_array_init(struct gw_local_array *a, const char *index_set, const json_t *matrix,
                        struct gw_error *err);
void gw_local_array_done(struct gw_local_array *a); /* also of one that is all zero */

/* Whether these are ordinals of its tasks, in order. */
bool gw_local_array_has(const struct gw_local_array *a, const struct gw_span *spans, size_t count);

/* JOBGATE_TASK_INDEX of a task it has. */
uint32_t gw_local_array_index(const struct gw_local_array *a, uint32_t ordinal);

/* The matrix values of a task as "NAME=value", NULL-ended; the caller frees items and list with
 * gw_local_array_free_values. NULL without memory. */
char **gw_local_array_values(const struct gw_local_array *a, uint32_t ordinal);
void gw_local_array_free_values(char **values);

#endif
