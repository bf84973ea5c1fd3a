/*
 * What the disk did not let be done at once, tried again until it does: reading a submission that
 * was found, and writing down that one is to be stopped. The backend's thread.
 */
#include "backends/local/internal.h"
#include "server/base/clock.h"

#define AGAIN_US GW_SECOND

void gw_local_job_again(struct gw_local *b, struct gw_local_job *job)
{
        if (TAILQ_EMPTY(&b->again)) {
                b->again_at = gw_clock_mono_us() + AGAIN_US;
                gw_local_wake_by(b, b->again_at);
        }
        if (!job->in_again)
                TAILQ_INSERT_TAIL(&b->again, job, again);
        job->in_again = true;
}

void gw_local_job_stop(struct gw_local *b, struct gw_local_job *job)
{
        job->stopping = job->unread || gw_local_cancel(b, job, NULL, 0);
        if (job->stopping)
                gw_local_job_again(b, job);
}

/* The job may be freed. */
static void try_again(struct gw_local *b, struct gw_local_job *job)
{
        TAILQ_REMOVE(&b->again, job, again);
        job->in_again = false;
        if (!job->unread) {
                gw_local_job_stop(b, job);
                gw_local_job_leave(b, job);
        } else if (gw_local_job_take_over(b, job)) {
                gw_local_job_again(b, job);
        }
}

void gw_local_again(struct gw_local *b)
{
        size_t count = 0;
        struct gw_local_job *job;
        int64_t now = gw_clock_mono_us();
        if (TAILQ_EMPTY(&b->again))
                return;
        if (now >= b->again_at) {
                TAILQ_FOREACH(job, &b->again, again)
                {
                        count++;
                }
                for (; count > 0; count--)
                        try_again(b, TAILQ_FIRST(&b->again));
                b->again_at = now + AGAIN_US;
        }
        gw_local_wake_by(b, b->again_at);
}

bool gw_local_all_read(const struct gw_local *b)
{
        const struct gw_local_job *job;
        TAILQ_FOREACH(job, &b->again, again)
        {
                if (job->unread)
                        return false;
        }
        return true;
}
