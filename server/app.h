/* The composition root: every part of the running gateway, built in order and taken down in
 * reverse. */
#ifndef GW_SERVER_APP_H
#define GW_SERVER_APP_H

#include "server/base/error.h"
#include "server/config.h"

struct gw_app;

/* Starts everything. config is borrowed for the app's life. A database that is away is no
 * error (readiness says so), a schema that does not fit is one. NULL on error, with nothing left
 * running. May block for as long as a connection takes. */
struct gw_app *gw_app_start(const struct gw_config *config, struct gw_error *err);

/* Finishes what was accepted, then stops and frees everything. Jobs run on. */
void gw_app_stop(struct gw_app *app);

#endif
