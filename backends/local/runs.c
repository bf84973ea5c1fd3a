/*
 * The tasks of submissions that have begun, and what their journals say of them. The backend's
 * thread.
 *
 * Invariants: an ordinal is in the set of those that wait, in one run, or over and reported; the
 * cpus, memory and GPUs of a run are taken exactly until it has ended; whatever changed is in the
 * report list until the host has it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/local/internal.h"
#include "server/base/clock.h"

static void must_report(struct gw_local *b, struct gw_local_run *run)
{
        if (run->job->closed || run->unreported)
                return;
        run->unreported = true;
        run->changed_at = gw_clock_mono_us();
        TAILQ_INSERT_TAIL(&b->run_report, run, report);
}

/* One that was found held has GPUs, and says which with its start only. */
static bool gpus_are_known(const struct gw_local_run *run)
{
        return __builtin_popcountll(run->gpus) >= run->job->head.gpus;
}

static void take_resources(struct gw_local *b, struct gw_local_run *run)
{
        LIST_INSERT_HEAD(&run->job->runs, run, link);
        b->free_cpus_milli -= run->job->head.cpus_milli;
        b->free_memory -= run->job->head.memory;
        b->free_gpus &= ~run->gpus;
        b->unknown_gpus += !gpus_are_known(run);
}

static void give_resources(struct gw_local *b, struct gw_local_run *run)
{
        LIST_REMOVE(run, link);
        b->free_cpus_milli += run->job->head.cpus_milli;
        b->free_memory += run->job->head.memory;
        b->free_gpus |= run->gpus & b->all_gpus;
        b->unknown_gpus -= !gpus_are_known(run);
}

struct gw_local_run *gw_local_run_add(struct gw_local *b, struct gw_local_job *job,
                                      struct gw_span span, uint64_t gpus)
{
        struct gw_local_run *run = calloc(1, sizeof *run);
        if (!run || gw_spans_take(&job->waiting, span) <= 0) {
                free(run);
                return NULL;
        }
        run->job = job;
        run->span = span;
        run->gpus = gpus;
        run->exit_code = -1;
        take_resources(b, run);
        must_report(b, run);
        gw_local_job_line(b, job, false);
        return run;
}

int gw_local_run_put_back(struct gw_local *b, struct gw_local_run *run)
{
        struct gw_local_job *job = run->job;
        if (gw_spans_put(&job->waiting, run->span.first))
                return -1;
        gw_local_run_free(b, run);
        gw_local_job_line(b, job, false);
        return 0;
}

struct gw_local_run *gw_local_run_find(const struct gw_local_job *job, uint32_t ordinal)
{
        struct gw_local_run *run;
        LIST_FOREACH(run, &job->runs, link)
        {
                if (run->span.first == ordinal)
                        return run;
        }
        return NULL;
}

void gw_local_run_says(struct gw_local *b, struct gw_local_run *run, enum gw_reason reason,
                       const char *words)
{
        run->reason = reason;
        run->words = words;
        must_report(b, run);
}

void gw_local_run_doubt(struct gw_local *b, struct gw_local_run *run, int64_t pause_us)
{
        run->retry_at = gw_clock_mono_us() + pause_us;
        gw_local_wake_by(b, run->retry_at);
        if (run->in_doubt)
                return;
        TAILQ_INSERT_TAIL(&b->doubt, run, doubt);
        run->in_doubt = true;
}

void gw_local_run_no_doubt(struct gw_local *b, struct gw_local_run *run)
{
        if (run->in_doubt)
                TAILQ_REMOVE(&b->doubt, run, doubt);
        run->in_doubt = false;
}

static void nobody_watches(struct gw_local_run *run)
{
        if (run->watch)
                run->watch->run = NULL;
        run->watch = NULL;
}

void gw_local_run_ended(struct gw_local *b, struct gw_local_run *run,
                        const struct gw_local_record *outcome)
{
        gw_local_run_no_doubt(b, run);
        nobody_watches(run);
        give_resources(b, run);
        LIST_INSERT_HEAD(&run->job->ended, run, link);
        run->ended = true;
        run->reason = outcome->reason;
        run->words = NULL;
        run->exit_code = outcome->exit_code;
        run->signal = outcome->signal;
        run->ended_us = outcome->ended_us;
        run->max_memory = outcome->max_memory;
        run->cpu_us = outcome->cpu_us;
        if (!run->started)
                run->started_us = 0;
        /* Without memory it is told from what is at hand: reason, no words. */
        if (outcome->raw[0])
                run->raw = strdup(outcome->raw);
        must_report(b, run);
        if (run->job->closed)
                gw_local_run_free(b, run);
}

void gw_local_run_free(struct gw_local *b, struct gw_local_run *run)
{
        gw_local_run_no_doubt(b, run);
        if (run->ended)
                LIST_REMOVE(run, link);
        else
                give_resources(b, run);
        if (run->unreported)
                TAILQ_REMOVE(&b->run_report, run, report);
        nobody_watches(run);
        free(run->raw);
        free(run);
}

static void has_started(struct gw_local *b, struct gw_local_run *run,
                        const struct gw_local_record *record)
{
        run->started = true;
        if (record->started_us > 0)
                run->started_us = record->started_us;
        /* A process of another boot is none of those that are there now. */
        if (record->shim > 0 && strcmp(record->boot, b->spool.boot) == 0) {
                run->shim = record->shim;
                run->born = record->born;
        }
        /* Those of a shim that an earlier gateway started are known from now on. */
        b->unknown_gpus -= !gpus_are_known(run);
        run->gpus |= record->gpus;
        b->unknown_gpus += !gpus_are_known(run);
        b->free_gpus &= ~run->gpus;
}

struct reading {
        struct gw_local *b;
        struct gw_local_job *job;
};

static int fail_memory(void)
{
        errno = ENOMEM;
        return -1;
}

static int found_start(struct gw_local *b, struct gw_local_job *job,
                       const struct gw_local_record *record)
{
        struct gw_local_run *run = gw_local_run_find(job, record->span.first);
        if (!run && gw_spans_contains(&job->waiting, record->span.first)) {
                run = gw_local_run_add(b, job, record->span, 0);
                if (!run)
                        return fail_memory();
                gw_local_run_doubt(b, run, 0);
        }
        if (run)
                has_started(b, run, record);
        return 0;
}

/* Of all tasks it names: some may run, as far as was known until now, and the rest wait. */
static int found_outcome(struct gw_local *b, struct gw_local_job *job,
                         const struct gw_local_record *record)
{
        struct gw_local_run *run, *next;
        struct gw_spans named = {.items = (struct gw_span *)(uintptr_t)&record->span, .count = 1};
        struct gw_spans waiting;
        int rc = 0;
        if (gw_spans_intersect(&job->waiting, &named, &waiting, NULL))
                return fail_memory();
        for (size_t i = 0; rc == 0 && i < waiting.count; i++) {
                run = gw_local_run_add(b, job, waiting.items[i], 0);
                rc = run ? 0 : -1;
                if (run)
                        gw_local_run_ended(b, run, record);
        }
        gw_spans_done(&waiting);
        for (run = LIST_FIRST(&job->runs); rc == 0 && run; run = next) {
                next = LIST_NEXT(run, link);
                if (gw_spans_contains(&named, run->span.first))
                        gw_local_run_ended(b, run, record);
        }
        return rc ? fail_memory() : 0;
}

/* Of what neither waits nor runs the end is known: another record says nothing new. */
static int found_record(void *arg, const struct gw_local_record *record)
{
        const struct reading *reading = arg;
        return (record->ended ? found_outcome : found_start)(reading->b, reading->job, record);
}

int gw_local_job_catch_up(struct gw_local *b, struct gw_local_job *job, int task)
{
        struct reading reading = {b, job};
        return gw_local_journal_read(task, &job->read, found_record, &reading);
}
