/* As whom a request is done. In the process of that request only. */
#ifndef GW_BACKENDS_SLURM_AS_USER_IDENTITY_H
#define GW_BACKENDS_SLURM_AS_USER_IDENTITY_H

#include "backends/account.h"
#include "backends/slurm/as_user/options.h"

/* A group's id, never 0. May block. Returns 0, or -1: there is none, or that is not known now. */
int gw_as_user_group(const char *name, gid_t *ret);

/* Looks the user up and whether it is one of those that are allowed; may block for long. Returns 0;
 * or -1 with GW_ERR_FORBIDDEN (it is not), GW_ERR_UNAVAILABLE (that is not known now). */
int gw_as_user_find(const struct gw_as_user_options *o, const char *name, struct gw_account *ret,
                    struct gw_error *err);

/* Becomes it for ever: its ids and groups and no other, no way back, nothing gained by exec.
 * Returns 0, or -1 with GW_ERR_INTERNAL: then the process must end. */
int gw_as_user_become(const struct gw_account *a, struct gw_error *err);

#endif
