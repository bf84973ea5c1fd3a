/* What a request carries, decoded by the contract: path, query, header fields and body. */
#ifndef GW_ROUTES_ARGUMENTS_H
#define GW_ROUTES_ARGUMENTS_H

#include "routes/call.h"

/* Fills call->query and call->body, which call->media describes. Returns 0; or -1 with an answer
 * set, which names everything that is wrong at once. A body of lines is left to its handler. A
 * public operation's query is not looked at. */
int gw_arguments_read(struct gw_call *call);
/* The operation's body type that Content-Type names, or NULL. */
const struct gw_media *gw_arguments_media(const struct gw_call *call);
/* Releases them; harmless when there are none. */
void gw_arguments_done(struct gw_call *call);

#endif
