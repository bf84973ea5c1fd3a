/* Calls that are out, one object each with what is to be done when they come home. */
#include <stdlib.h>
#include <string.h>

#include "backends/kubernetes/internal.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

static void come_home(struct gw_k8s_call *call)
{
        struct gw_k8s_order *o = call->owner;
        o->done(o);
}

struct gw_k8s_order *gw_k8s_order_new(struct gw_k8s *b, struct gw_mark mark, const char *ns,
                                      struct gw_backend_ask *asked,
                                      void (*done)(struct gw_k8s_order *order))
{
        struct gw_k8s_order *o = calloc(1, sizeof *o);
        char *copy = strdup(ns);
        if (!o || !copy) {
                free(o);
                free(copy);
                return NULL;
        }
        o->backend = b;
        o->epoch = b->epoch;
        o->mark = mark;
        o->ns = copy;
        o->asked = asked;
        o->done = done;
        o->call.done = come_home;
        o->call.owner = o;
        LIST_INSERT_HEAD(&b->orders, o, out);
        b->handed_over += asked && gw_k8s_line_is_for(asked);
        return o;
}

void gw_k8s_order_free(struct gw_k8s_order *o)
{
        LIST_REMOVE(o, out);
        o->backend->handed_over -= o->asked && gw_k8s_line_is_for(o->asked);
        gw_k8s_call_done(&o->call);
        gw_k8s_manifest_done(&o->manifest);
        gw_backend_ask_free(o->asked);
        free(o->ns);
        free(o);
}

void gw_k8s_order_begun(struct gw_k8s_order *o, int rc, const struct gw_error *err)
{
        if (rc == 0)
                return;
        o->call.status = (struct gw_k8s_status){.verdict = GW_K8S_NOT_SENT};
        gw_str_copy(o->call.status.message, sizeof o->call.status.message, err->message);
        o->done(o);
}

void gw_k8s_orders_cancel(struct gw_k8s *b, bool all)
{
        struct gw_k8s_order *o;
        LIST_FOREACH(o, &b->orders, out)
        {
                if (all || o->epoch)
                        gw_k8s_call_cancel(&o->call);
        }
}

static void on_dropped(struct gw_k8s_order *o)
{
        gw_k8s_order_free(o);
}

void gw_k8s_drop(struct gw_k8s *b, const char *ns, const char *name, const char *uid)
{
        struct gw_error err = {0};
        struct gw_k8s_order *o = gw_k8s_order_new(b, (struct gw_mark){0}, ns, NULL, on_dropped);
        if (o)
                gw_k8s_order_begun(o,
                                   gw_k8s_delete(b->client, &o->call, GW_K8S_JOBS, ns, name, uid,
                                                 GW_K8S_BACKGROUND, -1, &err),
                                   &err);
}
