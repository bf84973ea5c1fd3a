/*
 * Cross-origin requests (the CORS of the Fetch standard): which web pages of other origins may
 * read the answers. Constant after it was made; any thread, though exchanges are their loop's.
 *
 * Credentials in the sense of the standard (what the browser adds on its own: cookies, a Basic
 * login it remembers) are not allowed. A page sends its token as a header field itself.
 */
#ifndef GW_ROUTES_CORS_H
#define GW_ROUTES_CORS_H

#include <stdbool.h>

#include "server/http/http.h"

/* origins: those allowed, as in the settings: "*", or origins with commas between; NULL for none.
 * Borrowed where it is given. */

/* Adds what the answer that was set needs for a page of another origin to read it. */
void gw_cors_mark(struct gw_exchange *x, const char *origins);
/* A browser asks whether a page may do what `allow` lists at this path. True with an answer set,
 * if this is such a question and of an allowed origin. */
bool gw_cors_preflight(struct gw_exchange *x, const char *origins, const char *allow);

#endif
