/*
 * Taking over and giving up leadership. The backend's thread.
 *
 * Only who holds the spool's lock writes to it, so a leader that has not yet noticed that it is
 * none cannot put anything there after its successor has looked: "absent" is final. The scan
 * puts every submission found at its stage; those the engine does not name are closed ones,
 * which are stopped and removed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/local/internal.h"
#include "server/base/clock.h"
#include "server/base/log.h"

#define TRY_AGAIN_US (GW_SECOND / 10)

struct scan {
        struct gw_local *b;
        struct gw_local_job **jobs;
        size_t count, room;
        bool failed;
};

static int keep(struct scan *scan, struct gw_local_job *job)
{
        if (scan->count == scan->room) {
                size_t room = scan->room ? scan->room * 2 : 64;
                struct gw_local_job **jobs = realloc(scan->jobs, room * sizeof(*jobs));
                if (!jobs)
                        return -1;
                scan->jobs = jobs;
                scan->room = room;
        }
        scan->jobs[scan->count++] = job;
        return 0;
}

static int add_spans(struct gw_spans *to, const struct gw_span *spans, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (gw_spans_append(to, spans[i].first, spans[i].last, NULL))
                        return -1;
        return 0;
}

static int name_tasks(struct gw_local_job *job, const struct gw_live *live)
{
        if (live->begun && add_spans(&job->begun, live->begun, live->begun_count))
                return -1;
        return live->spans ? add_spans(&job->named, live->spans, live->span_count)
                           : gw_spans_append(&job->named, 0, 0, NULL);
}

/* A task that cannot be read is still known by its name. */
static void found_task(void *arg, struct gw_mark mark)
{
        struct scan *scan = arg;
        const struct gw_live *live = gw_leadership_find(&scan->b->base.next, mark);
        struct gw_local_job *job = gw_local_job_add(scan->b, mark);
        if (!job || keep(scan, job) || (live && name_tasks(job, live))) {
                scan->failed = true;
                return;
        }
        /* Its place in line. What cannot be read now has the last. */
        if (gw_local_spool_get(&scan->b->spool, mark, &job->head))
                job->head = (struct gw_local_task_head){.arrival_us = INT64_MAX};
        job->closed = !live;
        job->stopping = !live || live->cancelling;
        job->held = live && live->held;
}

static int compare_arrivals(const void *a, const void *b)
{
        int64_t x = (*(struct gw_local_job *const *)a)->head.arrival_us;
        int64_t y = (*(struct gw_local_job *const *)b)->head.arrival_us;
        return (x > y) - (x < y);
}

/* Nothing runs across a restart of the machine, and what was not yet on the disk is gone. */
static int report_vanished(struct gw_local *b)
{
        for (size_t i = 0; i < b->base.next.live_count; i++) {
                const struct gw_live *live = &b->base.next.live[i];
                struct gw_local_job *job;
                if (!live->accepted || gw_local_job_find(b, live->mark))
                        continue;
                if (!(job = gw_local_job_add(b, live->mark)) || name_tasks(job, live) ||
                    gw_local_job_lost(b, job,
                                      "the machine was restarted, and nothing of the job was left"))
                        return -1;
        }
        return 0;
}

static int restore_all(struct gw_local *b, struct scan *scan)
{
        if (scan->count > 0)
                qsort(scan->jobs, scan->count, sizeof(*scan->jobs), compare_arrivals);
        for (size_t i = 0; i < scan->count; i++)
                if (gw_local_job_take_over(b, scan->jobs[i]))
                        return -1;
        gw_local_run_settle_doubtful(b);
        return gw_local_spool_rebooted(&b->spool) ? report_vanished(b) : 0;
}

static void drop_all(struct gw_local *b)
{
        gw_local_jobs_clear(b);
        b->epoch = 0;
        b->unsynced = b->refused = false;
        b->free_cpus_milli = b->settings.cpus_milli;
        b->free_memory = b->settings.memory;
        b->all_gpus = b->settings.gpus >= GW_LOCAL_MAX_GPUS ? UINT64_MAX
                                                            : (UINT64_C(1) << b->settings.gpus) - 1;
        b->free_gpus = b->all_gpus;
        b->unknown_gpus = 0;
}

static int scan_spool(struct gw_local *b)
{
        struct scan scan = {.b = b};
        b->scanned_at = gw_clock_wall_us();
        int rc = gw_local_spool_scan(&b->spool, found_task, &scan);
        if (rc == 0 && !scan.failed)
                rc = restore_all(b, &scan);
        free(scan.jobs);
        return rc || scan.failed ? -1 : 0;
}

void gw_local_take_wish(struct gw_local *b)
{
        struct gw_leadership wish = gw_queue_take_wish(&b->base.queue);
        if (!wish.any)
                return;
        b->described = false;
        drop_all(b);
        gw_leadership_done(&b->base.next);
        if (wish.lead)
                b->base.next = wish;
        else
                gw_local_spool_yield(&b->spool);
}

static void describe(struct gw_local *b, bool reachable)
{
        if (b->described && b->reachable == reachable)
                return;
        b->described = true;
        b->reachable = reachable;
        b->host.describe(b->host.self, b->offer, reachable);
}

static void lead_later(struct gw_local *b, const char *event, const char *error)
{
        if (event)
                gw_log(GW_LOG_ERROR, event, "{s:s, s:s}", "backend", b->base.head.name, "error",
                       error);
        describe(b, false);
        drop_all(b);
        gw_local_wake_by(b, gw_clock_mono_us() + TRY_AGAIN_US);
}

void gw_local_try_lead(struct gw_local *b)
{
        if (!b->base.next.any)
                return;
        if (b->base.next.failed) {
                gw_leadership_done(&b->base.next);
                lead_later(b, "local.lead_failed", "out of memory");
                return;
        }
        /* The one before us may not have noticed yet. */
        if (!gw_local_spool_lead(&b->spool)) {
                lead_later(b, NULL, NULL);
                return;
        }
        if (scan_spool(b)) {
                lead_later(b, "local.scan_failed", strerrordesc_np(errno));
                return;
        }
        b->epoch = b->base.next.epoch;
        b->seen = 0;
        b->unsynced = true;
        gw_leadership_done(&b->base.next);
        describe(b, true);
}
