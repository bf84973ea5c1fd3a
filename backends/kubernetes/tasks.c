/* Ordinals by completion index. Any thread, each on its own. */
#include "backends/kubernetes/tasks.h"

#include <inttypes.h>

static int add_span(struct gw_k8s_tasks *tasks, const struct gw_span *span, struct gw_error *err)
{
        const struct gw_spans *before = &tasks->ordinals;
        const struct gw_span *last = before->count ? &before->items[before->count - 1] : NULL;
        if (span->last < span->first || span->last >= tasks->indices.count ||
            (last && span->first <= last->last))
                return gw_fail(err, GW_ERR_INVALID, "these are no tasks of the job");
        return gw_spans_append(&tasks->ordinals, span->first, span->last, err);
}

static int fill(struct gw_k8s_tasks *tasks, const struct gw_submission *s, int nodes,
                struct gw_error *err)
{
        static const struct gw_span plain = {0, 0};
        const struct gw_span *spans = s->span_count ? s->spans : &plain;
        size_t count = s->span_count ? s->span_count : 1;
        if (s->index_set ? gw_indexset_parse(s->index_set, &tasks->indices, err)
                         : gw_indexset_first(1, &tasks->indices, err))
                return -1;
        for (size_t i = 0; i < count; i++)
                if (add_span(tasks, &spans[i], err))
                        return -1;
        uint64_t total = gw_spans_total(&tasks->ordinals);
        if (total > GW_K8S_MOST_TASKS)
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/array",
                                  "a Job has at most %d tasks, not %" PRIu64, GW_K8S_MOST_TASKS,
                                  total);
        tasks->count = tasks->is_array ? (uint32_t)total : (uint32_t)nodes;
        return 0;
}

int gw_k8s_tasks_init(struct gw_k8s_tasks *tasks, const struct gw_submission *s, int nodes,
                      struct gw_error *err)
{
        *tasks = (struct gw_k8s_tasks){.is_array = s->index_set != NULL};
        if (tasks->is_array && nodes > 1)
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/resources/nodes",
                                  "a task of an array has one machine on Kubernetes: submit such "
                                  "jobs one by one");
        if (fill(tasks, s, nodes, err) == 0)
                return 0;
        gw_k8s_tasks_done(tasks);
        return -1;
}

void gw_k8s_tasks_done(struct gw_k8s_tasks *tasks)
{
        gw_indexset_done(&tasks->indices);
        gw_spans_done(&tasks->ordinals);
        *tasks = (struct gw_k8s_tasks){0};
}

bool gw_k8s_tasks_are_plain(const struct gw_k8s_tasks *tasks)
{
        uint32_t last = tasks->count - 1, index;
        return tasks->ordinals.count == 1 && tasks->ordinals.items[0].first == 0 &&
               gw_indexset_index(&tasks->indices, last, &index) == 0 && index == last;
}

int gw_k8s_tasks_ordinal(const struct gw_k8s_tasks *tasks, uint32_t index, uint32_t *ret)
{
        for (size_t i = 0; i < tasks->ordinals.count; i++) {
                const struct gw_span *span = &tasks->ordinals.items[i];
                uint32_t length = span->last - span->first + 1;
                if (index < length) {
                        *ret = span->first + index;
                        return 0;
                }
                index -= length;
        }
        return -1;
}
