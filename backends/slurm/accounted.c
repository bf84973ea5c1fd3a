/* Accounting's records. Pure. */
#include "backends/slurm/accounted.h"

#include <stdlib.h>

#define BASE UINT32_C(0xff)
#define COMPLETED 3
#define FAILED 5
#define NODE_FAIL 7
#define PREEMPTED 8
#define REQUEUE UINT32_C(0x400)
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

enum gw_reason gw_slurm_accounted_before(const struct gw_slurm_record *r)
{
        switch (r->state & BASE) {
        case PREEMPTED:
                return GW_REASON_PREEMPTED;
        case NODE_FAIL:
                return GW_REASON_NODE_FAILURE;
        default: /* by somebody, it does not say whom */
                return r->state & REQUEUE ? GW_REASON_CANCELLED_EXTERNALLY : GW_REASON_NONE;
        }
}

/* ---- runs ---------------------------------------------------------------------------------- */

static int compare(const void *left, const void *right)
{
        const struct gw_slurm_record *a = left, *b = right;
        if (a->job != b->job)
                return a->job < b->job ? -1 : 1;
        return (a->submit_s > b->submit_s) - (a->submit_s < b->submit_s);
}

/* Whether slurmctld began the next one of the number itself; else it gave the number anew. */
static bool is_run_before(const struct gw_slurm_record *r, const struct gw_slurm_record *next)
{
        uint32_t base = r->state & BASE;
        return r->job == next->job && r->array == next->array && r->task == next->task &&
               ((r->state & REQUEUE) || base == PREEMPTED || base == NODE_FAIL);
}

int gw_slurm_accounted_read(const json_t *records, struct gw_slurm_record **ret, size_t *ret_count)
{
        size_t i, count = 0;
        const json_t *item;
        struct gw_slurm_record *all = calloc(json_array_size(records) + 1, sizeof *all);
        if (!all)
                return -1;
        json_array_foreach(records, i, item) count +=
                gw_slurm_record_read(item, &all[count], NULL) == 0;
        qsort(all, count, sizeof *all, compare);
        for (i = 1; i < count; i++)
                if (is_run_before(&all[i - 1], &all[i]))
                        all[i].restart = all[i - 1].restart + 1;
        *ret = all;
        *ret_count = count;
        return 0;
}
