/*
 * A call: one request on its way through a handler. Lives on its exchange's loop thread.
 *
 * dispatch.c makes it: route → principal → scope → parameters and body decoded → begin. A
 * handler answers with one of the functions below and GW_NEXT_RESPOND, or sends one command
 * out and returns GW_NEXT_WAIT; the command's work has home = gw_call_home(call) and owner =
 * call->exchange, and comes back through resume. A handler has at most one command out.
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
#include "server/http/router.h"

struct gw_shared;

/* A query parameter as it was given. Both NULL: it was not. */
struct gw_argument {
        const char *text; /* decoded; lives as long as the exchange */
        json_t *value;    /* as its schema says */
};

struct gw_call {
        struct gw_exchange *exchange;
        const struct gw_operation *operation; /* NULL in a request that matches none */
        const struct gw_handler *handler;     /* the operation's, or its body's type's */
        const struct gw_service *service;
        struct gw_shared *shared;
        struct gw_principal *principal;             /* a reference; NULL for public operations */
        uint64_t people;                            /* gw_auth_generation(), before it was made */
        const char *path[GW_ROUTER_MAX_PARAMETERS]; /* decoded, in the template's order */
        const struct gw_media
                *media;            /* the operation's body type that the request names, or NULL */
        struct gw_argument *query; /* one for each of operation->query; NULL: no query string */
        json_t *const *presets;    /* likewise: the defaults, NULL where there is none */
        json_t *body;              /* decoded body, or NULL */
        struct gw_faults *faults;  /* empty scratch, valid until begin or resume returns */
        void *state;               /* the handler's, zeroed, state_size bytes */
};

static inline struct gw_mailbox *gw_call_home(struct gw_call *call)
{
        return gw_exchange_home(call->exchange);
}

/* ---- parameters (they were checked: these cannot fail) --------------------------------- */

struct gw_id gw_call_path_id(const struct gw_call *call, size_t i);
int64_t gw_call_path_int(const struct gw_call *call, size_t i);
/* What was given, or the default, or NULL. `name` is one of the operation's. */
const json_t *gw_call_value(const struct gw_call *call, const char *name);
const char *gw_call_text(const struct gw_call *call, const char *name);
int64_t gw_call_int(const struct gw_call *call, const char *name, int64_t absent);
bool gw_call_flag(const struct gw_call *call, const char *name);
/* A header field without the blanks around it, or NULL; lives as long as the exchange. */
const char *gw_call_header(const struct gw_call *call, const char *name);
/* The end of ?wait= on the monotonic clock; 0 when the answer is not to be held back. */
int64_t gw_call_deadline(const struct gw_call *call);
/* Whether the request's If-None-Match names this entity tag. */
bool gw_call_knows(const struct gw_call *call, const char *etag);

/* ---- commands ---------------------------------------------------------------------------- */

/* All set home and owner and post; page and bulk, for lists and for changes of many: what takes
 * long holds up nothing short.
 *
 * Changes: return GW_NEXT_WAIT; or, when the channel refuses, so that nothing was done, answer the
 * problem and return GW_NEXT_RESPOND. */
enum gw_next gw_call_write(struct gw_call *call, struct gw_db_command *command);
enum gw_next gw_call_bulk(struct gw_call *call, struct gw_db_command *command);
/* Questions: return GW_NEXT_WAIT. One that is refused comes home with the error, so that whoever
 * can wait for an answer needs to look in one place only. */
enum gw_next gw_call_read(struct gw_call *call, struct gw_db_command *command);
enum gw_next gw_call_page(struct gw_call *call, struct gw_db_command *command);

/* ---- answers ----------------------------------------------------------------------------- */

/* All return GW_NEXT_RESPOND. */
enum gw_next gw_call_fail(struct gw_call *call, const struct gw_error *err);
enum gw_next gw_call_fail_code(struct gw_call *call, enum gw_error_code code, const char *format,
                               ...) __attribute__((format(printf, 3, 4)));
enum gw_next gw_call_fail_faults(struct gw_call *call, const struct gw_faults *faults);
/* The one answer for a job that does not exist and one that is another tenant's. */
enum gw_next gw_call_no_job(struct gw_call *call);
/* application/json; takes the buffer's content. A buffer that failed is answered with a
 * problem. */
enum gw_next gw_call_json(struct gw_call *call, unsigned status, struct gw_buf *json);
enum gw_next gw_call_empty(struct gw_call *call, unsigned status);

#define GW_JSON_TYPE "application/json"

#endif
