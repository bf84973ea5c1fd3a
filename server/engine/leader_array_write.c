/*
 * Arrays in the record: their writes, and the claim of a part of one. Leader's thread only.
 *
 * Events gather in the array until the batch is flushed, then all that differs is one write. A
 * claim is a write of its own, because it alone may be turned down; the tasks are then what they
 * were. How many tasks run at once (max_parallel) is kept by handing over no more, where the
 * backend does not keep it.
 */
#include "server/engine/leader_state.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/crash.h"
#include "server/base/log.h"

/* ---- what may be handed over --------------------------------------------------------------- */

/* How many tasks a submission may have, of at most `room` that the window has, as far as it is not
 * the backend that says so. */
static size_t most_of_one(const struct gw_leader *l, const struct live *v, size_t room)
{
        return l->backend->type->whole_arrays && room > 0 ? v->array->tasks.total : room;
}

/* How many the backend takes in one; 0: it does not know yet. */
static size_t most_it_takes(const struct gw_leader *l, size_t most)
{
        const struct gw_backend_type *type = l->backend->type;
        size_t limit = type->most_tasks ? type->most_tasks(l->backend) : most;
        return limit < most ? limit : most;
}

/* How many may be handed over now. A backend that keeps max_parallel may have more of them, as long
 * as there is room for one of them to run. */
static size_t most_to_claim(const struct gw_leader *l, const struct live *v, size_t room)
{
        const struct array *a = v->array;
        size_t most = most_of_one(l, v, room);
        if (v->job.held)
                return 0;
        if (a->max_parallel == 0)
                return most;
        size_t there = gw_array_handed(a);
        size_t places = there < a->max_parallel ? a->max_parallel - there : 0;
        if (l->backend->type->whole_arrays && places > 0)
                return most;
        return most < places ? most : places;
}

/* Returns 0, or -1 without memory. */
static int can_claim(const struct gw_leader *l, const struct live *v, bool *ret)
{
        struct gw_spans one = GW_SPANS_INIT;
        int rc = 0;
        if (most_to_claim(l, v, 1) > 0)
                rc = gw_tasks_claimable(&v->array->tasks, gw_clock_wall_us(), 1, &one, NULL);
        *ret = one.count > 0;
        gw_spans_done(&one);
        return rc;
}

/* ---- writing ------------------------------------------------------------------------------- */

void gw_array_note(struct gw_leader *l, struct live *v)
{
        if (v->writing)
                return;
        v->writing = true;
        l->idle_runs -= v->array->idle_runs;
        v->array->idle_runs = 0;
        v->array->next_write = l->array_writes;
        l->array_writes = v;
}

static bool state_changed(const struct live *v)
{
        return v->job.state != v->array->recorded_state ||
               v->job.reason != v->array->recorded_reason;
}

static int list_changed_parts(struct array *a, size_t *ret_count)
{
        struct part *p;
        size_t n = 0;
        struct gw_record_part *rows = calloc(gw_array_open(a) + 1, sizeof *rows);
        if (!rows)
                return -1;
        LIST_FOREACH(p, &a->parts, link)
        {
                if (!p->changed)
                        continue;
                rows[n++] = (struct gw_record_part){
                        .number = p->number,
                        .attempt = p->attempt,
                        .most_tasks = p->most_tasks,
                        .state = p->state,
                        .send_before_us = p->send_before_us,
                        .ordinals = p->ordinals,
                        .ref = p->ref,
                        .error = p->error,
                        .changing = p->changing,
                };
        }
        free(a->changed_parts);
        a->changed_parts = rows;
        *ret_count = n;
        return 0;
}

static int prepare(struct gw_leader *l, struct live *v)
{
        struct array *a = v->array;
        size_t part_count = 0;
        bool claimable = false;
        if (list_changed_parts(a, &part_count) < 0 || can_claim(l, v, &claimable) < 0)
                return -1;
        gw_tasks_summary(&a->tasks, &v->job.state, &v->job.reason);
        gw_tasks_effect_settle(&a->effect);
        gw_db_tasks_write_done(&a->command);
        a->command = (struct gw_db_tasks_write){
                .lease = l->backend->name,
                .epoch = l->epoch,
                .backend = l->backend->name,
                .job = &v->job,
                .tasks = &a->tasks,
                .effect = &a->effect,
                .indices = &a->indices,
                .parts = a->changed_parts,
                .part_count = part_count,
                .intends = a->claimed != NULL,
                .claimable = claimable,
                .state_changed = state_changed(v),
                .version = a->wish_read ? a->version_read : v->version,
                .wish_read = a->wish_read,
                .wishes_read = a->wishes_read,
                .timer_fired = a->timer_fired,
                .delay_due_us = gw_tasks_next_delay(&a->tasks),
        };
        return gw_db_tasks_write_init(&a->command);
}

struct gw_work *gw_leader_array_chain(struct gw_leader *l)
{
        struct gw_work *first = NULL;
        struct gw_work **end = &first;
        for (struct live *v = l->array_writes; v; v = v->array->next_write) {
                if (prepare(l, v) < 0) {
                        l->lost = true; /* no memory: the record tells where things stand */
                        return NULL;
                }
                *end = &v->array->command.cmd.work;
                end = &v->array->command.cmd.work.next;
        }
        *end = NULL;
        return first;
}

/* Nothing is due any more. */
static void forget_write(struct array *a)
{
        gw_db_tasks_write_done(&a->command);
        gw_tasks_effect_clear(&a->effect);
        gw_tasks_done(&a->before);
        a->claimed = NULL;
        a->wish_read = false;
        a->wishes_read = 0;
        a->timer_fired = NULL;
}

/* The claim was turned down: the tasks are what they were. */
static void unclaim(struct live *v)
{
        struct array *a = v->array;
        struct part *p = GW_TAKE(a->claimed);
        LIST_REMOVE(p, link);
        gw_part_free(p);
        gw_tasks_done(&a->tasks);
        a->tasks = a->before;
        a->before = (struct gw_tasks){0};
        v->job.submission--;
        v->job.attempt = a->attempt_before;
        gw_tasks_summary(&a->tasks, &v->job.state, &v->job.reason);
        forget_write(a);
}

static void close_parts(struct gw_leader *l, struct live *v)
{
        struct part *next;
        for (struct part *p = LIST_FIRST(&v->array->parts); p; p = next) {
                next = LIST_NEXT(p, link);
                p->changed = false;
                if (p->state != GW_SUBMISSION_CLOSED && p->state != GW_SUBMISSION_REFUSED)
                        continue;
                gw_crash_point("leader.recorded");
                struct gw_mark mark = {v->job.id, p->number};
                (void)l->backend->type->forget(l->backend, mark); /* else found at the next lead */
                LIST_REMOVE(p, link);
                gw_part_free(p);
        }
}

/* An array without a part is kept for its next one, if there is room. */
static bool may_idle(struct gw_leader *l, struct array *a)
{
        size_t runs = a->tasks.count;
        if (gw_tasks_over(&a->tasks) || l->idle_runs + runs > LEADER_IDLE_RUNS)
                return false;
        a->idle_runs = runs;
        l->idle_runs += runs;
        return true;
}

/* Its write is done with. */
static void put_away(struct gw_leader *l, struct live *v)
{
        bool stays = !LIST_EMPTY(&v->array->parts) || may_idle(l, v->array);
        if (stays && !v->kept)
                gw_live_keep(&l->live, v);
        if (!stays && v->kept)
                gw_live_drop(&l->live, v);
        if (!stays)
                gw_live_free(v);
}

/* Recorded: now the rest of the world follows. */
static void settle(struct gw_leader *l, struct live *v)
{
        struct array *a = v->array;
        struct part *newest = gw_live_part(v, v->job.submission);
        v->version = a->command.new_version;
        if (newest)
                gw_part_identity(newest, GW_TAKE(a->command.identity));
        a->recorded_state = v->job.state;
        a->recorded_reason = v->job.reason;
        l->more_tasks = l->more_tasks || a->command.claimable;
        forget_write(a);
        close_parts(l, v);
        gw_leader_act(l, v);
        put_away(l, v);
}

static void turned_down(struct gw_leader *l, struct live *v)
{
        bool claim = v->array->claimed != NULL;
        if (claim)
                unclaim(v);
        if (!claim && v->kept)
                l->lost = true;
        else
                gw_leader_check_lease(l);
        if (!v->kept)
                gw_live_free(v);
}

void gw_leader_array_conclude(struct gw_leader *l)
{
        struct live *next;
        for (struct live *v = GW_TAKE(l->array_writes); v; v = next) {
                struct gw_db_command *c = &v->array->command.cmd;
                next = v->array->next_write;
                v->writing = false;
                if (c->error.code != GW_OK) {
                        gw_log_error("leader.write_failed", &c->error);
                        l->lost = true;
                }
                if (l->lost && !v->kept)
                        gw_live_free(v);
                else if (!l->lost && c->rows == 0)
                        turned_down(l, v);
                else if (!l->lost)
                        settle(l, v);
        }
}

void gw_array_discard(struct gw_leader *l)
{
        struct live *next;
        for (struct live *v = GW_TAKE(l->array_writes); v; v = next) {
                next = v->array->next_write;
                v->writing = false;
                if (!v->kept)
                        gw_live_free(v);
        }
}

/* ---- claims -------------------------------------------------------------------------------- */

static int claim_spans(struct live *v, struct part *p)
{
        struct array *a = v->array;
        struct gw_tasks_outcome o;
        struct gw_job_event e = {.type = GW_EVENT_CLAIM, .at_us = gw_clock_wall_us()};
        p->left = (uint32_t)gw_spans_total(&p->spans);
        return gw_tasks_apply(&a->tasks, &v->job, &p->spans, 0, p->number, &e, &a->effect, &o,
                              NULL);
}

/* The first of the spans can all be handed over: on one attempt, into one part. */
static int claim(struct gw_leader *l, struct live *v, struct gw_spans *spans)
{
        const struct gw_backend_type *type = l->backend->type;
        struct array *a = v->array;
        uint32_t attempt = gw_tasks_run(&a->tasks, spans->items[0].first)->task.attempt + 1;
        if (gw_tasks_copy(&a->tasks, &a->before, NULL) < 0)
                return -1;
        struct part *p = gw_part_new(++v->job.submission, attempt, spans);
        if (!p)
                return -1;
        p->state = GW_SUBMISSION_INTENDED;
        p->most_tasks = type->most_tasks ? type->most_tasks(l->backend) : 0;
        p->changed = true;
        p->intended_us = gw_clock_wall_us();
        p->send_before_us = p->intended_us + l->settings.send_us;
        LIST_INSERT_HEAD(&a->parts, p, link);
        a->claimed = p;
        a->attempt_before = v->job.attempt;
        if (attempt > v->job.attempt)
                v->job.attempt = attempt;
        return claim_spans(v, p);
}

static void keep_first(struct gw_spans *spans, uint64_t left)
{
        for (size_t i = 0; i < spans->count; i++) {
                uint64_t length = (uint64_t)spans->items[i].last - spans->items[i].first + 1;
                if (length >= left) {
                        spans->items[i].last = spans->items[i].first + (uint32_t)left - 1;
                        spans->count = i + 1;
                        return;
                }
                left -= length;
        }
}

/* Of tasks that could be one part those that the backend takes as one. */
static void keep_together(const struct gw_leader *l, const struct live *v, struct gw_spans *spans)
{
        const struct gw_backend_type *type = l->backend->type;
        const struct gw_submission s = {
                .spec = v->spec,
                .spec_len = v->spec_len,
                .index_set = v->index_set,
                .spans = spans->items,
                .span_count = spans->count,
        };
        if (type->most_together)
                keep_first(spans, type->most_together(l->backend, &s));
}

size_t gw_array_claim(struct gw_leader *l, struct live *v, size_t room, size_t good)
{
        struct gw_spans spans = GW_SPANS_INIT;
        size_t taken = 0;
        bool whole = l->backend->type->whole_arrays;
        bool wait_for_room = !whole && room < good && gw_array_waiting(v->array, false, NULL) > 0;
        size_t most = wait_for_room ? 0 : most_it_takes(l, most_to_claim(l, v, room));
        l->more_tasks = l->more_tasks || wait_for_room;
        if (most > 0 && gw_tasks_claimable(&v->array->tasks, gw_clock_wall_us(), (uint32_t)most,
                                           &spans, NULL) < 0)
                l->lost = true;
        if (spans.count > 0) {
                keep_together(l, v, &spans);
                taken = whole ? 1 : gw_spans_total(&spans);
                if (claim(l, v, &spans) < 0)
                        l->lost = true;
                gw_array_note(l, v);
        }
        gw_spans_done(&spans);
        return taken;
}
