/*
 * What Kubernetes says of a Job, as facts: the tables of conditions, reasons and events, in one
 * place. Pure; any thread. From Kubernetes 1.37, as its controllers were seen to show it
 * (tests/unit/backends/kubernetes/records).
 *
 * Total: what is in no row is never a success; an unknown end is backend_error with the cluster's
 * own words, an unknown wait tells nothing.
 *
 * An attempt has ended when it can no longer run: for a Job of one task that is the condition
 * Failed or Complete, and for a task of an array that its index is counted (completedIndexes,
 * failedIndexes). Until then an end that is known already is GW_PHASE_ENDING. The outcome is the
 * containers' first, the Job's second.
 */
#ifndef GW_BACKENDS_KUBERNETES_STATE_H
#define GW_BACKENDS_KUBERNETES_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/backend.h"
#include "server/model/spans.h"

#define GW_K8S_WORDS 512
#define GW_K8S_NODE_NAMES 256

/* One Job as it was seen; borrowed. */
struct gw_k8s_view {
        const json_t *job;
        /* An array of Pods of the Job: those that are there, and of those that went while the Job
         * had not ended, what was seen of them last: with the pod goes its exit code. */
        const json_t *pods;
        /* An array of Events about the Job and its Pods, oldest first, or NULL: needed only of one
         * that waits for no reason that its Pods tell, or failed without one. */
        const json_t *events;
};

struct gw_k8s_meaning {
        enum gw_phase phase;
        enum gw_reason reason; /* GW_REASON_NONE: none to tell, while pending or running */
        int exit_code; /* 0–255, or -1: none. One above 128 that a signal leaves is told as
                        * that signal, for Kubernetes tells no other way. */
        int signal;    /* 0: none */

        /* Of one that waits for what Kubernetes itself would wait for for ever: the outcome it has
         * if it is given up; NONE: there is no need to. hopeless: waiting will not help. */
        enum gw_reason doom;
        bool hopeless;
        bool asks_events; /* it waits, and nothing but Events may tell why */
        bool has_pod;

        /* Somebody deleted its pod or the Job: if that was asked for here, that is the reason. */
        bool by_somebody;
        /* The Job has ended and a pod of it was not seen to end. The pod's last state is on its
         * way, or it is gone, and is then to be left out: the phase stays GW_PHASE_ENDING. */
        bool pod_behind;

        int64_t pending_us, started_us, ended_us; /* wall; 0: not known */
        char node[GW_K8S_NODE_NAMES];             /* names with commas; "": none */
        char words[GW_K8S_WORDS];                 /* the cluster's own, cut as messages are */
};

/* A Job that is one task, whether it has one pod or one on each of several nodes. */
struct gw_k8s_meaning gw_k8s_meaning(const struct gw_k8s_view *view);

/* Where an index of an array's Job is counted already. */
enum gw_k8s_counted {
        GW_K8S_NOT_COUNTED,
        GW_K8S_COMPLETED,
        GW_K8S_FAILED,
};

/* A task of an array; of the view, the pods are those of its index alone. */
struct gw_k8s_meaning gw_k8s_meaning_of_task(const struct gw_k8s_view *view,
                                             enum gw_k8s_counted counted);

#endif
