/*
 * Log lines: one JSON object a line on standard error, written with one write().
 *
 *   {"time":"2026-…Z","level":"info","event":"db.connected","thread":"writer","host":"…"}
 *
 * Whoever stops an error logs it, once; a function that returns an error does not log.
 * Secrets, request bodies and other tenants' data never go in. The level and the
 * descriptor are set once, before the first thread starts: the process's only global.
 */
#ifndef GW_BASE_LOG_H
#define GW_BASE_LOG_H

#include <stdbool.h>

#include "server/base/error.h"

enum gw_log_level { GW_LOG_DEBUG, GW_LOG_INFO, GW_LOG_WARN, GW_LOG_ERROR };

void gw_log_init(enum gw_log_level level, int fd);

/* The level's name to the level; -1 when unknown. */
int gw_log_level_parse(const char *name, enum gw_log_level *ret);

bool gw_log_enabled(enum gw_log_level level);

/* event: a dotted constant, "module.what". fields: a json_pack() object format such as
 * "{s:s, s:i}" and its values, or NULL for none. A line longer than 8 KiB is cut to its
 * event with "cut": true. */
void gw_log(enum gw_log_level level, const char *event, const char *fields, ...);

/* An error that ends here, with its code and message. */
void gw_log_error(const char *event, const struct gw_error *err);

#endif
