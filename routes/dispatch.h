/*
 * From an exchange to its handler and back: the HTTP application.
 */
#ifndef GW_ROUTES_DISPATCH_H
#define GW_ROUTES_DISPATCH_H

#include "server/engine/service.h"
#include "server/http/http.h"

struct gw_dispatch;

/* The service is borrowed for its life; its metrics get the families of requests. So is origins:
 * those of routes/cors.h, or NULL. NULL on error. Make it before the loops start. */
struct gw_dispatch *gw_dispatch_new(const struct gw_service *service, const char *origins,
                                    struct gw_error *err);
/* What gw_http_start() takes. */
struct gw_http_app gw_dispatch_app(struct gw_dispatch *d);
/* After gw_http_stop(). NULL allowed. */
void gw_dispatch_free(struct gw_dispatch *d);

#endif
