/*
 * A call: one request on its way through a handler. Lives on its exchange's loop thread.
 *
 * dispatch.c makes it: route → principal → scope → parameters and body decoded → begin. A
 * handler answers with one of the functions below and GW_NEXT_RESPOND, or sends commands out
 * and returns GW_NEXT_WAIT; each command's work has home = gw_call_home(call) and owner =
 * call->exchange, and comes back through resume, one call per work.
 */
#ifndef GW_ROUTES_CALL_H
#define GW_ROUTES_CALL_H

#include <jansson.h>

#include "db/db.h"
#include "routes/operation.h"
#include "server/auth/auth.h"
#include "server/base/id.h"
#include "server/engine/service.h"
#include "server/http/http.h"

struct gw_call {
        struct gw_exchange *exchange;
        const struct gw_operation *operation;
        struct gw_service *service;
        struct gw_principal *principal; /* a reference; NULL for public operations */
        const char *path[4];            /* decoded path parameters, in the template's order */
        json_t *query;                  /* object of the query parameters, presets in */
        json_t *body;                   /* decoded body, or NULL */
        struct gw_faults *faults;       /* scratch for this call's own checks */
        void *state;                    /* the handler's, zeroed, state_size bytes */
};

static inline struct gw_mailbox *gw_call_home(struct gw_call *call)
{
        return gw_exchange_home(call->exchange);
}

/* ---- parameters (they were checked: these cannot fail) --------------------------------- */

struct gw_id gw_call_path_id(const struct gw_call *call, size_t i);
const char *gw_call_text(const struct gw_call *call, const char *name); /* NULL: not given */
int64_t gw_call_int(const struct gw_call *call, const char *name, int64_t absent);
bool gw_call_flag(const struct gw_call *call, const char *name);

/* ---- commands ---------------------------------------------------------------------------- */

/* Sets home and owner and posts. When the channel refuses, answers the problem: the return value
 * is what the handler returns. */
enum gw_next gw_call_write(struct gw_call *call, struct gw_db_command *command);
enum gw_next gw_call_read(struct gw_call *call, struct gw_db_command *command);

/* ---- answers ----------------------------------------------------------------------------- */

/* problem.c is the only map from an error code to a status. All return GW_NEXT_RESPOND. */
enum gw_next gw_call_fail(struct gw_call *call, const struct gw_error *err);
enum gw_next gw_call_fail_code(struct gw_call *call, enum gw_error_code code, const char *format,
                               ...) __attribute__((format(printf, 3, 4)));
enum gw_next gw_call_fail_faults(struct gw_call *call, const struct gw_faults *faults);
/* application/json; takes the buffer's content. A failed buffer answers 500. */
enum gw_next gw_call_json(struct gw_call *call, unsigned status, struct gw_buf *json);
enum gw_next gw_call_empty(struct gw_call *call, unsigned status);

#endif
