/* See log_view.h. The exchange's loop thread. */
#include "routes/log_view.h"

#include <sys/stat.h>

#include "routes/byte_range.h"
#include "server/base/clock.h"
#include "server/model/duration.h"

/* A time, or how long ago it was. Returns 0 with 0 when there is none; or -1. */
static int read_since(const struct gw_call *call, int64_t *ret_us)
{
        const char *text = gw_call_text(call, "since");
        int64_t ago_s;
        *ret_us = 0;
        if (!text || gw_time_parse(text, ret_us) == 0)
                return 0;
        if (gw_duration_parse(text, &ago_s, NULL))
                return -1;
        *ret_us = gw_clock_wall_us() - ago_s * GW_SECOND;
        return 0;
}

int gw_log_check(struct gw_call *call)
{
        int64_t since_us;
        if (read_since(call, &since_us) == 0)
                return 0;
        gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE, "?since",
                      "must be a time such as 2026-11-24T10:30:00Z or a duration such as 10m");
        gw_call_fail_faults(call, call->faults);
        return -1;
}

bool gw_log_is_part(const struct gw_call *call)
{
        return gw_call_int(call, "tail", 0) > 0 || gw_call_text(call, "since");
}

/* Lines bear no times, so all that is known is when the last byte was written. */
static int is_older(const struct gw_call *call, const struct gw_log_source *source, bool *ret)
{
        int64_t since_us;
        struct stat st;
        if (read_since(call, &since_us) || fstat(source->fd, &st))
                return -1;
        int64_t written_us = st.st_mtim.tv_sec * GW_SECOND + st.st_mtim.tv_nsec / 1000;
        *ret = since_us > 0 && written_us < since_us;
        return 0;
}

int gw_log_first(const struct gw_call *call, const struct gw_log_source *source,
                 uint64_t *ret_first)
{
        int64_t lines = gw_call_int(call, "tail", 0);
        bool older = false;
        *ret_first = 0;
        if (gw_call_text(call, "since") && is_older(call, source, &older))
                return -1;
        if (older) {
                *ret_first = source->size;
                return 0;
        }
        return lines > 0 ? gw_tail_find(source->fd, source->size, (uint64_t)lines, ret_first) : 0;
}
