/*
 * The submissions this backend knows, by mark, and what of them waits. The backend's thread.
 *
 * Invariants: a submission is in line exactly while it has tasks that wait and may start; whatever
 * changed is in the report list until the host has it.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/local/internal.h"
#include "server/base/clock.h"

#define FIRST_BUCKETS 256

static size_t bucket_of(const struct gw_local_map *map, struct gw_mark mark)
{
        return (size_t)gw_mark_hash(mark) & (map->bucket_count - 1);
}

struct gw_local_job *gw_local_job_find(const struct gw_local *b, struct gw_mark mark)
{
        if (b->map.bucket_count == 0)
                return NULL;
        struct gw_local_job *job = b->map.buckets[bucket_of(&b->map, mark)];
        while (job && !gw_mark_equal(job->mark, mark))
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
        size_t at = bucket_of(&b->map, mark);
        job->next_in_bucket = b->map.buckets[at];
        b->map.buckets[at] = job;
        b->map.count++;
        return job;
}

/* Before the first that came later. */
static void insert(struct gw_local *b, struct gw_local_job *job)
{
        struct gw_local_job *before = TAILQ_LAST(&b->line, gw_local_jobs);
        while (before && before->place > job->place)
                before = TAILQ_PREV(before, gw_local_jobs, line);
        if (before)
                TAILQ_INSERT_AFTER(&b->line, before, job, line);
        else
                TAILQ_INSERT_HEAD(&b->line, job, line);
}

void gw_local_job_line(struct gw_local *b, struct gw_local_job *job, bool anew)
{
        bool wanted = job->waiting.count > 0 && !job->held && !job->closed && !job->unread &&
                      !job->stopping;
        if (job->in_line == wanted)
                return;
        if (!wanted) {
                TAILQ_REMOVE(&b->line, job, line);
        } else {
                if (anew || job->place == 0)
                        job->place = ++b->last_place;
                insert(b, job);
        }
        job->in_line = wanted;
        job->blocked_at = 0;
}

void gw_local_job_waits(struct gw_local *b, struct gw_local_job *job, enum gw_reason reason,
                        const char *words)
{
        job->reason = reason;
        job->words = words;
        job->reported = 0;
        if (job->closed || job->unread || job->unreported || job->waiting.count == 0)
                return;
        job->unreported = true;
        job->changed_at = gw_clock_mono_us();
        TAILQ_INSERT_TAIL(&b->report, job, report);
}

static void release(struct gw_local *b, struct gw_local_job *job)
{
        struct gw_local_run *run;
        while ((run = LIST_FIRST(&job->runs)) || (run = LIST_FIRST(&job->ended)))
                gw_local_run_free(b, run);
        if (job->in_line)
                TAILQ_REMOVE(&b->line, job, line);
        if (job->unreported)
                TAILQ_REMOVE(&b->report, job, report);
        if (job->in_again)
                TAILQ_REMOVE(&b->again, job, again);
        gw_local_array_done(&job->array);
        gw_spans_done(&job->named);
        gw_spans_done(&job->begun);
        gw_spans_done(&job->waiting);
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

bool gw_local_job_leave(struct gw_local *b, struct gw_local_job *job)
{
        if (!job->closed || job->unread || !LIST_EMPTY(&job->runs))
                return false;
        gw_local_spool_forget(&b->spool, job->mark);
        gw_local_job_remove(b, job);
        return true;
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
