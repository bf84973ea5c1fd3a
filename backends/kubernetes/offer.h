/*
 * What a cluster offers, for people: what is kept of its objects while they are read page by page,
 * and the contract's BackendOffer made of that. Pure; any thread.
 */
#ifndef GW_BACKENDS_KUBERNETES_OFFER_H
#define GW_BACKENDS_KUBERNETES_OFFER_H

#include <jansson.h>

#include "backends/kubernetes/site.h"

/*
 * What was seen, an object whose members are all there only when they were read:
 *   "version"     text
 *   "nodes"       array, by gw_k8s_offer_node()
 *   "used"        object by the nodes' names, by gw_k8s_offer_pod()
 *   "classes"     array, by gw_k8s_offer_class()
 *   "namespaces"  {NAME: array, by gw_k8s_offer_quota()}
 *   "refused"     [{"what", "detail"}]: what may not be read, in the cluster's words
 *
 * These take an object of the cluster into such a member. Return 0, or -1 without memory.
 */
int gw_k8s_offer_node(json_t *nodes, const json_t *node, const struct gw_k8s_site *site);
int gw_k8s_offer_pod(json_t *used, const json_t *pod, const struct gw_k8s_site *site);
int gw_k8s_offer_class(json_t *classes, const json_t *class, const struct gw_k8s_site *site);
int gw_k8s_offer_quota(json_t *quotas, const json_t *quota, const struct gw_k8s_site *site);

/* The caller's object; NULL without memory. A node that takes no new jobs counts among what there
 * is in total, and has nothing that is free. "namespaces" is in it as it was seen, and is shown to
 * each project of its own only. */
json_t *gw_k8s_offer(const json_t *seen);

#endif
