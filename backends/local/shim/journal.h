/* A run's journal (format.h): what makes a run happen at most once, and its outcome. */
#ifndef GW_BACKENDS_LOCAL_SHIM_JOURNAL_H
#define GW_BACKENDS_LOCAL_SHIM_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backends/local/shim/run.h"
#include "backends/local/shim/task.h"

struct gw_shim_journal {
        bool started, ended;
        char boot[GW_LOCAL_BOOT_ID]; /* of the start */
};

struct gw_shim_outcome {
        int exit_code;      /* -1: none */
        int signal;         /* 0: none */
        const char *reason; /* a name of server/model/state.h */
        int64_t max_memory; /* bytes, 0: not known */
        int64_t cpu_us;
        char raw[GW_LOCAL_RAW]; /* words, or "" */
};

/* Reads what is said of the run. Returns 0, or -1 with errno. */
int gw_shim_journal_read(const struct gw_shim_run *run, const struct gw_shim_task *task,
                         struct gw_shim_journal *ret);

/* Each returns 0, or -1 with errno. After begin the run has started, and this process has it. */
int gw_shim_journal_begin(const struct gw_shim_run *run);
int gw_shim_journal_end(const struct gw_shim_run *run, const struct gw_shim_outcome *outcome);

/* The kernel's boot id, "" when it cannot be read. */
void gw_shim_boot_id(char out[GW_LOCAL_BOOT_ID]);

#endif
