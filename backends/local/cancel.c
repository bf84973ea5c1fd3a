/*
 * Stopping tasks. What waits ends in the journal at once; of what runs the wish is written down
 * before its shim is told, so that it outlives both. The backend's thread.
 */
#include <errno.h>
#include <signal.h>
#include <sys/pidfd.h>

#include "backends/local/internal.h"
#include "server/base/cleanup.h"
#include "server/base/crash.h"

const char gw_local_never_started[] = "cancelled before it started";

void gw_local_run_signal(const struct gw_local_run *run)
{
        if (run->watch)
                pidfd_send_signal(run->watch->pidfd, SIGUSR1, NULL, 0);
}

static int fail_memory(struct gw_spans *spans)
{
        gw_spans_done(spans);
        errno = ENOMEM;
        return -1;
}

/* The journal says what became of it, also when not all could be written. */
static int cancel_waiting(struct gw_local *b, struct gw_local_job *job,
                          const struct gw_spans *wanted)
{
        struct gw_spans spans;
        if (gw_spans_intersect(&job->waiting, wanted, &spans, NULL))
                return fail_memory(&spans);
        if (spans.count == 0)
                return 0;
        gw_autoclose int task = gw_local_spool_task(&b->spool, job->mark);
        int rc = task < 0 ? -1
                          : gw_local_spool_end(&b->spool, job->mark, &spans,
                                               GW_REASON_CANCELLED_BY_USER, gw_local_never_started);
        int error = errno;
        gw_spans_done(&spans);
        gw_crash_point("local.after_cancel");
        if (task >= 0 && gw_local_job_catch_up(b, job, task))
                return -1;
        errno = error;
        return rc;
}

/* One that was asked to stop is asked again, but that is not written down twice. */
static int cancel_running(struct gw_local *b, struct gw_local_job *job,
                          const struct gw_spans *wanted)
{
        struct gw_spans fresh = GW_SPANS_INIT;
        struct gw_local_run *run;
        int rc = 0;
        LIST_FOREACH(run, &job->runs, link)
        {
                if (!run->cancelling && gw_spans_contains(wanted, run->span.first) &&
                    gw_spans_put(&fresh, run->span.first))
                        return fail_memory(&fresh);
        }
        if (fresh.count > 0)
                rc = gw_local_spool_cancel(&b->spool, job->mark, &fresh);
        int error = errno;
        gw_crash_point("local.after_cancel");
        LIST_FOREACH(run, &job->runs, link)
        {
                if (rc || !gw_spans_contains(wanted, run->span.first))
                        continue;
                run->cancelling = true;
                gw_local_run_signal(run);
        }
        gw_spans_done(&fresh);
        errno = error;
        return rc;
}

int gw_local_cancel(struct gw_local *b, struct gw_local_job *job, const struct gw_span *spans,
                    size_t span_count)
{
        struct gw_span all = {0, UINT32_MAX};
        struct gw_spans wanted = {.items = spans ? (struct gw_span *)(uintptr_t)spans : &all,
                                  .count = spans ? span_count : 1};
        return cancel_waiting(b, job, &wanted) || cancel_running(b, job, &wanted) ? -1 : 0;
}
