/* The agent's two roles. Each serves its channel until the other end is closed. */
#ifndef GW_BACKENDS_SLURM_AGENT_ROLE_H
#define GW_BACKENDS_SLURM_AGENT_ROLE_H

#include "backends/slurm/agent/channel.h"
#include "backends/slurm/agent/cluster.h"
#include "server/base/error.h"

/* Return -1: with GW_ERR_GONE when the other end was closed, with others when it cannot go on. */
int gw_agent_watch(struct gw_agent_cluster *cluster, struct gw_agent_channel *channel,
                   struct gw_error *err);
int gw_agent_work(struct gw_agent_cluster *cluster, struct gw_agent_channel *channel,
                  struct gw_error *err);

#endif
