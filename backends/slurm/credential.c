/* An agent's arguments and environment. */
#include "backends/slurm/credential.h"

#include <stdio.h>
#include <string.h>

#include "backends/slurm/token.h"
#include "server/base/clock.h"

#define MAX_PATH 4096

int gw_slurm_agent_open(struct gw_link *link, const struct gw_slurm_credential *c, const char *role,
                        const char *user, int64_t life_s, struct gw_error *err)
{
        char token[GW_SLURM_TOKEN_TEXT], jwt[GW_SLURM_TOKEN_TEXT + 16], conf[MAX_PATH + 16];
        char path[] = "PATH=/usr/bin:/bin";
        char *argv[] = {(char *)(uintptr_t)c->program, (char *)(uintptr_t)role, NULL};
        char *environment[] = {conf, path, c->key_len > 0 ? jwt : NULL, NULL};
        int64_t now_s = gw_clock_wall_us() / GW_SECOND;
        if (c->key_len > 0 && gw_slurm_token(c->key, c->key_len, user, now_s, life_s, token, err))
                return -1;
        snprintf(jwt, sizeof jwt, "SLURM_JWT=%s", c->key_len > 0 ? token : "");
        snprintf(conf, sizeof conf, "SLURM_CONF=%s", c->conf);
        int rc = gw_link_open(link, argv, environment, err);
        explicit_bzero(token, sizeof token);
        explicit_bzero(jwt, sizeof jwt);
        return rc;
}
