/*
 * Path and method to a route. A template is literal segments and {parameters}; a literal wins
 * over a parameter. Built once, then constant and shared by all loops.
 */
#ifndef GW_HTTP_ROUTER_H
#define GW_HTTP_ROUTER_H

#include <stddef.h>

#include "server/base/error.h"

#define GW_ROUTER_MAX_PARAMETERS 4

struct gw_router;

struct gw_router_route {
        const char *method;   /* "GET" …; HEAD is answered wherever GET is */
        const char *template; /* "/v1/jobs/{id}" */
};

struct gw_router_match {
        size_t route; /* index in the array given to gw_router_new */
        /* The path parameters in the template's order, percent-decoded; in the caller's
         * buffer. */
        const char *values[GW_ROUTER_MAX_PARAMETERS];
        size_t count;
};

/* routes is borrowed for ever. NULL on a bad table (GW_ERR_INTERNAL) or without memory. */
struct gw_router *gw_router_new(const struct gw_router_route *routes, size_t count,
                                struct gw_error *err);
void gw_router_free(struct gw_router *r);

/* Returns 0; or -1 with GW_ERR_NOT_FOUND; or -1 with GW_ERR_METHOD and `allow` holding the
 * value of the Allow field ("GET, HEAD, POST"); or -1 with GW_ERR_INVALID for a malformed
 * escape, invalid UTF-8 or a NUL. scratch (GW_MAX_URI_BYTES) keeps the decoded values. A
 * parameter is never empty; a trailing slash does not match. */
int gw_router_match(const struct gw_router *r, const char *method, const char *path, char *scratch,
                    struct gw_router_match *ret, char allow[96], struct gw_error *err);

#endif
