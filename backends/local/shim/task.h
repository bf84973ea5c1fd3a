/* What is to run, as the gateway wrote it. Pointers go into the file's text. The file has the
 * run's lock, too. */
#ifndef GW_BACKENDS_LOCAL_SHIM_TASK_H
#define GW_BACKENDS_LOCAL_SHIM_TASK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "backends/local/shim/run.h"

struct gw_shim_list {
        char **items; /* NULL-ended */
        size_t count;
};

struct gw_shim_task {
        char *text;
        size_t text_len;
        int64_t journal; /* where the task ends in it and the journal begins */
        int64_t limit_s; /* 0: none */
        int64_t memory;  /* bytes, 0: no limit */
        int64_t grace_s;
        uid_t uid;
        gid_t gid;
        gid_t *groups;
        size_t group_count;
        char *directory; /* NULL: a folder of its own */
        char *script;    /* or NULL, then args */
        struct gw_shim_list args, setup, environment;
};

/* Opens the task and takes the run's lock: run->task_fd is set. Returns 0; 1 when another shim
 * holds it; -1 when there is no such task. */
int gw_shim_task_open(struct gw_shim_run *run);

/* Reads all but the journal. Returns 0, or -1 when it is no task. */
int gw_shim_task_read(const struct gw_shim_run *run, struct gw_shim_task *task);

#endif
