/*
 * Arrays: an array's tasks go to the backend in parts, each a submission of its own, and what is
 * said of a part comes to its tasks. Leader's thread only.
 *
 * Events gather in the array until the batch is flushed, then all that differs is one write. A
 * claim is a write of its own, because it alone may be turned down; the tasks are then what they
 * were. A part is open while any task of it may run, and closed with the write that records the
 * last end. How many tasks run at once (max_parallel) is kept by handing over no more.
 */
#include "server/engine/leader_state.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/crash.h"
#include "server/base/log.h"
#include "server/model/spec.h"

/* ---- parts --------------------------------------------------------------------------------- */

static void part_free(struct part *p)
{
        if (!p)
                return;
        gw_spans_done(&p->spans);
        free(p->ordinals);
        free(p->ref);
        free(p->error);
        free(p);
}

struct part *gw_array_part(const struct array *a, uint32_t number)
{
        struct part *p = LIST_FIRST(&a->parts);
        while (p && p->number != number)
                p = LIST_NEXT(p, link);
        return p;
}

/* Takes the spans. NULL without memory. */
static struct part *part_new(uint32_t number, uint32_t attempt, struct gw_spans *spans)
{
        struct gw_buf text = GW_BUF_INIT((spans->count + 1) * GW_SPAN_TEXT);
        struct part *p = calloc(1, sizeof *p);
        gw_spans_format(spans, &text);
        char *ordinals = gw_buf_take(&text, NULL);
        if (!p || !ordinals) {
                free(p);
                free(ordinals);
                gw_spans_done(spans);
                return NULL;
        }
        p->number = number;
        p->attempt = attempt;
        p->ordinals = ordinals;
        p->spans = *spans;
        *spans = GW_SPANS_INIT;
        return p;
}

static bool is_accepted(const struct part *p)
{
        return p->state == GW_SUBMISSION_ACCEPTED;
}

/* ---- arrays -------------------------------------------------------------------------------- */

static int load_part(void *arg, const struct gw_record_part *row)
{
        struct array *a = arg;
        struct gw_spans spans;
        struct part *p = NULL;
        if (gw_spans_parse(row->ordinals, &spans, NULL) == 0)
                p = part_new(row->number, row->attempt, &spans);
        if (!p)
                return -1;
        p->state = row->state;
        p->send_before_us = row->send_before_us;
        gw_part_ref(p, row->ref);
        p->changed = false;
        LIST_INSERT_HEAD(&a->parts, p, link);
        return 0;
}

static void count_left(struct array *a)
{
        for (size_t i = 0; i < a->tasks.count; i++) {
                const struct gw_run *run = &a->tasks.runs[i];
                struct part *p = gw_array_part(a, run->task.submission);
                if (p)
                        p->left += run->hi - run->lo + 1;
        }
}

int gw_array_load(struct live *v, const struct gw_record_row *row, struct gw_error *err)
{
        struct array *a = v->array = calloc(1, sizeof *a);
        if (!a)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        LIST_INIT(&a->parts);
        v->job.held = row->wants_hold;
        a->recorded_state = row->job.state;
        a->recorded_reason = row->job.reason;
        if (gw_indexset_parse(row->index_set, &a->indices, err) < 0 ||
            gw_record_tasks(row, a->indices.count, &a->tasks, load_part, a, err) < 0)
                return -1;
        count_left(a);
        return 0;
}

void gw_array_free(struct array *a)
{
        struct part *p;
        if (!a)
                return;
        while ((p = LIST_FIRST(&a->parts))) {
                LIST_REMOVE(p, link);
                part_free(p);
        }
        gw_db_tasks_write_done(&a->command);
        gw_tasks_effect_clear(&a->effect);
        gw_tasks_done(&a->before);
        gw_tasks_done(&a->tasks);
        gw_indexset_done(&a->indices);
        free(a->changed_parts);
        free(a);
}

size_t gw_array_open(const struct array *a)
{
        size_t n = 0;
        const struct part *p;
        LIST_FOREACH(p, &a->parts, link)
        n++;
        return n;
}

static bool at_backend(const struct gw_task *task)
{
        return task->step != GW_STEP_WAITING && task->step != GW_STEP_ENDED;
}

static size_t count_tasks(const struct array *a, bool (*is)(const struct gw_task *task))
{
        size_t n = 0;
        for (size_t i = 0; i < a->tasks.count; i++)
                if (is(&a->tasks.runs[i].task))
                        n += a->tasks.runs[i].hi - a->tasks.runs[i].lo + 1;
        return n;
}

static bool waits_there(const struct gw_task *task)
{
        return at_backend(task) && task->step != GW_STEP_RUNNING && task->reason != GW_REASON_HELD;
}

size_t gw_array_waiting(const struct array *a)
{
        return count_tasks(a, waits_there);
}

bool gw_array_unwanted(const struct array *a, const struct part *p)
{
        for (size_t i = 0; i < a->tasks.count; i++) {
                const struct gw_task *task = &a->tasks.runs[i].task;
                if (task->submission == p->number && task->stop == GW_REASON_NONE)
                        return false;
        }
        return true;
}

int gw_array_stopped(const struct array *a, const struct part *p, struct gw_spans *ret)
{
        for (size_t i = 0; i < a->tasks.count; i++) {
                const struct gw_run *run = &a->tasks.runs[i];
                if (run->task.submission == p->number && run->task.stop != GW_REASON_NONE &&
                    gw_spans_append(ret, run->lo, run->hi, NULL) < 0)
                        return -1;
        }
        return 0;
}

/* Whether a task waits at the backend and is not held there as it is to be. */
static bool held_otherwise(const struct live *v, const struct part *p)
{
        const struct gw_tasks *t = &v->array->tasks;
        for (size_t i = 0; i < t->count; i++) {
                const struct gw_task *task = &t->runs[i].task;
                if (task->submission == p->number && task->step == GW_STEP_PENDING &&
                    task->stop == GW_REASON_NONE && (task->reason == GW_REASON_HELD) != v->job.held)
                        return true;
        }
        return false;
}

unsigned gw_array_actions(const struct live *v, const struct part *p)
{
        switch (p->state) {
        case GW_SUBMISSION_INTENDED:
                return GW_ACTION_SUBMIT;
        case GW_SUBMISSION_UNKNOWN:
                return GW_ACTION_RESOLVE;
        case GW_SUBMISSION_ACCEPTED:
                return (p->cancels ? GW_ACTION_CANCEL : 0U) |
                       (held_otherwise(v, p) ? GW_ACTION_CHANGE : 0U);
        default:
                return 0;
        }
}

/* ---- writing ------------------------------------------------------------------------------- */

void gw_array_note(struct gw_leader *l, struct live *v)
{
        if (v->writing)
                return;
        v->writing = true;
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
                        .state = p->state,
                        .send_before_us = p->send_before_us,
                        .ordinals = p->ordinals,
                        .ref = p->ref,
                        .error = p->error,
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
        int64_t now_us = gw_clock_wall_us();
        size_t part_count = 0;
        struct gw_spans can_go;
        if (list_changed_parts(a, &part_count) < 0 ||
            gw_tasks_claimable(&a->tasks, now_us, 1, &can_go, NULL) < 0)
                return -1;
        bool claimable = can_go.count > 0;
        gw_spans_done(&can_go);
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
        part_free(p);
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
                part_free(p);
        }
}

/* Recorded: now the rest of the world follows. */
static void settle(struct gw_leader *l, struct live *v)
{
        struct array *a = v->array;
        v->version = a->command.new_version;
        a->recorded_state = v->job.state;
        a->recorded_reason = v->job.reason;
        forget_write(a);
        close_parts(l, v);
        if (!LIST_EMPTY(&a->parts)) {
                if (!v->kept)
                        gw_live_keep(&l->live, v);
                gw_leader_act(l, v);
                return;
        }
        if (v->kept)
                gw_live_drop(&l->live, v);
        gw_live_free(v);
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

/* ---- events -------------------------------------------------------------------------------- */

static void observe(struct gw_leader *l, const struct part *p, const struct gw_job_event *event)
{
        const struct gw_leader_metrics *m = &l->settings.metrics;
        if (is_accepted(p) && p->intended_us && p->accepted_us == event->at_us)
                gw_metric_observe(m->handover, m->index, 0, event->at_us - p->intended_us);
        if (event->type == GW_EVENT_FACT_ENDED && event->ended_us)
                gw_metric_observe(m->lag, m->index, 0, event->at_us - event->ended_us);
}

static void part_outcome(struct part *p, const struct gw_tasks_outcome *o, int64_t at_us)
{
        if (o->submission != GW_SUBMISSION_NONE && o->submission != p->state) {
                if (o->submission == GW_SUBMISSION_ACCEPTED)
                        p->accepted_us = at_us;
                p->state = o->submission;
                p->changed = true;
        }
        p->left -= o->left;
        if (p->left == 0 && p->state != GW_SUBMISSION_REFUSED) {
                p->state = GW_SUBMISSION_CLOSED;
                p->changed = true;
        }
}

/* Tasks of other parts leave their parts by wishes and timers: each part is counted anew. */
static void recount(struct array *a)
{
        struct part *p;
        LIST_FOREACH(p, &a->parts, link)
        p->left = 0;
        count_left(a);
        LIST_FOREACH(p, &a->parts, link)
        {
                if (p->left == 0 && p->state != GW_SUBMISSION_CLOSED &&
                    p->state != GW_SUBMISSION_REFUSED) {
                        p->state = GW_SUBMISSION_CLOSED;
                        p->changed = true;
                }
        }
}

static bool is_stop(enum gw_job_event_type type)
{
        return type == GW_EVENT_CANCEL || type == GW_EVENT_TIMER_DEADLINE ||
               type == GW_EVENT_TIMER_START_DEADLINE;
}

/* The job as its tasks make it now. */
static void summarise(struct live *v, const struct gw_tasks_outcome *o,
                      const struct gw_job_event *event)
{
        struct gw_job *job = &v->job;
        gw_tasks_summary(&v->array->tasks, &job->state, &job->reason);
        if (o->started_us && (!job->first_started_us || o->started_us < job->first_started_us))
                job->first_started_us = o->started_us;
        if (!gw_state_terminal(job->state))
                return;
        int64_t ended_us = event->ended_us ? event->ended_us : event->at_us;
        if (ended_us > job->ended_us)
                job->ended_us = ended_us;
        job->step = GW_STEP_ENDED;
}

void gw_array_apply(struct gw_leader *l, struct live *v, struct part *p,
                    const struct gw_spans *which, const struct gw_job_event *event)
{
        struct array *a = v->array;
        struct gw_tasks_outcome o;
        struct gw_error err = {0};
        uint32_t number = p ? p->number : 0;
        struct gw_span span = {0, a->tasks.total - 1};
        const struct gw_spans all = {.items = &span, .count = 1};
        if (gw_tasks_apply(&a->tasks, &v->job, which ? which : &all, number, 0, event, &a->effect,
                           &o, &err) < 0) {
                gw_log_error("leader.no_memory", &err);
                l->lost = true;
                return;
        }
        if (p)
                part_outcome(p, &o, event->at_us);
        else
                recount(a);
        if (is_stop(event->type)) {
                struct part *each;
                LIST_FOREACH(each, &a->parts, link)
                each->cancels = true;
        }
        if (p)
                observe(l, p, event);
        summarise(v, &o, event);
        if (a->effect.changed || (p && p->changed))
                gw_array_note(l, v);
        else
                gw_leader_act(l, v);
}

void gw_array_apply_all(struct gw_leader *l, struct live *v, const struct gw_job_event *event,
                        const struct occasion *occasion)
{
        struct array *a = v->array;
        if (event->type == GW_EVENT_HOLD || event->type == GW_EVENT_RELEASE)
                v->job.held = event->type == GW_EVENT_HOLD;
        /* A start deadline is about the first start only. */
        bool late = event->type == GW_EVENT_TIMER_START_DEADLINE && v->job.first_started_us;
        if (is_stop(event->type) && !late && v->job.stop == GW_REASON_NONE)
                v->job.stop = event->reason;
        if (event->type == GW_EVENT_TIMER_DELAY && v->job.delayed_us <= event->at_us)
                v->job.delayed_us = 0;
        a->wish_read = a->wish_read || occasion->wish_read;
        if (occasion->wish_read)
                a->version_read = occasion->version;
        if (occasion->timer_fired)
                a->timer_fired = occasion->timer_fired;
        if (occasion->wish_read || occasion->timer_fired)
                gw_array_note(l, v);
        gw_array_apply(l, v, NULL, NULL, event);
}

void gw_array_recover(struct gw_leader *l, struct live *v)
{
        struct part *p;
        struct gw_job_event e = {.type = GW_EVENT_RECOVER, .at_us = gw_clock_wall_us()};
        LIST_FOREACH(p, &v->array->parts, link)
        {
                p->again_us = INT64_MAX; /* nothing is asked before the backend is led */
                p->cancels = true;
                gw_array_apply(l, v, p, NULL, &e);
        }
}

/* The tasks of a part that a complete read should have shown, and did not. */
static int find_gone(const struct array *a, const struct part *p, uint64_t seen,
                     struct gw_spans *ret)
{
        for (size_t i = 0; i < a->tasks.count; i++) {
                const struct gw_run *run = &a->tasks.runs[i];
                const struct gw_task *task = &run->task;
                bool there = task->step == GW_STEP_PENDING || task->step == GW_STEP_RUNNING;
                if (task->submission == p->number && there && task->seen < seen &&
                    gw_spans_append(ret, run->lo, run->hi, NULL) < 0)
                        return -1;
        }
        return 0;
}

void gw_array_synced(struct gw_leader *l, struct live *v, const struct message *m)
{
        struct part *p;
        struct gw_job_event e = {
                .type = GW_EVENT_GONE, .at_us = gw_clock_wall_us(), .seen = m->seen};
        LIST_FOREACH(p, &v->array->parts, link)
        {
                struct gw_spans gone = GW_SPANS_INIT;
                if (p->accepted_us < m->asked_at_us && find_gone(v->array, p, m->seen, &gone) < 0)
                        l->lost = true;
                if (!l->lost && gone.count > 0)
                        gw_array_apply(l, v, p, &gone, &e);
                gw_spans_done(&gone);
        }
}

/* ---- wishes about single tasks --------------------------------------------------------------- */

/* The ordinals of indices that a route has checked. Returns 0, or -1 without memory. */
static int pick(const struct array *a, const char *indices, struct gw_spans *ret)
{
        struct gw_indexset some = {0};
        struct gw_error err = {0};
        *ret = GW_SPANS_INIT;
        int rc = gw_indexset_parse(indices, &some, &err);
        if (rc == 0)
                rc = gw_indexset_pick(&a->indices, &some, ret, &err);
        gw_indexset_done(&some);
        if (rc == 0 || err.code == GW_ERR_NOMEM)
                return rc;
        gw_log_error("leader.bad_wish", &err); /* no reading of it will be better */
        return 0;
}

static void cancel_some(struct gw_leader *l, struct live *v, const json_t *row)
{
        struct gw_spans spans;
        const char *indices = json_string_value(json_array_get(row, 1));
        bool owner = json_integer_value(json_array_get(row, 2)) == v->user_id;
        struct gw_job_event e = {.type = GW_EVENT_CANCEL,
                                 .at_us = gw_clock_wall_us(),
                                 .reason = owner ? GW_REASON_CANCELLED_BY_USER
                                                 : GW_REASON_CANCELLED_BY_ADMIN};
        if (pick(v->array, indices ? indices : "", &spans) < 0)
                l->lost = true;
        else if (spans.count > 0)
                gw_array_apply(l, v, NULL, &spans, &e);
        gw_spans_done(&spans);
}

void gw_array_cancel_tasks(struct gw_leader *l, struct live *v, const char *cancels)
{
        json_auto_t *rows = json_loads(cancels, 0, NULL);
        size_t i;
        const json_t *row;
        l->lost = l->lost || !rows;
        json_array_foreach(rows, i, row)
        {
                cancel_some(l, v, row);
                v->array->wishes_read = json_integer_value(json_array_get(row, 0));
        }
}

/* ---- claims -------------------------------------------------------------------------------- */

/* How many may be handed over now; 0 when it is better to wait until there is room for more. */
static size_t most_to_claim(const struct gw_leader *l, const struct array *a, size_t room)
{
        size_t good = l->settings.window / 4;
        if (room < good && gw_array_waiting(a) > 0)
                return 0;
        if (a->max_parallel) {
                size_t there = count_tasks(a, at_backend);
                size_t free_places = there < a->max_parallel ? a->max_parallel - there : 0;
                return room < free_places ? room : free_places;
        }
        return room;
}

static int copy_tasks(const struct gw_tasks *t, struct gw_tasks *ret)
{
        *ret = *t;
        ret->runs = malloc(t->count * sizeof *t->runs);
        ret->cap = t->count;
        if (!ret->runs)
                return -1;
        memcpy(ret->runs, t->runs, t->count * sizeof *t->runs);
        return 0;
}

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
static int claim(struct live *v, struct gw_spans *spans)
{
        struct array *a = v->array;
        uint32_t attempt = gw_tasks_run(&a->tasks, spans->items[0].first)->task.attempt + 1;
        if (copy_tasks(&a->tasks, &a->before) < 0)
                return -1;
        struct part *p = part_new(++v->job.submission, attempt, spans);
        if (!p)
                return -1;
        p->state = GW_SUBMISSION_INTENDED;
        p->changed = true;
        p->intended_us = gw_clock_wall_us();
        p->send_before_us = p->intended_us + LEADER_SEND_US;
        LIST_INSERT_HEAD(&a->parts, p, link);
        a->claimed = p;
        a->attempt_before = v->job.attempt;
        if (attempt > v->job.attempt)
                v->job.attempt = attempt;
        return claim_spans(v, p);
}

size_t gw_array_claim(struct gw_leader *l, struct live *v, size_t room, bool *ret_more)
{
        struct array *a = v->array;
        struct gw_spans spans = GW_SPANS_INIT, rest = GW_SPANS_INIT;
        size_t most = v->job.held ? 0 : most_to_claim(l, a, room);
        int64_t now_us = gw_clock_wall_us();
        size_t taken = 0;
        if (most > 0 && gw_tasks_claimable(&a->tasks, now_us, (uint32_t)most, &spans, NULL) < 0)
                l->lost = true;
        if (spans.count > 0) {
                taken = gw_spans_total(&spans);
                if (claim(v, &spans) < 0)
                        l->lost = true;
                gw_tasks_summary(&a->tasks, &v->job.state, &v->job.reason);
                gw_array_note(l, v);
        }
        if (!l->lost && gw_tasks_claimable(&a->tasks, now_us, 1, &rest, NULL) < 0)
                l->lost = true;
        *ret_more = rest.count > 0;
        gw_spans_done(&rest);
        gw_spans_done(&spans);
        return taken;
}
