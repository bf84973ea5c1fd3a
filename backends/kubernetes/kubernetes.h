/* Jobs on a Kubernetes, as the Jobs of a project's namespace. */
#ifndef GW_BACKENDS_KUBERNETES_KUBERNETES_H
#define GW_BACKENDS_KUBERNETES_KUBERNETES_H

#include "backends/backend.h"

extern const struct gw_backend_type gw_kubernetes_type;

#endif
