/*
 * What is kept of a Job, a Pod or an Event: what their meaning needs (state.h) and nothing else,
 * for a cluster may have many, and most of one is what it was made from. Pure; any thread.
 */
#ifndef GW_BACKENDS_KUBERNETES_KEPT_H
#define GW_BACKENDS_KUBERNETES_KEPT_H

#include <jansson.h>

/* New objects, which share with the one that they are of what never changes; NULL without memory.
 */
json_t *gw_k8s_kept_job(const json_t *job);
/* before: what was kept of the Pod last, or NULL. When its deletion was asked for stays as it was
 * said first: its kubelet says another time when it lets it go. */
json_t *gw_k8s_kept_pod(const json_t *pod, const json_t *before);
/* When what an Event tells was last so, wall µs; 0: not known. */
int64_t gw_k8s_event_time(const json_t *event);
/* Of a list of Events, oldest first. */
json_t *gw_k8s_kept_events(const json_t *events);

/* Why a Job that is not there any more has ended; reasons of state.c's table. */
#define GW_K8S_WAS_DELETED "JobDeleted"
#define GW_K8S_WAS_LOST "JobLost"

/* A Job that is gone as one that has failed for this reason: a new object, or NULL without memory.
 * kept: as it was seen last, or NULL: it never was. */
json_t *gw_k8s_gone_job(const json_t *kept, const char *name, const char *reason,
                        const char *message);

#endif
