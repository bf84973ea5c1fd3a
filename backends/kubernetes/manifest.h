/*
 * What a submission becomes on Kubernetes: a Job, and beside it what it needs. Pure and
 * deterministic: the same submission gives the same bytes. A manifest belongs to one thread.
 */
#ifndef GW_BACKENDS_KUBERNETES_MANIFEST_H
#define GW_BACKENDS_KUBERNETES_MANIFEST_H

#include <jansson.h>

#include "backends/backend.h"
#include "backends/kubernetes/name.h"
#include "backends/kubernetes/site.h"
#include "backends/kubernetes/tasks.h"
#include "server/model/spec.h"
#include "server/model/spec_check.h"

struct gw_k8s_manifest {
        struct gw_spec spec;
        struct gw_k8s_tasks tasks;
        char name[GW_K8S_NAME]; /* of the Job, and what those of the others begin with */
        json_t *job;
        json_t *before; /* an array of what is to be made before it: ConfigMaps with parts of the
                         * program or of an imported manifest, and a headless Service by which the
                         * pods of several machines find each other */
};

/*
 * The mapping, beside command and script (program.h) and volumes (volumes.h): the container's image
 * from image · env from environment, secrets and what every task finds · workingDir · requests,
 * which are the limits too, from resources; of GPUs the site's resource and the label of the type's
 * nodes · nodeSelector from node_selector · priorityClassName from priority, by the site's map ·
 * the site's queue label from queue · the pod's activeDeadlineSeconds from time_limit: a Job's
 * would remove the pod and its log · suspend from held · parallelism from max_parallel.
 *
 * Then options.kubernetes, as far as it may (patch.h), and over all what is never anybody else's:
 * one attempt (backoffLimit 0, or 0 for each index), no second pod before the first has ended
 * (podReplacementPolicy, podFailurePolicy), and containers without privileges.
 *
 * Of an imported spec the Job is as it was, as far as the site permits (gw_k8s_guard()), with what
 * is nobody else's put over it and the defaults beside it; its ConfigMaps get names of the
 * submission's.
 *
 * The member `secrets` of a spec is {NAME: {"secret": a Secret, "key": of it}}: a variable each.
 *
 * Several machines are an Indexed Job with a headless Service: MASTER_ADDR and MASTER_PORT name the
 * first pod, WORLD_SIZE is their number, RANK and NODE_RANK the pod's own; one that fails ends all.
 *
 * Returns 0; or -1 with GW_ERR_UNPROCESSABLE (the pointer is the spec's) when Kubernetes cannot
 * carry it or the site forbids it, GW_ERR_INTERNAL when it is no spec, or GW_ERR_NOMEM.
 */
int gw_k8s_manifest_init(struct gw_k8s_manifest *manifest, const struct gw_submission *s,
                         const struct gw_k8s_identity *identity, const struct gw_k8s_site *site,
                         struct gw_error *err);
void gw_k8s_manifest_done(struct gw_k8s_manifest *manifest); /* also of one that is all zero */

/* How many of a submission's tasks, of the first, one Job may have. An imported Job's index is what
 * the controller says it is, and nothing in front of its program can change it: so it has several
 * only where these are the first of all, and each index is the completion index too. */
uint32_t gw_k8s_most_together(const struct gw_submission *s);

/* Appends all objects in the order in which they are made, as kubectl reads them. */
void gw_k8s_manifest_write(const struct gw_k8s_manifest *manifest, struct gw_buf *out);

/* Appends what Kubernetes leaves out of the spec, and what people usually regret there. */
void gw_k8s_advise(const struct gw_spec *spec, struct gw_warnings *warnings);

#endif
