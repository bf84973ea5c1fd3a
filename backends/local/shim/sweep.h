/* After a supervisor was killed: ending what is left of its job. */
#ifndef GW_BACKENDS_LOCAL_SHIM_SWEEP_H
#define GW_BACKENDS_LOCAL_SHIM_SWEEP_H

#include "backends/local/shim/journal.h"
#include "backends/local/shim/run.h"

/* Returns when nothing of the run can be found any more, with the outcome filled in. */
void gw_sweep(const struct gw_shim_run *run, const struct gw_shim_journal *journal,
              struct gw_shim_outcome *outcome);

#endif
