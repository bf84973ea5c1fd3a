/*
 * Options about parts of machines: which of them a job is to have, which a task is bound to, and at
 * what frequency they run. What of these only srun carries out, it finds in the job's environment.
 * The agent's one thread.
 *
 * All take an option's text, and complete the order with it; they return 0, or -1 with
 * GW_ERR_INVALID, whose message says what would be right.
 */
#ifndef GW_BACKENDS_SLURM_AGENT_HARDWARE_H
#define GW_BACKENDS_SLURM_AGENT_HARDWARE_H

#include "backends/slurm/agent/order.h"
#include "server/base/error.h"

/* SOCKETS[:CORES[:THREADS]], each a number, the least of a range, or * for any. */
int gw_agent_node_info(struct gw_agent_order *o, const char *text, struct gw_error *err);

/* Kept until gw_agent_hint_settle() says what it means, when all else was said. */
int gw_agent_hint(struct gw_agent_order *o, const char *text, struct gw_error *err);
int gw_agent_hint_settle(struct gw_agent_order *o, struct gw_error *err);

/* A frequency or governor, or MIN-MAX[:GOVERNOR]; of the governors that the cluster allows. */
int gw_agent_cpu_freq(struct gw_agent_order *o, const char *text, struct gw_error *err);
/* [memory=]FREQUENCY, verbose, with commas. */
int gw_agent_gpu_freq(struct gw_agent_order *o, const char *text, struct gw_error *err);
/* [verbose,]closest, none, single:N, per_task:N, map_gpu:LIST or mask_gpu:LIST. */
int gw_agent_gpu_bind(struct gw_agent_order *o, const char *text, struct gw_error *err);
/* Words of libslurm's: local, rank, none, map_mem:LIST, and what goes with them. */
int gw_agent_mem_bind(struct gw_agent_order *o, const char *text, struct gw_error *err);

#endif
