/*
 * What accounting has of a job that has ended (protocol.h, "account"), as the controller would have
 * said it. Pure; any thread.
 */
#ifndef GW_BACKENDS_SLURM_ACCOUNTED_H
#define GW_BACKENDS_SLURM_ACCOUNTED_H

#include <stdbool.h>

#include "backends/slurm/record.h"

/* Returns false for what has not ended there, or whose owner is not there yet: what slurmdbd hears
 * first it keeps, and learns the rest a little later. */
bool gw_slurm_accounted(struct gw_slurm_record *r);

#endif
