/*
 * Tasks of an array that are cancelled while others of their Job go on. Kubernetes has no word for
 * that: a task ends, as failed, when its pod is deleted, and one that has none yet when it gets it.
 */
#include "backends/kubernetes/internal.h"
#include "backends/kubernetes/record.h"

/* The ordinal of a completion index. Returns 0, or -1: none of the submission's has it. */
static int ordinal_of(const struct gw_k8s_job_entry *e, int64_t index, uint32_t *ret)
{
        for (size_t i = 0; index >= 0 && i < e->ordinals.count; i++) {
                const struct gw_span *span = &e->ordinals.items[i];
                int64_t length = (int64_t)span->last - span->first + 1;
                if (index < length) {
                        *ret = span->first + (uint32_t)index;
                        return 0;
                }
                index -= length;
        }
        return -1;
}

/* What was not done is tried again with the pods as they are then. */
static void on_deleted(struct gw_k8s_order *o)
{
        struct gw_k8s *b = o->backend;
        enum gw_k8s_verdict verdict = o->call.status.verdict;
        bool is_done =
                verdict == GW_K8S_OK || verdict == GW_K8S_ABSENT || verdict == GW_K8S_CONFLICT;
        struct gw_k8s_job_entry *e = o->epoch == b->epoch ? gw_k8s_entry_find(b, o->mark) : NULL;
        if (e && !is_done) {
                for (size_t i = 0; i < e->pod_count; i++)
                        e->pods[i].ending = false;
                if (e->quest == GW_K8S_NO_QUEST) {
                        gw_k8s_quest_begin(b, e, GW_K8S_FIND_PODS);
                        e->quest_at = gw_clock_mono_us() + GW_SECOND;
                }
        }
        gw_k8s_order_free(o);
}

static void delete_pod(struct gw_k8s *b, struct gw_k8s_job_entry *e,
                       struct gw_k8s_kept_pod_entry *p)
{
        struct gw_error err = {0};
        struct gw_k8s_order *o = gw_k8s_order_new(b, e->mark, e->ns, NULL, on_deleted);
        if (!o)
                return;
        p->ending = true;
        gw_k8s_order_begun(o,
                           gw_k8s_delete(b->client, &o->call, GW_K8S_PODS, e->ns,
                                         gw_k8s_text(p->pod, "metadata.name"),
                                         gw_k8s_text(p->pod, "metadata.uid"), GW_K8S_BACKGROUND, -1,
                                         &err),
                           &err);
}

void gw_k8s_unwanted_see(struct gw_k8s *b, struct gw_k8s_job_entry *e,
                         struct gw_k8s_kept_pod_entry *p)
{
        struct gw_k8s_pod pod;
        uint32_t ordinal;
        if (e->unwanted.count == 0 || p->ending || p->gone)
                return;
        gw_k8s_pod_read(p->pod, &pod);
        if (pod.has_ended || pod.deleted || ordinal_of(e, gw_k8s_pod_index(p->pod), &ordinal) ||
            !gw_spans_contains(&e->unwanted, ordinal))
                return;
        delete_pod(b, e, p);
}

int gw_k8s_unwanted_add(struct gw_k8s *b, struct gw_k8s_job_entry *e, const struct gw_spans *some)
{
        int rc = 0;
        for (size_t i = 0; i < some->count; i++)
                rc |= gw_spans_gather(&e->unwanted, some->items[i].first, some->items[i].last,
                                      NULL);
        gw_spans_settle(&e->unwanted);
        for (size_t i = 0; i < e->pod_count; i++)
                gw_k8s_unwanted_see(b, e, &e->pods[i]);
        return rc;
}
