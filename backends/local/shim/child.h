/* The job's first process, between vfork and exec. */
#ifndef GW_BACKENDS_LOCAL_SHIM_CHILD_H
#define GW_BACKENDS_LOCAL_SHIM_CHILD_H

#include "backends/local/shim/launch.h"

#define GW_CHILD_NOT_FOUND 127 /* as shells have it */
#define GW_CHILD_NOT_RUN 126

/* Becomes the job; shim is the parent that must still live. Never returns. */
_Noreturn void gw_child_run(const struct gw_launch *l, pid_t shim);

#endif
