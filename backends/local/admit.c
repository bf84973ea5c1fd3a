/*
 * Admission: strictly in arrival order, by cpus, memory and GPUs. What does not fit blocks all
 * that came after it. The backend's thread.
 */
#include "backends/local/internal.h"
#include "server/base/clock.h"

#define HEAD_REASON_US (GW_SECOND / 2) /* how long the first waits before it is told why */
#define LAUNCH_AGAIN_US GW_SECOND

static const char unlaunchable[] = "the local backend cannot start jobgate-shim now";

static bool fits(const struct gw_local *b, const struct gw_local_job *job)
{
        return job->head.cpus_milli <= b->free_cpus_milli && job->head.memory <= b->free_memory &&
               job->head.gpus <= __builtin_popcountll(b->free_gpus);
}

/* The lowest free ones. */
static uint64_t choose_gpus(const struct gw_local *b, int64_t count)
{
        uint64_t chosen = 0, left = b->free_gpus;
        for (; count > 0 && left; count--) {
                uint64_t lowest = left & -left;
                chosen |= lowest;
                left &= ~lowest;
        }
        return chosen;
}

/* Returns -1 when it could not be started: it stays first in line. */
static int start(struct gw_local *b, struct gw_local_job *job)
{
        job->gpus = choose_gpus(b, job->head.gpus);
        job->started_us = gw_clock_wall_us();
        if (gw_local_run_launch(b, job)) {
                job->gpus = 0;
                b->unlaunchable = true;
                if (job->reason != GW_REASON_NODE_UNAVAILABLE)
                        gw_local_job_stage(b, job, GW_LOCAL_WAITING, GW_REASON_NODE_UNAVAILABLE,
                                           unlaunchable);
                gw_local_wake_by(b, gw_clock_mono_us() + LAUNCH_AGAIN_US);
                return -1;
        }
        b->unlaunchable = false;
        return 0;
}

/* Being first and not fitting is told after a while only: a line that moves fast would
 * otherwise report each job once more. */
static void explain_first(struct gw_local *b, struct gw_local_job *first)
{
        int64_t now = gw_clock_mono_us();
        if (first->reason == GW_REASON_RESOURCES || b->unlaunchable)
                return;
        if (first->retry_at == 0)
                first->retry_at = now + HEAD_REASON_US;
        if (now >= first->retry_at)
                gw_local_job_stage(b, first, GW_LOCAL_WAITING, GW_REASON_RESOURCES, NULL);
        else
                gw_local_wake_by(b, first->retry_at);
}

void gw_local_admit(struct gw_local *b)
{
        struct gw_local_job *first;
        while ((first = TAILQ_FIRST(&b->line)) && fits(b, first))
                if (start(b, first))
                        return;
        if (first)
                explain_first(b, first);
}
