/*
 * What the cluster's objects of a submission are called, and how they are known to be ours.
 *
 * The name follows from the mark alone, so that the identical POST can be repeated, and two
 * submissions never share one. The annotation "mark" says whose an object is; the labels are for
 * selectors. Pure; any thread.
 */
#ifndef GW_BACKENDS_KUBERNETES_NAME_H
#define GW_BACKENDS_KUBERNETES_NAME_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/backend.h"

#define GW_K8S_DOMAIN "jobgate.dev"

/* Labels. A selector of GW_K8S_LABEL_JOB alone finds everything of this gateway's kind. */
#define GW_K8S_LABEL_JOB GW_K8S_DOMAIN "/job"               /* the job's id */
#define GW_K8S_LABEL_SUBMISSION GW_K8S_DOMAIN "/submission" /* the submission's number */
#define GW_K8S_LABEL_PROJECT GW_K8S_DOMAIN "/project"
#define GW_K8S_LABEL_NAME GW_K8S_DOMAIN "/name" /* the job's name, where it is a label's value */

/* Writes the selector of a submission's objects. */
#define GW_K8S_SELECTOR 160
void gw_k8s_selector(struct gw_mark mark, char out[GW_K8S_SELECTOR]);

/* Annotations. */
#define GW_K8S_ANNOTATION_MARK GW_K8S_DOMAIN "/mark"     /* gw_mark_format() */
#define GW_K8S_ANNOTATION_NAME GW_K8S_DOMAIN "/name"     /* the job's name, whatever it is */
#define GW_K8S_ANNOTATION_LABELS GW_K8S_DOMAIN "/labels" /* JSON text: all of the job's labels */
/* Of a Job: what was made before it and is to go with it, as "ConfigMap/NAME Service/NAME". */
#define GW_K8S_ANNOTATION_BESIDE GW_K8S_DOMAIN "/beside"

/* Of a Job that was given up, for it would never have started: a reason of the contract, a space,
 * and words. */
#define GW_K8S_ANNOTATION_GIVEN_UP GW_K8S_DOMAIN "/given-up"

/* The name: a DNS label that begins with a letter, so that a Service may have it too. An Indexed
 * Job's pods are hosts called NAME-INDEX, which fits in 63 for as many tasks as a Job may have. */
#define GW_K8S_NAME 51
void gw_k8s_name(struct gw_mark mark, char out[GW_K8S_NAME]);

/* Whether an object (a Job, Pod, Service or ConfigMap) carries a mark of ours, and which. A Pod
 * has it from the Job's template. Returns 0 or -1. */
int gw_k8s_mark_of(const json_t *object, struct gw_mark *ret);

/* The labels of the submission's objects, a new object; NULL without memory.
 *
 * Of the job's own labels those that Kubernetes can hold as they are, and whose names mean nothing
 * to it or to us, become labels; all of them are in the annotation, to the letter. So none is ever
 * cut, or taken for another. labels: the spec's, an object of texts, or NULL. */
json_t *gw_k8s_labels(struct gw_mark mark, const char *name, const char *project,
                      const json_t *labels);
/* The annotations, likewise. */
json_t *gw_k8s_annotations(struct gw_mark mark, const char *name, const json_t *labels);

/* Whether Kubernetes takes it: as the key of a label or annotation ([prefix/]name), as the value of
 * a label, as the name of most objects (a DNS subdomain of at most 253). */
bool gw_k8s_is_key(const char *text);
bool gw_k8s_is_label_value(const char *text);
bool gw_k8s_is_object_name(const char *text);

/* Whether a key is ours or the Job controller's, and nobody else may set it; and whether it is one
 * of these or means something to Kubernetes itself. */
bool gw_k8s_is_own_key(const char *key);
bool gw_k8s_is_reserved_key(const char *key);

#endif
