/* The settings of a Kubernetes backend. */
#ifndef GW_BACKENDS_KUBERNETES_SETTINGS_H
#define GW_BACKENDS_KUBERNETES_SETTINGS_H

#include <jansson.h>
#include <stdint.h>

#include "backends/backend.h"
#include "backends/kubernetes/site.h"
#include "server/base/error.h"

struct gw_k8s_settings {
        char *kubeconfig, *context; /* NULL: as in a pod; its current one */
        int64_t whole_cluster;      /* a flag: one watch for all namespaces */
        int64_t array_size;         /* tasks of one Job, at most */
        int64_t give_up_s;          /* of what cannot start */

        char *image, *pull_policy, *gpu_resource, *gpu_label, *queue_label, *url;
        json_t *pull_secrets, *gpu_types, *priorities, *tolerations, *host_paths, *patch_paths;
        int64_t user, group, allow_root, grace_s, keep_s, master_port;

        struct gw_k8s_site site; /* borrows from the above */
};

/* gw_backend_type.setting */
bool gw_k8s_setting(size_t i, struct gw_backend_setting *ret);

/* Checks all and fills in defaults. Messages begin with the setting's name. Returns 0 or -1, then
 * with nothing to free. */
int gw_k8s_settings_init(struct gw_k8s_settings *s, const json_t *section, struct gw_error *err);
void gw_k8s_settings_done(struct gw_k8s_settings *s);

#endif
