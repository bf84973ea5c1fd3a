/*
 * The socket, and a process for each connection to it. The parent hears and says nothing itself,
 * so no client can hold it up.
 */
#ifndef GW_BACKENDS_SLURM_AS_USER_SERVER_H
#define GW_BACKENDS_SLURM_AS_USER_SERVER_H

#include "backends/slurm/as_user/options.h"

/* Serves until SIGTERM or SIGINT. Returns 0 then, or -1 with GW_ERR_IO. */
int gw_as_user_serve(const struct gw_as_user_options *o, struct gw_error *err);

#endif
