/*
 * Telling the host what is true: facts, and that all was told. The backend's thread.
 *
 * What changed is in lists until the host has taken it; what is sent is the state at that
 * moment, so a job that changed twice is told once. Ends are told at once. The rest may wait a
 * little: of a short job the start and the end then become one fact.
 */
#include <inttypes.h>

#include "backends/local/internal.h"
#include "server/base/clock.h"

#define BATCH 64
#define PATIENCE_US 10000
#define USAGE_TEXT 96

/* Each fact is about a run, or about some of what waits. */
struct batch {
        struct gw_fact facts[BATCH];
        struct gw_local_run *runs[BATCH]; /* or NULL */
        struct gw_local_job *jobs[BATCH];
        char usage[BATCH][USAGE_TEXT];
        size_t count;
};

static void fill_outcome(const struct gw_local_run *run, struct gw_fact *f, char usage[USAGE_TEXT])
{
        f->phase = GW_PHASE_ENDED;
        f->exit_code = run->exit_code;
        f->signal = run->signal;
        f->ended_us = run->ended_us;
        f->raw = run->raw;
        if (run->max_memory == 0 && run->cpu_us == 0)
                return;
        snprintf(usage, USAGE_TEXT,
                 "{\"max_memory\": %" PRId64 ", \"cpu_seconds\": %" PRId64 ".%06" PRId64 "}",
                 run->max_memory, run->cpu_us / GW_SECOND, run->cpu_us % GW_SECOND);
        f->usage = usage;
}

static struct gw_fact *add_fact(struct gw_local *b, struct batch *batch, struct gw_local_job *job,
                                struct gw_local_run *run, struct gw_span span)
{
        struct gw_fact *f = &batch->facts[batch->count];
        *f = (struct gw_fact){
                .mark = job->mark,
                .span = span,
                .seen = b->seen,
                .phase = GW_PHASE_PENDING,
                .reason = job->reason,
                .exit_code = -1,
                .pending_us = job->head.arrival_us,
                .node = b->settings.node,
                .raw = job->words,
        };
        batch->jobs[batch->count] = job;
        batch->runs[batch->count++] = run;
        return f;
}

static void add_run(struct gw_local *b, struct batch *batch, struct gw_local_run *run)
{
        struct gw_fact *f = add_fact(b, batch, run->job, run, run->span);
        f->phase = GW_PHASE_RUNNING;
        f->reason = run->reason;
        f->started_us = run->started_us;
        f->raw = run->words;
        if (run->ended)
                fill_outcome(run, f, batch->usage[batch->count - 1]);
}

static bool is_due(struct gw_local *b, int64_t changed_at, int64_t now)
{
        if (b->unsynced || changed_at + PATIENCE_US <= now)
                return true;
        gw_local_wake_by(b, changed_at + PATIENCE_US);
        return false;
}

static void reported(struct gw_local *b, struct gw_local_job *job)
{
        TAILQ_REMOVE(&b->report, job, report);
        job->unreported = false;
}

/* The widest spans there are, as many as still go in. */
static void add_waiting(struct gw_local *b, struct batch *batch, struct gw_local_job *job)
{
        const struct gw_span *span = gw_spans_from(&job->waiting, job->reported);
        if (!span || job->closed) {
                reported(b, job);
                return;
        }
        const struct gw_span *end = job->waiting.items + job->waiting.count;
        for (; span < end && batch->count < BATCH; span++)
                add_fact(b, batch, job, NULL, *span);
}

static void fill_batch(struct gw_local *b, struct batch *batch)
{
        int64_t now = gw_clock_mono_us();
        struct gw_local_job *job, *next;
        struct gw_local_run *run;
        batch->count = 0;
        /* The first report of all is one observation, in as many batches as it takes: what has a
         * lower number than its end is gone. */
        if (!b->unsynced || b->seen == 0)
                b->seen++;
        for (job = TAILQ_FIRST(&b->report); job && batch->count < BATCH; job = next) {
                next = TAILQ_NEXT(job, report);
                if (is_due(b, job->changed_at, now))
                        add_waiting(b, batch, job);
        }
        TAILQ_FOREACH(run, &b->run_report, report)
        {
                if (batch->count == BATCH)
                        return;
                if (run->ended || is_due(b, run->changed_at, now))
                        add_run(b, batch, run);
        }
}

static void mark_waiting(struct gw_local *b, struct gw_local_job *job, uint32_t last)
{
        job->reported = (uint64_t)last + 1;
        if (!gw_spans_from(&job->waiting, job->reported))
                reported(b, job);
}

static void mark_run(struct gw_local *b, struct gw_local_run *run)
{
        TAILQ_REMOVE(&b->run_report, run, report);
        run->unreported = false;
        if (run->ended)
                gw_local_run_free(b, run);
}

static void mark_reported(struct gw_local *b, const struct batch *batch)
{
        for (size_t i = 0; i < batch->count; i++) {
                if (batch->runs[i])
                        mark_run(b, batch->runs[i]);
                else
                        mark_waiting(b, batch->jobs[i], batch->facts[i].span.last);
        }
}

static bool all_reported(const struct gw_local *b)
{
        return TAILQ_EMPTY(&b->report) && TAILQ_EMPTY(&b->run_report);
}

static void report_synced(struct gw_local *b)
{
        if (b->host.synced(b->host.self, b->epoch, b->seen, b->scanned_at, NULL)) {
                b->refused = true;
                return;
        }
        b->unsynced = false;
        gw_local_spool_note_boot(&b->spool);
}

void gw_local_report(struct gw_local *b)
{
        struct batch batch;
        while (b->epoch && !b->refused && !all_reported(b)) {
                fill_batch(b, &batch);
                if (batch.count == 0)
                        break;
                if (b->host.facts(b->host.self, b->epoch, batch.facts, batch.count))
                        b->refused = true;
                else
                        mark_reported(b, &batch);
        }
        if (b->epoch && b->unsynced && !b->refused && all_reported(b) && gw_local_all_read(b))
                report_synced(b);
}
