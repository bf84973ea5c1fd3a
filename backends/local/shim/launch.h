/* Making the places a job needs and starting its first process. */
#ifndef GW_BACKENDS_LOCAL_SHIM_LAUNCH_H
#define GW_BACKENDS_LOCAL_SHIM_LAUNCH_H

#include <sys/types.h>

#include "backends/local/shim/journal.h"
#include "backends/local/shim/run.h"
#include "backends/local/shim/task.h"

enum gw_launch_step { LAUNCH_OK, LAUNCH_IDENTITY, LAUNCH_DIRECTORY, LAUNCH_EXEC };

/* Written by the child before it gives up. */
struct gw_launch_report {
        enum gw_launch_step step;
        int error;
};

struct gw_launch {
        const struct gw_shim_run *run;
        const struct gw_shim_task *task;
        int out_fd, err_fd;
        int work_fd;     /* the working directory when the task names none; -1 else */
        int progress_fd; /* how far the setup lines came; -1: there are none */
        char **argv;     /* NULL-ended */
        struct gw_launch_report *report; /* shared with the child */
};

/* Makes folders and files. Returns 0, or -1 with words in raw. Nothing of the job has run. */
int gw_launch_prepare(struct gw_launch *l, struct gw_shim_run *run, struct gw_shim_task *task,
                      char raw[GW_LOCAL_RAW]);

/* Starts the first process. Returns its pid, or -1 with errno: it did not start. */
pid_t gw_launch_start(struct gw_launch *l);

/* After the first process has ended: turns what the child reported, or a setup line that
 * failed, into the outcome's reason and words. */
void gw_launch_explain(const struct gw_launch *l, struct gw_shim_outcome *outcome);

#endif
