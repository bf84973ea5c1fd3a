/*
 * Admission: strictly in arrival order of submissions and in order of their tasks, by cpus, memory
 * and GPUs. What does not fit blocks all that came after it. The backend's thread.
 */
#include "backends/local/internal.h"
#include "server/base/clock.h"

#define BLOCKED_US (GW_SECOND / 2) /* how long it is blocked before it is told why */
#define LAUNCH_AGAIN_US GW_SECOND

static const char unlaunchable[] = "the local backend cannot start jobgate-shim now";

/* Any GPU may be one of those that some run is not yet known to have. */
static bool gpus_fit(const struct gw_local *b, int64_t count)
{
        return count == 0 || (b->unknown_gpus == 0 && count <= __builtin_popcountll(b->free_gpus));
}

static bool fits(const struct gw_local *b, const struct gw_local_job *job)
{
        return job->head.cpus_milli <= b->free_cpus_milli && job->head.memory <= b->free_memory &&
               gpus_fit(b, job->head.gpus);
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

static void launch_later(struct gw_local *b, struct gw_local_job *job)
{
        b->unlaunchable = true;
        if (job->reason != GW_REASON_NODE_UNAVAILABLE)
                gw_local_job_waits(b, job, GW_REASON_NODE_UNAVAILABLE, unlaunchable);
        gw_local_wake_by(b, gw_clock_mono_us() + LAUNCH_AGAIN_US);
}

/* Returns -1 when it could not be started: it stays first in line. */
static int start_next(struct gw_local *b, struct gw_local_job *job)
{
        uint32_t next = job->waiting.items[0].first;
        struct gw_local_run *run = gw_local_run_add(b, job, (struct gw_span){next, next},
                                                    choose_gpus(b, job->head.gpus));
        if (run) {
                run->started_us = gw_clock_wall_us();
                if (gw_local_run_launch(b, run) == 0) {
                        b->unlaunchable = false;
                        return 0;
                }
                /* Without memory to wait, it is looked at again like one in doubt. */
                if (gw_local_run_put_back(b, run))
                        gw_local_run_doubt(b, run, LAUNCH_AGAIN_US);
        }
        launch_later(b, job);
        return -1;
}

/* Being blocked is told after a while only: a line that moves fast would otherwise report each
 * job once more. */
static void explain(struct gw_local *b, struct gw_local_job *job)
{
        int64_t now = gw_clock_mono_us();
        if (job->reason == GW_REASON_RESOURCES || b->unlaunchable)
                return;
        if (job->blocked_at == 0)
                job->blocked_at = now;
        if (now >= job->blocked_at + BLOCKED_US)
                gw_local_job_waits(b, job, GW_REASON_RESOURCES, NULL);
        else
                gw_local_wake_by(b, job->blocked_at + BLOCKED_US);
}

/* Returns whether those behind it may start. */
static bool admit_some(struct gw_local *b, struct gw_local_job *job)
{
        while (job->waiting.count > 0 && fits(b, job))
                if (start_next(b, job))
                        return false;
        if (job->waiting.count == 0)
                return true;
        explain(b, job);
        return false;
}

void gw_local_admit(struct gw_local *b)
{
        struct gw_local_job *job, *next;
        for (job = TAILQ_FIRST(&b->line); job; job = next) {
                next = TAILQ_NEXT(job, line);
                if (!admit_some(b, job))
                        return;
        }
}
