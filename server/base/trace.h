/*
 * W3C Trace Context: the `traceparent` of a request names the trace that it belongs to and the
 * caller's span in it. Pure.
 */
#ifndef GW_BASE_TRACE_H
#define GW_BASE_TRACE_H

#include <stdbool.h>

struct gw_trace {
        char trace_id[33]; /* lower-case hexadecimal digits, as sent */
        char parent_id[17];
};

/* True and *ret for a value of version 00 that is well-formed: what is not is to be ignored, as if
 * it was not sent. */
bool gw_trace_parse(const char *value, struct gw_trace *ret);

#endif
