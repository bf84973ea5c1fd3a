/*
 * The backend for one machine: this one. Each task that runs has a supervisor of its own,
 * jobgate-shim, that outlives the gateway. Tasks start in the order they were handed over, as soon
 * as the first in line fits into what is free of cpus, memory and GPUs.
 *
 * Settings: local/settings.c. Files: local/format.h.
 */
#ifndef GW_BACKENDS_LOCAL_LOCAL_H
#define GW_BACKENDS_LOCAL_LOCAL_H

#include "backends/backend.h"

extern const struct gw_backend_type gw_local_type;

#endif
