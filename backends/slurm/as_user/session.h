/* One connection: a request, done, and its answer. */
#ifndef GW_BACKENDS_SLURM_AS_USER_SESSION_H
#define GW_BACKENDS_SLURM_AS_USER_SESSION_H

#include "backends/slurm/as_user/options.h"
#include "backends/slurm/as_user/seats.h"

#define GW_AS_USER_SESSION_S 150 /* one takes no longer until it says when */

/* In a process of its own, which then ends: it may have become another user. May block. */
void gw_as_user_session(const struct gw_as_user_options *o, int connection,
                        struct gw_as_user_seats *seats, size_t seat);

#endif
