/* A site's defaults, and a project's place in its cluster. Any thread; pure. */
#include "backends/kubernetes/site.h"

#include "backends/kubernetes/name.h"

#define PLAIN_USER 1000
#define WEEK_S (INT64_C(7) * 86400)

struct gw_k8s_site gw_k8s_site_default(void)
{
        return (struct gw_k8s_site){
                .gpu_resource = "nvidia.com/gpu",
                .gpu_label = "nvidia.com/gpu.product",
                .queue_label = "kueue.x-k8s.io/queue-name",
                /* Most images name no user, and such a one may not run as root: it would not start
                 * at all. */
                .user = PLAIN_USER,
                .group = PLAIN_USER,
                .grace_s = 30,
                .keep_s = WEEK_S,
                .master_port = 29500,
        };
}

int gw_k8s_identity_read(const char *text, struct gw_k8s_identity *ret, json_t **ret_json,
                         struct gw_error *err)
{
        json_t *json = text ? json_loads(text, 0, NULL) : NULL;
        const char *namespace = json_string_value(json_object_get(json, "namespace"));
        const char *account = json_string_value(json_object_get(json, "service_account"));
        if (!namespace || !gw_k8s_is_object_name(namespace) ||
            (account && !gw_k8s_is_object_name(account))) {
                json_decref(json);
                return gw_fail(err, GW_ERR_UNPROCESSABLE,
                               "the project has no namespace on this cluster: an administrator "
                               "must name one");
        }
        *ret = (struct gw_k8s_identity){.namespace = namespace, .service_account = account};
        *ret_json = json;
        return 0;
}
