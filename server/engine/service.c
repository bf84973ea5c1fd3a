/* See service.h. */
#include "server/engine/service.h"

#include <string.h>

struct gw_backend *gw_service_backend(const struct gw_service *s, const char *name)
{
        for (size_t i = 0; i < s->backend_count; i++)
                if (strcmp(s->backends[i].backend->name, name) == 0)
                        return s->backends[i].backend;
        return NULL;
}
