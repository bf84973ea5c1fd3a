/*
 * Who may use what: the associations and QOS that the controller has of the accounting. One thread;
 * may block for MessageTimeout.
 */
#ifndef GW_BACKENDS_SLURM_AGENT_GRANTS_H
#define GW_BACKENDS_SLURM_AGENT_GRANTS_H

#include <jansson.h>

/* Asks the controller and sets "associations" and "qos" of the object, as in protocol.h; neither
 * where there is no accounting. Returns 0, or libslurm's error, or ENOMEM. */
int gw_agent_grants(json_t *object);

#endif
