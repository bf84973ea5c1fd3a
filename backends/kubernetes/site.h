/*
 * What a site has said of its cluster, and an administrator of a project there, for manifests:
 * parts of the settings and the record, which never change. Texts and JSON are borrowed.
 */
#ifndef GW_BACKENDS_KUBERNETES_SITE_H
#define GW_BACKENDS_KUBERNETES_SITE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/base/error.h"

struct gw_k8s_site {
        const char *image;          /* of a spec that names none; NULL: it must */
        const char *pull_policy;    /* NULL: Kubernetes' default */
        const json_t *pull_secrets; /* names of Secrets of every project's namespace, or NULL */
        const char *gpu_resource;   /* what GPUs are called: "nvidia.com/gpu" */
        const char *gpu_label;      /* the label of nodes whose value is a GPU's type */
        const json_t *gpu_types;    /* other types: {"big": {LABEL: VALUE, …}}, or NULL */
        const json_t *priorities;   /* priority to PriorityClass: {"-1": "low", "1": "high"} */
        const json_t *tolerations;  /* of every pod, as Kubernetes writes them, or NULL */
        const char *queue_label;    /* the Job's label that names its queue */
        int64_t user, group;        /* numbers that containers run as; 0: the image's own */
        bool allow_root;            /* the image's own may be root */
        int64_t grace_s;            /* from SIGTERM to SIGKILL */
        int64_t keep_s;             /* after a Job's end, where nobody removes it */
        int master_port;            /* of the first of several nodes */
        const json_t *host_paths;   /* folders of nodes that volumes may have, or NULL: none */
        const json_t *patch_paths;  /* what options.kubernetes may change besides (patch.h) */
        const char *url;            /* JOBGATE_URL, or NULL */
};

/* What is so where the site says nothing. */
struct gw_k8s_site gw_k8s_site_default(void);

/* Where a project's objects are: {"namespace": "team-a", "service_account": "runner"}. */
struct gw_k8s_identity {
        const char *namespace;
        const char *service_account; /* NULL: the namespace's default */
};

/* Reads an identity; its texts are borrowed from *ret_json, the caller's. Returns 0, or -1 with
 * GW_ERR_UNPROCESSABLE: the project has none here. */
int gw_k8s_identity_read(const char *text, struct gw_k8s_identity *ret, json_t **ret_json,
                         struct gw_error *err);

#endif
