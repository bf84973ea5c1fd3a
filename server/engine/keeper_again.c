/* Pure. */
#include "server/engine/keeper_again.h"

#include <stdbool.h>

#include "server/base/clock.h"

#define AGAIN_US (5 * GW_SECOND)           /* at least, before it is looked for again */
#define GONE_US (10 * 60 * GW_SECOND)      /* how long what is not there may still appear */
#define AWAY_US (24 * 60 * 60 * GW_SECOND) /* how long somebody may be away who could read it */

static bool is_gone(enum gw_error_code code)
{
        return code == GW_ERR_GONE || code == GW_ERR_NOT_FOUND;
}

int64_t gw_keeper_again_us(enum gw_error_code printed, enum gw_error_code complained,
                           int64_t age_us)
{
        int64_t longest_us = printed == GW_OK ? 0 : is_gone(printed) ? GONE_US : AWAY_US;
        /* Many have no file of their own for what they complain of: it is not waited for. */
        if (complained != GW_OK && !is_gone(complained))
                longest_us = AWAY_US;
        if (age_us > longest_us || longest_us == 0)
                return 0;
        return age_us / 4 > AGAIN_US ? age_us / 4 : AGAIN_US;
}
