/* The array of a spec: which tasks it has. Pure; part of spec.c's reading. */
#ifndef GW_MODEL_SPEC_ARRAY_H
#define GW_MODEL_SPEC_ARRAY_H

#include <jansson.h>

#include "server/model/faults.h"
#include "server/model/spec.h"

/* Fills is_array, indices, task_count and matrix from the spec's JSON, for a plain job too. What
 * is wrong goes to `faults` under "/array" (GW_ERR_UNPROCESSABLE for a text that lists no set, too
 * many tasks; GW_ERR_INVALID for what a decoded spec cannot have), and then task_count is 0; so it
 * is without a fault when indices and matrix are both there, or both not: spec_check.h says that.
 */
void gw_spec_read_array(const json_t *json, struct gw_spec *spec, struct gw_faults *faults);

#endif
