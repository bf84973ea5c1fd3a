/* The machine's processes, as far as a supervisor must know them: which are the job's, how much
 * memory they hold, and how to end them all. */
#ifndef GW_BACKENDS_LOCAL_SHIM_PROCS_H
#define GW_BACKENDS_LOCAL_SHIM_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct gw_proc {
        pid_t pid, parent;
        char state;     /* as in /proc/<pid>/stat */
        bool ours;      /* set by a choice */
        long long born; /* clock ticks since boot: pid and born name a process for ever */
        int64_t rss;    /* bytes */
};

struct gw_procs {
        struct gw_proc *items;
        size_t count, room;
};

/* Marks which of all processes are meant. */
typedef void (*gw_procs_choice)(struct gw_procs *procs, void *arg);

/* Reads all processes anew. Returns 0, or -1 without memory or without /proc. */
int gw_procs_scan(struct gw_procs *procs);

/* A choice: everything below the process *(pid_t *)arg, without itself. */
void gw_procs_choose_below(struct gw_procs *procs, void *arg);

/* Adds to what is marked everything below it. */
void gw_procs_spread(struct gw_procs *procs);

/* Signals every process of the choice, once. Returns how many there are. */
size_t gw_procs_signal(struct gw_procs *procs, gw_procs_choice choose, void *arg, int sig);

/* Freezes all of the choice, so that none can fork away, and then kills them. Returns how many
 * there were, those not yet reaped by their parents not counted; GW_PROCS_UNKNOWN when the
 * processes could not be read. */
#define GW_PROCS_UNKNOWN SIZE_MAX
size_t gw_procs_kill(struct gw_procs *procs, gw_procs_choice choose, void *arg);

/* Bytes held by the choice: resident pages; or, where those come to more than `limit`, with
 * shared pages counted once. */
int64_t gw_procs_memory(struct gw_procs *procs, gw_procs_choice choose, void *arg, int64_t limit);

#endif
