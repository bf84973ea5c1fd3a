/* See log_view.h. The exchange's loop thread. */
#include "routes/log_view.h"

#include "routes/byte_range.h"

bool gw_log_is_part(const struct gw_call *call)
{
        return gw_call_int(call, "tail", 0) > 0;
}

int gw_log_first(const struct gw_call *call, const struct gw_log_source *source,
                 uint64_t *ret_first)
{
        int64_t lines = gw_call_int(call, "tail", 0);
        *ret_first = 0;
        return lines > 0 ? gw_tail_find(source->fd, source->size, (uint64_t)lines, ret_first) : 0;
}
