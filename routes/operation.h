/*
 * An operation: one documented call, as generated from openapi.yaml
 * (generated/openapi/operations.h), tied to the handler of the same name. A documented
 * operation without a handler does not link.
 */
#ifndef GW_ROUTES_OPERATION_H
#define GW_ROUTES_OPERATION_H

#include <stdbool.h>
#include <stddef.h>

#include "server/http/http.h"
#include "server/model/decode.h"

struct gw_call;

/* What a route file exports for each operation: `const struct gw_handler gw_route_<operationId>`.
 */
struct gw_handler {
        /* The request is authenticated, allowed and decoded. For a body of lines: its header is,
         * and GW_NEXT_BODY goes on. */
        enum gw_next (*begin)(struct gw_call *call);
        /* Of a body of lines: the next bytes, and its end. See struct gw_http_app. */
        enum gw_next (*part)(struct gw_call *call, const char *data, size_t *len);
        enum gw_next (*whole)(struct gw_call *call);
        /* And why it is not read to its end (401, 403, 408, 503): the answer is the handler's. */
        enum gw_next (*stop)(struct gw_call *call, const struct gw_error *err);
        /* A command came back. NULL when begin never waits. */
        enum gw_next (*resume)(struct gw_call *call, struct gw_work *work);
        /* Releases what the call's state holds beyond gw_exchange_alloc. NULL when nothing. */
        void (*end)(struct gw_call *call);
        size_t state_size; /* zeroed before begin: call->state */
        /* The client hung up while a command is out: end what can be ended early (a wait at the
         * hub); resume is called as ever. NULL when there is nothing. */
        void (*abandon)(struct gw_call *call);
};

struct gw_parameter {
        const char *name;
        const struct gw_schema *schema;
        const char *preset; /* default as JSON text, or NULL */
        bool required;
};

struct gw_media {
        const char *type;               /* "application/json" */
        const struct gw_schema *schema; /* of the body, or of each of its lines */
        bool text;                      /* the body is a string as it is, and no JSON */
        const struct gw_handler *lines; /* takes a body of lines as it arrives, in the place of the
                                           operation's handler; NULL: the body is collected and
                                           decoded first */
};

/* Which token scope a call needs (x-scope); policy.c has the roles. */
enum gw_operation_access {
        GW_ACCESS_PUBLIC, /* no token: probes, documents */
        GW_ACCESS_READ,   /* scope jobs:read */
        GW_ACCESS_WRITE,  /* scope jobs:write */
};

struct gw_operation {
        const char *id; /* operationId: also the metrics' label */
        const char *method;
        const char *path; /* template */
        enum gw_operation_access access;
        const struct gw_parameter *query; /* sorted by name */
        size_t query_count;
        const char *const *path_names; /* in the template's order */
        const struct gw_schema *const *path_schemas;
        size_t path_count;
        const struct gw_parameter *headers; /* documented request header fields */
        size_t header_count;
        const struct gw_media *media; /* accepted bodies; count 0: no body */
        size_t media_count;
        bool body_required;
        const struct gw_handler *handler;
};

extern const struct gw_operation gw_operations[];
extern const size_t gw_operation_count;

#endif
