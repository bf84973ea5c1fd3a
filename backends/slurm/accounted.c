/* Accounting's records. Pure. */
#include "backends/slurm/accounted.h"

#define BASE UINT32_C(0xff)
#define COMPLETED 3
#define FAILED 5
#define LAUNCH_FAILURE 23 /* what the controller says whenever a signal ended the script */
#define BAD_CONSTRAINTS 21

bool gw_slurm_accounted(struct gw_slurm_record *r)
{
        bool signal = (r->exit & 0x7f) != 0 && r->exit <= 0xff;
        if ((r->state & BASE) < COMPLETED || r->uid == 0 || (r->array && r->task < 0))
                return false;
        if ((r->state & BASE) == FAILED && r->reason == 0 && signal)
                r->reason = r->node ? LAUNCH_FAILURE : BAD_CONSTRAINTS;
        return true;
}
