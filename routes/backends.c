/*
 * Where jobs can run: the backends of this gateway's settings, with what they last said of
 * themselves. The exchange's loop thread; rows are taken on the database's.
 */
#include "db/backends.h"

#include <string.h>

#include "openapi/operations.h"
#include "routes/call.h"

#define MAX_LIST (4 * 1024 * 1024)

struct list {
        struct gw_db_backend_list list;
        const struct gw_service *service;
        struct gw_buf *items; /* what follows the name, one for each backend of the service */
};

static void take_row(void *arg, const struct gw_backend_row *row)
{
        struct list *l = arg;
        for (size_t i = 0; i < l->service->backend_count; i++) {
                struct gw_buf *item = &l->items[i];
                if (strcmp(l->service->backends[i].backend->name, row->name) != 0)
                        continue;
                gw_buf_str(item, ",\"offer\":");
                gw_buf_str(item, row->offer ? row->offer : "{}");
                gw_buf_str(item, row->reachable ? ",\"reachable\":true" : ",\"reachable\":false");
                gw_buf_str(item, ",\"observed_at\":");
                gw_buf_json_time(item, row->observed_us);
        }
}

static enum gw_next begin_backends(struct gw_call *call)
{
        struct list *l = call->state;
        size_t count = call->service->backend_count;
        l->service = call->service;
        l->items = gw_exchange_alloc(call->exchange, (count + 1) * sizeof *l->items);
        if (!l->items)
                return gw_call_fail_code(call, GW_ERR_NOMEM, "out of memory");
        for (size_t i = 0; i < count; i++)
                gw_buf_init(&l->items[i], MAX_LIST);
        l->list.each = take_row;
        l->list.arg = l;
        gw_db_backend_list_init(&l->list);
        return gw_call_read(call, &l->list.cmd);
}

static void write_item(struct gw_buf *json, const struct gw_backend *b, const struct gw_buf *said)
{
        gw_buf_str(json, "{\"name\":");
        gw_buf_json_str(json, b->name);
        gw_buf_str(json, ",\"type\":");
        gw_buf_json_str(json, b->type->name);
        if (said->len > 0)
                gw_buf_add(json, said->data, said->len);
        else
                gw_buf_str(json, ",\"offer\":{},\"reachable\":false,\"observed_at\":null");
        gw_buf_char(json, '}');
        json->failed |= said->failed;
}

static enum gw_next resume_backends(struct gw_call *call, struct gw_work *work)
{
        struct list *l = call->state;
        struct gw_buf json = GW_BUF_INIT(MAX_LIST);
        (void)work;
        if (l->list.cmd.error.code != GW_OK)
                return gw_call_fail(call, &l->list.cmd.error);
        gw_buf_str(&json, "{\"items\":[");
        for (size_t i = 0; i < call->service->backend_count; i++) {
                if (i > 0)
                        gw_buf_char(&json, ',');
                write_item(&json, call->service->backends[i].backend, &l->items[i]);
        }
        gw_buf_str(&json, "],\"next\":null}");
        return gw_call_json(call, 200, &json);
}

static void end_backends(struct gw_call *call)
{
        struct list *l = call->state;
        for (size_t i = 0; l->items && i < call->service->backend_count; i++)
                gw_buf_done(&l->items[i]);
}

const struct gw_handler gw_route_listBackends = {
        .begin = begin_backends,
        .resume = resume_backends,
        .end = end_backends,
        .state_size = sizeof(struct list),
};
