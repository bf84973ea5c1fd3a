/* Jobs by partition. The agent's one thread. */
#include "backends/slurm/agent/tally.h"

#include <stdlib.h>
#include <string.h>

struct gw_agent_queue {
        char *partition;
        uint64_t pending, running;
};

void gw_agent_tally_done(struct gw_agent_tally *t)
{
        for (size_t i = 0; i < t->count; i++)
                free(t->queues[i].partition);
        free(t->queues);
        *t = (struct gw_agent_tally){0};
}

/* There are few, and a table has long runs of the same. */
static struct gw_agent_queue *find(const struct gw_agent_tally *t, const char *name, size_t len)
{
        for (size_t i = t->count; i > 0; i--) {
                struct gw_agent_queue *q = &t->queues[i - 1];
                if (strncmp(q->partition, name, len) == 0 && q->partition[len] == '\0')
                        return q;
        }
        return NULL;
}

static struct gw_agent_queue *add(struct gw_agent_tally *t, const char *name, size_t len)
{
        struct gw_agent_queue *more = reallocarray(t->queues, t->count + 1, sizeof *more);
        if (!more)
                return NULL;
        t->queues = more;
        struct gw_agent_queue *q = &more[t->count];
        *q = (struct gw_agent_queue){.partition = strndup(name, len)};
        if (!q->partition)
                return NULL;
        t->count++;
        return q;
}

/* What waits of an array has one record. */
static uint64_t tasks_of(const slurm_job_info_t *job)
{
        int32_t tasks = job->array_bitmap ? slurm_bit_set_count(job->array_bitmap) : 1;
        return tasks > 0 ? (uint64_t)tasks : 1;
}

/* A job that waits may have several partitions, with commas. */
static int count_job(struct gw_agent_tally *t, const slurm_job_info_t *job)
{
        uint32_t state = job->job_state & JOB_STATE_BASE;
        uint64_t pending = state == JOB_PENDING ? tasks_of(job) : 0;
        uint64_t running = state == JOB_RUNNING || state == JOB_SUSPENDED;
        size_t len;
        t->pending += pending;
        t->running += running;
        if (pending + running == 0 || !job->partition)
                return 0;
        for (const char *at = job->partition; *at; at += len + (at[len] == ',')) {
                len = strcspn(at, ",");
                struct gw_agent_queue *q = find(t, at, len);
                if (!q && !(q = add(t, at, len)))
                        return -1;
                q->pending += pending;
                q->running += running;
        }
        return 0;
}

int gw_agent_tally_count(struct gw_agent_tally *t, const job_info_msg_t *table)
{
        struct gw_agent_tally now = {0};
        for (uint32_t i = 0; i < table->record_count; i++)
                if (count_job(&now, &table->job_array[i])) {
                        gw_agent_tally_done(&now);
                        return -1;
                }
        gw_agent_tally_done(t);
        *t = now;
        return 0;
}

static int put(json_t *object, const char *name, uint64_t n)
{
        return n ? json_object_set_new(object, name, json_integer((json_int_t)n)) : 0;
}

int gw_agent_tally_put(const struct gw_agent_tally *t, const char *partition, json_t *object)
{
        const struct gw_agent_queue all = {.pending = t->pending, .running = t->running};
        const struct gw_agent_queue *q = partition ? find(t, partition, strlen(partition)) : &all;
        return q && (put(object, "pending", q->pending) || put(object, "running", q->running)) ? -1
                                                                                               : 0;
}
