/* The command line's subcommands: users, projects and tokens. */
#ifndef GW_SERVER_CLI_H
#define GW_SERVER_CLI_H

#include "server/base/buf.h"
#include "server/base/error.h"
#include "server/config.h"

/* Runs the command that words are ("user", "create", …). What it has to say goes to *out, for
 * standard output. Returns 0; or -1: GW_ERR_INVALID when the words are no command, any other code
 * when it could not be done. Blocks on the database. */
int gw_cli_run(const struct gw_config *config, int count, char **words, struct gw_buf *out,
               struct gw_error *err);

/* A line for each command, for --help. */
void gw_cli_usage(struct gw_buf *out);

#endif
