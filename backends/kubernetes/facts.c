/*
 * From a Job's view to facts. Any thread; keeps nothing.
 *
 * An array of many tasks has few pods at a time: those are told one by one, and the tasks between
 * them as runs that are counted, or wait, together.
 */
#include "backends/kubernetes/facts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backends/kubernetes/record.h"

/* ---- indices that are counted --------------------------------------------------------------- */

static bool take_number(const char **text, uint32_t below, uint32_t *ret)
{
        const char *p = *text;
        uint64_t n = 0;
        for (; *p >= '0' && *p <= '9' && n < below; p++)
                n = n * 10 + (uint64_t)(*p - '0');
        if (p == *text || n >= below)
                return false;
        *text = p;
        *ret = (uint32_t)n;
        return true;
}

/* "7" or "0-99". */
static bool take_part(const char **text, uint32_t count, struct gw_span *ret)
{
        if (!take_number(text, count, &ret->first))
                return false;
        ret->last = ret->first;
        if (**text == '-' && (++*text, !take_number(text, count, &ret->last)))
                return false;
        return ret->last >= ret->first && (**text == '\0' || **text == ',');
}

static int read_list(const char *text, uint32_t count, struct gw_spans *ret, struct gw_error *err)
{
        while (*text) {
                struct gw_span span;
                if (!take_part(&text, count, &span))
                        return gw_fail(err, GW_ERR_INVALID,
                                       "the Job's list of indices cannot be read");
                if (gw_spans_gather(ret, span.first, span.last, err))
                        return -1;
                text += *text == ',';
        }
        gw_spans_settle(ret);
        return 0;
}

int gw_k8s_counts_read(const json_t *job, uint32_t count, struct gw_k8s_counts *ret,
                       struct gw_error *err)
{
        *ret = (struct gw_k8s_counts){0};
        if (read_list(gw_k8s_text(job, "status.completedIndexes"), count, &ret->completed, err) ==
                    0 &&
            read_list(gw_k8s_text(job, "status.failedIndexes"), count, &ret->failed, err) == 0)
                return 0;
        gw_k8s_counts_done(ret);
        return -1;
}

void gw_k8s_counts_done(struct gw_k8s_counts *counts)
{
        gw_spans_done(&counts->completed);
        gw_spans_done(&counts->failed);
}

enum gw_k8s_counted gw_k8s_counts_of(const struct gw_k8s_counts *counts, uint32_t index)
{
        if (gw_spans_contains(&counts->completed, index))
                return GW_K8S_COMPLETED;
        return gw_spans_contains(&counts->failed, index) ? GW_K8S_FAILED : GW_K8S_NOT_COUNTED;
}

/* ---- one fact ------------------------------------------------------------------------------- */

struct giving {
        const struct gw_k8s_view *view;
        struct gw_mark mark;
        gw_k8s_take_fact take;
        void *arg;
};

static void give(const struct giving *g, const struct gw_k8s_meaning *m, struct gw_span span)
{
        const char *uid = gw_k8s_text(g->view->job, "metadata.uid");
        const struct gw_fact fact = {
                .mark = g->mark,
                .span = span,
                .phase = m->phase,
                .reason = m->reason,
                .exit_code = m->exit_code,
                .signal = m->signal,
                .pending_us = m->pending_us,
                .started_us = m->started_us,
                .ended_us = m->ended_us,
                .ref = uid[0] ? uid : NULL,
                .node = m->node[0] ? m->node : NULL,
                .raw = m->words[0] ? m->words : NULL,
        };
        g->take(g->arg, &fact, m);
}

/* ---- an array's ----------------------------------------------------------------------------- */

/* A pod by its index; of one index they stand together. */
struct placed {
        uint32_t index;
        json_t *pod; /* borrowed */
};

struct array {
        const struct giving *giving;
        const struct gw_spans *ordinals;
        struct gw_k8s_counts counts;
        uint32_t count;
        struct placed *placed;
        size_t placed_count;
        json_t *few; /* the pods of one task */
};

static int by_index(const void *a, const void *b)
{
        const struct placed *x = a, *y = b;
        return (x->index > y->index) - (x->index < y->index);
}

static int place_pods(struct array *a, struct gw_error *err)
{
        size_t i;
        json_t *pod;
        a->placed = calloc(json_array_size(a->giving->view->pods) + 1, sizeof *a->placed);
        a->few = json_array();
        if (!a->placed || !a->few)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        json_array_foreach(a->giving->view->pods, i, pod)
        {
                int64_t index = gw_k8s_pod_index(pod);
                if (index >= 0 && index < a->count)
                        a->placed[a->placed_count++] = (struct placed){(uint32_t)index, pod};
        }
        qsort(a->placed, a->placed_count, sizeof *a->placed, by_index);
        return 0;
}

/* Gives first … last of the completion indices, of which the same is true: their ordinals may fall
 * into several spans. */
static void give_indices(const struct array *a, const struct gw_k8s_meaning *m, uint32_t first,
                         uint32_t last)
{
        uint64_t before = 0;
        for (size_t i = 0; i < a->ordinals->count && before <= last; i++) {
                const struct gw_span *span = &a->ordinals->items[i];
                uint64_t length = (uint64_t)span->last - span->first + 1;
                if (before + length > first) {
                        uint64_t from = first > before ? first - before : 0;
                        uint64_t to = last - before < length - 1 ? last - before : length - 1;
                        give(a->giving, m,
                             (struct gw_span){span->first + (uint32_t)from,
                                              span->first + (uint32_t)to});
                }
                before += length;
        }
}

/* How far the same is counted from an index on, before `end`. */
static uint32_t run_end(const struct array *a, uint32_t index, uint32_t end)
{
        const struct gw_spans *sets[] = {&a->counts.completed, &a->counts.failed};
        for (size_t i = 0; i < 2; i++) {
                const struct gw_span *span = gw_spans_from(sets[i], index);
                uint32_t border = !span ? end : span->first > index ? span->first : span->last + 1;
                end = border < end ? border : end;
        }
        return end;
}

/* Tasks without a pod: first … end - 1. */
static void give_without_pods(const struct array *a, uint32_t first, uint32_t end)
{
        const struct gw_k8s_view view = {.job = a->giving->view->job,
                                         .events = a->giving->view->events};
        while (first < end) {
                uint32_t next = run_end(a, first, end);
                struct gw_k8s_meaning m =
                        gw_k8s_meaning_of_task(&view, gw_k8s_counts_of(&a->counts, first));
                give_indices(a, &m, first, next - 1);
                first = next;
        }
}

static int give_array(struct array *a, struct gw_error *err)
{
        uint32_t next = 0;
        for (size_t i = 0; i < a->placed_count;) {
                uint32_t index = a->placed[i].index;
                const struct gw_k8s_view view = {.job = a->giving->view->job,
                                                 .pods = a->few,
                                                 .events = a->giving->view->events};
                json_array_clear(a->few);
                for (; i < a->placed_count && a->placed[i].index == index; i++)
                        if (json_array_append(a->few, a->placed[i].pod))
                                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
                struct gw_k8s_meaning m =
                        gw_k8s_meaning_of_task(&view, gw_k8s_counts_of(&a->counts, index));
                give_without_pods(a, next, index);
                give_indices(a, &m, index, index);
                next = index + 1;
        }
        give_without_pods(a, next, a->count);
        return 0;
}

static int give_all(struct array *a, struct gw_error *err)
{
        if (gw_k8s_counts_read(a->giving->view->job, a->count, &a->counts, err))
                return -1;
        int rc = place_pods(a, err) || give_array(a, err) ? -1 : 0;
        gw_k8s_counts_done(&a->counts);
        free(a->placed);
        json_decref(a->few);
        return rc;
}

int gw_k8s_facts(const struct gw_k8s_view *view, struct gw_mark mark,
                 const struct gw_spans *ordinals, gw_k8s_take_fact take, void *arg,
                 struct gw_error *err)
{
        const struct giving giving = {view, mark, take, arg};
        if (!ordinals) {
                struct gw_k8s_meaning m = gw_k8s_meaning(view);
                give(&giving, &m, (struct gw_span){0, 0});
                return 0;
        }
        struct array array = {.giving = &giving,
                              .ordinals = ordinals,
                              .count = (uint32_t)gw_spans_total(ordinals)};
        return give_all(&array, err);
}
