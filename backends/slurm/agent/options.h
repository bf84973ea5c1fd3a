/* sbatch's long options, one row each: what they do to a job's description. One thread. */
#ifndef GW_BACKENDS_SLURM_AGENT_OPTIONS_H
#define GW_BACKENDS_SLURM_AGENT_OPTIONS_H

#include <jansson.h>

#include "backends/slurm/agent/order.h"
#include "server/base/error.h"

/* Applies all members of the object, each a text as sbatch would take it ("" for an option without
 * a value); borrows them. Returns 0, or -1 with GW_ERR_INVALID, its pointer "options/NAME". */
int gw_agent_options(struct gw_agent_order *o, const json_t *options, struct gw_error *err);

#endif
