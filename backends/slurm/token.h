/*
 * Tokens of Slurm's auth/jwt: what lets a process speak to slurmctld as a user. Pure; any thread.
 * The form is that of `scontrol token` (HS256 over the claims exp, iat and sun). Whoever has the
 * key can be anybody in the cluster, SlurmUser too.
 */
#ifndef GW_BACKENDS_SLURM_TOKEN_H
#define GW_BACKENDS_SLURM_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"

#define GW_SLURM_TOKEN_TEXT 512

/* Writes a token for `user` that is good from now_s (seconds since 1970) for life_s seconds.
 * Returns 0, or -1 with GW_ERR_INVALID: no name of a Unix user. */
int gw_slurm_token(const void *key, size_t key_len, const char *user, int64_t now_s, int64_t life_s,
                   char out[GW_SLURM_TOKEN_TEXT], struct gw_error *err);

#endif
