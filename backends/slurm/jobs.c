/* The set of submissions, and telling the engine of them. */
#include <stdlib.h>
#include <string.h>

#include "backends/slurm/about.h"
#include "backends/slurm/internal.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/str.h"

#define FACTS 256 /* in one call of the host */

static struct gw_slurm_bucket *bucket_of(struct gw_slurm *b, struct gw_mark mark)
{
        return &b->by_mark[gw_mark_hash(mark) % GW_SLURM_BUCKETS];
}

struct gw_slurm_job *gw_slurm_job_find(struct gw_slurm *b, struct gw_mark mark)
{
        struct gw_slurm_job *job;
        LIST_FOREACH(job, bucket_of(b, mark), by_mark)
        {
                if (gw_mark_equal(job->mark, mark))
                        return job;
        }
        return NULL;
}

struct gw_slurm_job *gw_slurm_job_numbered(struct gw_slurm *b, uint32_t number)
{
        struct gw_slurm_job *job;
        LIST_FOREACH(job, &b->by_number[number % GW_SLURM_BUCKETS], by_number)
        {
                if (job->number == number && job->displaced_s == 0)
                        return job;
        }
        return NULL;
}

uint32_t gw_slurm_most_tasks(const struct gw_slurm *b, const struct gw_submission *s)
{
        return s->most_tasks > 0 ? s->most_tasks : atomic_load(&b->max_array_size);
}

void gw_slurm_jobs_limit(struct gw_slurm *b, uint32_t most)
{
        struct gw_slurm_job *job;
        for (size_t i = 0; i < GW_SLURM_BUCKETS; i++) {
                LIST_FOREACH(job, &b->by_mark[i], by_mark)
                {
                        if (!job->array.limited)
                                gw_slurm_array_limit(&job->array, most);
                }
        }
}

static int fill(struct gw_slurm_job *job, const struct gw_slurm_job_settings *s)
{
        static const struct gw_span plain = {0, 0};
        job->user = strdup(s->user);
        job->uid = s->uid;
        job->send_before_us = s->send_before_us;
        if (!job->user ||
            gw_slurm_array_init(&job->array, s->index_set, s->span_count ? s->spans : &plain,
                                s->span_count ? s->span_count : 1, s->most_tasks, NULL))
                return -1;
        return gw_slurm_tasks_init(&job->tasks, &job->array.ordinals, s->begun, s->begun_count) ||
                               (s->open_count &&
                                gw_slurm_tasks_open_only(&job->tasks, s->open, s->open_count))
                       ? -1
                       : 0;
}

static void release(struct gw_slurm_job *job)
{
        gw_slurm_tasks_done(&job->tasks);
        gw_slurm_array_done(&job->array);
        gw_backend_ask_free(job->cancel);
        free(job->refusal);
        free(job->about);
        free(job->user);
        free(job);
}

struct gw_slurm_job *gw_slurm_job_add(struct gw_slurm *b, struct gw_mark mark,
                                      const struct gw_slurm_job_settings *settings)
{
        struct gw_slurm_job *job = calloc(1, sizeof *job);
        if (!job)
                return NULL;
        if (fill(job, settings)) {
                release(job);
                return NULL;
        }
        job->mark = mark;
        LIST_INSERT_HEAD(bucket_of(b, mark), job, by_mark);
        return job;
}

struct gw_slurm_task *gw_slurm_task_numbered(struct gw_slurm *b, uint32_t number)
{
        struct gw_slurm_task *task;
        LIST_FOREACH(task, &b->tasks[number % GW_SLURM_BUCKETS], by_number)
        {
                if (task->number == number)
                        return task;
        }
        return NULL;
}

static void unlist(struct gw_slurm_task *task)
{
        if (task->number)
                LIST_REMOVE(task, by_number);
        task->number = 0;
}

/* The task whose record had the number: slurmctld gave it to another. */
static void displace_task(struct gw_slurm_task *former)
{
        if (!former)
                return;
        former->found = false;
        former->job->tasks.changed = true;
        unlist(former);
}

void gw_slurm_job_task(struct gw_slurm *b, struct gw_slurm_job *job, struct gw_slurm_task *task,
                       uint32_t number)
{
        if (task->number == number)
                return;
        displace_task(gw_slurm_task_numbered(b, number));
        unlist(task);
        task->job = job;
        task->number = number;
        LIST_INSERT_HEAD(&b->tasks[number % GW_SLURM_BUCKETS], task, by_number);
}

static void unnumber(struct gw_slurm_job *job)
{
        if (job->number)
                LIST_REMOVE(job, by_number);
        job->number = 0;
        job->displaced_s = 0;
}

void gw_slurm_job_displace(struct gw_slurm *b, struct gw_slurm_job *job, int64_t at_s)
{
        struct gw_slurm_task *task = gw_slurm_task_numbered(b, job->number);
        if (task && task->job == job)
                displace_task(task);
        job->displaced_s = at_s;
        gw_slurm_tasks_head(&job->tasks, GW_SLURM_HEAD_NONE);
}

void gw_slurm_job_number(struct gw_slurm *b, struct gw_slurm_job *job, uint32_t number)
{
        struct gw_slurm_job *holder = gw_slurm_job_numbered(b, number);
        if (holder == job)
                return;
        if (holder)
                gw_slurm_job_displace(b, holder, gw_clock_wall_us() / GW_SECOND);
        unnumber(job);
        job->number = number;
        job->accepted_us = gw_clock_wall_us();
        job->tasks.changed = true; /* a table that lacks it says something of it */
        LIST_INSERT_HEAD(&b->by_number[number % GW_SLURM_BUCKETS], job, by_number);
}

void gw_slurm_job_remove(struct gw_slurm *b, struct gw_slurm_job *job)
{
        LIST_REMOVE(job, by_mark);
        unnumber(job);
        gw_slurm_quest_end(b, job);
        if (job->unreported)
                TAILQ_REMOVE(&b->report, job, report);
        release(job);
}

void gw_slurm_jobs_clear(struct gw_slurm *b)
{
        for (size_t i = 0; i < GW_SLURM_BUCKETS; i++)
                while (!LIST_EMPTY(&b->by_mark[i]))
                        gw_slurm_job_remove(b, LIST_FIRST(&b->by_mark[i]));
}

/* ---- telling --------------------------------------------------------------------------------- */

void gw_slurm_job_changed(struct gw_slurm *b, struct gw_slurm_job *job)
{
        if (!job->unreported)
                TAILQ_INSERT_TAIL(&b->report, job, report);
        job->unreported = true;
}

void gw_slurm_job_lost(struct gw_slurm *b, struct gw_slurm_job *job, const char *words)
{
        if (gw_slurm_tasks_lose(&job->tasks, words))
                b->short_of_memory = true;
        gw_slurm_job_changed(b, job);
}

/* Facts of a submission, at most `room`. Returns how many. */
static size_t facts_of(const struct gw_slurm *b, const struct gw_slurm_job *job,
                       struct gw_fact *facts, size_t room, char ref[16])
{
        size_t count = gw_slurm_tasks_facts(&job->tasks, facts, room);
        snprintf(ref, 16, "%u", job->number);
        for (size_t i = 0; i < count; i++) {
                facts[i].mark = job->mark;
                facts[i].seen = b->seen;
                facts[i].ref = job->number ? ref : NULL;
        }
        if (count > 0)
                facts[0].about = job->about;
        return count;
}

static void about_told(struct gw_slurm_job *job)
{
        if (job->about)
                job->known = gw_slurm_about_digest(job->about);
        free(GW_TAKE(job->about));
}

/* Of the first submissions in line the facts were told. */
static void told(struct gw_slurm *b, const size_t *counts, size_t jobs)
{
        for (size_t i = 0; i < jobs; i++) {
                struct gw_slurm_job *job = TAILQ_FIRST(&b->report);
                TAILQ_REMOVE(&b->report, job, report);
                job->unreported = false;
                gw_slurm_tasks_told(&job->tasks, counts[i]);
                if (counts[i] > 0)
                        about_told(job);
                if (gw_slurm_tasks_untold(&job->tasks))
                        gw_slurm_job_changed(b, job); /* and then the rest */
        }
}

/* Returns how many submissions were told of: 0 when there are none, or the host has no room. */
static size_t report_some(struct gw_slurm *b)
{
        struct gw_fact facts[FACTS];
        char refs[FACTS][16];
        size_t counts[FACTS], jobs = 0, count = 0;
        struct gw_slurm_job *job;
        TAILQ_FOREACH(job, &b->report, report)
        {
                if (count == FACTS || jobs == FACTS)
                        break;
                counts[jobs] = facts_of(b, job, facts + count, FACTS - count, refs[jobs]);
                count += counts[jobs++];
        }
        if (count > 0 && b->host.facts(b->host.self, b->epoch, facts, count)) {
                b->refused = true;
                return 0;
        }
        told(b, counts, jobs);
        return jobs;
}

void gw_slurm_report(struct gw_slurm *b)
{
        while (!b->refused && report_some(b) > 0)
                ;
        if (b->refused || b->synced || b->seen == 0 || b->strangers || b->missing > 0)
                return;
        if (b->host.synced(b->host.self, b->epoch, b->seen, b->first_asked_at, NULL))
                b->refused = true;
        else
                b->synced = true;
}
