/*
 * The tasks of an array: an event is applied run by run with gw_job_apply(), as if each run
 * were a job, and the runs are put back with equal neighbours joined. Pure; any thread.
 *
 * Invariants: the runs are in order, cover 0 … total-1 without a gap, and no two neighbours are
 * equal; `counts` is their sum; `rows` has where runs begin of which the record shows a difference
 * to the one before. Outside of an effect's rows the runs are those of the record. A
 * task that is at no backend has submission, seen, restart, started_us, silent_us and stop 0; one
 * that has ended has also held and delayed_us 0.
 */
#include "server/model/tasks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"

/* ---- memory -------------------------------------------------------------------------------- */

static int fail_memory(struct gw_error *err)
{
        return gw_fail(err, GW_ERR_NOMEM, "out of memory");
}

/* Room for `count` items of `size` bytes in *items. */
static int reserve(void *items, size_t *cap, size_t count, size_t size, struct gw_error *err)
{
        void **at = items;
        if (count <= *cap)
                return 0;
        size_t more = *cap ? 2 * *cap : 8;
        if (more < count)
                more = count;
        void *bigger = reallocarray(*at, more, size);
        if (!bigger)
                return fail_memory(err);
        *at = bigger;
        *cap = more;
        return 0;
}

/* ---- runs ---------------------------------------------------------------------------------- */

static uint32_t length(const struct gw_run *run)
{
        return run->hi - run->lo + 1;
}

static bool equal(const struct gw_task *a, const struct gw_task *b)
{
        return a->step == b->step && a->state == b->state && a->reason == b->reason &&
               a->stop == b->stop && a->held == b->held && a->submission == b->submission &&
               a->tries == b->tries && a->attempt == b->attempt && a->restart == b->restart &&
               a->seen == b->seen && a->delayed_us == b->delayed_us &&
               a->started_us == b->started_us && a->silent_us == b->silent_us;
}

/* Whether the record shows no difference. */
static bool recorded_equal(const struct gw_task *a, const struct gw_task *b)
{
        return a->step == b->step && a->state == b->state && a->reason == b->reason &&
               a->stop == b->stop && a->submission == b->submission && a->tries == b->tries &&
               a->attempt == b->attempt && a->delayed_us == b->delayed_us;
}

/* The index of the run that the ordinal is in. */
static size_t find(const struct gw_tasks *t, uint32_t ordinal)
{
        size_t lo = 0, hi = t->count - 1;
        assert(ordinal < t->total);
        while (lo < hi) {
                size_t middle = lo + (hi - lo) / 2;
                if (t->runs[middle].hi < ordinal)
                        lo = middle + 1;
                else
                        hi = middle;
        }
        return lo;
}

/* A list of runs being made, equal neighbours joined. */
struct list {
        struct gw_run *items;
        size_t count, cap;
};

static int add(struct list *l, struct gw_run run, struct gw_error *err)
{
        struct gw_run *last = l->count ? &l->items[l->count - 1] : NULL;
        if (last && equal(&last->task, &run.task)) {
                last->hi = run.hi;
                return 0;
        }
        if (reserve(&l->items, &l->cap, l->count + 1, sizeof run, err) < 0)
                return -1;
        l->items[l->count++] = run;
        return 0;
}

static void count(struct gw_tasks *t, const struct gw_run *runs, size_t n, bool in)
{
        for (size_t i = 0; i < n; i++) {
                uint32_t *counter = &t->counts[runs[i].task.state];
                *counter = in ? *counter + length(&runs[i]) : *counter - length(&runs[i]);
        }
}

/* Makes room behind the runs for `more` of them: what lies free before them, if that is much, else
 * new memory. */
static int grow(struct gw_tasks *t, size_t more, struct gw_error *err)
{
        size_t before = (size_t)(t->runs - t->memory);
        if (before + t->count + more <= t->cap)
                return 0;
        if (before >= more && before > t->count / 2) {
                memmove(t->memory, t->runs, t->count * sizeof *t->runs);
                before = 0;
        } else if (reserve(&t->memory, &t->cap, before + t->count + more, sizeof *t->runs, err) <
                   0) {
                return -1;
        }
        t->runs = t->memory + before;
        return 0;
}

/* Makes a place for `more` runs at index `at`, where `old` were, by moving the fewer of those
 * before and behind: what ends first is far ahead of what ends last. */
static int make_room(struct gw_tasks *t, size_t at, size_t old, size_t more, struct gw_error *err)
{
        size_t rest = t->count - at - old;
        if (at < rest && (size_t)(t->runs - t->memory) + old >= more) {
                struct gw_run *runs = t->runs + (ptrdiff_t)old - (ptrdiff_t)more;
                memmove(runs, t->runs, at * sizeof *runs);
                t->runs = runs;
        } else {
                if (more > old && grow(t, more - old, err) < 0)
                        return -1;
                memmove(t->runs + at + more, t->runs + at + old, rest * sizeof *t->runs);
        }
        t->count = t->count - old + more;
        return 0;
}

/* How many rows begin at this ordinal or before. */
static size_t rows_until(const struct gw_tasks *t, uint32_t ordinal)
{
        size_t low = 0, high = t->row_count;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (t->rows[middle] <= ordinal)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

/* The rows of runs that are put in. The first of them begins one, or not, as before. */
static int replace_rows(struct gw_tasks *t, const struct list *l, struct gw_error *err)
{
        size_t from = rows_until(t, l->items[0].lo);
        size_t to = rows_until(t, l->items[l->count - 1].hi), n = 0;
        for (size_t i = 1; i < l->count; i++)
                n += !recorded_equal(&l->items[i - 1].task, &l->items[i].task);
        if (reserve(&t->rows, &t->row_cap, t->row_count - (to - from) + n, sizeof *t->rows, err) <
            0)
                return -1;
        memmove(t->rows + from + n, t->rows + to, (t->row_count - to) * sizeof *t->rows);
        t->row_count = t->row_count - (to - from) + n;
        for (size_t i = 1; i < l->count; i++)
                if (!recorded_equal(&l->items[i - 1].task, &l->items[i].task))
                        t->rows[from++] = l->items[i].lo;
        return 0;
}

/* Puts the list in place of the runs from index `from` to `to`, both included: of the same
 * ordinals, and at either end a run that is as it was, or where the array ends. */
static int replace(struct gw_tasks *t, size_t from, size_t to, const struct list *l,
                   struct gw_error *err)
{
        size_t old = to - from + 1;
        count(t, t->runs + from, old, false);
        if (replace_rows(t, l, err) < 0 ||
            (l->count != old && make_room(t, from, old, l->count, err) < 0))
                return -1;
        memcpy(t->runs + from, l->items, l->count * sizeof *l->items);
        count(t, l->items, l->count, true);
        return 0;
}

int gw_tasks_init(struct gw_tasks *t, uint32_t total, bool held, int64_t delayed_us,
                  struct gw_error *err)
{
        assert(total > 0);
        *t = (struct gw_tasks){.total = total};
        if (reserve(&t->memory, &t->cap, 1, sizeof *t->runs, err) < 0 ||
            reserve(&t->rows, &t->row_cap, 1, sizeof *t->rows, err) < 0)
                return -1;
        t->runs = t->memory;
        t->rows[t->row_count++] = 0;
        enum gw_reason reason = held         ? GW_REASON_HELD
                                : delayed_us ? GW_REASON_NOT_BEFORE
                                             : GW_REASON_NONE;
        t->runs[t->count++] = (struct gw_run){
                .hi = total - 1,
                .task = {.step = GW_STEP_WAITING,
                         .state = GW_QUEUED,
                         .reason = reason,
                         .held = held,
                         .delayed_us = delayed_us},
        };
        count(t, t->runs, 1, true);
        return 0;
}

void gw_tasks_done(struct gw_tasks *t)
{
        free(t->memory);
        free(t->rows);
        *t = (struct gw_tasks){0};
}

int gw_tasks_copy(const struct gw_tasks *t, struct gw_tasks *ret, struct gw_error *err)
{
        *ret = *t;
        ret->runs = ret->memory = NULL;
        ret->rows = NULL;
        ret->cap = ret->row_cap = 0;
        if (reserve(&ret->memory, &ret->cap, t->count, sizeof *t->runs, err) < 0 ||
            reserve(&ret->rows, &ret->row_cap, t->row_count, sizeof *t->rows, err) < 0)
                return -1;
        ret->runs = ret->memory;
        memcpy(ret->runs, t->runs, t->count * sizeof *t->runs);
        memcpy(ret->rows, t->rows, t->row_count * sizeof *t->rows);
        return 0;
}

/* The row of the record that the run at index i is in. */
static struct gw_run row_at(const struct gw_tasks *t, size_t i)
{
        struct gw_run row = t->runs[i];
        size_t next = rows_until(t, row.lo);
        row.lo = t->rows[next - 1];
        row.hi = next < t->row_count ? t->rows[next] - 1 : t->total - 1;
        return row;
}

struct gw_run gw_tasks_row(const struct gw_tasks *t, uint32_t ordinal)
{
        return row_at(t, find(t, ordinal));
}

bool gw_task_untouched(const struct gw_task *task)
{
        return task->step == GW_STEP_WAITING && task->tries == 0;
}

const struct gw_run *gw_tasks_run(const struct gw_tasks *t, uint32_t ordinal)
{
        return &t->runs[find(t, ordinal)];
}

/* ---- what is to be recorded ---------------------------------------------------------------- */

static int by_attempt(const void *a, const void *b)
{
        const struct gw_task_attempt *x = a, *y = b;
        if (x->ordinal != y->ordinal)
                return x->ordinal < y->ordinal ? -1 : 1;
        if (x->attempt.no != y->attempt.no)
                return x->attempt.no < y->attempt.no ? -1 : 1;
        return (x->turn > y->turn) - (x->turn < y->turn);
}

/* The later row of an attempt, with what only the earlier knows. */
static void merge_attempt(struct gw_task_attempt *top, const struct gw_task_attempt *next)
{
        struct gw_task_attempt merged = *next;
        if (merged.attempt.node[0] == '\0')
                memcpy(merged.attempt.node, top->attempt.node, sizeof merged.attempt.node);
        if (!merged.attempt.usage)
                merged.attempt.usage = top->attempt.usage;
        if (!merged.attempt.started_us)
                merged.attempt.started_us = top->attempt.started_us;
        *top = merged;
}

/* One row for each attempt. */
static void settle_attempts(struct gw_tasks_effect *e)
{
        size_t kept = 0;
        if (e->attempt_count == 0)
                return;
        qsort(e->attempts, e->attempt_count, sizeof *e->attempts, by_attempt);
        for (size_t i = 1; i < e->attempt_count; i++) {
                const struct gw_task_attempt *next = &e->attempts[i];
                struct gw_task_attempt *top = &e->attempts[kept];
                if (top->ordinal == next->ordinal && top->attempt.no == next->attempt.no)
                        merge_attempt(top, next);
                else
                        e->attempts[++kept] = *next;
        }
        e->attempt_count = kept + 1;
}

void gw_tasks_effect_settle(struct gw_tasks_effect *e)
{
        settle_attempts(e);
        gw_spans_settle(&e->rows);
        gw_spans_settle(&e->starts);
        for (size_t i = 0; i < e->change_count; i++)
                gw_spans_settle(&e->changes[i].ordinals);
}

void gw_tasks_effect_clear(struct gw_tasks_effect *e)
{
        for (size_t i = 0; i < e->change_count; i++)
                gw_spans_done(&e->changes[i].ordinals);
        gw_spans_done(&e->rows);
        gw_spans_done(&e->starts);
        free(e->changes);
        free(e->attempts);
        *e = (struct gw_tasks_effect){0};
}

static int note_attempts(struct gw_tasks_effect *e, const struct gw_run *piece, uint32_t number,
                         bool ran, const struct gw_job_effect *of_one, struct gw_error *err)
{
        for (unsigned i = 0; i < of_one->attempt_count; i++) {
                const struct gw_attempt *a = &of_one->attempts[i];
                if (length(piece) > 1 && a->started_us == 0 && !ran)
                        continue;
                if (reserve(&e->attempts, &e->attempt_cap, e->attempt_count + length(piece),
                            sizeof *e->attempts, err) < 0)
                        return -1;
                for (uint32_t o = piece->lo; o <= piece->hi; o++) {
                        struct gw_task_attempt *row = &e->attempts[e->attempt_count];
                        *row = (struct gw_task_attempt){
                                .ordinal = o, .turn = (uint32_t)e->attempt_count++, .attempt = *a};
                        row->attempt.submission = number;
                }
        }
        return 0;
}

static struct gw_task_change *change_to(struct gw_tasks_effect *e, const struct gw_task *task,
                                        struct gw_error *err)
{
        for (size_t i = 0; i < e->change_count; i++)
                if (e->changes[i].state == task->state && e->changes[i].reason == task->reason)
                        return &e->changes[i];
        if (reserve(&e->changes, &e->change_cap, e->change_count + 1, sizeof *e->changes, err) < 0)
                return NULL;
        struct gw_task_change *c = &e->changes[e->change_count++];
        *c = (struct gw_task_change){.state = task->state, .reason = task->reason};
        return c;
}

static int note_change(struct gw_tasks_effect *e, const struct gw_run *piece, struct gw_error *err)
{
        struct gw_task_change *c = change_to(e, &piece->task, err);
        return c ? gw_spans_gather(&c->ordinals, piece->lo, piece->hi, err) : -1;
}

/* ---- one event ----------------------------------------------------------------------------- */

static struct gw_job as_job(const struct gw_task *task, const struct gw_job *job)
{
        return (struct gw_job){
                .id = job->id,
                .retry = job->retry,
                .step = task->step,
                .state = task->state,
                .reason = task->reason,
                .exit_code = -1,
                .held = task->held,
                .stop = task->stop,
                .submission = task->tries,
                .attempt = task->attempt,
                .restart = task->restart,
                .seen = task->seen,
                .delayed_us = task->delayed_us,
                .started_us = task->started_us,
                .silent_us = task->silent_us,
                .first_started_us = job->first_started_us,
        };
}

/* Only what tells it from others is kept. */
static struct gw_task as_task(const struct gw_job *j, uint32_t number)
{
        bool there = gw_job_step_handed_over(j->step);
        return (struct gw_task){
                .step = j->step,
                .state = j->state,
                .reason = j->reason,
                .stop = there ? j->stop : GW_REASON_NONE,
                .held = j->held,
                .submission = there ? number : 0,
                .tries = j->submission,
                .attempt = j->attempt,
                .restart = there ? j->restart : 0,
                .seen = there ? j->seen : 0,
                .delayed_us = j->delayed_us,
                .started_us = there ? j->started_us : 0,
                .silent_us = there ? j->silent_us : 0,
        };
}

struct application {
        const struct gw_tasks *tasks;
        const struct gw_job *job;
        uint32_t number, claim;
        const struct gw_job_event *event;
        struct gw_tasks_effect *effect;
        struct gw_tasks_outcome *outcome;
        struct gw_spans rows; /* the record's rows that it changes, as they were */
        struct gw_run row;    /* the last of them; lo > hi: none */
};

static void observe(const struct application *a, const struct gw_run *piece,
                    const struct gw_task *before, const struct gw_job *after,
                    const struct gw_job_effect *of_one)
{
        struct gw_tasks_outcome *o = a->outcome;
        if (of_one->submission != GW_SUBMISSION_NONE && of_one->submission != GW_SUBMISSION_CLOSED)
                o->submission = of_one->submission;
        if (gw_job_step_handed_over(before->step) && !gw_job_step_handed_over(after->step))
                o->left += length(piece);
        if (after->started_us && (!o->started_us || after->started_us < o->started_us))
                o->started_us = after->started_us;
        int64_t due_us = of_one->delay_timer_us;
        if (due_us && (!a->effect->delay_timer_us || due_us < a->effect->delay_timer_us))
                a->effect->delay_timer_us = due_us;
}

/* The piece, of the run at index i, changes its row. Pieces come in order. */
static int note_row(struct application *a, size_t i, const struct gw_run *piece,
                    struct gw_error *err)
{
        if (piece->lo >= a->row.lo && piece->hi <= a->row.hi)
                return 0;
        a->row = row_at(a->tasks, i);
        a->effect->changed = true;
        return gw_spans_append(&a->rows, a->row.lo, a->row.hi, err) ||
                               gw_spans_gather(&a->effect->starts, a->row.lo, a->row.lo, err)
                       ? -1
                       : 0;
}

/* What waits for a retry waits as all of a held array does. */
static void hold_again(struct gw_job *job)
{
        const struct gw_job_event hold = {.type = GW_EVENT_HOLD};
        struct gw_job_effect nothing_new;
        gw_job_apply(job, &hold, &nothing_new);
}

/* The event comes to `piece`, which is of the run at index i. */
static int apply_piece(struct application *a, size_t i, struct gw_run *piece, struct gw_error *err)
{
        struct gw_task before = piece->task;
        struct gw_job_effect of_one;
        if (a->number && before.submission != a->number)
                return 0;
        struct gw_job job = as_job(&before, a->job);
        gw_job_apply(&job, a->event, &of_one);
        if (a->job->held && gw_job_step_handed_over(before.step) && job.step == GW_STEP_WAITING)
                hold_again(&job);
        uint32_t number = before.step == GW_STEP_WAITING ? a->claim : before.submission;
        piece->task = as_task(&job, number);
        observe(a, piece, &before, &job, &of_one);
        bool ran = before.step == GW_STEP_RUNNING;
        if (note_attempts(a->effect, piece, number, ran, &of_one, err) < 0)
                return -1;
        a->effect->changed = a->effect->changed || of_one.attempt_count > 0;
        bool differs = !recorded_equal(&before, &piece->task);
        a->effect->pieces += differs;
        if (differs && note_row(a, i, piece, err) < 0)
                return -1;
        return of_one.state_changed ? note_change(a->effect, piece, err) : 0;
}

/* Takes `lo … hi` of a run, if that is anything. */
static int add_part(struct list *out, const struct gw_run *run, uint64_t lo, uint64_t hi,
                    struct gw_error *err)
{
        uint64_t first = run->lo > lo ? run->lo : lo, last = run->hi < hi ? run->hi : hi;
        if (first > last)
                return 0;
        return add(out, (struct gw_run){(uint32_t)first, (uint32_t)last, run->task}, err);
}

/* What of a run lies before a span, and behind it. */
static int add_before(struct list *out, const struct gw_run *run, struct gw_span span,
                      struct gw_error *err)
{
        return span.first > 0 ? add_part(out, run, 0, span.first - 1, err) : 0;
}

static int add_behind(struct list *out, const struct gw_run *run, struct gw_span span,
                      struct gw_error *err)
{
        return add_part(out, run, (uint64_t)span.last + 1, UINT32_MAX, err);
}

/* The run at index i in pieces: what is in a span and what is not. *next: the first span that
 * does not end before the run; moved on to the first that does not end in it. */
static int apply_run(struct application *a, size_t i, const struct gw_spans *which, size_t *next,
                     struct list *out, struct gw_error *err)
{
        const struct gw_run *run = &a->tasks->runs[i];
        uint64_t at = run->lo;
        while (*next < which->count && which->items[*next].first <= run->hi) {
                struct gw_span span = which->items[*next];
                struct gw_run piece = {.lo = span.first > at ? span.first : (uint32_t)at,
                                       .hi = span.last < run->hi ? span.last : run->hi,
                                       .task = run->task};
                if ((piece.lo > at && add_part(out, run, at, piece.lo - 1, err) < 0) ||
                    apply_piece(a, i, &piece, err) < 0 || add(out, piece, err) < 0)
                        return -1;
                at = (uint64_t)piece.hi + 1;
                if (span.last > run->hi)
                        break;
                (*next)++;
        }
        return add_part(out, run, at, run->hi, err);
}

/* The runs of a span with their neighbours, which may be equal to them afterwards. */
struct window {
        size_t first, last;
};

static struct window window_of(const struct gw_tasks *t, struct gw_span span)
{
        size_t from = find(t, span.first), to = find(t, span.last);
        return (struct window){from > 0 ? from - 1 : from, to + 1 < t->count ? to + 1 : to};
}

/* What is joined with a changed row now is recorded with it. */
static int note_rows(const struct application *a, struct gw_error *err)
{
        for (size_t i = 0; i < a->rows.count; i++) {
                uint32_t last = a->rows.items[i].last;
                uint32_t lo = gw_tasks_row(a->tasks, a->rows.items[i].first).lo;
                uint32_t hi = gw_tasks_row(a->tasks, last).hi;
                if (gw_spans_gather(&a->effect->rows, lo, hi, err) < 0)
                        return -1;
                if (hi > last && gw_spans_gather(&a->effect->starts, last + 1, last + 1, err) < 0)
                        return -1;
        }
        return 0;
}

int gw_tasks_apply(struct gw_tasks *t, const struct gw_job *job, const struct gw_spans *which,
                   uint32_t number, uint32_t claim, const struct gw_job_event *event,
                   struct gw_tasks_effect *effect, struct gw_tasks_outcome *outcome,
                   struct gw_error *err)
{
        struct gw_span all = {which->items[0].first, which->items[which->count - 1].last};
        struct application a = {.tasks = t,
                                .job = job,
                                .number = number,
                                .claim = claim,
                                .event = event,
                                .effect = effect,
                                .outcome = outcome,
                                .row = {.lo = 1}};
        struct window w = window_of(t, all);
        struct list out = {0};
        size_t next = 0;
        int rc = 0;
        assert(which->count > 0 && all.last < t->total);
        *outcome = (struct gw_tasks_outcome){0};
        for (size_t i = w.first; i <= w.last && rc == 0; i++)
                rc = apply_run(&a, i, which, &next, &out, err);
        if (rc == 0)
                rc = replace(t, w.first, w.last, &out, err);
        if (rc == 0)
                rc = note_rows(&a, err);
        gw_spans_done(&a.rows);
        free(out.items);
        return rc;
}

int gw_tasks_put(struct gw_tasks *t, const struct gw_run *run, struct gw_error *err)
{
        assert(run->lo <= run->hi && run->hi < t->total);
        struct gw_span span = {run->lo, run->hi};
        struct window w = window_of(t, span);
        struct list out = {0};
        int rc = 0;
        for (size_t i = w.first; i <= w.last && rc == 0; i++) {
                rc = add_before(&out, &t->runs[i], span, err);
                bool last = t->runs[i].lo <= run->hi && t->runs[i].hi >= run->hi;
                if (rc == 0 && last)
                        rc = add(&out, *run, err);
                if (rc == 0)
                        rc = add_behind(&out, &t->runs[i], span, err);
        }
        if (rc == 0)
                rc = replace(t, w.first, w.last, &out, err);
        free(out.items);
        return rc;
}

/* ---- the whole ----------------------------------------------------------------------------- */

bool gw_tasks_over(const struct gw_tasks *t)
{
        return t->counts[GW_SUCCEEDED] + t->counts[GW_FAILED] + t->counts[GW_CANCELLED] == t->total;
}

void gw_tasks_summary(const struct gw_tasks *t, enum gw_state *ret_state,
                      enum gw_reason *ret_reason)
{
        static const enum gw_state order[] = {GW_RUNNING, GW_PENDING,   GW_QUEUED,
                                              GW_FAILED,  GW_CANCELLED, GW_SUCCEEDED};
        size_t i = 0;
        while (!t->counts[order[i]])
                i++;
        *ret_state = order[i];
        const struct gw_run *run = t->runs;
        while (run->task.state != *ret_state)
                run++;
        *ret_reason = run->task.reason;
}

static bool can_go(const struct gw_task *task, int64_t now_us)
{
        return task->step == GW_STEP_WAITING && !task->held && task->delayed_us <= now_us;
}

int gw_tasks_claimable(const struct gw_tasks *t, int64_t now_us, uint32_t most,
                       struct gw_spans *ret, struct gw_error *err)
{
        const struct gw_run *first = NULL;
        uint32_t room = most;
        *ret = GW_SPANS_INIT;
        for (size_t i = 0; i < t->count && room > 0; i++) {
                const struct gw_run *run = &t->runs[i];
                if (!can_go(&run->task, now_us) ||
                    (first && run->task.attempt != first->task.attempt))
                        continue;
                uint32_t n = length(run) < room ? length(run) : room;
                if (gw_spans_append(ret, run->lo, run->lo + n - 1, err) < 0) {
                        gw_spans_done(ret);
                        return -1;
                }
                first = first ? first : run;
                room -= n;
        }
        return 0;
}

int64_t gw_tasks_next_delay(const struct gw_tasks *t)
{
        int64_t next = 0;
        for (size_t i = 0; i < t->count; i++) {
                int64_t at = t->runs[i].task.delayed_us;
                if (at && (!next || at < next))
                        next = at;
        }
        return next;
}
