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
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/str.h"

#define TRY_AGAIN_US (GW_SECOND / 10)

struct scan {
        struct gw_local *b;
        struct gw_local_job **jobs;
        size_t count, room;
        bool failed;
};

static const struct gw_local_live *find_live(const struct gw_local *b, struct gw_mark mark)
{
        struct gw_local_live key = {.mark = mark};
        return b->next.live_count == 0 ? NULL
                                       : bsearch(&key, b->next.live, b->next.live_count, sizeof key,
                                                 gw_local_compare_live);
}

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

/* A task that cannot be read is still known by its name. */
static void found_task(void *arg, struct gw_mark mark)
{
        struct scan *scan = arg;
        const struct gw_local_live *live = find_live(scan->b, mark);
        struct gw_local_job *job = gw_local_job_add(scan->b, mark);
        if (!job || keep(scan, job)) {
                scan->failed = true;
                return;
        }
        gw_local_spool_get(&scan->b->spool, mark, &job->head);
        job->closed = !live;
        job->cancelling = !live || live->cancelling;
        job->held = live && live->held;
}

static int compare_arrivals(const void *a, const void *b)
{
        int64_t x = (*(struct gw_local_job *const *)a)->head.arrival_us;
        int64_t y = (*(struct gw_local_job *const *)b)->head.arrival_us;
        return (x > y) - (x < y);
}

/* Nobody knows more of these than that they are over. Returns 0, or -1 without memory. */
static int end_lost(struct gw_local *b, struct gw_local_job *job, const struct gw_local_live *live,
                    const char *words)
{
        static const struct gw_span plain = {0, 0};
        const struct gw_span *spans = live->spans ? live->spans : &plain;
        size_t count = live->spans ? live->span_count : 1;
        struct gw_local_record outcome = {
                .exit_code = -1, .reason = GW_REASON_NODE_FAILURE, .ended_us = gw_clock_wall_us()};
        gw_str_copy(outcome.raw, sizeof outcome.raw, words);
        gw_spans_done(&job->waiting);
        for (size_t i = 0; i < count; i++)
                if (gw_spans_append(&job->waiting, spans[i].first, spans[i].last, NULL))
                        return -1;
        while (job->waiting.count > 0) {
                struct gw_local_run *run = gw_local_run_add(b, job, job->waiting.items[0], 0);
                if (!run)
                        return -1;
                gw_local_run_ended(b, run, &outcome);
        }
        return 0;
}

/* Nothing runs across a restart of the machine, and what was not yet on the disk is gone. */
static int report_vanished(struct gw_local *b)
{
        for (size_t i = 0; i < b->next.live_count; i++) {
                const struct gw_local_live *live = &b->next.live[i];
                struct gw_local_job *job;
                if (!live->accepted || gw_local_job_find(b, live->mark))
                        continue;
                if (!(job = gw_local_job_add(b, live->mark)) ||
                    end_lost(b, job, live,
                             "the machine was restarted, and nothing of the job was left"))
                        return -1;
        }
        return 0;
}

/* Which of its tasks there are. Returns 0, or -1 when the file does not tell. */
static int read_tasks(struct gw_local *b, struct gw_local_job *job)
{
        if (job->head.journal == 0)
                return -1;
        job->read = job->head.journal;
        if (job->head.array)
                return gw_local_spool_get_array(&b->spool, job->mark, &job->head, &job->array,
                                                &job->waiting);
        return gw_spans_append(&job->waiting, 0, 0, NULL);
}

static int add_held(struct gw_local *b, struct gw_local_job *job, uint32_t ordinal)
{
        if (!gw_spans_contains(&job->waiting, ordinal))
                return 0;
        struct gw_local_run *run = gw_local_run_add(b, job, (struct gw_span){ordinal, ordinal}, 0);
        if (!run)
                return -1;
        gw_local_run_doubt(b, run, 0);
        return 0;
}

/* Whatever a shim holds has begun or is about to. A question names one of several locks, so each
 * answer divides the span; as deep as there are locks. */
static int find_held(struct gw_local *b, struct gw_local_job *job, int task, struct gw_span span)
{
        uint32_t at;
        if (!gw_local_spool_locked(task, span, &at))
                return 0;
        if (add_held(b, job, at))
                return -1;
        if (at > span.first && find_held(b, job, task, (struct gw_span){span.first, at - 1}))
                return -1;
        return at < span.last ? find_held(b, job, task, (struct gw_span){at + 1, span.last}) : 0;
}

/* What was to be stopped still is. */
static void restore_cancels(struct gw_local *b, struct gw_local_job *job)
{
        struct gw_local_run *run;
        LIST_FOREACH(run, &job->runs, link)
        {
                run->cancelling = gw_local_spool_cancelled(&b->spool, job->mark, run->span.first);
        }
        /* What cannot be written now is tried again by admit.c. */
        if (job->cancelling)
                gw_local_cancel(b, job, NULL, 0);
}

static int restore(struct gw_local *b, struct gw_local_job *job)
{
        gw_autoclose int task = gw_local_spool_task(&b->spool, job->mark);
        if (task < 0)
                return -1;
        struct gw_span all = {0, UINT32_MAX};
        if (find_held(b, job, task, all) || gw_local_job_catch_up(b, job, task))
                return -1;
        restore_cancels(b, job);
        gw_local_job_line(b, job, true);
        gw_local_job_waits(b, job, job->held ? GW_REASON_HELD : GW_REASON_PRIORITY, NULL);
        return 0;
}

static int restore_or_end(struct gw_local *b, struct gw_local_job *job)
{
        const struct gw_local_live *live = find_live(b, job->mark);
        int rc = 0;
        if (read_tasks(b, job) == 0)
                rc = restore(b, job);
        else if (live)
                rc = end_lost(b, job, live,
                              "the job's task was lost, as in a restart of the machine");
        if (rc == 0)
                gw_local_job_leave(b, job);
        return rc;
}

static int restore_all(struct gw_local *b, struct scan *scan)
{
        if (scan->count > 0)
                qsort(scan->jobs, scan->count, sizeof(*scan->jobs), compare_arrivals);
        for (size_t i = 0; i < scan->count; i++)
                if (restore_or_end(b, scan->jobs[i]))
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
        b->free_gpus = b->settings.gpus >= GW_LOCAL_MAX_GPUS
                               ? UINT64_MAX
                               : (UINT64_C(1) << b->settings.gpus) - 1;
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
        pthread_mutex_lock(&b->wish_lock);
        struct gw_local_wish wish = b->wish;
        b->wish = (struct gw_local_wish){0};
        pthread_mutex_unlock(&b->wish_lock);
        if (!wish.any)
                return;
        b->described = false;
        drop_all(b);
        gw_local_wish_done(&b->next);
        if (wish.lead)
                b->next = wish;
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
                gw_log(GW_LOG_ERROR, event, "{s:s, s:s}", "backend", b->head.name, "error", error);
        describe(b, false);
        drop_all(b);
        gw_local_wake_by(b, gw_clock_mono_us() + TRY_AGAIN_US);
}

void gw_local_try_lead(struct gw_local *b)
{
        if (!b->next.any)
                return;
        if (b->next.failed) {
                gw_local_wish_done(&b->next);
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
        b->epoch = b->next.epoch;
        b->seen = 0;
        b->unsynced = true;
        gw_local_wish_done(&b->next);
        describe(b, true);
}
