/*
 * The cluster an agent is for: libslurm's configuration, and whether the controller is worth
 * asking. One thread; every call to the controller may block for MessageTimeout of slurm.conf.
 */
#ifndef GW_BACKENDS_SLURM_AGENT_CLUSTER_H
#define GW_BACKENDS_SLURM_AGENT_CLUSTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/slurm/agent/words.h"
#include "server/base/error.h"

struct gw_agent_cluster {
        uint32_t controllers; /* of slurm.conf: the first and its backups */
        bool doubtful;        /* the last call did not reach the controller, or was the first */
        struct gw_agent_words words;
};

/* Reads the configuration that SLURM_CONF names. Returns 0, or -1 with a message for the log;
 * libslurm ends the process for a file that it does not understand. */
int gw_agent_cluster_open(struct gw_agent_cluster *c, struct gw_error *err);
void gw_agent_cluster_close(struct gw_agent_cluster *c);

/* The first frame (protocol.h), the caller's; NULL when memory is short. */
json_t *gw_agent_cluster_hello(void);

/* Before a call: while the controller is in doubt it is pinged, which takes no time when nobody
 * listens, where a call would try for MessageTimeout. Then begins to listen to what libslurm says.
 * Returns 0, or libslurm's error: nothing but the ping was sent, and the call must not be made. */
int gw_agent_cluster_begin(struct gw_agent_cluster *c);

/* After the call: `error` is 0 or libslurm's. Sets what libslurm has to say of it, in UTF-8: ""
 * when nothing. Called after a failed begin as well. */
void gw_agent_cluster_end(struct gw_agent_cluster *c, int error, char out[GW_AGENT_WORDS]);

#endif
