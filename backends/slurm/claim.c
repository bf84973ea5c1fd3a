/* See claim.h. */
#include "backends/slurm/claim.h"

#include <string.h>

#include "backends/slurm/protocol.h"
#include "server/base/clock.h"

#define CLOCKS_S 60 /* between those of the machines, at most */
#define LATE_S 120  /* those, and what lay in slurmctld's socket at send_before */

int gw_slurm_mark_read(const char *comment, struct gw_mark *ret)
{
        char text[GW_MARK_TEXT];
        size_t len = strlen(GW_SLURM_COMMENT);
        if (!comment || strncmp(comment, GW_SLURM_COMMENT, len) != 0)
                return -1;
        size_t mark_len = strcspn(comment + len, " ");
        if (mark_len >= sizeof text)
                return -1;
        memcpy(text, comment + len, mark_len);
        text[mark_len] = '\0';
        return gw_mark_parse(text, ret);
}

uint32_t gw_slurm_number_of(const struct gw_slurm_record *r)
{
        return r->array ? r->array : r->job;
}

/* A requeue makes the time of the submit anew, and so only a later one. */
static bool is_in_time(struct gw_mark mark, int64_t send_before_us, uint32_t restart,
                       int64_t submit_s)
{
        if (submit_s + CLOCKS_S < gw_id_time_us(mark.job) / GW_SECOND)
                return false;
        return restart > 0 || submit_s <= send_before_us / GW_SECOND + LATE_S;
}

bool gw_slurm_claims(struct gw_mark mark, int64_t send_before_us, const struct gw_slurm_record *r)
{
        struct gw_mark its;
        if (gw_slurm_mark_read(r->comment, &its) == 0)
                return gw_mark_equal(its, mark);
        return is_in_time(mark, send_before_us, r->restart, r->submit_s);
}

bool gw_slurm_is_again(struct gw_mark mark, uint32_t number, int64_t send_before_us,
                       const struct gw_slurm_record *r)
{
        if (number)
                return gw_slurm_number_of(r) == number;
        return is_in_time(mark, send_before_us, 0, r->submit_s);
}
