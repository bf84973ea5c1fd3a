/* Everything that is wrong with a request, each with the place: so that a person mends it
 * in one go. */
#ifndef GW_MODEL_FAULTS_H
#define GW_MODEL_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/error.h"
#include "server/base/limits.h"

struct gw_fault {
        char pointer[GW_ERROR_POINTER]; /* RFC 6901, "" for the whole; "?name" for a query
                                         * parameter, "{name}" for a part of the path, "Name:" for
                                         * a header field */
        char detail[GW_ERROR_MESSAGE];  /* what is wrong and what would be right; UTF-8 */
};

struct gw_faults {
        enum gw_error_code code; /* GW_OK while there is none; GW_ERR_UNPROCESSABLE; GW_ERR_INVALID
                                  * once any fault is of shape; any other code (GW_ERR_NOMEM) wins
                                  * over both */
        size_t count;            /* kept in items: at most GW_MAX_FAULTS */
        size_t dropped;          /* found beyond that */
        struct gw_fault items[GW_MAX_FAULTS];
};

/* Makes it empty. The items are not touched: it is cheap. */
void gw_faults_init(struct gw_faults *f);

static inline bool gw_faults_any(const struct gw_faults *f)
{
        return f->count > 0;
}

/* Too long a pointer or detail is cut at a character; what is no UTF-8 becomes '?'. */
void gw_faults_add(struct gw_faults *f, enum gw_error_code code, const char *pointer,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
