/* The backend types compiled in. */
#include <string.h>

#include "backends/backend.h"
#include "backends/kubernetes/kubernetes.h"
#include "backends/local/local.h"
#include "backends/slurm/slurm.h"
#include "server/base/cleanup.h"

static const struct gw_backend_type *const types[] = {&gw_local_type, &gw_slurm_type,
                                                      &gw_kubernetes_type};

const struct gw_backend_type *gw_backend_type_find(const char *name)
{
        for (size_t i = 0; i < GW_COUNT(types); i++)
                if (strcmp(types[i]->name, name) == 0)
                        return types[i];
        return NULL;
}

const struct gw_backend_type *gw_backend_type_at(size_t i)
{
        return i < GW_COUNT(types) ? types[i] : NULL;
}

const char *gw_backend_type_names(void)
{
        return "local, slurm, kubernetes";
}
