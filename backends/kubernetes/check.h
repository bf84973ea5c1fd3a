/*
 * What the API server's own test of a Job passes over: it looks at no image, and at no quota of
 * what the Job's pods will want. And which member of a spec a field of the server's words is.
 * Pure; any thread.
 */
#ifndef GW_BACKENDS_KUBERNETES_CHECK_H
#define GW_BACKENDS_KUBERNETES_CHECK_H

#include <jansson.h>
#include <stdbool.h>

#include "server/base/error.h"

/* Whether it can be the name of an image: [registry[:port]/]path[:tag][@digest]. A node that is
 * given another pulls nothing for ever. */
bool gw_k8s_is_image(const char *text);

/* Both return 0; or -1 with GW_ERR_UNPROCESSABLE, the pointer is the spec's. */
int gw_k8s_check_images(const json_t *job, struct gw_error *err);
/* Whether one pod of the Job wants more than a quota of the namespace allows to all. quotas: an
 * array of ResourceQuotas; those for some pods only are not looked at. */
int gw_k8s_check_quotas(const json_t *job, const json_t *quotas, struct gw_error *err);

/* "spec.template.spec.containers[0].image" is "/image"; "": it is of no member. */
const char *gw_k8s_member_of(const char *field);

#endif
