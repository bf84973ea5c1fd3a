/* Who asks: from the Authorization field to call->principal. The exchange's loop thread. */
#ifndef GW_ROUTES_AUTHENTICATE_H
#define GW_ROUTES_AUTHENTICATE_H

#include "routes/call.h"

/* A question to the record that is out. */
struct gw_lookup;

/* Returns GW_NEXT_BODY with call->principal set and its scopes checked; GW_NEXT_RESPOND with the
 * problem in *err, which nothing was answered of; or GW_NEXT_WAIT with *lookup set. May be called
 * again in a request that lasts: the principal is then replaced by what it is now. */
enum gw_next gw_authenticate_begin(struct gw_call *call, struct gw_lookup **lookup,
                                   struct gw_error *err);
/* The answer came home; returns as begin does. The lookup is freed unless it waits again. */
enum gw_next gw_authenticate_resume(struct gw_call *call, struct gw_lookup *lookup,
                                    struct gw_error *err);
/* Whether people have changed since the principal was made. */
bool gw_authenticate_is_stale(const struct gw_call *call);

#endif
