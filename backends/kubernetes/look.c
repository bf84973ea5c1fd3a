/* Whether the API server is there, and what it stands on: it is asked from time to time, and when
 * something failed. */
#include "backends/kubernetes/internal.h"
#include "server/base/log.h"

#define LOOK_US (15 * GW_SECOND)
#define SOON_US GW_SECOND
#define PATIENCE_MS 5000

static void describe(struct gw_k8s *b, bool reachable)
{
        if (b->described && b->reachable == reachable)
                return;
        b->described = true;
        b->reachable = reachable;
        b->survey_at = 0;
        b->host.describe(b->host.self, NULL, reachable);
}

static void on_answer(struct gw_k8s_order *o)
{
        struct gw_k8s *b = o->backend;
        const struct gw_k8s_status *status = &o->call.status;
        bool is_there = status->verdict == GW_K8S_OK;
        b->looking = false;
        if (o->epoch == b->epoch) {
                b->look_at = gw_clock_mono_us() + (is_there ? LOOK_US : SOON_US);
                if (!is_there && (!b->described || b->reachable))
                        gw_log(GW_LOG_WARN, "kubernetes.unreachable", "{s:s, s:s}", "backend",
                               b->base.head.name, "message", status->message);
                describe(b, is_there);
        }
        gw_k8s_order_free(o);
}

void gw_k8s_look_serve(struct gw_k8s *b)
{
        struct gw_error err = {0};
        if (b->looking || gw_clock_mono_us() < b->look_at)
                return;
        struct gw_k8s_order *o = gw_k8s_order_new(b, (struct gw_mark){0}, "", NULL, on_answer);
        b->look_at = gw_clock_mono_us() + SOON_US;
        if (!o)
                return;
        b->looking = true;
        o->call.within_ms = PATIENCE_MS;
        gw_k8s_order_begun(o, gw_k8s_ready(b->client, &o->call, &err), &err);
}

void gw_k8s_look_soon(struct gw_k8s *b)
{
        int64_t soon = gw_clock_mono_us() + SOON_US;
        if (b->reachable && b->look_at > soon)
                b->look_at = soon;
}
