/*
 * How many jobs wait and run in each partition, of everybody: counted in the table that is read
 * anyway. One thread.
 */
#ifndef GW_BACKENDS_SLURM_AGENT_TALLY_H
#define GW_BACKENDS_SLURM_AGENT_TALLY_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/slurm/agent/libslurm.h"

struct gw_agent_queue; /* the counts of one partition */

struct gw_agent_tally {
        struct gw_agent_queue *queues;
        size_t count;
        uint64_t pending, running; /* in all: a job that waits for several partitions once */
};

/* Zeroed is a tally of nothing. */
void gw_agent_tally_done(struct gw_agent_tally *t);

/* Counts anew. A job that waits for one of several partitions counts in each, and of an array each
 * task. Returns 0; or -1 when memory is short, and the tally is as it was. */
int gw_agent_tally_count(struct gw_agent_tally *t, const job_info_msg_t *table);

/* Sets "pending" and "running" of an object, in all when the partition is NULL; one that is 0 is
 * left out. Returns 0, or -1 when memory is short. */
int gw_agent_tally_put(const struct gw_agent_tally *t, const char *partition, json_t *object);

#endif
