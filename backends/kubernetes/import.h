/*
 * A Job's manifest as somebody has it, as a job's spec: the way in of `application/yaml`.
 *
 * A stream of YAML or JSON documents: one batch/v1 Job, and ConfigMaps for it, also in a List. What
 * a job of this gateway has of its own is taken over, with a warning for each thing that is not
 * then exactly as it was; the rest of the Job stays as it is. Bounded as gw_yaml_parse_all(), and
 * to GW_K8S_MOST_DOCUMENTS. Pure; any thread.
 *
 * Taken over: name, labels, the queue · backoffLimit, or that of each index, as retry.limit, and
 * with it restartPolicy: an attempt is a pod · activeDeadlineSeconds of the Job as deadline, of the
 * pod as time_limit · suspend as hold · completions and parallelism as an array · of the first
 * container the image and what it asks for, as far as a spec has words for it. How often pods are
 * made again, counted and kept is the gateway's to say.
 */
#ifndef GW_BACKENDS_KUBERNETES_IMPORT_H
#define GW_BACKENDS_KUBERNETES_IMPORT_H

#include <jansson.h>
#include <stddef.h>

#include "server/base/error.h"
#include "server/model/spec_check.h"

#define GW_K8S_MOST_DOCUMENTS 16
#define GW_K8S_MANIFEST "manifest" /* the member of a spec with what is left of the Job */

/*
 * Returns members of a spec, the caller's, to be decoded and resolved as any other:
 *
 *   name, labels, queue, hold, retry, deadline, time_limit, array, image, resources, and
 *   "manifest": {"job": what is left of the Job, "config_maps": [each as it was]}
 *
 * Warnings' pointers are those of the Job. NULL with GW_ERR_INVALID (no YAML, no Job, another kind,
 * a value of the wrong type) or GW_ERR_UNPROCESSABLE (a Job that cannot be run so; the pointer is
 * the Job's), or GW_ERR_NOMEM. What the site permits is seen when it becomes a manifest
 * (manifest.h).
 */
json_t *gw_k8s_import(const char *text, size_t len, struct gw_warnings *warnings,
                      struct gw_error *err);

/* {"image": …, "resources": …} as a Job has them, in a spec's words: what is taken from it for
 * counting. A new object; NULL without memory. */
json_t *gw_k8s_import_asked(const json_t *job);

#endif
