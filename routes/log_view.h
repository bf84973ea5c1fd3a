/* What both ways of reading a log tell of it, and where they begin. */
#ifndef GW_ROUTES_LOG_VIEW_H
#define GW_ROUTES_LOG_VIEW_H

#include "backends/backend.h"
#include "routes/call.h"

#define GW_LOG_TYPE "text/plain; charset=utf-8"

/* Whether the call asks for the end of the output only (?tail=). */
bool gw_log_is_part(const struct gw_call *call);
/* Where what the call asks for begins. Returns 0, or -1 when the file cannot be read. */
int gw_log_first(const struct gw_call *call, const struct gw_log_source *source,
                 uint64_t *ret_first);

#endif
