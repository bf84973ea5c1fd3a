/*
 * How a job's program gets into its container: as the container's command, and where it is a script
 * with an interpreter of its own or too long for an argument, as files.
 *
 * A command is the container's as it is. What has to run before it (the setup, what an array's task
 * finds out about itself) is a text for /bin/sh, which the image must have then. A script without
 * "#!" is such a text itself. Files are read-only in GW_K8S_FOLDER: from annotations of the pod,
 * so that one request hands over everything, or from a ConfigMap where they are too large for that.
 *
 * Pure; one belongs to one thread.
 */
#ifndef GW_BACKENDS_KUBERNETES_PROGRAM_H
#define GW_BACKENDS_KUBERNETES_PROGRAM_H

#include <jansson.h>

#include "backends/kubernetes/tasks.h"
#include "server/model/spec.h"

#define GW_K8S_FOLDER "/jobgate"

enum gw_k8s_carrier {
        GW_K8S_NO_FILES,
        GW_K8S_ANNOTATIONS,
        GW_K8S_CONFIG_MAP,
};

struct gw_k8s_program {
        json_t *command; /* the container's: an array of texts */
        json_t *files;   /* {name: text}, empty: none */
        enum gw_k8s_carrier carrier;
};

/* Returns 0; or -1 with GW_ERR_UNPROCESSABLE (too large for a ConfigMap; the pointer is the spec's)
 * or GW_ERR_NOMEM. */
int gw_k8s_program_init(struct gw_k8s_program *program, const struct gw_spec *spec,
                        const struct gw_k8s_tasks *tasks, struct gw_error *err);
void gw_k8s_program_done(struct gw_k8s_program *program);

/* A text in which Kubernetes, which expands $(NAME) in commands and in values of the environment,
 * finds nothing to expand, and which it makes into the very same text. A new string, or NULL
 * without memory. */
json_t *gw_k8s_literal(const char *text);

#endif
