/*
 * The slurm.conf of a backend's agents: the cluster's own, and over it what is theirs. At the start
 * of the gateway; may block on files.
 */
#ifndef GW_BACKENDS_SLURM_CLIENT_CONF_H
#define GW_BACKENDS_SLURM_CLIENT_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/error.h"

/* Writes NAME.conf in the folder, which is made when it is not there. What is there must belong to
 * this process' user, and be writable by nobody else: libslurm loads the plugins that the file
 * names. tokens: the agents have some. Returns the file's path, the caller's; or NULL with
 * GW_ERR_INVALID or GW_ERR_NOMEM, the message beginning with the setting that is wrong. */
char *gw_slurm_client_conf(const char *directory, const char *name, const char *conf,
                           int64_t message_timeout_s, bool tokens, struct gw_error *err);

#endif
