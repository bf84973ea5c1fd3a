/* What the cluster offers: partitions and nodes. One thread; may block for MessageTimeout. */
#ifndef GW_BACKENDS_SLURM_AGENT_OFFER_H
#define GW_BACKENDS_SLURM_AGENT_OFFER_H

#include <jansson.h>

/* Asks the controller and sets "partitions" and "nodes" of the object, as in protocol.h. Returns 0,
 * or libslurm's error, or ENOMEM. */
int gw_agent_offer(json_t *object);

#endif
