/* How long output that is to be kept is looked for. */
#ifndef GW_ENGINE_KEEPER_AGAIN_H
#define GW_ENGINE_KEEPER_AGAIN_H

#include <stdint.h>

#include "server/base/error.h"

/* In how many microseconds to look again for the two outputs of an attempt that ended age_us ago,
 * after a look whose outcomes these are; 0: not any more. Pure. */
int64_t gw_keeper_again_us(enum gw_error_code printed, enum gw_error_code complained,
                           int64_t age_us);

#endif
