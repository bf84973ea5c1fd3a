/*
 * Telling the host what is true: facts, and that all was told. The backend's thread.
 *
 * What changed is in a list until the host has taken it; what is sent is the state at that
 * moment, so a job that changed twice is told once. Ends are told at once. The rest may wait a
 * little: of a short job the start and the end then become one fact.
 */
#include <inttypes.h>

#include "backends/local/internal.h"
#include "server/base/clock.h"

#define BATCH 64
#define PATIENCE_US 10000
#define USAGE_TEXT 96

struct batch {
        struct gw_fact facts[BATCH];
        struct gw_local_job *jobs[BATCH];
        char usage[BATCH][USAGE_TEXT];
        size_t count;
};

static enum gw_phase phase_of(enum gw_local_stage stage)
{
        static const enum gw_phase phases[] = {
                [GW_LOCAL_HELD] = GW_PHASE_PENDING,
                [GW_LOCAL_WAITING] = GW_PHASE_PENDING,
                [GW_LOCAL_RUNNING] = GW_PHASE_RUNNING,
                [GW_LOCAL_ENDED] = GW_PHASE_ENDED,
        };
        return phases[stage];
}

static void fill_outcome(const struct gw_local_journal *o, struct gw_fact *f,
                         char usage[USAGE_TEXT])
{
        f->exit_code = o->exit_code;
        f->signal = o->signal;
        f->ended_us = o->ended_us;
        if (o->raw[0])
                f->raw = o->raw;
        if (o->max_memory == 0 && o->cpu_us == 0)
                return;
        snprintf(usage, USAGE_TEXT,
                 "{\"max_memory\": %" PRId64 ", \"cpu_seconds\": %" PRId64 ".%06" PRId64 "}",
                 o->max_memory, o->cpu_us / GW_SECOND, o->cpu_us % GW_SECOND);
        f->usage = usage;
}

static void add_fact(struct gw_local *b, struct batch *batch, struct gw_local_job *job)
{
        struct gw_fact *f = &batch->facts[batch->count];
        *f = (struct gw_fact){
                .mark = job->mark,
                .span = {0, 0},
                .seen = b->seen,
                .phase = phase_of(job->stage),
                .reason = job->reason,
                .exit_code = -1,
                .pending_us = job->head.arrival_us,
                .started_us = job->started_us,
                .node = b->settings.node,
                .raw = job->words,
        };
        if (job->outcome)
                fill_outcome(job->outcome, f, batch->usage[batch->count]);
        batch->jobs[batch->count++] = job;
}

static bool is_due(struct gw_local *b, const struct gw_local_job *job, int64_t now)
{
        int64_t at = job->changed_at + PATIENCE_US;
        if (b->unsynced || job->stage == GW_LOCAL_ENDED || at <= now)
                return true;
        gw_local_wake_by(b, at);
        return false;
}

static void fill_batch(struct gw_local *b, struct batch *batch)
{
        int64_t now = gw_clock_mono_us();
        struct gw_local_job *job;
        batch->count = 0;
        /* The first report of all is one observation, in as many batches as it takes: what has a
         * lower number than its end is gone. */
        if (!b->unsynced || b->seen == 0)
                b->seen++;
        TAILQ_FOREACH(job, &b->report, report)
        {
                if (batch->count == BATCH)
                        return;
                if (is_due(b, job, now))
                        add_fact(b, batch, job);
        }
}

static void mark_reported(struct gw_local *b, const struct batch *batch)
{
        for (size_t i = 0; i < batch->count; i++) {
                TAILQ_REMOVE(&b->report, batch->jobs[i], report);
                batch->jobs[i]->unreported = false;
        }
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
        while (b->epoch && !b->refused && !TAILQ_EMPTY(&b->report)) {
                fill_batch(b, &batch);
                if (batch.count == 0)
                        break;
                if (b->host.facts(b->host.self, b->epoch, batch.facts, batch.count))
                        b->refused = true;
                else
                        mark_reported(b, &batch);
        }
        if (b->epoch && b->unsynced && !b->refused && TAILQ_EMPTY(&b->report))
                report_synced(b);
}
