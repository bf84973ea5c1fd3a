/* The set of submissions, and telling the engine of them. */
#include <stdlib.h>
#include <string.h>

#include "backends/slurm/internal.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/str.h"

#define FACTS 256 /* in one call of the host */

/* The last 8 bytes of an id are random. */
static struct gw_slurm_bucket *bucket_of(struct gw_slurm *b, struct gw_mark mark)
{
        uint64_t random;
        memcpy(&random, mark.job.bytes + 8, sizeof random);
        return &b->by_mark[(random ^ mark.number) % GW_SLURM_BUCKETS];
}

struct gw_slurm_job *gw_slurm_job_find(struct gw_slurm *b, struct gw_mark mark)
{
        struct gw_slurm_job *job;
        LIST_FOREACH(job, bucket_of(b, mark), by_mark)
        {
                if (job->mark.number == mark.number && gw_id_equal(job->mark.job, mark.job))
                        return job;
        }
        return NULL;
}

struct gw_slurm_job *gw_slurm_job_numbered(struct gw_slurm *b, uint32_t number)
{
        struct gw_slurm_job *job;
        LIST_FOREACH(job, &b->by_number[number % GW_SLURM_BUCKETS], by_number)
        {
                if (job->number == number)
                        return job;
        }
        return NULL;
}

struct gw_slurm_job *gw_slurm_job_add(struct gw_slurm *b, struct gw_mark mark, const char *user,
                                      uid_t uid)
{
        struct gw_slurm_job *job = calloc(1, sizeof *job);
        if (!job || !(job->user = strdup(user))) {
                free(job);
                return NULL;
        }
        job->mark = mark;
        job->uid = uid;
        job->exit_code = -1;
        LIST_INSERT_HEAD(bucket_of(b, mark), job, by_mark);
        return job;
}

static void unnumber(struct gw_slurm_job *job)
{
        if (job->number)
                LIST_REMOVE(job, by_number);
        job->number = 0;
}

void gw_slurm_job_number(struct gw_slurm *b, struct gw_slurm_job *job, uint32_t number)
{
        struct gw_slurm_job *holder = gw_slurm_job_numbered(b, number);
        if (holder == job)
                return;
        if (holder) {
                gw_slurm_job_lost(b, holder, "slurmctld has given the job's number to another");
                unnumber(holder);
        }
        unnumber(job);
        job->number = number;
        job->accepted_us = gw_clock_wall_us();
        LIST_INSERT_HEAD(&b->by_number[number % GW_SLURM_BUCKETS], job, by_number);
}

void gw_slurm_job_remove(struct gw_slurm *b, struct gw_slurm_job *job)
{
        LIST_REMOVE(job, by_mark);
        unnumber(job);
        if (job->unreported)
                TAILQ_REMOVE(&b->report, job, report);
        gw_backend_ask_free(job->cancel);
        free(job->refusal);
        free(job->node);
        free(job->user);
        free(job);
}

void gw_slurm_jobs_clear(struct gw_slurm *b)
{
        for (size_t i = 0; i < GW_SLURM_BUCKETS; i++)
                while (!LIST_EMPTY(&b->by_mark[i]))
                        gw_slurm_job_remove(b, LIST_FIRST(&b->by_mark[i]));
}

/* ---- telling
 * ------------------------------------------------------------------------------------- */

void gw_slurm_job_changed(struct gw_slurm *b, struct gw_slurm_job *job)
{
        if (!job->unreported)
                TAILQ_INSERT_TAIL(&b->report, job, report);
        job->unreported = true;
}

void gw_slurm_job_lost(struct gw_slurm *b, struct gw_slurm_job *job, const char *words)
{
        if (job->phase == GW_PHASE_ENDED)
                return;
        job->phase = GW_PHASE_ENDED;
        job->reason = GW_REASON_LOST;
        job->exit_code = -1;
        job->signal = 0;
        job->ended_us = 0;
        gw_str_copy(job->words, sizeof job->words, words);
        gw_slurm_job_changed(b, job);
}

static struct gw_fact fact_of(const struct gw_slurm *b, const struct gw_slurm_job *job,
                              char ref[16])
{
        snprintf(ref, 16, "%u", job->number);
        return (struct gw_fact){
                .mark = job->mark,
                .seen = b->seen,
                .restart = job->restart,
                .phase = job->phase,
                .reason = job->before ? job->before : job->reason,
                .exit_code = job->exit_code,
                .signal = job->signal,
                .pending_us = job->pending_us,
                .started_us = job->started_us,
                .ended_us = job->ended_us,
                .ref = job->number ? ref : NULL,
                .node = job->node,
                .raw = job->words[0] ? job->words : NULL,
        };
}

/* Returns how many were taken: 0 when there are none, or the host has no room. */
static size_t report_some(struct gw_slurm *b)
{
        struct gw_fact facts[FACTS];
        char refs[FACTS][16];
        struct gw_slurm_job *job;
        size_t count = 0;
        TAILQ_FOREACH(job, &b->report, report)
        {
                if (count == FACTS)
                        break;
                facts[count] = fact_of(b, job, refs[count]);
                count++;
        }
        if (count == 0)
                return 0;
        if (b->host.facts(b->host.self, b->epoch, facts, count)) {
                b->refused = true;
                return 0;
        }
        for (size_t i = 0; i < count; i++) {
                job = TAILQ_FIRST(&b->report);
                TAILQ_REMOVE(&b->report, job, report);
                job->unreported = false;
                if (job->before != GW_REASON_NONE)
                        gw_slurm_job_changed(b, job); /* and then what is true now */
                job->before = GW_REASON_NONE;
        }
        return count;
}

void gw_slurm_report(struct gw_slurm *b)
{
        while (!b->refused && report_some(b) > 0)
                ;
        if (b->refused || b->synced || b->seen == 0 || b->strangers)
                return;
        if (b->host.synced(b->host.self, b->epoch, b->seen, b->first_asked_at, NULL))
                b->refused = true;
        else
                b->synced = true;
}
