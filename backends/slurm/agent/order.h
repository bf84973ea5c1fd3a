/*
 * A job while its description is made: libslurm's, and beside it what sbatch has and reckons with.
 * One thread.
 */
#ifndef GW_BACKENDS_SLURM_AGENT_ORDER_H
#define GW_BACKENDS_SLURM_AGENT_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/slurm/agent/libslurm.h"
#include "server/base/buf.h"
#include "server/base/error.h"

/* The lists of generic resources that a description has. */
enum gw_agent_tres {
        GW_AGENT_PER_JOB,
        GW_AGENT_PER_NODE,
        GW_AGENT_PER_SOCKET,
        GW_AGENT_PER_TASK,
        GW_AGENT_CPUS_PER,   /* CPUs for each */
        GW_AGENT_MEMORY_PER, /* MiB for each */
        GW_AGENT_TRES
};

struct gw_agent_order {
        job_desc_msg_t desc; /* its texts are borrowed: from the request, or from what is below */
        /* What options say; 0: nothing. */
        uint32_t ntasks, ntasks_per_node, cpus_per_task, min_cpus, min_nodes, max_nodes;
        uint64_t mem, mem_per_cpu; /* MiB; NO_VAL64: nothing, for 0 is all that a node has */
        struct gw_buf tres[GW_AGENT_TRES];
        const char *hint;        /* borrowed, or NULL */
        bool node_info;          /* sockets, cores and threads were said in one */
        struct gw_buf bind;      /* which resources are bound to tasks */
        struct gw_buf frequency; /* of resources */
        char *mem_bind;          /* libslurm's */
        char *nodelist;          /* in ranges, each node once */
        struct gw_buf plugin;    /* an option of a plugin, as "NAME=value" */
        char *plugins[1];        /* the same, as a list */
        struct gw_buf variables; /* "NAME=value" of the job's environment, a NUL behind each */
};

void gw_agent_order_init(struct gw_agent_order *o);
void gw_agent_order_done(struct gw_agent_order *o);

/* Appends a resource to a list of them: "gpu:" and 2, or "" and "gpu:a100:2". */
void gw_agent_order_add(struct gw_agent_order *o, enum gw_agent_tres list, const char *kind,
                        const char *text);

/* Adds a variable to the job's environment, for when the request does not have it. */
void gw_agent_order_variable(struct gw_agent_order *o, const char *name, const char *value);

/* After the last option: completes the description from what they said, with the same rules as
 * sbatch. Returns 0; or -1 with GW_ERR_INVALID for what does not go together, or GW_ERR_NOMEM. */
int gw_agent_order_settle(struct gw_agent_order *o, struct gw_error *err);

#endif
