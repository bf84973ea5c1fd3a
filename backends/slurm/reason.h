/*
 * Slurm's numbers for why a job waits or how it ended (state_reason), as names and as our words.
 * Pure tables; any thread.
 *
 * libslurm has the names too, but under a function that is in none of its headers and changes its
 * name; and this side of the agent does not link it.
 */
#ifndef GW_BACKENDS_SLURM_REASON_H
#define GW_BACKENDS_SLURM_REASON_H

#include <stdint.h>

#include "server/model/state.h"

/* The name as squeue shows it, "PartitionTimeLimit"; NULL for a number of no version known here. */
const char *gw_slurm_reason_name(uint32_t reason);

/* Why a job waits that is pending for this reason. GW_REASON_NONE: nothing to tell (not looked at
 * by the scheduler yet), or a number that is known only of ends, or not at all. */
enum gw_reason gw_slurm_reason_waiting(uint32_t reason);

#endif
