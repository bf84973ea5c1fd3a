/* How long to wait after failures in a row: ever longer, and each a little differently, so that
 * those who failed together do not come back together. Pure; any thread. */
#ifndef GW_BACKENDS_KUBERNETES_BACKOFF_H
#define GW_BACKENDS_KUBERNETES_BACKOFF_H

#include <stdint.h>

#define GW_K8S_BACKOFF_FIRST_US INT64_C(200000)
#define GW_K8S_BACKOFF_MOST_US INT64_C(30000000)

/* failures: in a row, from 1. asked_us: what the server asked for, which is kept to, but for more
 * than ten times the longest wait; 0: nothing. chance: any number. */
int64_t gw_k8s_backoff_us(unsigned failures, int64_t asked_us, uint32_t chance);

#endif
