/*
 * The output of several tasks as one text of lines, each beginning with its task's index
 * (?tasks=), as it appears with ?follow=true. The exchange's loop thread.
 */
#ifndef GW_ROUTES_LOG_MANY_H
#define GW_ROUTES_LOG_MANY_H

#include "routes/call.h"

struct gw_log_many;

/* Whether the call is one of these. */
bool gw_log_many_is_meant(const struct gw_call *call);

/* The functions of the handler. begin sets *ret, which end frees (NULL allowed). */
enum gw_next gw_log_many_begin(struct gw_call *call, struct gw_log_many **ret);
enum gw_next gw_log_many_resume(struct gw_call *call, struct gw_log_many *m);
void gw_log_many_abandon(struct gw_log_many *m);
void gw_log_many_end(struct gw_log_many *m);

#endif
