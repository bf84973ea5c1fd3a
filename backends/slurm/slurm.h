/* Jobs on a Slurm cluster, through jobgate-slurm-agent. */
#ifndef GW_BACKENDS_SLURM_SLURM_H
#define GW_BACKENDS_SLURM_SLURM_H

#include "backends/backend.h"

extern const struct gw_backend_type gw_slurm_type;

#endif
