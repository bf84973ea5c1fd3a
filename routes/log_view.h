/* Which part of an output a call asks for (?tail=, ?since=). The exchange's loop thread. */
#ifndef GW_ROUTES_LOG_VIEW_H
#define GW_ROUTES_LOG_VIEW_H

#include "backends/backend.h"
#include "routes/call.h"

#define GW_LOG_TYPE "text/plain; charset=utf-8"

/* In begin: whether the parameters have a meaning. Returns 0, or -1 with the problem answered. */
int gw_log_check(struct gw_call *call);
/* Whether the call asks for less than the whole. */
bool gw_log_is_part(const struct gw_call *call);
/* Where what the call asks for begins in the file. Returns 0, or -1 when it cannot be read. */
int gw_log_first(const struct gw_call *call, const struct gw_log_source *source,
                 uint64_t *ret_first);

#endif
