/*
 * A submission's tasks as a Job has them. One task on one machine is a plain Job; one on several is
 * an Indexed Job with a pod for each machine; an array is an Indexed Job with a pod for each task,
 * whose completion index is the task's place among the submission's ordinals. Pure; one belongs to
 * one thread.
 */
#ifndef GW_BACKENDS_KUBERNETES_TASKS_H
#define GW_BACKENDS_KUBERNETES_TASKS_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/backend.h"
#include "server/model/indexset.h"
#include "server/model/spans.h"

/* A Job with a failure of each index of its own has no more: Kubernetes' limit. */
#define GW_K8S_MOST_TASKS 100000

struct gw_k8s_tasks {
        bool is_array;
        struct gw_indexset indices; /* of all the job's tasks */
        struct gw_spans ordinals;   /* of those of the submission */
        uint32_t count;             /* pods of the Job */
};

/* nodes: how many machines a task has. Returns 0; or -1 with GW_ERR_UNPROCESSABLE (too many, an
 * array of tasks with several machines), GW_ERR_INVALID when these are no tasks of the job, or
 * GW_ERR_NOMEM. */
int gw_k8s_tasks_init(struct gw_k8s_tasks *tasks, const struct gw_submission *s, int nodes,
                      struct gw_error *err);
void gw_k8s_tasks_done(struct gw_k8s_tasks *tasks); /* also of one that is all zero */

/* Whether each task's completion index is its index in the array, too. */
bool gw_k8s_tasks_are_plain(const struct gw_k8s_tasks *tasks);

/* The ordinal of an array's completion index. Returns 0, or -1: none of its tasks has it. */
int gw_k8s_tasks_ordinal(const struct gw_k8s_tasks *tasks, uint32_t index, uint32_t *ret);

#endif
