/* Is it alive, can it serve, and how does it do. They ask nobody: the exchange's loop thread. */
#include <string.h>
#include <strings.h>

#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/shared.h"

#define MAX_METRICS (4 * 1024 * 1024)

static enum gw_next say_ok(struct gw_call *call)
{
        struct gw_buf json = GW_BUF_INIT(64);
        gw_buf_str(&json, "{\"status\":\"ok\"}");
        return gw_call_json(call, 200, &json);
}

static bool database_answers(struct gw_call *call)
{
        bool up = gw_service_database_up(call->service);
        if (up && !atomic_load_explicit(&call->shared->started, memory_order_relaxed))
                atomic_store_explicit(&call->shared->started, true, memory_order_relaxed);
        return up;
}

static enum gw_next begin_readiness(struct gw_call *call)
{
        if (database_answers(call))
                return say_ok(call);
        return gw_call_fail_code(call, GW_ERR_UNAVAILABLE, "the database does not answer");
}

static enum gw_next begin_startup(struct gw_call *call)
{
        if (atomic_load_explicit(&call->shared->started, memory_order_relaxed) ||
            database_answers(call))
                return say_ok(call);
        return gw_call_fail_code(call, GW_ERR_UNAVAILABLE, "the database has not answered yet");
}

static enum gw_next begin_metrics(struct gw_call *call)
{
        const char *accept = gw_exchange_header(call->exchange, "Accept");
        bool open = accept && strcasestr(accept, "application/openmetrics-text");
        struct gw_buf text = GW_BUF_INIT(MAX_METRICS);
        size_t len = 0;
        if (open)
                gw_metrics_write(call->service->metrics, &text);
        else
                gw_metrics_write_text(call->service->metrics, &text);
        char *content = gw_buf_take(&text, &len);
        if (!content)
                return gw_call_fail_code(call, GW_ERR_NOMEM, "out of memory");
        gw_respond(call->exchange, 200, open ? GW_METRICS_OPENMETRICS : GW_METRICS_TEXT, content,
                   len);
        return GW_NEXT_RESPOND;
}

const struct gw_handler gw_route_getHealth = {.begin = say_ok};
const struct gw_handler gw_route_getReadiness = {.begin = begin_readiness};
const struct gw_handler gw_route_getStartup = {.begin = begin_startup};
const struct gw_handler gw_route_getMetrics = {.begin = begin_metrics};
