/*
 * What nobody waits for any more: submissions that are closed, the latest of them, and tasks whose
 * end was told. One that appears again is ended on sight: it came late, or a controller took up an
 * older state of its own. It is ours beyond doubt: this leader had it open, its owner is whom it
 * was made for, and its number is what it was; of another gateway's or of a copy that somebody runs
 * that is not true.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/slurm/claim.h"
#include "backends/slurm/internal.h"
#include "server/base/cleanup.h"
#include "server/base/log.h"

struct gw_slurm_closed {
        struct gw_mark mark;
        uid_t uid;
        uint32_t number;        /* slurmctld's; 0: it was never known */
        int64_t send_before_us; /* wall: not sent later than this */
        char *user;             /* NULL: a free place */
};

int gw_slurm_closed_init(struct gw_slurm *b)
{
        b->closed = calloc(GW_SLURM_CLOSED, sizeof *b->closed);
        return b->closed ? 0 : -1;
}

void gw_slurm_closed_clear(struct gw_slurm *b)
{
        for (size_t i = 0; b->closed && i < GW_SLURM_CLOSED; i++) {
                free(b->closed[i].user);
                b->closed[i] = (struct gw_slurm_closed){0};
        }
}

void gw_slurm_closed_done(struct gw_slurm *b)
{
        gw_slurm_closed_clear(b);
        free(b->closed);
}

void gw_slurm_closed_add(struct gw_slurm *b, const struct gw_slurm_job *job)
{
        char *user = strdup(job->user);
        struct gw_slurm_closed *place = &b->closed[b->closed_next];
        if (!user)
                return;
        free(place->user);
        *place = (struct gw_slurm_closed){.mark = job->mark,
                                          .uid = job->uid,
                                          .number = job->number,
                                          .send_before_us = job->send_before_us,
                                          .user = user};
        b->closed_next = (b->closed_next + 1) % GW_SLURM_CLOSED;
}

static const struct gw_slurm_closed *find(const struct gw_slurm *b, struct gw_mark mark)
{
        for (size_t i = 0; i < GW_SLURM_CLOSED; i++) {
                const struct gw_slurm_closed *c = &b->closed[i];
                if (c->user && gw_mark_equal(c->mark, mark))
                        return c;
        }
        return NULL;
}

static void warn(const struct gw_slurm *b, uint32_t number, const char *words)
{
        gw_log(GW_LOG_WARN, "slurm.closed_runs", "{s:s, s:I, s:s}", "backend", b->base.head.name,
               "job", (json_int_t)number, "message", words);
}

void gw_slurm_closed_see(struct gw_slurm *b, struct gw_mark mark, const struct gw_slurm_record *r)
{
        const struct gw_slurm_closed *c = find(b, mark);
        if (!c || c->uid != r->uid || gw_slurm_meaning(r).phase >= GW_PHASE_ENDING ||
            !gw_slurm_is_again(mark, c->number, c->send_before_us, r))
                return;
        warn(b, r->job, "a job whose submission is closed is there again; it is cancelled");
        gw_slurm_drop(b, c->user, gw_slurm_number_of(r), NULL);
}

static void end_tasks(struct gw_slurm *b, const struct gw_slurm_job *job,
                      const struct gw_spans *tasks)
{
        struct gw_buf ids = GW_BUF_INIT(GW_SLURM_IDS_MAX);
        if (job->array.is_array)
                gw_slurm_array_ids(&job->array, tasks, &ids);
        warn(b, job->number, "tasks that were told to have ended are there again, and cancelled");
        if (gw_buf_ok(&ids) || !job->array.is_array)
                gw_slurm_drop(b, job->user, job->number, ids.data);
        gw_buf_done(&ids);
}

void gw_slurm_closed_task_see(struct gw_slurm *b, const struct gw_slurm_job *job, uint32_t ordinal,
                              const struct gw_slurm_record *r)
{
        struct gw_span span = {ordinal, ordinal};
        const struct gw_spans one = {.items = &span, .count = 1};
        struct gw_slurm_meaning m = gw_slurm_meaning(r);
        if (m.phase < GW_PHASE_ENDING && !m.node_silent)
                end_tasks(b, job, &one);
}

void gw_slurm_closed_tasks_see(struct gw_slurm *b, const struct gw_slurm_job *job)
{
        struct gw_spans again;
        if (gw_slurm_tasks_again(&job->tasks, &again))
                b->short_of_memory = true;
        else if (again.count > 0)
                end_tasks(b, job, &again);
        gw_spans_done(&again);
}
