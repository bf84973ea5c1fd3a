/*
 * What the controller's own test passes over: it says when a job would start that in truth waits
 * for as long as its partition, or the job, is not changed. Pure; any thread.
 */
#ifndef GW_BACKENDS_SLURM_CHECK_H
#define GW_BACKENDS_SLURM_CHECK_H

#include <jansson.h>

#include "server/base/error.h"

/* Whether a job of that user with these options (sbatch's long ones, as texts) may start in one of
 * its partitions at all: that it is up, that the time limit fits, and that account and QOS may use
 * it. What the offer (gw_slurm_offer()) does not have is let pass. Returns 0; or -1 with
 * GW_ERR_UNPROCESSABLE, the pointer the spec's, for the first partition. */
int gw_slurm_check(const json_t *offer, const char *user, const json_t *options,
                   struct gw_error *err);

#endif
