/*
 * Starting an agent as somebody: with the cluster's settings for clients and a token of a user's,
 * and nothing else of ours. Without a key of tokens it is the gateway's own user.
 */
#ifndef GW_BACKENDS_SLURM_CREDENTIAL_H
#define GW_BACKENDS_SLURM_CREDENTIAL_H

#include <stddef.h>
#include <stdint.h>

#include "backends/slurm/link.h"

struct gw_slurm_credential {
        const char *program; /* path of jobgate-slurm-agent; borrowed, as the next two */
        const char *conf;    /* the slurm.conf of clients with a token */
        const void *key;     /* of the tokens */
        size_t key_len;      /* 0: there is none */
};

/* role: "watch" or "work" (protocol.h). The token is good for life_s seconds. Returns 0, or -1 with
 * GW_ERR_INVALID (no name of a user) or GW_ERR_IO, and nothing to close. */
int gw_slurm_agent_open(struct gw_link *link, const struct gw_slurm_credential *c, const char *role,
                        const char *user, int64_t life_s, struct gw_error *err);

#endif
