/* A method, a space and a target, as in a request line: routed, and its query taken apart. What
 * comes out is text; what is refused says why. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/base/str.h"
#include "server/http/query.h"
#include "server/http/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct gw_router_route routes[] = {
        {"GET", "/v1/jobs"},
        {"POST", "/v1/jobs"},
        {"POST", "/v1/jobs/cancel"},
        {"GET", "/v1/jobs/{id}"},
        {"DELETE", "/v1/jobs/{id}"},
        {"GET", "/v1/jobs/{id}/tasks/{index}"},
        {"GET", "/v1/jobs/{id}/tasks/{index}/attempts"},
};

static bool is_text(void *arg, const char *name, const char *value)
{
        size_t *count = arg;
        assert(gw_str_utf8(name, strlen(name)) && gw_str_utf8(value, strlen(value)));
        return ++*count < GW_MAX_PARAMETERS;
}

static void take_apart(char *query)
{
        struct gw_error err = {0};
        size_t count = 0;
        if (gw_query_each(query, is_text, &count, &err))
                assert(err.code == GW_ERR_INVALID && err.message[0]);
        assert(count <= GW_MAX_PARAMETERS);
}

static void route(const char *method, const char *path)
{
        static struct gw_router *router;
        struct gw_error err = {0};
        struct gw_router_match match = {0};
        char scratch[GW_MAX_URI_BYTES], allow[96] = "";
        if (!router)
                router = gw_router_new(routes, GW_COUNT(routes), NULL);
        if (gw_router_match(router, method, path, scratch, &match, allow, &err)) {
                assert(err.message[0]);
                assert((err.code == GW_ERR_METHOD) == (allow[0] != '\0'));
                return;
        }
        assert(match.route < GW_COUNT(routes));
        for (size_t i = 0; i < match.count; i++)
                assert(match.values[i][0] && gw_str_utf8(match.values[i], strlen(match.values[i])));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char line[GW_MAX_URI_BYTES];
        if (size >= sizeof line)
                return 0;
        memcpy(line, data, size);
        line[size] = '\0';
        char *target = line;
        const char *method = strsep(&target, " ");
        if (!target)
                return 0;
        char *query = target;
        const char *path = strsep(&query, "?");
        route(method, path);
        if (query)
                take_apart(query);
        return 0;
}
