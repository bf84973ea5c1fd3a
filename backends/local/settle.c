/*
 * Finding out what became of a run. The backend's thread.
 *
 * The lock is asked for before the journal is read: what is not locked does not change any more. A
 * run that has begun and is nobody's gets a shim again, which ends what is left of it
 * (shim/main.c).
 */
#include <errno.h>
#include <string.h>

#include "backends/local/internal.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/str.h"

#define LOOK_AGAIN_US (GW_SECOND / 10)
#define LAUNCH_AGAIN_US GW_SECOND

static const char supervisor_gone[] =
        "the job's supervisor is gone; what may be left of the job is being ended";

/* The pid may be of another process by now. Its birth is looked at after the pidfd was made: if it
 * is that of the shim, so is the pidfd. */
static bool find_shim(struct gw_local *b, struct gw_local_run *run)
{
        if (run->shim <= 0 || gw_local_run_watch(b, run, run->shim))
                return false;
        if (gw_local_born(run->shim) == run->born && run->born > 0)
                return true;
        gw_local_watch_end(b, run->watch);
        return false;
}

/* Looked at again in a moment, if its shim cannot be watched: it has not said who it is, or has
 * just ended. */
static void settle_held(struct gw_local *b, struct gw_local_run *run)
{
        gw_local_run_no_doubt(b, run);
        if (run->watch)
                return;
        if (!find_shim(b, run))
                gw_local_run_doubt(b, run, LOOK_AGAIN_US);
        else if (run->cancelling)
                gw_local_run_signal(run);
}

/* One that has not begun. Written first: no shim may start it later. */
static void end_unstarted(struct gw_local *b, struct gw_local_run *run, enum gw_reason reason,
                          const char *words)
{
        struct gw_local_record outcome = {
                .exit_code = -1,
                .reason = reason,
                .ended_us = gw_clock_wall_us(),
        };
        const struct gw_spans span = {.items = &run->span, .count = 1};
        gw_str_copy(outcome.raw, sizeof outcome.raw, words);
        if (gw_local_spool_end(&b->spool, run->job->mark, &span, outcome.reason, outcome.raw))
                gw_local_run_doubt(b, run, LAUNCH_AGAIN_US);
        else
                gw_local_run_ended(b, run, &outcome);
}

/* It has not begun, and no shim of ours was started for it. */
static void settle_fresh(struct gw_local *b, struct gw_local_run *run)
{
        struct gw_local_job *job = run->job;
        if (run->cancelling)
                end_unstarted(b, run, GW_REASON_CANCELLED_BY_USER, gw_local_never_started);
        else if (gw_local_run_put_back(b, run))
                gw_local_run_doubt(b, run, LAUNCH_AGAIN_US);
        else
                gw_local_job_waits(b, job, job->held ? GW_REASON_HELD : GW_REASON_PRIORITY, NULL);
}

/* It has begun, or a shim was started for it, and nobody cares for it. */
static void settle_orphan(struct gw_local *b, struct gw_local_run *run)
{
        if (run->reason != GW_REASON_NODE_UNAVAILABLE)
                gw_local_run_says(b, run, GW_REASON_NODE_UNAVAILABLE, supervisor_gone);
        if (run->launches >= GW_LOCAL_QUICK_LAUNCHES && !run->in_doubt) {
                gw_local_run_doubt(b, run, LAUNCH_AGAIN_US);
                return;
        }
        gw_local_run_no_doubt(b, run);
        if (gw_local_run_launch(b, run))
                gw_local_run_doubt(b, run, LAUNCH_AGAIN_US);
}

/* The task's file is gone, and the lock with it. */
static void settle_lost(struct gw_local *b, struct gw_local_run *run)
{
        if (run->watch || find_shim(b, run)) {
                gw_local_run_no_doubt(b, run);
                return;
        }
        struct gw_local_record outcome = {
                .exit_code = -1,
                .reason = GW_REASON_NODE_FAILURE,
                .ended_us = gw_clock_wall_us(),
        };
        gw_str_copy(outcome.raw, sizeof outcome.raw, gw_local_task_lost);
        gw_local_run_ended(b, run, &outcome);
}

static void settle_free(struct gw_local *b, struct gw_local_run *run)
{
        if (!run->started && run->launches == 0)
                settle_fresh(b, run);
        else if (!run->started && run->launches >= GW_LOCAL_QUICK_LAUNCHES)
                end_unstarted(b, run, GW_REASON_LAUNCH_FAILED,
                              "the job's supervisor cannot start it");
        else
                settle_orphan(b, run);
}

static void settle(struct gw_local *b, struct gw_local_run *run)
{
        struct gw_local_job *job = run->job;
        uint32_t ordinal = run->span.first, at;
        gw_autoclose int task = gw_local_spool_task(&b->spool, job->mark);
        if (task < 0) {
                if (errno == ENOENT)
                        settle_lost(b, run);
                else
                        gw_local_run_doubt(b, run, LAUNCH_AGAIN_US);
                return;
        }
        bool locked = gw_local_spool_locked(task, run->span, &at);
        int rc = gw_local_job_catch_up(b, job, task);
        if (!(run = gw_local_run_find(job, ordinal)))
                return;
        if (rc)
                gw_local_run_doubt(b, run, LAUNCH_AGAIN_US);
        else if (locked)
                settle_held(b, run);
        else
                settle_free(b, run);
}

void gw_local_run_settle(struct gw_local *b, struct gw_local_run *run)
{
        struct gw_local_job *job = run->job;
        settle(b, run);
        gw_local_job_leave(b, job);
}

static struct gw_local_run *find_due(struct gw_local *b, int64_t now)
{
        struct gw_local_run *run;
        TAILQ_FOREACH(run, &b->doubt, doubt)
        {
                if (run->retry_at <= now)
                        return run;
                gw_local_wake_by(b, run->retry_at);
        }
        return NULL;
}

/* Settled, each is in doubt no more or later than now. */
void gw_local_run_settle_doubtful(struct gw_local *b)
{
        int64_t now = gw_clock_mono_us();
        struct gw_local_run *run;
        while ((run = find_due(b, now)))
                gw_local_run_settle(b, run);
}

void gw_local_watch_fired(struct gw_local *b, struct gw_local_watch *watch)
{
        struct gw_local_run *run = watch->run;
        gw_local_watch_end(b, watch);
        if (run)
                gw_local_run_settle(b, run);
}
