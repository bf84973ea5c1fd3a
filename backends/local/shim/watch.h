/* Watching over the running job: limits, the wish to stop it, and its end. */
#ifndef GW_BACKENDS_LOCAL_SHIM_WATCH_H
#define GW_BACKENDS_LOCAL_SHIM_WATCH_H

#include "backends/local/shim/journal.h"
#include "backends/local/shim/run.h"
#include "backends/local/shim/task.h"

/* Blocks the signals the shim waits for: before anything else, so that none is lost. */
void gw_watch_block_signals(void);

/* Waits for the job whose first process is `job`; returns when nothing of it is left. */
void gw_watch(const struct gw_shim_run *run, const struct gw_shim_task *task, pid_t job,
              struct gw_shim_outcome *outcome);

#endif
