/*
 * The spec that a request for one job describes: its body, which may be a script or a manifest as
 * it is, and the query parameters that stand for fields of the spec. The exchange's loop thread.
 */
#ifndef GW_ROUTES_SUBMIT_BODY_H
#define GW_ROUTES_SUBMIT_BODY_H

#include <jansson.h>
#include <stdint.h>

#include "routes/call.h"
#include "server/model/spec_check.h"

/* Decoded, a reference of the caller's. NULL with what is wrong in call->faults. Appends what of a
 * manifest was taken over. */
json_t *gw_submit_body(struct gw_call *call, struct gw_warnings *warnings);

/* Of what makes the spec, for its Idempotency-Key. Returns 0, or -1 without memory. */
int gw_submit_body_digest(struct gw_call *call, uint8_t digest[32]);

/* What is wrong with a field that a parameter stands for is said of the parameter, and what is
 * wrong with a manifest at its place there. */
void gw_submit_body_place_faults(struct gw_call *call);
void gw_submit_body_place_error(struct gw_call *call, struct gw_error *err);

/* A fault for each such parameter that was given. */
void gw_submit_body_refuse_parameters(struct gw_call *call, const char *detail);

#endif
