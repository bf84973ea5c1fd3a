/*
 * What is mounted into a job's container: the spec's volumes, its scratch space and shared memory,
 * and the files of its program. Pure; any thread.
 */
#ifndef GW_BACKENDS_KUBERNETES_VOLUMES_H
#define GW_BACKENDS_KUBERNETES_VOLUMES_H

#include <jansson.h>

#include "backends/kubernetes/program.h"
#include "backends/kubernetes/site.h"
#include "server/model/spec.h"

/*
 * The spec's member `volumes` is a list of {"path": where in the container, and one of
 * "claim": a PersistentVolumeClaim, "config_map": …, "secret": …, "host_path": a folder of the
 * node, which the site must have permitted, "empty": a size, as text or whole bytes; "sub_path": of
 * it; "read_only": true}.
 *
 * scratch is /tmp, on the node's disk; shared_memory is /dev/shm, a part of the memory.
 *
 * config_map_name: the one that carries the program's files, where one does. Appends to a
 * pod's list of volumes and its container's list of mounts. Returns 0; or -1 with
 * GW_ERR_UNPROCESSABLE (the pointer is the spec's) or GW_ERR_NOMEM.
 */
int gw_k8s_volumes(const struct gw_spec *spec, const struct gw_k8s_site *site,
                   const struct gw_k8s_program *program, const char *config_map_name,
                   json_t *volumes, json_t *mounts, struct gw_error *err);

/* Whether a site permits a folder of its nodes, or one in it. */
bool gw_k8s_host_path_permitted(const struct gw_k8s_site *site, const char *path);

#endif
