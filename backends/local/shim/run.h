/* What a shim was told on its command line, and the places it works in. One per process. */
#ifndef GW_BACKENDS_LOCAL_SHIM_RUN_H
#define GW_BACKENDS_LOCAL_SHIM_RUN_H

#include <stdint.h>
#include <sys/types.h>

#include "backends/local/format.h"

struct gw_shim_run {
        const char *directory; /* the spool, absolute */
        const char *mark;      /* "<job>.<number>" */
        char job[GW_LOCAL_JOB_TEXT + 1];
        const char *number; /* the mark's part behind the job */
        uint32_t ordinal;
        const char *index;  /* JOBGATE_TASK_INDEX */
        int64_t journal;    /* where in the task's file something may be said of the run */
        char **values;      /* of a matrix: "NAME=value", NULL-ended */
        int64_t started_us; /* when the gateway started it, wall; 0: of a start that was cut */
        const char *gpus;   /* "0,2", "" for none, or "-": the backend has none to give */
        pid_t gateway; /* that started it; it may have ended since, even before the shim began */
        int live_fd;   /* <directory>/live */
        int job_fd;    /* <directory>/jobs/<job>, or -1 until it is made */
        int task_fd;   /* locked */
};

/* Parses the arguments and opens live/. Returns 0, or -1 when they are not as they should be. */
int gw_shim_run_init(struct gw_shim_run *run, int argc, char **argv);

/* Whether the gateway has asked for the run to be stopped. */
int gw_shim_run_cancelled(const struct gw_shim_run *run);

#endif
