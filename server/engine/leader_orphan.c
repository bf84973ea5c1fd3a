/*
 * What runs on nodes that are silent for longer than its job waits (retry.orphan_wait). People have
 * said so with the job, so it ends as if they had confirmed that it is dead; what it says is that
 * it may run on. What was silent already when this leader began may have come back before it: until
 * the backend says that it has not, the wait is counted from then. Leader's thread only.
 */
#include "server/engine/leader_state.h"

#include "server/base/clock.h"

static const char words[] =
        "its node was silent for longer than retry.orphan_wait: what ran there may run on";

struct gw_job_event gw_event_dead(uint32_t attempt)
{
        return (struct gw_job_event){.type = GW_EVENT_DEAD,
                                     .at_us = gw_clock_wall_us(),
                                     .exit_code = -1,
                                     .attempt = attempt};
}

/* seen: the last observation of it by this leader; 0: none. */
static bool is_over(const struct gw_leader *l, const struct live *v, int64_t silent_us,
                    uint64_t seen)
{
        int64_t wait_us = v->job.retry.orphan_wait_s * GW_SECOND;
        int64_t since_us = seen == 0 && silent_us < l->leads_us ? l->leads_us : silent_us;
        return silent_us > 0 && gw_clock_wall_us() - since_us >= wait_us;
}

static void end_them(struct gw_leader *l, struct live *v, struct part *p,
                     const struct gw_spans *which, uint32_t attempt)
{
        struct gw_job_event e = gw_event_dead(attempt);
        e.raw = words;
        if (v->array)
                (void)gw_array_apply_wide(l, v, p, which, &e); /* the others in a second */
        else
                gw_leader_apply(l, v, &e, NULL);
}

/* Those of a part that are on the same attempt. Returns which that is. */
static uint32_t find_some(struct gw_leader *l, const struct live *v, const struct part *p,
                          struct gw_spans *ret)
{
        uint32_t attempt = 0;
        const struct gw_run *run = NULL;
        *ret = GW_SPANS_INIT;
        while ((run = gw_array_next_run(v->array, p, run))) {
                const struct gw_task *task = &run->task;
                if (!is_over(l, v, task->silent_us, task->seen) ||
                    (attempt && task->attempt != attempt))
                        continue;
                attempt = task->attempt;
                if (gw_spans_append(ret, run->lo, run->hi, NULL) < 0)
                        l->lost = true;
        }
        return attempt;
}

static bool end_of_array(struct gw_leader *l, struct live *v)
{
        bool any = false;
        struct part *p;
        LIST_FOREACH(p, &v->array->parts, link)
        {
                struct gw_spans some;
                uint32_t attempt = find_some(l, v, p, &some);
                if (some.count > 0 && !l->lost && p->state == GW_SUBMISSION_ACCEPTED)
                        end_them(l, v, p, &some, attempt);
                any = any || some.count > 0;
                gw_spans_done(&some);
        }
        return any;
}

bool gw_leader_end_orphans(struct gw_leader *l, struct live *v)
{
        if (v->job.retry.orphan_wait_s == 0)
                return false;
        if (v->array)
                return end_of_array(l, v);
        if (!is_over(l, v, v->job.silent_us, v->job.seen))
                return false;
        end_them(l, v, &v->part, NULL, v->job.attempt);
        return true;
}
