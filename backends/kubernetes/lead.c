/*
 * Taking over and giving up leadership. Whoever leads anew starts from what the record says is
 * open; the first lists tell the rest.
 */
#include <stdlib.h>

#include "backends/kubernetes/internal.h"
#include "server/base/cleanup.h"
#include "server/base/log.h"

/* A submission whose namespace cannot be read now is not known to be gone: no word of what the
 * lists do not have is true of it. */
static int take_over(struct gw_k8s *b, const struct gw_live *live)
{
        struct gw_k8s_identity identity;
        struct gw_error err = {0};
        json_auto_t *json = NULL;
        if (gw_k8s_identity_read(live->identity, &identity, &json, &err)) {
                gw_log_error("kubernetes.no_namespace", &err);
                b->strangers = true;
                return 0;
        }
        const struct gw_k8s_entry_settings settings = {
                .ns = identity.namespace,
                .send_before_us = live->send_before,
                .index_set = live->index_set,
                .spans = live->spans,
                .span_count = live->span_count,
                .held = live->held,
        };
        struct gw_k8s_job_entry *e = gw_k8s_entry_add(b, live->mark, &settings);
        if (!e)
                return -1;
        if (live->accepted || live->ref)
                gw_k8s_entry_accept(b, e, live->ref ? live->ref : "");
        return 0;
}

/* Not what was sent already: that is somebody else's to hear of. */
static void stop(struct gw_queued_backend *base)
{
        struct gw_k8s *b = GW_CONTAINER(base, struct gw_k8s, base);
        b->epoch = 0;
        gw_k8s_spaces_stop(b);
        gw_k8s_orders_cancel(b, false);
        gw_k8s_entries_clear(b);
        gw_k8s_closed_clear(b);
        gw_k8s_survey_stop(b);
        b->seen = 0;
        b->missing = 0;
        b->synced = b->refused = b->described = b->strangers = b->reachable = false;
}

static int begin(struct gw_queued_backend *base, const struct gw_leadership *wish)
{
        struct gw_k8s *b = GW_CONTAINER(base, struct gw_k8s, base);
        for (size_t i = 0; i < wish->live_count; i++)
                if (take_over(b, &wish->live[i]))
                        return -1;
        b->epoch = wish->epoch;
        b->led_at = gw_clock_wall_us();
        b->seen = 1;
        b->look_at = 0;
        return 0;
}

void gw_k8s_take_wish(struct gw_k8s *b)
{
        gw_queued_follow(&b->base, begin, stop);
}
