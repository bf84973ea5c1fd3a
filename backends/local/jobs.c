/*
 * The submissions this backend knows, by mark, and the one function that moves one from stage
 * to stage. The backend's thread.
 *
 * Invariants: a job is in line exactly while it is WAITING; its cpus, memory and GPUs are taken
 * exactly while it is RUNNING; whatever changed is in the report list until the host has it.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/local/internal.h"
#include "server/base/clock.h"

#define FIRST_BUCKETS 256

/* The last 8 bytes of an id are random. */
static size_t bucket_of(const struct gw_local_map *map, struct gw_mark mark)
{
        uint64_t random;
        memcpy(&random, mark.job.bytes + 8, sizeof random);
        return (size_t)(random ^ mark.number) & (map->bucket_count - 1);
}

static bool same(struct gw_mark a, struct gw_mark b)
{
        return a.number == b.number && gw_id_equal(a.job, b.job);
}

int gw_local_compare_live(const void *a, const void *b)
{
        const struct gw_local_live *x = a, *y = b;
        int c = gw_id_compare(&x->mark.job, &y->mark.job);
        return c ? c : (x->mark.number > y->mark.number) - (x->mark.number < y->mark.number);
}

struct gw_local_job *gw_local_job_find(const struct gw_local *b, struct gw_mark mark)
{
        if (b->map.bucket_count == 0)
                return NULL;
        struct gw_local_job *job = b->map.buckets[bucket_of(&b->map, mark)];
        while (job && !same(job->mark, mark))
                job = job->next_in_bucket;
        return job;
}

/* A table that could not grow only becomes slower; one that was never made is an error. */
static int grow(struct gw_local_map *map)
{
        size_t count = map->bucket_count ? map->bucket_count * 2 : FIRST_BUCKETS;
        struct gw_local_job **buckets = calloc(count, sizeof(*buckets));
        if (!buckets)
                return map->bucket_count ? 0 : -1;
        struct gw_local_map fresh = {
                .buckets = buckets, .bucket_count = count, .count = map->count};
        for (size_t i = 0; i < map->bucket_count; i++)
                for (struct gw_local_job *job = map->buckets[i], *next; job; job = next) {
                        size_t at = bucket_of(&fresh, job->mark);
                        next = job->next_in_bucket;
                        job->next_in_bucket = buckets[at];
                        buckets[at] = job;
                }
        free(map->buckets);
        *map = fresh;
        return 0;
}

struct gw_local_job *gw_local_job_add(struct gw_local *b, struct gw_mark mark)
{
        if (b->map.count >= b->map.bucket_count && grow(&b->map))
                return NULL;
        struct gw_local_job *job = calloc(1, sizeof *job);
        if (!job)
                return NULL;
        job->mark = mark;
        job->stage = GW_LOCAL_HELD;
        size_t at = bucket_of(&b->map, mark);
        job->next_in_bucket = b->map.buckets[at];
        b->map.buckets[at] = job;
        b->map.count++;
        return job;
}

static void take_resources(struct gw_local *b, const struct gw_local_job *job)
{
        b->free_cpus_milli -= job->head.cpus_milli;
        b->free_memory -= job->head.memory;
        b->free_gpus &= ~job->gpus;
}

static void give_resources(struct gw_local *b, const struct gw_local_job *job)
{
        b->free_cpus_milli += job->head.cpus_milli;
        b->free_memory += job->head.memory;
        b->free_gpus |= job->gpus;
}

static void leave_stage(struct gw_local *b, struct gw_local_job *job)
{
        if (job->in_line)
                TAILQ_REMOVE(&b->line, job, line);
        job->in_line = false;
        if (job->in_doubt)
                TAILQ_REMOVE(&b->doubt, job, doubt);
        job->in_doubt = false;
        job->retry_at = 0;
        if (job->stage == GW_LOCAL_RUNNING)
                give_resources(b, job);
}

static void must_report(struct gw_local *b, struct gw_local_job *job)
{
        if (job->closed || job->unreported)
                return;
        job->unreported = true;
        job->changed_at = gw_clock_mono_us();
        TAILQ_INSERT_TAIL(&b->report, job, report);
}

void gw_local_job_stage(struct gw_local *b, struct gw_local_job *job, enum gw_local_stage stage,
                        enum gw_reason reason, const char *words)
{
        if (job->stage != stage) {
                leave_stage(b, job);
                if (stage == GW_LOCAL_WAITING) {
                        TAILQ_INSERT_TAIL(&b->line, job, line);
                        job->in_line = true;
                }
                if (stage == GW_LOCAL_RUNNING)
                        take_resources(b, job);
                job->stage = stage;
        }
        job->reason = reason;
        job->words = words;
        must_report(b, job);
}

void gw_local_job_ended(struct gw_local *b, struct gw_local_job *job,
                        const struct gw_local_journal *outcome)
{
        /* Without memory it is told from what is at hand: reason, no words. */
        job->outcome = malloc(sizeof *job->outcome);
        if (job->outcome)
                *job->outcome = *outcome;
        job->started_us = outcome->started_us;
        gw_local_job_stage(b, job, GW_LOCAL_ENDED, outcome->reason, NULL);
        if (job->closed) {
                gw_local_spool_forget(&b->spool, job->mark);
                gw_local_job_remove(b, job);
        }
}

static void release(struct gw_local *b, struct gw_local_job *job)
{
        leave_stage(b, job);
        if (job->unreported)
                TAILQ_REMOVE(&b->report, job, report);
        if (job->watch)
                job->watch->job = NULL;
        free(job->outcome);
        free(job);
}

void gw_local_job_remove(struct gw_local *b, struct gw_local_job *job)
{
        struct gw_local_job **at = &b->map.buckets[bucket_of(&b->map, job->mark)];
        while (*at != job)
                at = &(*at)->next_in_bucket;
        *at = job->next_in_bucket;
        b->map.count--;
        release(b, job);
}

void gw_local_jobs_clear(struct gw_local *b)
{
        for (size_t i = 0; i < b->map.bucket_count; i++)
                for (struct gw_local_job *job = b->map.buckets[i], *next; job; job = next) {
                        next = job->next_in_bucket;
                        release(b, job);
                }
        free(b->map.buckets);
        b->map = (struct gw_local_map){0};
}
