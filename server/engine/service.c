/* See service.h. */
#include "server/engine/service.h"

#include <string.h>

bool gw_service_database_up(const struct gw_service *s)
{
        bool up = gw_db_channel_up(s->writer) && gw_db_channel_up(s->reader) &&
                  gw_db_channel_up(s->bulk);
        for (size_t i = 0; i < GW_PAGE_CHANNELS; i++)
                up = up && gw_db_channel_up(s->pages[i]);
        for (size_t i = 0; i < GW_LINES_CHANNELS; i++)
                up = up && gw_db_channel_up(s->lines[i]);
        return up;
}

struct gw_backend *gw_service_backend(const struct gw_service *s, const char *name)
{
        for (size_t i = 0; i < s->backend_count; i++)
                if (strcmp(s->backends[i].backend->name, name) == 0)
                        return s->backends[i].backend;
        return NULL;
}
