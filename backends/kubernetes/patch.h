/*
 * What a user may say of a Job beyond the spec: options.kubernetes, a JSON merge patch (RFC 7386:
 * objects are merged, null removes, everything else replaces, lists whole).
 *
 * Each value of a patch has a path in the Job, and
 * - what makes a Job ours, and one attempt, is nobody's to change: kind, name, namespace, owners,
 * our labels, how pods are counted, started again and replaced;
 * - what is on the list of permitted paths may be changed: patch.c has it, and the site adds to it;
 * - what reaches the node or another identity (host paths, ports and namespaces, privileges,
 *   capabilities, the service account, the user a container runs as) also needs a path of the
 *   site's own that names it or something in it, not only what it is in.
 *
 * Paths are JSON pointers, in which the step "*" stands for any; one permits what is in it too.
 * Pure; any thread.
 */
#ifndef GW_BACKENDS_KUBERNETES_PATCH_H
#define GW_BACKENDS_KUBERNETES_PATCH_H

#include <jansson.h>

#include "backends/kubernetes/site.h"
#include "server/base/error.h"

/* Checks the patch and applies it to the Job, then gw_k8s_harden(). Returns 0; or -1 with
 * GW_ERR_UNPROCESSABLE naming the first value that is not permitted
 * ("/options/kubernetes/spec/…"), and the Job as it was, or GW_ERR_NOMEM. */
int gw_k8s_patch(json_t *job, const json_t *patch, const struct gw_k8s_site *site,
                 struct gw_error *err);

/* Of a whole Job that a user brings: whether it has what is nobody's to say, or reaches out where
 * the site does not permit it. pointer: the Job's place in the request. Returns as above. */
int gw_k8s_guard(const json_t *job, const char *pointer, const struct gw_k8s_site *site,
                 struct gw_error *err);

/* No privileges for any container, where it says nothing else. Returns 0, or -1 without memory. */
int gw_k8s_harden(json_t *job);

#endif
