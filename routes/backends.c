/*
 * Where jobs can run: the backends of this gateway's settings, with what they last said of
 * themselves. The exchange's loop thread; rows are taken on the database's.
 */
#include "db/backends.h"

#include <string.h>

#include "openapi/operations.h"
#include "routes/call.h"

#define MAX_LIST (4 * 1024 * 1024)

/* ---- one, as it is shown --------------------------------------------------------------------- */

/* What it said, after its type. */
static void write_said(struct gw_buf *json, const struct gw_backend_row *row)
{
        gw_buf_str(json, ",\"offer\":");
        gw_buf_str(json, row->offer ? row->offer : "{}");
        gw_buf_str(json, row->reachable ? ",\"reachable\":true" : ",\"reachable\":false");
        gw_buf_str(json, ",\"observed_at\":");
        gw_buf_json_time(json, row->observed_us);
}

/* Its members, in an object that is not closed. */
static void write_backend(struct gw_buf *json, const struct gw_backend *b,
                          const struct gw_buf *said)
{
        gw_buf_str(json, "{\"name\":");
        gw_buf_json_str(json, b->name);
        gw_buf_str(json, ",\"type\":");
        gw_buf_json_str(json, b->type->name);
        if (said->len > 0)
                gw_buf_add(json, said->data, said->len);
        else
                gw_buf_str(json, ",\"offer\":{},\"reachable\":false,\"observed_at\":null");
        json->failed |= said->failed;
}

/* ---- listBackends ---------------------------------------------------------------------------- */

struct list {
        struct gw_db_backend_list list;
        const struct gw_service *service;
        struct gw_buf *items; /* what follows the type, one for each backend of the service */
};

static void take_row(void *arg, const struct gw_backend_row *row)
{
        struct list *l = arg;
        for (size_t i = 0; i < l->service->backend_count; i++)
                if (strcmp(l->service->backends[i].backend->name, row->name) == 0)
                        write_said(&l->items[i], row);
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
                write_backend(&json, call->service->backends[i].backend, &l->items[i]);
                gw_buf_char(&json, '}');
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

/* ---- getBackend ------------------------------------------------------------------------------ */

struct get {
        struct gw_db_backend_get get;
        const struct gw_backend *backend;
        struct gw_buf projects, said, access;
};

static void take_said(void *arg, const struct gw_backend_row *row)
{
        struct get *g = arg;
        write_said(&g->said, row);
}

static void write_namespace(struct gw_buf *json, const struct gw_backend_access *access)
{
        gw_buf_str(json, ",\"namespace\":");
        gw_buf_json_str(json, access->namespace);
        gw_buf_str(json, ",\"service_account\":");
        gw_buf_json_str(json, access->service_account);
        gw_buf_str(json, ",\"quotas\":");
        gw_buf_str(json, access->quotas ? access->quotas : "null");
}

static void take_access(void *arg, const struct gw_backend_access *access)
{
        struct get *g = arg;
        struct gw_buf *json = &g->access;
        gw_buf_str(json, json->len > 0 ? ",{\"project\":" : "{\"project\":");
        gw_buf_json_str(json, access->project);
        gw_buf_str(json, ",\"user\":");
        gw_buf_json_str(json, access->user);
        gw_buf_str(json, ",\"account\":");
        gw_buf_json_str(json, access->account);
        gw_buf_str(json, ",\"grants\":");
        gw_buf_str(json, access->grants ? access->grants : "null");
        if (access->namespace)
                write_namespace(json, access);
        gw_buf_char(json, '}');
}

/* The caller's projects, as the command wants them. */
static const char *name_projects(struct gw_buf *out, const struct gw_principal *p)
{
        for (size_t i = 0; i < p->count; i++)
                gw_buf_printf(out, "%s%lld", i ? "," : "", (long long)p->memberships[i].project_id);
        gw_buf_char(out, '\0');
        return gw_buf_ok(out) ? out->data : NULL;
}

static enum gw_next begin_backend(struct gw_call *call)
{
        struct get *g = call->state;
        g->backend = gw_service_backend(call->service, call->path[0]);
        if (!g->backend)
                return gw_call_fail_code(call, GW_ERR_NOT_FOUND, "there is no such backend");
        gw_buf_init(&g->projects, MAX_LIST);
        gw_buf_init(&g->said, MAX_LIST);
        gw_buf_init(&g->access, MAX_LIST);
        g->get =
                (struct gw_db_backend_get){.name = g->backend->name,
                                           .projects = name_projects(&g->projects, call->principal),
                                           .take = take_said,
                                           .each = take_access,
                                           .arg = g};
        if (!g->get.projects)
                return gw_call_fail_code(call, GW_ERR_NOMEM, "out of memory");
        gw_db_backend_get_init(&g->get);
        return gw_call_read(call, &g->get.cmd);
}

static enum gw_next resume_backend(struct gw_call *call, struct gw_work *work)
{
        struct get *g = call->state;
        struct gw_buf json = GW_BUF_INIT(2 * MAX_LIST);
        (void)work;
        if (g->get.cmd.error.code != GW_OK)
                return gw_call_fail(call, &g->get.cmd.error);
        write_backend(&json, g->backend, &g->said);
        gw_buf_str(&json, ",\"access\":[");
        if (g->access.len > 0)
                gw_buf_add(&json, g->access.data, g->access.len);
        gw_buf_str(&json, "]}");
        json.failed |= g->access.failed;
        return gw_call_json(call, 200, &json);
}

static void end_backend(struct gw_call *call)
{
        struct get *g = call->state;
        gw_buf_done(&g->projects);
        gw_buf_done(&g->said);
        gw_buf_done(&g->access);
}

const struct gw_handler gw_route_getBackend = {
        .begin = begin_backend,
        .resume = resume_backend,
        .end = end_backend,
        .state_size = sizeof(struct get),
};
