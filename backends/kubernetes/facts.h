/*
 * A Job as facts of the backend contract: one for a Job of one task, and of an array's one for each
 * run of tasks of which the same is true. Pure; any thread.
 */
#ifndef GW_BACKENDS_KUBERNETES_FACTS_H
#define GW_BACKENDS_KUBERNETES_FACTS_H

#include "backends/backend.h"
#include "backends/kubernetes/state.h"
#include "server/model/spans.h"

/* What a Job's status says of its indices. */
struct gw_k8s_counts {
        struct gw_spans completed, failed; /* completion indices */
};

/* Reads completedIndexes and failedIndexes ("0-2,4,6-8"). Returns 0, or -1 with GW_ERR_INVALID
 * when they are no such lists or name indices from `count` on, or GW_ERR_NOMEM; *ret is the
 * caller's to end, and empty on failure. */
int gw_k8s_counts_read(const json_t *job, uint32_t count, struct gw_k8s_counts *ret,
                       struct gw_error *err);
void gw_k8s_counts_done(struct gw_k8s_counts *counts);
enum gw_k8s_counted gw_k8s_counts_of(const struct gw_k8s_counts *counts, uint32_t index);

/* Takes a fact and what else is known; both are borrowed until it returns. */
typedef void (*gw_k8s_take_fact)(void *arg, const struct gw_fact *fact,
                                 const struct gw_k8s_meaning *meaning);

/*
 * Gives all facts of a Job in the order of its tasks.
 *
 * mark: whose Job it is. ordinals: those of an array's submission, the completion indices in their
 * order; NULL: one task. Left to the caller: seen, restart, usage and about.
 *
 * Returns 0; or -1 with GW_ERR_INVALID or GW_ERR_NOMEM: then some may have been given already.
 */
int gw_k8s_facts(const struct gw_k8s_view *view, struct gw_mark mark,
                 const struct gw_spans *ordinals, gw_k8s_take_fact take, void *arg,
                 struct gw_error *err);

#endif
