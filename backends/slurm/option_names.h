/*
 * The long options of sbatch that a spec may name, and those that are the gateway's own. What they
 * do is the agent's to know (agent/options.c), which has a row for each of the first. Pure; any
 * thread.
 */
#ifndef GW_BACKENDS_SLURM_OPTION_NAMES_H
#define GW_BACKENDS_SLURM_OPTION_NAMES_H

#include "server/base/error.h"

/* Whether a spec may name it. Returns 0; or -1 with GW_ERR_UNPROCESSABLE, whose words follow its
 * name: it is set by the gateway, or there is none and another is near. */
int gw_slurm_option_check(const char *name, struct gw_error *err);

#endif
