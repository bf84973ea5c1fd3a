/* What the cluster offers: partitions, nodes, and who may use what. One thread; may block for
 * MessageTimeout, several times. */
#ifndef GW_BACKENDS_SLURM_AGENT_OFFER_H
#define GW_BACKENDS_SLURM_AGENT_OFFER_H

#include <jansson.h>

#include "backends/slurm/agent/tally.h"

/* Asks the controller and sets all members of the object, as in protocol.h; how many jobs wait and
 * run is of the tally. Returns 0, or libslurm's error, or ENOMEM. */
int gw_agent_offer(const struct gw_agent_tally *tally, json_t *object);

#endif
