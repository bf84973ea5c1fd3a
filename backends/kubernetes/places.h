/* The places of a Job and what a submission puts there; inside of manifest.h. Pure; any thread. */
#ifndef GW_BACKENDS_KUBERNETES_PLACES_H
#define GW_BACKENDS_KUBERNETES_PLACES_H

#include <jansson.h>

#include "backends/kubernetes/manifest.h"
#include "backends/kubernetes/program.h"

/* A manifest while it is made; all but m is borrowed or the maker's. */
struct gw_k8s_work {
        struct gw_k8s_manifest *m; /* its spec, tasks and name are there already */
        const struct gw_submission *s;
        const struct gw_k8s_identity
                *identity; /* NULL: nobody's, of a spec that is only looked at */
        const struct gw_k8s_site *site;
        const json_t *given; /* the Job of a spec that was imported, or NULL */
        struct gw_k8s_program program;
        json_t *volumes, *mounts;
};

/* A member of the spec; NULL: none. */
const json_t *gw_k8s_spec_member(const struct gw_k8s_work *w, const char *name);

/* Whether its pods are to find each other. */
bool gw_k8s_has_service(const struct gw_k8s_work *w);

/* Fills all places below a Job's spec, its pod's spec and its first container. Where the Job was
 * imported what is ours goes over what is there, and what may be the Job's own beside it. Returns
 * 0; or -1 with GW_ERR_UNPROCESSABLE (the pointer is the spec's) or GW_ERR_NOMEM. */
int gw_k8s_fill_places(const struct gw_k8s_work *w, json_t *job, json_t *pod, json_t *container,
                       struct gw_error *err);

#endif
