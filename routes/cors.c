/* CORS: header fields by origin. Runs on the exchange's loop thread. */
#include "routes/cors.h"

#include <string.h>

#define ANY "*"
/* What our clients send. Authorization is never covered by a wildcard. */
#define REQUEST_FIELDS                                                                             \
        "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Range, "      \
        "traceparent, tracestate"
/* What our answers carry beside the few that every page may read. */
#define ANSWER_FIELDS                                                                              \
        "Accept-Ranges, Allow, Content-Range, ETag, Idempotent-Replayed, Jobgate-Log-Omitted, "    \
        "Link, Location, Retry-After, WWW-Authenticate, X-Request-Id"
#define MAX_AGE_S "7200" /* more is cut by browsers */

/* Whether a list with commas, and perhaps blanks, between names it. */
static bool lists(const char *origins, const char *origin)
{
        size_t len = strlen(origin);
        while (*origins) {
                origins += strspn(origins, ", ");
                size_t n = strcspn(origins, ", ");
                if (n == len && n > 0 && memcmp(origins, origin, n) == 0)
                        return true;
                origins += n;
        }
        return false;
}

/* What Access-Control-Allow-Origin says to the origin of this request; NULL: nothing. */
static const char *allowed(struct gw_exchange *x, const char *origins)
{
        const char *origin = gw_exchange_header(x, "Origin");
        if (!origin)
                return NULL;
        if (strcmp(origins, ANY) == 0)
                return ANY;
        return lists(origins, origin) ? origin : NULL;
}

void gw_cors_mark(struct gw_exchange *x, const char *origins)
{
        if (!origins)
                return;
        const char *origin = allowed(x, origins);
        if (origin) {
                gw_respond_header(x, "Access-Control-Allow-Origin", origin);
                gw_respond_header(x, "Access-Control-Expose-Headers", ANSWER_FIELDS);
        }
        /* A cache must not give the answer for one origin, or for none, to another. */
        if (strcmp(origins, ANY) != 0)
                gw_respond_header(x, "Vary", "Origin");
}

bool gw_cors_preflight(struct gw_exchange *x, const char *origins, const char *allow)
{
        if (!origins || strcmp(gw_exchange_method(x), "OPTIONS") != 0 || !allowed(x, origins) ||
            !gw_exchange_header(x, "Access-Control-Request-Method"))
                return false;
        gw_respond(x, 204, NULL, NULL, 0);
        gw_respond_header(x, "Access-Control-Allow-Methods", allow);
        gw_respond_header(x, "Access-Control-Allow-Headers", REQUEST_FIELDS);
        gw_respond_header(x, "Access-Control-Max-Age", MAX_AGE_S);
        return true;
}
