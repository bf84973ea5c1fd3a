/*
 * Problems (RFC 9457): the only map from an error code to a status.
 */
#ifndef GW_ROUTES_PROBLEM_H
#define GW_ROUTES_PROBLEM_H

#include <stdbool.h>

#include "server/base/buf.h"
#include "server/base/error.h"
#include "server/http/http.h"
#include "server/model/faults.h"

#define GW_MAX_PROBLEM (64 * 1024) /* bytes of the body */

unsigned gw_problem_status(enum gw_error_code code);

/* The body. faults may be NULL. */
void gw_problem_write(struct gw_buf *out, enum gw_error_code code, const char *detail,
                      const struct gw_faults *faults, const char *request_id);

/* The same of what was found wrong with a part of a request: faults, or err when there are none.
 * brief: without `errors`. Returns the status. */
unsigned gw_problem_write_found(struct gw_buf *out, const struct gw_faults *faults,
                                const struct gw_error *err, bool brief, const char *request_id);

/* Answers it, with the header fields that go with it (Retry-After, WWW-Authenticate). An error
 * that names a field, and faults, become `errors`. */
void gw_problem_respond(struct gw_exchange *x, const struct gw_error *err);
void gw_problem_respond_faults(struct gw_exchange *x, const struct gw_faults *faults);

#endif
