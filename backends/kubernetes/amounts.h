/* Amounts in objects of the cluster. Pure; any thread. */
#ifndef GW_BACKENDS_KUBERNETES_AMOUNTS_H
#define GW_BACKENDS_KUBERNETES_AMOUNTS_H

#include <jansson.h>
#include <stdint.h>

/* Of "cpu" thousandths of a core, of all else whole units (bytes). Returns 0, or -1: it is no
 * amount that is known here. */
int gw_k8s_amount(const char *resource, const json_t *value, int64_t *ret);

/* What all containers of an array together have of a resource in their "requests" or "limits". */
int64_t gw_k8s_sum(const json_t *containers, const char *list, const char *resource);

#endif
