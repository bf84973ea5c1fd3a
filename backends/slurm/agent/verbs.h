/*
 * What the role `work` can be asked for: submit.c, change.c, look.c. Each reads its request
 * (protocol.h), asks the controller at most once, and may block for MessageTimeout. One thread.
 */
#ifndef GW_BACKENDS_SLURM_AGENT_VERBS_H
#define GW_BACKENDS_SLURM_AGENT_VERBS_H

#include <jansson.h>

#include "backends/slurm/agent/cluster.h"
#include "backends/slurm/agent/outcome.h"

/* *ret is all zero before. */
void gw_agent_submit(struct gw_agent_cluster *c, const json_t *request,
                     struct gw_agent_result *ret);
void gw_agent_cancel(struct gw_agent_cluster *c, const json_t *request,
                     struct gw_agent_result *ret);
void gw_agent_change(struct gw_agent_cluster *c, const json_t *request,
                     struct gw_agent_result *ret);
void gw_agent_look(struct gw_agent_cluster *c, const json_t *request, struct gw_agent_result *ret);
void gw_agent_account(struct gw_agent_cluster *c, const json_t *request,
                      struct gw_agent_result *ret);

#endif
