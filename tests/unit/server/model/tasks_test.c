/* An array's runs beside a plain model: one job per task, each given the same events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs those above. */
#include <cmocka.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/model/tasks.h"

#define N 60
#define NOW (INT64_C(1764000000) * GW_SECOND)

static const struct gw_job common = {.retry = {.limit = 2,
                                               .delay_s = 5,
                                               .backoff = 1,
                                               .reasons = UINT64_C(1) << GW_REASON_NODE_FAILURE}};

/* ---- the plain model --------------------------------------------------------------------- */

struct model {
        struct gw_job jobs[N];                        /* submission: the tries */
        uint32_t numbers[N];                          /* of the open submission */
        bool starts[N + 1];                           /* a row of the record begins here */
        struct gw_task record[N];                     /* as it was recorded */
        bool met[N][GW_STATE_COUNT][GW_REASON_COUNT]; /* since it was recorded */
        int attempts[N][64]; /* 1 + the state of those that started, as seen last, likewise */
        int64_t delay_us;
};

static bool at_backend(const struct gw_job *j)
{
        return j->step != GW_STEP_WAITING && j->step != GW_STEP_ENDED;
}

static void model_init(struct model *m, const struct gw_tasks *t)
{
        *m = (struct model){.starts = {[0] = true, [N] = true}};
        for (size_t i = 0; i < N; i++) {
                m->jobs[i] = (struct gw_job){.retry = common.retry, .exit_code = -1};
                m->record[i] = gw_tasks_run(t, (uint32_t)i)->task;
        }
}

static void model_apply(struct model *m, const struct gw_spans *which, uint32_t number,
                        uint32_t claim, const struct gw_job_event *event)
{
        for (uint32_t i = 0; i < N; i++) {
                struct gw_job *j = &m->jobs[i];
                struct gw_job_effect effect;
                if (!gw_spans_contains(which, i) || (number && m->numbers[i] != number))
                        continue;
                bool waited = j->step == GW_STEP_WAITING;
                j->first_started_us = common.first_started_us;
                gw_job_apply(j, event, &effect);
                if (waited && at_backend(j))
                        m->numbers[i] = claim;
                if (effect.state_changed)
                        m->met[i][j->state][j->reason] = true;
                for (unsigned k = 0; k < effect.attempt_count; k++) {
                        const struct gw_attempt *a = &effect.attempts[k];
                        assert_true(a->no < GW_COUNT(m->attempts[i]));
                        if (a->started_us)
                                m->attempts[i][a->no] = 1 + (int)a->state;
                }
                if (effect.delay_timer_us && (!m->delay_us || effect.delay_timer_us < m->delay_us))
                        m->delay_us = effect.delay_timer_us;
                if (!at_backend(j)) {
                        m->numbers[i] = 0;
                        j->seen = 0;
                        j->restart = 0;
                        j->started_us = 0;
                        j->stop = GW_REASON_NONE;
                }
        }
}

static void check_tasks(const struct model *m, const struct gw_tasks *t)
{
        uint32_t counts[GW_STATE_COUNT] = {0};
        uint32_t next = 0;
        for (size_t r = 0; r < t->count; r++) {
                const struct gw_run *run = &t->runs[r];
                assert_int_equal(run->lo, next);
                for (uint32_t i = run->lo; i <= run->hi; i++) {
                        const struct gw_job *j = &m->jobs[i];
                        const struct gw_task *task = &run->task;
                        assert_int_equal(task->step, j->step);
                        assert_int_equal(task->state, j->state);
                        assert_int_equal(task->reason, j->reason);
                        assert_int_equal(task->stop, j->stop);
                        assert_int_equal(task->held, j->held);
                        assert_int_equal(task->submission, m->numbers[i]);
                        assert_int_equal(task->tries, j->submission);
                        assert_int_equal(task->attempt, j->attempt);
                        assert_int_equal(task->restart, j->restart);
                        assert_int_equal(task->seen, j->seen);
                        assert_int_equal(task->delayed_us, j->delayed_us);
                        assert_int_equal(task->started_us, j->started_us);
                        counts[j->state]++;
                }
                next = run->hi + 1;
        }
        assert_int_equal(next, N);
        assert_memory_equal(counts, t->counts, sizeof counts);
}

/* Equal neighbours are one run. */
static void check_joined(const struct gw_tasks *t)
{
        for (size_t r = 1; r < t->count; r++)
                assert_memory_not_equal(&t->runs[r].task, &t->runs[r - 1].task,
                                        sizeof t->runs[r].task);
}

/* Rows that begin where none does any more are deleted, */
static void record_gone(struct model *m, const struct gw_tasks *t, const struct gw_spans *starts)
{
        for (size_t i = 0; i < starts->count; i++)
                for (uint32_t o = starts->items[i].first; o <= starts->items[i].last; o++)
                        if (gw_tasks_row(t, o).lo != o)
                                m->starts[o] = false;
}

/* and those of a span that are now there written. */
static void record_span(struct model *m, const struct gw_tasks *t, struct gw_span span)
{
        assert_true(m->starts[span.first] && m->starts[span.last + 1]);
        for (uint32_t i = span.first; i <= span.last; i++) {
                struct gw_run row = gw_tasks_row(t, i);
                assert_true(row.lo >= span.first && row.hi <= span.last);
                m->starts[row.lo] = true;
                m->record[i] = row.task;
        }
}

static void record(struct model *m, const struct gw_tasks *t, struct gw_tasks_effect *e)
{
        gw_tasks_effect_settle(e);
        assert_int_equal(e->changed, e->rows.count + e->attempt_count > 0);
        record_gone(m, t, &e->starts);
        for (size_t i = 0; i < e->rows.count; i++)
                record_span(m, t, e->rows.items[i]);
        for (uint32_t i = 0; i < N; i++) {
                const struct gw_task *now = &gw_tasks_run(t, i)->task;
                assert_int_equal(m->starts[i], gw_tasks_row(t, i).lo == i);
                /* What was observed last is not recorded. */
                assert_int_equal(m->record[i].state, now->state);
                assert_int_equal(m->record[i].reason, now->reason);
                assert_int_equal(m->record[i].submission, now->submission);
                assert_int_equal(m->record[i].attempt, now->attempt);
                for (size_t c = 0; c < e->change_count; c++) {
                        const struct gw_task_change *change = &e->changes[c];
                        assert_int_equal(gw_spans_contains(&change->ordinals, i),
                                         m->met[i][change->state][change->reason]);
                        m->met[i][change->state][change->reason] = false;
                }
        }
        static const bool none[N][GW_STATE_COUNT][GW_REASON_COUNT];
        assert_memory_equal(m->met, none, sizeof none);
        for (size_t i = 0; i < e->attempt_count; i++) {
                const struct gw_task_attempt *a = &e->attempts[i];
                int *seen = &m->attempts[a->ordinal][a->attempt.no];
                if (!a->attempt.started_us)
                        continue;
                assert_int_equal(*seen, 1 + (int)a->attempt.state);
                *seen = 0; /* once */
        }
        static const int no_attempts[N][64];
        assert_memory_equal(m->attempts, no_attempts, sizeof no_attempts);
        assert_int_equal(e->delay_timer_us, m->delay_us);
        m->delay_us = 0;
        gw_tasks_effect_clear(e);
}

/* ---- random walks ------------------------------------------------------------------------ */

static uint64_t random_state;

static unsigned pick(unsigned n)
{
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (unsigned)(random_state % n);
}

/* One span, or several. */
static struct gw_spans random_spans(void)
{
        struct gw_spans s = GW_SPANS_INIT;
        uint32_t at = pick(N);
        unsigned count = 1 + pick(3) * pick(5);
        while (count-- > 0 && at < N) {
                uint32_t last = pick(4) ? at + pick(6) : at + pick(N);
                last = last < N ? last : N - 1;
                assert_int_equal(gw_spans_append(&s, at, last, NULL), 0);
                at = last + 1 + pick(4);
        }
        return s;
}

static struct gw_job_event random_event(int64_t at_us)
{
        struct gw_job_event e = {.type = (enum gw_job_event_type)pick(GW_EVENT_COUNT),
                                 .at_us = at_us,
                                 .reason = (enum gw_reason)pick(GW_REASON_COUNT),
                                 .exit_code = (int)pick(3) - 1,
                                 .seen = pick(8),
                                 .restart = pick(10) ? 0 : pick(3)};
        if (pick(3) == 0)
                e.type = GW_EVENT_CLAIM;
        else if (pick(3) == 0)
                e.type = pick(2) ? GW_EVENT_FACT_ENDED : GW_EVENT_FACT_RUNNING;
        if (e.type == GW_EVENT_FACT_ENDED)
                e.reason = pick(2) ? GW_REASON_COMPLETED : GW_REASON_NODE_FAILURE;
        if (pick(2))
                e.started_us = at_us - 1;
        return e;
}

static bool is_of_submission(enum gw_job_event_type type)
{
        return type >= GW_EVENT_DONE && type <= GW_EVENT_GONE;
}

static void walk(uint64_t seed)
{
        struct gw_tasks t;
        struct gw_tasks_effect effect = {0};
        struct gw_error err = {0};
        static struct model m;
        uint32_t last_number = 0;
        random_state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
        assert_int_equal(gw_tasks_init(&t, N, false, 0, &err), 0);
        model_init(&m, &t);
        for (int i = 0; i < 400; i++) {
                struct gw_job_event e = random_event(NOW + i * GW_SECOND);
                struct gw_spans which = random_spans();
                struct gw_tasks_outcome outcome;
                uint32_t number = is_of_submission(e.type) ? 1 + pick(last_number + 1) : 0;
                uint32_t claim = e.type == GW_EVENT_CLAIM ? ++last_number : 0;
                assert_int_equal(gw_tasks_apply(&t, &common, &which, number, claim, &e, &effect,
                                                &outcome, &err),
                                 0);
                model_apply(&m, &which, number, claim, &e);
                gw_spans_done(&which);
                check_tasks(&m, &t);
                check_joined(&t);
                if (pick(4) == 0)
                        record(&m, &t, &effect);
        }
        gw_tasks_effect_clear(&effect);
        gw_tasks_done(&t);
}

static void runs_are_what_single_jobs_would_be(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 300; seed++)
                walk(seed);
}

/* ---- by hand ------------------------------------------------------------------------------- */

static struct gw_tasks_outcome apply(struct gw_tasks *t, struct gw_tasks_effect *e,
                                     struct gw_span span, uint32_t number,
                                     struct gw_job_event event)
{
        struct gw_tasks_outcome o;
        struct gw_spans which = {.items = &span, .count = 1};
        uint32_t claim = event.type == GW_EVENT_CLAIM ? 1 : 0;
        event.at_us = NOW;
        assert_int_equal(gw_tasks_apply(t, &common, &which, number, claim, &event, e, &o, NULL), 0);
        return o;
}

static void a_million_of_which_few_do_something(void **state)
{
        (void)state;
        struct gw_tasks t;
        struct gw_tasks_effect e = {0};
        struct gw_span all = {0, 999999};
        assert_int_equal(gw_tasks_init(&t, 1000000, false, 0, NULL), 0);
        assert_int_equal(t.count, 1);
        apply(&t, &e, all, 0, (struct gw_job_event){.type = GW_EVENT_CLAIM});
        assert_int_equal(t.count, 1);
        struct gw_tasks_outcome o =
                apply(&t, &e, all, 1, (struct gw_job_event){.type = GW_EVENT_DONE});
        assert_int_equal(o.submission, GW_SUBMISSION_ACCEPTED);
        assert_int_equal(t.count, 1);
        for (uint32_t i = 0; i < 1000; i++) {
                struct gw_span one = {i * 1000, i * 1000};
                apply(&t, &e, one, 1,
                      (struct gw_job_event){.type = GW_EVENT_FACT_RUNNING, .started_us = NOW});
        }
        assert_int_equal(t.count, 2000);
        assert_int_equal(t.counts[GW_RUNNING], 1000);
        gw_tasks_effect_clear(&e);
        o = apply(&t, &e, all, 0,
                  (struct gw_job_event){.type = GW_EVENT_CANCEL,
                                        .reason = GW_REASON_CANCELLED_BY_USER});
        assert_int_equal(o.left, 0);
        /* The backend says how many it had not started; no row is made of those. */
        o = apply(&t, &e, (struct gw_span){500001, 500999}, 1,
                  (struct gw_job_event){.type = GW_EVENT_FACT_ENDED,
                                        .reason = GW_REASON_CANCELLED_BY_USER,
                                        .exit_code = -1});
        assert_int_equal(o.left, 999);
        assert_int_equal(e.attempt_count, 0);
        assert_int_equal(t.counts[GW_CANCELLED], 999);
        gw_tasks_effect_clear(&e);
        gw_tasks_done(&t);
}

/* As many pieces as there can be, in one sweep. */
static void every_other_of_a_million(void **state)
{
        (void)state;
        struct gw_tasks t;
        struct gw_tasks_effect e = {0};
        struct gw_tasks_outcome o;
        struct gw_spans odd = GW_SPANS_INIT;
        struct gw_job_event cancel = {
                .type = GW_EVENT_CANCEL, .at_us = NOW, .reason = GW_REASON_CANCELLED_BY_USER};
        for (uint32_t i = 1; i < 1000000; i += 2)
                assert_int_equal(gw_spans_append(&odd, i, i, NULL), 0);
        assert_int_equal(gw_tasks_init(&t, 1000000, false, 0, NULL), 0);
        for (int i = 0; i < 2; i++)
                assert_int_equal(gw_tasks_apply(&t, &common, &odd, 0, 0, &cancel, &e, &o, NULL), 0);
        assert_int_equal(t.count, 1000000);
        assert_int_equal(t.counts[GW_CANCELLED], 500000);
        assert_int_equal(e.change_count, 1);
        gw_tasks_effect_settle(&e);
        assert_true(gw_spans_equal(&e.changes[0].ordinals, &odd));
        gw_spans_done(&odd);
        gw_tasks_effect_clear(&e);
        gw_tasks_done(&t);
}

/* One starts as one ends, 100 at a time: what has ended is one run and one row, what runs is one
 * row of as many runs. */
static void check_stream(const struct gw_tasks *t, uint32_t ended, uint32_t started)
{
        assert_int_equal(t->count, (ended > 0) + (started - ended) + (started < t->total));
        for (uint32_t i = ended; i < started; i++) {
                assert_int_equal(gw_tasks_run(t, i)->lo, i);
                assert_int_equal(gw_tasks_run(t, i)->task.started_us, NOW + i);
        }
        if (ended > 0)
                assert_int_equal(gw_tasks_row(t, 0).hi, ended - 1);
        assert_int_equal(gw_tasks_row(t, ended).lo, ended);
        assert_int_equal(gw_tasks_row(t, ended).hi, started - 1);
}

static void what_ends_in_order_leaves_the_rest_as_it_is(void **state)
{
        (void)state;
        struct gw_tasks t, copy;
        struct gw_tasks_effect e = {0};
        struct gw_span all = {0, 4999};
        assert_int_equal(gw_tasks_init(&t, 5000, false, 0, NULL), 0);
        apply(&t, &e, all, 0, (struct gw_job_event){.type = GW_EVENT_CLAIM});
        apply(&t, &e, all, 1, (struct gw_job_event){.type = GW_EVENT_DONE});
        for (uint32_t i = 0; i < 5000; i++) {
                apply(&t, &e, (struct gw_span){i, i}, 1,
                      (struct gw_job_event){.type = GW_EVENT_FACT_RUNNING, .started_us = NOW + i});
                if (i < 100)
                        continue;
                apply(&t, &e, (struct gw_span){i - 100, i - 100}, 1,
                      (struct gw_job_event){.type = GW_EVENT_FACT_ENDED,
                                            .reason = GW_REASON_COMPLETED});
                check_stream(&t, i - 99, i + 1);
                gw_tasks_effect_clear(&e);
        }
        assert_int_equal(gw_tasks_copy(&t, &copy, NULL), 0);
        gw_tasks_done(&t);
        check_stream(&copy, 4900, 5000);
        gw_tasks_done(&copy);
        gw_tasks_effect_clear(&e);
}

static void the_whole_follows_from_the_tasks(void **state)
{
        (void)state;
        static const struct {
                enum gw_state tasks[3], whole;
        } rows[] = {
                {{GW_QUEUED, GW_QUEUED, GW_QUEUED}, GW_QUEUED},
                {{GW_SUCCEEDED, GW_QUEUED, GW_PENDING}, GW_PENDING},
                {{GW_SUCCEEDED, GW_QUEUED, GW_FAILED}, GW_QUEUED},
                {{GW_PENDING, GW_RUNNING, GW_FAILED}, GW_RUNNING},
                {{GW_SUCCEEDED, GW_CANCELLED, GW_FAILED}, GW_FAILED},
                {{GW_SUCCEEDED, GW_CANCELLED, GW_SUCCEEDED}, GW_CANCELLED},
                {{GW_SUCCEEDED, GW_SUCCEEDED, GW_SUCCEEDED}, GW_SUCCEEDED},
        };
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                struct gw_tasks t;
                enum gw_state whole;
                enum gw_reason reason;
                assert_int_equal(gw_tasks_init(&t, 3, false, 0, NULL), 0);
                for (uint32_t k = 0; k < 3; k++) {
                        struct gw_run run = {k, k, {.state = rows[i].tasks[k], .reason = k + 1}};
                        assert_int_equal(gw_tasks_put(&t, &run, NULL), 0);
                }
                gw_tasks_summary(&t, &whole, &reason);
                assert_int_equal(whole, rows[i].whole);
                assert_int_equal(rows[i].tasks[reason - 1], whole); /* of the first such task */
                gw_tasks_done(&t);
        }
}

static void what_can_go_goes_with_its_like(void **state)
{
        (void)state;
        struct gw_tasks t;
        struct gw_spans some;
        struct gw_run again = {.lo = 4, .hi = 5, .task = {.step = GW_STEP_WAITING, .attempt = 1}};
        struct gw_run later = {
                .lo = 8, .hi = 8, .task = {.step = GW_STEP_WAITING, .delayed_us = NOW + 1}};
        struct gw_run ended = {
                .lo = 0, .hi = 0, .task = {.step = GW_STEP_ENDED, .state = GW_FAILED}};
        struct gw_buf text = GW_BUF_INIT(100);
        assert_int_equal(gw_tasks_init(&t, 10, false, 0, NULL), 0);
        assert_int_equal(gw_tasks_put(&t, &again, NULL), 0);
        assert_int_equal(gw_tasks_put(&t, &later, NULL), 0);
        assert_int_equal(gw_tasks_put(&t, &ended, NULL), 0);
        assert_int_equal(gw_tasks_next_delay(&t), NOW + 1);
        assert_int_equal(gw_tasks_claimable(&t, NOW, 5, &some, NULL), 0);
        gw_spans_format(&some, &text);
        assert_string_equal(text.data, "1-3,6-7");
        gw_spans_done(&some);
        gw_buf_clear(&text);
        assert_int_equal(gw_tasks_claimable(&t, NOW + 1, 100, &some, NULL), 0);
        gw_spans_format(&some, &text);
        assert_string_equal(text.data, "1-3,6-9");
        gw_spans_done(&some);
        gw_buf_done(&text);
        gw_tasks_done(&t);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(runs_are_what_single_jobs_would_be),
                cmocka_unit_test(a_million_of_which_few_do_something),
                cmocka_unit_test(every_other_of_a_million),
                cmocka_unit_test(what_ends_in_order_leaves_the_rest_as_it_is),
                cmocka_unit_test(the_whole_follows_from_the_tasks),
                cmocka_unit_test(what_can_go_goes_with_its_like),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
