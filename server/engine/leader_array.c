/*
 * Arrays: an array's tasks go to the backend in parts, each a submission of its own, and what is
 * said of a part comes to its tasks. Leader's thread only.
 *
 * A part is open while any task of it may run, and closed with the write that records the last
 * end. Whatever the backend says of a task shows that it has the part: while a part is intended or
 * unknown, all of its tasks are. What is not to run any more leaves a part that was not sent.
 */
#include "server/engine/leader_state.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/crash.h"
#include "server/base/log.h"
#include "server/base/str.h"
#include "server/model/spec.h"

#define SLICE 10000 /* most runs, and most spans, that one event comes to at a time */

/* ---- parts --------------------------------------------------------------------------------- */

void gw_part_free(struct part *p)
{
        if (!p)
                return;
        gw_spans_done(&p->spans);
        gw_spans_done(&p->begun);
        gw_spans_done(&p->open);
        free(p->ordinals);
        free(p->ref);
        free(p->error);
        free(p->identity);
        free(p);
}

/* What was asked for last is first: of thousands of parts few are spoken of at a time. */
struct part *gw_array_part(struct array *a, uint32_t number)
{
        struct part *p = LIST_FIRST(&a->parts);
        while (p && p->number != number)
                p = LIST_NEXT(p, link);
        if (p) {
                LIST_REMOVE(p, link);
                LIST_INSERT_HEAD(&a->parts, p, link);
        }
        return p;
}

/* Its tasks are these; takes the spans. Returns 0, or -1 without memory. */
static int set_spans(struct part *p, struct gw_spans *spans)
{
        struct gw_buf text = GW_BUF_INIT((spans->count + 1) * GW_SPAN_TEXT);
        gw_spans_format(spans, &text);
        gw_spans_done(&p->spans);
        free(p->ordinals);
        p->spans = *spans;
        p->ordinals = gw_buf_take(&text, NULL);
        *spans = GW_SPANS_INIT;
        return p->ordinals ? 0 : -1;
}

struct part *gw_part_new(uint32_t number, uint32_t attempt, struct gw_spans *spans)
{
        struct part *p = calloc(1, sizeof *p);
        if (!p || set_spans(p, spans) < 0) {
                gw_spans_done(spans);
                gw_part_free(p);
                return NULL;
        }
        p->number = number;
        p->attempt = attempt;
        return p;
}

const struct gw_run *gw_array_next_run(const struct array *a, const struct part *p,
                                       const struct gw_run *run)
{
        const struct gw_run *end = a->tasks.runs + a->tasks.count;
        uint32_t last = p->spans.items[p->spans.count - 1].last;
        run = run ? run + 1 : gw_tasks_run(&a->tasks, p->spans.items[0].first);
        while (run < end && run->lo <= last && run->task.submission != p->number)
                run++;
        return run < end && run->lo <= last ? run : NULL;
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
                p = gw_part_new(row->number, row->attempt, &spans);
        if (!p)
                return -1;
        p->state = row->state;
        p->send_before_us = row->send_before_us;
        p->most_tasks = row->most_tasks;
        p->changes = p->changing = row->changing;
        gw_part_ref(p, row->ref);
        gw_part_identity(p, row->identity ? strdup(row->identity) : NULL);
        p->changed = false;
        LIST_INSERT_HEAD(&a->parts, p, link);
        return 0;
}

/* A wish that was not read yet may be a hold or release of which nothing was told. */
static void complete_parts(struct array *a, const struct gw_record_row *row)
{
        struct part *p;
        LIST_FOREACH(p, &a->parts, link)
        {
                const struct gw_run *run = NULL;
                p->changes = p->changes || row->wished;
                p->hold = row->wants_hold;
                while ((run = gw_array_next_run(a, p, run)))
                        p->left += run->hi - run->lo + 1;
        }
        LIST_FOREACH(p, &a->parts, link)
        p->kept = p->changing && gw_array_parallel(a, p) == GW_PARALLEL_NONE;
}

static size_t count_tasks(const struct array *a, bool (*is)(const struct gw_task *task))
{
        size_t n = 0;
        for (size_t i = 0; i < a->tasks.count; i++)
                if (is(&a->tasks.runs[i].task))
                        n += a->tasks.runs[i].hi - a->tasks.runs[i].lo + 1;
        return n;
}

/* It did not get there for a passing cause. */
static bool is_unsent(const struct gw_task *task)
{
        return task->reason == GW_REASON_BACKEND_UNAVAILABLE ||
               (task->state == GW_QUEUED && task->reason == GW_REASON_LIMIT);
}

int gw_array_load(struct live *v, const struct gw_record_row *row, struct gw_error *err)
{
        struct array *a = v->array = calloc(1, sizeof *a);
        if (!a)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        LIST_INIT(&a->parts);
        v->job.held = row->wants_hold;
        a->max_parallel = (uint32_t)row->max_parallel;
        a->recorded_state = row->job.state;
        a->recorded_reason = row->job.reason;
        if (gw_indexset_parse(row->index_set, &a->indices, err) < 0 ||
            gw_record_tasks(row, a->indices.count, &a->tasks, load_part, a, err) < 0)
                return -1;
        a->says_why = count_tasks(a, is_unsent) > 0;
        complete_parts(a, row);
        return 0;
}

void gw_array_free(struct array *a)
{
        struct part *p;
        if (!a)
                return;
        while ((p = LIST_FIRST(&a->parts))) {
                LIST_REMOVE(p, link);
                gw_part_free(p);
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
        return gw_job_step_handed_over(task->step);
}

static bool waits_there(const struct gw_task *task)
{
        return at_backend(task) && task->step != GW_STEP_RUNNING && task->reason != GW_REASON_HELD;
}

/* Tasks of the part that wait there; whole: whether there are any. */
static size_t waiting_of(const struct array *a, const struct part *p, bool whole)
{
        size_t n = 0;
        const struct gw_run *run = NULL;
        while ((!whole || n == 0) && (run = gw_array_next_run(a, p, run)))
                n += waits_there(&run->task) ? run->hi - run->lo + 1 : 0;
        return whole ? n > 0 : n;
}

size_t gw_array_waiting(const struct array *a, bool whole, size_t *ret_paused)
{
        size_t parts = 0, paused = 0;
        const struct part *p;
        LIST_FOREACH(p, &a->parts, link)
        {
                size_t n = whole || p->paused ? waiting_of(a, p, whole) : 0;
                parts += n;
                paused += p->paused ? n : 0;
        }
        if (ret_paused)
                *ret_paused = paused;
        return whole ? parts : count_tasks(a, waits_there);
}

size_t gw_array_handed(const struct array *a)
{
        return count_tasks(a, at_backend);
}

/* The limit is handed out from the oldest part on. Where the turn of one does not come, it was
 * claimed when there was room, and the limit has fallen since. */
uint32_t gw_array_parallel(const struct array *a, const struct part *p)
{
        uint32_t before = 0;
        const struct part *other;
        if (a->max_parallel == 0)
                return 0;
        LIST_FOREACH(other, &a->parts, link)
        {
                if (other->number < p->number)
                        before += other->left;
        }
        return before < a->max_parallel ? a->max_parallel - before : GW_PARALLEL_NONE;
}

bool gw_array_unwanted(const struct array *a, const struct part *p)
{
        const struct gw_run *run = NULL;
        while ((run = gw_array_next_run(a, p, run)))
                if (run->task.stop == GW_REASON_NONE)
                        return false;
        return true;
}

int gw_array_stopped(const struct array *a, const struct part *p, struct gw_spans *ret)
{
        const struct gw_run *run = NULL;
        while ((run = gw_array_next_run(a, p, run)))
                if (run->task.stop != GW_REASON_NONE &&
                    gw_spans_append(ret, run->lo, run->hi, NULL) < 0)
                        return -1;
        return 0;
}

/* Whether a task waits at the backend and is not held there as it is to be. */
static bool held_otherwise(const struct array *a, const struct part *p)
{
        const struct gw_run *run = NULL;
        while ((run = gw_array_next_run(a, p, run))) {
                const struct gw_task *task = &run->task;
                if (task->step == GW_STEP_PENDING && task->stop == GW_REASON_NONE &&
                    (task->reason == GW_REASON_HELD) != task->held)
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
                       (held_otherwise(v->array, p) ? GW_ACTION_CHANGE : 0U);
        default:
                return 0;
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

/* What is left of a part that is still to be sent. Returns 0, or -1 without memory. */
static int shrink(const struct array *a, struct part *p)
{
        struct gw_spans left = GW_SPANS_INIT;
        const struct gw_run *run = NULL;
        while ((run = gw_array_next_run(a, p, run))) {
                if (gw_spans_append(&left, run->lo, run->hi, NULL) < 0) {
                        gw_spans_done(&left);
                        return -1;
                }
        }
        p->changed = true;
        return set_spans(p, &left);
}

/* Returns 0, or -1 without memory. */
static int part_outcome(struct array *a, struct part *p, const struct gw_tasks_outcome *o,
                        int64_t at_us)
{
        /* What runs shows that the backend has it, whatever it says of the rest. */
        bool contradicted = o->submission == GW_SUBMISSION_REFUSED && o->left < p->left;
        if (o->submission != GW_SUBMISSION_NONE && o->submission != p->state && !contradicted) {
                if (o->submission == GW_SUBMISSION_ACCEPTED) {
                        p->accepted_us = at_us;
                        p->cancels = true; /* what was told before may have come too early */
                }
                p->state = o->submission;
                p->changed = true;
        }
        p->left -= o->left;
        if (p->left == 0 && p->state != GW_SUBMISSION_REFUSED) {
                p->state = GW_SUBMISSION_CLOSED;
                p->changed = true;
        }
        bool unsent = p->state == GW_SUBMISSION_INTENDED || p->state == GW_SUBMISSION_UNKNOWN;
        return unsent && o->left > 0 ? shrink(a, p) : 0;
}

static bool is_stop(enum gw_job_event_type type)
{
        return type == GW_EVENT_CANCEL || type == GW_EVENT_TIMER_DEADLINE ||
               type == GW_EVENT_TIMER_START_DEADLINE;
}

/* When the first task started, and the last ended. */
static void note_times(struct live *v, const struct gw_tasks_outcome *o,
                       const struct gw_job_event *event)
{
        struct gw_job *job = &v->job;
        int64_t ended_us = event->ended_us ? event->ended_us : event->at_us;
        bool over = gw_tasks_over(&v->array->tasks);
        if (o->started_us && (!job->first_started_us || o->started_us < job->first_started_us))
                job->first_started_us = o->started_us;
        if ((over || o->left > 0) && ended_us > v->array->ended_us)
                v->array->ended_us = ended_us;
        if (!over)
                return;
        job->ended_us = v->array->ended_us;
        job->step = GW_STEP_ENDED;
}

/* Returns whether the message differs now. */
static bool say(struct live *v, const char *words)
{
        char before[GW_JOB_MESSAGE];
        memcpy(before, v->job.message, sizeof before);
        gw_str_copy(v->job.message, sizeof v->job.message, words ? words : "");
        gw_str_clean(v->job.message);
        return strcmp(before, v->job.message) != 0;
}

/* Why a part was refused, or does not get there, is said of the whole: its tasks have no attempt
 * that could tell. The latter as long as nothing of the array did. Returns whether the message
 * differs now. */
static bool note_words(struct live *v, const struct gw_job_event *event)
{
        struct array *a = v->array;
        enum gw_state state;
        enum gw_reason reason;
        bool unsent = event->type == GW_EVENT_NOT_SENT && event->reason != GW_REASON_NONE;
        if (event->type == GW_EVENT_REFUSED) {
                a->says_why = false;
                return say(v, event->raw);
        }
        if (!unsent && !a->says_why)
                return false;
        gw_tasks_summary(&a->tasks, &state, &reason);
        if (unsent && state == GW_QUEUED) {
                a->says_why = true;
                return say(v, event->raw);
        }
        if (!a->says_why || state == GW_QUEUED)
                return false;
        a->says_why = false;
        return say(v, NULL);
}

/* To the tasks of the part, all or some; or (part NULL) to some, whatever part they are in. */
static void apply(struct gw_leader *l, struct live *v, struct part *p, const struct gw_spans *which,
                  const struct gw_job_event *event)
{
        struct array *a = v->array;
        struct gw_tasks_outcome o;
        struct gw_error err = {0};
        if (gw_tasks_apply(&a->tasks, &v->job, which ? which : &p->spans, p ? p->number : 0, 0,
                           event, &a->effect, &o, &err) < 0 ||
            (p && part_outcome(a, p, &o, event->at_us) < 0)) {
                gw_log(GW_LOG_ERROR, "leader.no_memory", "{s:s}", "backend", l->backend->name);
                l->lost = true;
                return;
        }
        if (p)
                observe(l, p, event);
        note_times(v, &o, event);
        bool told = note_words(v, event);
        if (told || a->effect.changed || (p && p->changed))
                gw_array_note(l, v);
}

/* Tasks are to end: those that were not sent are not sent any more, and of the others the backend
 * is told. */
static void stop_parts(struct gw_leader *l, struct live *v)
{
        struct part *p;
        struct gw_job_event e = {
                .type = GW_EVENT_NOT_SENT, .at_us = gw_clock_wall_us(), .exit_code = -1};
        LIST_FOREACH(p, &v->array->parts, link)
        {
                if (p->state == GW_SUBMISSION_INTENDED && !(p->asked & GW_ACTION_SUBMIT))
                        apply(l, v, p, NULL, &e);
                else
                        p->cancels = true;
        }
}

void gw_array_apply(struct gw_leader *l, struct live *v, struct part *p,
                    const struct gw_spans *which, const struct gw_job_event *event)
{
        if (p && gw_job_event_is_fact(event->type) && !is_accepted(p)) {
                struct gw_job_event e = {.type = GW_EVENT_DONE, .at_us = event->at_us};
                apply(l, v, p, NULL, &e);
        }
        if (!l->lost)
                apply(l, v, p, which, event);
        if (!l->lost && is_stop(event->type))
                stop_parts(l, v);
        if (!l->lost && !v->writing)
                gw_leader_act(l, v);
}

void gw_array_occasion(struct gw_leader *l, struct live *v, const struct occasion *occasion)
{
        struct array *a = v->array;
        a->wish_read = a->wish_read || occasion->wish_read;
        if (occasion->wish_read)
                a->version_read = occasion->version;
        if (occasion->timer_fired)
                a->timer_fired = occasion->timer_fired;
        gw_array_note(l, v);
}

/* The last ordinal of the slice that begins at `first`: a bounded number of runs, and of spans; and
 * of tasks, where each may get a row of its attempt. */
static uint32_t slice_end(const struct array *a, const struct gw_spans *which, uint32_t first,
                          enum gw_job_event_type type)
{
        const struct gw_run *run = gw_tasks_run(&a->tasks, first);
        size_t runs = (size_t)(a->tasks.runs + a->tasks.count - run);
        uint32_t end = run[(runs < SLICE ? runs : SLICE) - 1].hi;
        size_t i = 0;
        while (i < which->count && which->items[i].last < first)
                i++;
        if (which->count - i > SLICE && which->items[i + SLICE - 1].last < end)
                end = which->items[i + SLICE - 1].last;
        bool by_task = type == GW_EVENT_DEAD && end - first >= SLICE;
        return by_task ? first + SLICE - 1 : end;
}

/* part NULL: whatever part they are in. */
bool gw_array_apply_wide(struct gw_leader *l, struct live *v, struct part *p,
                         const struct gw_spans *which, const struct gw_job_event *event)
{
        struct array *a = v->array;
        uint64_t at = 0;
        while (!l->lost && at < a->tasks.total &&
               a->effect.pieces + a->effect.attempt_count < LEADER_ROWS) {
                struct gw_span span = {(uint32_t)at,
                                       slice_end(a, which, (uint32_t)at, event->type)};
                const struct gw_spans range = {.items = &span, .count = 1};
                struct gw_spans slice;
                if (gw_spans_intersect(which, &range, &slice, NULL) < 0)
                        l->lost = true;
                if (!l->lost && slice.count > 0)
                        apply(l, v, p, &slice, event);
                gw_spans_done(&slice);
                at = (uint64_t)span.last + 1;
        }
        if (!l->lost && is_stop(event->type))
                stop_parts(l, v);
        if (!l->lost && !v->writing)
                gw_leader_act(l, v);
        return at >= a->tasks.total;
}

bool gw_array_apply_all(struct gw_leader *l, struct live *v, const struct gw_job_event *event)
{
        struct gw_span span = {0, v->array->tasks.total - 1};
        const struct gw_spans all = {.items = &span, .count = 1};
        if (event->type == GW_EVENT_HOLD || event->type == GW_EVENT_RELEASE)
                v->job.held = event->type == GW_EVENT_HOLD;
        /* A start deadline is about the first start only. */
        bool late = event->type == GW_EVENT_TIMER_START_DEADLINE && v->job.first_started_us;
        if (is_stop(event->type) && !late && v->job.stop == GW_REASON_NONE)
                v->job.stop = event->reason;
        if (event->type == GW_EVENT_TIMER_DELAY && v->job.delayed_us <= event->at_us)
                v->job.delayed_us = 0;
        return gw_array_apply_wide(l, v, NULL, &all, event);
}

static int note_open(const struct array *a, struct part *p)
{
        const struct gw_run *run = NULL;
        while ((run = gw_array_next_run(a, p, run)))
                if (gw_spans_append(&p->open, run->lo, run->hi, NULL) < 0 ||
                    (run->task.step == GW_STEP_RUNNING &&
                     gw_spans_append(&p->begun, run->lo, run->hi, NULL) < 0))
                        return -1;
        return 0;
}

/* What waits here does so for the reason it has now, not for that which was recorded before a wish
 * was read. Returns 0, or -1 without memory. */
static int wait_anew(struct gw_leader *l, struct live *v)
{
        const struct gw_tasks *t = &v->array->tasks;
        struct gw_spans waiting = GW_SPANS_INIT;
        struct gw_job_event e = {.type = v->job.held ? GW_EVENT_HOLD : GW_EVENT_RELEASE,
                                 .at_us = gw_clock_wall_us()};
        int rc = 0;
        for (size_t i = 0; i < t->count && rc == 0; i++)
                if (t->runs[i].task.step == GW_STEP_WAITING)
                        rc = gw_spans_append(&waiting, t->runs[i].lo, t->runs[i].hi, NULL);
        if (rc == 0)
                (void)gw_array_apply_wide(l, v, NULL, &waiting, &e);
        gw_spans_done(&waiting);
        return rc;
}

void gw_array_recover(struct gw_leader *l, struct live *v)
{
        struct part *p;
        struct gw_job_event e = {.type = GW_EVENT_RECOVER, .at_us = gw_clock_wall_us()};
        LIST_FOREACH(p, &v->array->parts, link)
        {
                p->again_us = INT64_MAX; /* nothing is asked before the backend is led */
                p->cancels = true;
                if (note_open(v->array, p) < 0)
                        l->lost = true;
        }
        LIST_FOREACH(p, &v->array->parts, link)
        gw_array_apply(l, v, p, NULL, &e);
        if (!l->lost && wait_anew(l, v) < 0)
                l->lost = true;
}

/* The tasks of a part that a complete read should have shown, and did not. */
static int find_gone(const struct array *a, const struct part *p, uint64_t seen,
                     struct gw_spans *ret)
{
        const struct gw_run *run = NULL;
        while ((run = gw_array_next_run(a, p, run))) {
                const struct gw_task *task = &run->task;
                bool there = task->step == GW_STEP_PENDING || task->step == GW_STEP_RUNNING;
                if (there && task->seen < seen && gw_spans_append(ret, run->lo, run->hi, NULL) < 0)
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

/* Returns whether it came to all of them. */
static bool cancel_some(struct gw_leader *l, struct live *v, const json_t *row)
{
        struct gw_spans spans;
        const char *indices = json_string_value(json_array_get(row, 1));
        bool owner = json_integer_value(json_array_get(row, 2)) == v->user_id;
        bool done = true;
        struct gw_job_event e = {.type = GW_EVENT_CANCEL,
                                 .at_us = gw_clock_wall_us(),
                                 .reason = owner ? GW_REASON_CANCELLED_BY_USER
                                                 : GW_REASON_CANCELLED_BY_ADMIN};
        if (pick(v->array, indices ? indices : "", &spans) < 0)
                l->lost = true;
        else if (spans.count > 0)
                done = gw_array_apply_wide(l, v, NULL, &spans, &e);
        gw_spans_done(&spans);
        return done;
}

bool gw_wish_is_dead(const json_t *row, struct gw_job_event *ret)
{
        const json_t *attempt = json_array_get(row, 3);
        *ret = gw_event_dead((uint32_t)json_integer_value(attempt));
        ret->raw = "its node was confirmed to be dead";
        return json_is_integer(attempt);
}

/* What ends leaves its part. Returns whether it came to all of them. */
static bool end_dead(struct gw_leader *l, struct live *v, const json_t *row,
                     const struct gw_job_event *event)
{
        struct gw_spans spans;
        struct part *p;
        bool done = true;
        const char *indices = json_string_value(json_array_get(row, 1));
        if (pick(v->array, indices ? indices : "", &spans) < 0)
                l->lost = true;
        LIST_FOREACH(p, &v->array->parts, link)
        {
                if (!l->lost && done && spans.count > 0 && is_accepted(p))
                        done = gw_array_apply_wide(l, v, p, &spans, event);
        }
        gw_spans_done(&spans);
        return done;
}

/* Returns whether it came to all of them. */
static bool grant_some(struct gw_leader *l, struct live *v, const json_t *row)
{
        struct gw_job_event event;
        if (!gw_wish_is_dead(row, &event))
                return cancel_some(l, v, row);
        return end_dead(l, v, row, &event);
}

bool gw_array_grant_tasks(struct gw_leader *l, struct live *v, const char *wishes)
{
        json_auto_t *rows = json_loads(wishes, 0, NULL);
        size_t i;
        const json_t *row;
        l->lost = l->lost || !rows;
        json_array_foreach(rows, i, row)
        {
                if (l->lost || !grant_some(l, v, row))
                        return false;
                v->array->wishes_read = json_integer_value(json_array_get(row, 0));
        }
        return !l->lost;
}
