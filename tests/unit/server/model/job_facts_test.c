/* What the backend's facts do to a job, in detail. */
#include "tests/unit/server/model/job_fixture.h"

/* ---- facts ----------------------------------------------------------------------------- */

static void test_fact_implies_acceptance(void **state)
{
        (void)state;
        for (int t = GW_EVENT_FACT_PENDING; t <= GW_EVENT_FACT_ENDED; t++) {
                for (int s = GW_STEP_INTENDED; s <= GW_STEP_PENDING; s++) {
                        struct gw_job job = new_job((enum gw_job_step)s);
                        enum gw_submission_state expected = GW_SUBMISSION_ACCEPTED;
                        if (t == GW_EVENT_FACT_ENDED)
                                expected = GW_SUBMISSION_CLOSED;
                        else if (s == GW_STEP_PENDING)
                                expected = GW_SUBMISSION_NONE;
                        apply_type(&job, (enum gw_job_event_type)t);
                        assert_int_equal(effect.submission, expected);
                }
        }
}

static void test_pending(void **state)
{
        (void)state;
        struct gw_job job = new_job(GW_STEP_UNKNOWN);
        struct gw_job_event e = event_of(GW_EVENT_FACT_PENDING);
        e.reason = GW_REASON_RESOURCES;
        e.raw = "Resources";
        apply(&job, e);
        assert_job(&job, GW_STEP_PENDING, GW_PENDING, GW_REASON_RESOURCES);
        assert_string_equal(job.message, "Resources");
        assert_int_equal(effect.attempt_count, 0);
        e.reason = GW_REASON_EXIT_CODE; /* no reason to wait */
        apply(&job, e);
        assert_job(&job, GW_STEP_PENDING, GW_PENDING, GW_REASON_NONE);
}

static void test_running(void **state)
{
        (void)state;
        struct gw_job job = new_job(GW_STEP_PENDING);
        struct gw_job_event e = event_of(GW_EVENT_FACT_RUNNING);
        e.started_us = NOW - 5;
        e.node = "n01";
        apply(&job, e);
        assert_job(&job, GW_STEP_RUNNING, GW_RUNNING, GW_REASON_NONE);
        assert_int_equal(job.started_us, NOW - 5);
        assert_int_equal(job.first_started_us, NOW - 5);
        assert_int_equal(effect.attempt_count, 1);
        const struct gw_attempt *row = &effect.attempts[0];
        assert_int_equal(row->no, 1);
        assert_int_equal(row->submission, 1);
        assert_false(row->by_scheduler);
        assert_int_equal(row->state, GW_RUNNING);
        assert_int_equal(row->reason, GW_REASON_NONE);
        assert_int_equal(row->exit_code, -1);
        assert_int_equal(row->started_us, NOW - 5);
        assert_int_equal(row->ended_us, 0);
        assert_string_equal(row->node, "n01");

        e.reason = GW_REASON_NODE_UNAVAILABLE;
        e.seen++;
        apply(&job, e);
        assert_job(&job, GW_STEP_RUNNING, GW_RUNNING, GW_REASON_NODE_UNAVAILABLE);
        assert_true(effect.state_changed);
}

/* A start that was not told is that of the event, until it is told. */
static void test_start_is_guessed_then_known(void **state)
{
        (void)state;
        struct gw_job job = new_job(GW_STEP_PENDING);
        struct gw_job_event e = event_of(GW_EVENT_FACT_RUNNING);
        apply(&job, e);
        assert_int_equal(job.started_us, NOW);
        e.at_us += 7;
        apply(&job, e);
        assert_false(effect.changed);
        assert_int_equal(effect.attempt_count, 0);
        e.started_us = NOW - 3;
        apply(&job, e);
        assert_int_equal(job.started_us, NOW - 3);
        assert_int_equal(job.first_started_us, NOW - 3);
        assert_int_equal(effect.attempt_count, 1);
}

static void test_ending(void **state)
{
        (void)state;
        struct gw_job job = new_job(GW_STEP_RUNNING);
        apply_reason(&job, GW_EVENT_FACT_ENDING, GW_REASON_NODE_FAILURE);
        assert_job(&job, GW_STEP_RUNNING, GW_RUNNING, GW_REASON_ENDING);
        assert_int_equal(effect.attempts[0].provisional, GW_REASON_NODE_FAILURE);
        assert_int_equal(effect.attempts[0].state, GW_RUNNING);
        assert_int_equal(effect.attempts[0].reason, GW_REASON_NONE);
        assert_false(effect.ended);
}

static void test_succeeded(void **state)
{
        (void)state;
        struct gw_job job = new_job(GW_STEP_RUNNING);
        struct gw_job_event e = event_of(GW_EVENT_FACT_ENDED);
        e.ended_us = NOW - 1;
        e.usage = "{}";
        e.node = "n01";
        apply(&job, e);
        assert_job(&job, GW_STEP_ENDED, GW_SUCCEEDED, GW_REASON_COMPLETED);
        assert_int_equal(job.exit_code, 0);
        assert_int_equal(job.ended_us, NOW - 1);
        assert_true(effect.ended);
        assert_int_equal(effect.submission, GW_SUBMISSION_CLOSED);
        assert_int_equal(effect.attempt_count, 1);
        assert_int_equal(effect.attempts[0].state, GW_SUCCEEDED);
        assert_int_equal(effect.attempts[0].ended_us, NOW - 1);
        assert_int_equal(effect.attempts[0].started_us, NOW - GW_SECOND);
        assert_ptr_equal(effect.attempts[0].usage, e.usage);
}

/* A run too short to be seen running. */
static void test_ended_unseen(void **state)
{
        (void)state;
        struct gw_job job = new_job(GW_STEP_PENDING);
        struct gw_job_event e = event_of(GW_EVENT_FACT_ENDED);
        e.started_us = NOW - 2;
        apply(&job, e);
        assert_job(&job, GW_STEP_ENDED, GW_SUCCEEDED, GW_REASON_COMPLETED);
        assert_int_equal(job.started_us, NOW - 2);
        assert_int_equal(job.first_started_us, NOW - 2);
        assert_int_equal(effect.attempts[0].started_us, NOW - 2);
}

static void test_outcomes_without_retry(void **state)
{
        (void)state;
        static const struct {
                enum gw_reason told, stop, final;
                enum gw_state state;
        } cases[] = {
                {GW_REASON_EXIT_CODE, 0, GW_REASON_EXIT_CODE, GW_FAILED},
                {GW_REASON_TIME_LIMIT, 0, GW_REASON_TIME_LIMIT, GW_FAILED},
                {GW_REASON_OUT_OF_MEMORY, 0, GW_REASON_OUT_OF_MEMORY, GW_FAILED},
                {GW_REASON_IMAGE_PULL, 0, GW_REASON_IMAGE_PULL, GW_FAILED},
                {GW_REASON_CANCELLED_BY_USER, 0, GW_REASON_CANCELLED_EXTERNALLY, GW_CANCELLED},
                {GW_REASON_CANCELLED_BY_ADMIN, 0, GW_REASON_CANCELLED_BY_ADMIN, GW_CANCELLED},
                /* what is no end is never taken for a success */
                {GW_REASON_NONE, 0, GW_REASON_BACKEND_ERROR, GW_FAILED},
                {GW_REASON_RESOURCES, 0, GW_REASON_BACKEND_ERROR, GW_FAILED},
                {GW_REASON_ENDING, GW_REASON_DEADLINE, GW_REASON_BACKEND_ERROR, GW_FAILED},
                /* asked to end, and it did */
                {GW_REASON_CANCELLED_BY_USER, GW_REASON_CANCELLED_BY_USER,
                 GW_REASON_CANCELLED_BY_USER, GW_CANCELLED},
                {GW_REASON_CANCELLED_EXTERNALLY, GW_REASON_CANCELLED_BY_ADMIN,
                 GW_REASON_CANCELLED_BY_ADMIN, GW_CANCELLED},
                {GW_REASON_CANCELLED_BY_USER, GW_REASON_DEADLINE, GW_REASON_DEADLINE, GW_FAILED},
                {GW_REASON_CANCELLED_BY_USER, GW_REASON_START_DEADLINE, GW_REASON_START_DEADLINE,
                 GW_FAILED},
                /* asked to end, but it ended by itself before: no retry either */
                {GW_REASON_COMPLETED, GW_REASON_CANCELLED_BY_USER, GW_REASON_COMPLETED,
                 GW_SUCCEEDED},
                {GW_REASON_EXIT_CODE, GW_REASON_DEADLINE, GW_REASON_EXIT_CODE, GW_FAILED},
                {GW_REASON_NODE_FAILURE, GW_REASON_CANCELLED_BY_USER, GW_REASON_NODE_FAILURE,
                 GW_FAILED},
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct gw_job job = new_job(GW_STEP_RUNNING);
                job.stop = cases[i].stop;
                apply_reason(&job, GW_EVENT_FACT_ENDED, cases[i].told);
                assert_job(&job, GW_STEP_ENDED, cases[i].state, cases[i].final);
                assert_int_equal(effect.attempts[0].reason, cases[i].final);
                assert_int_equal(effect.attempts[0].state, cases[i].state);
        }
}

static void test_retry(void **state)
{
        (void)state;
        struct gw_job job = new_job(GW_STEP_WAITING);
        for (unsigned i = 1; i <= 4; i++) {
                apply(&job, (struct gw_job_event){.type = GW_EVENT_CLAIM, .at_us = 10000 * NOW});
                assert_int_equal(job.submission, i);
                assert_int_equal(job.attempt, i);
                assert_int_equal(job.started_us, 0);
                apply_type(&job, GW_EVENT_FACT_RUNNING);
                assert_int_equal(effect.attempts[0].no, i);
                apply_reason(&job, GW_EVENT_FACT_ENDED, GW_REASON_NODE_FAILURE);
                assert_int_equal(effect.submission, GW_SUBMISSION_CLOSED);
                assert_int_equal(effect.attempts[0].state, GW_FAILED);
                if (i == 4)
                        break;
                assert_job(&job, GW_STEP_WAITING, GW_QUEUED, GW_REASON_RETRY_DELAY);
                assert_false(effect.ended);
                int64_t due = NOW + (10 << (i - 1)) * GW_SECOND;
                assert_int_equal(job.delayed_us, due);
                assert_int_equal(effect.delay_timer_us, due);
                assert_int_equal(job.ended_us, 0);
        }
        assert_job(&job, GW_STEP_ENDED, GW_FAILED, GW_REASON_NODE_FAILURE);
        assert_true(effect.ended);
}

static void test_retry_at_once(void **state)
{
        (void)state;
        struct gw_job job = new_job(GW_STEP_RUNNING);
        job.retry.delay_s = job.retry.max_delay_s = 0;
        apply_reason(&job, GW_EVENT_FACT_ENDED, GW_REASON_PREEMPTED);
        assert_job(&job, GW_STEP_WAITING, GW_QUEUED, GW_REASON_NONE);
        assert_int_equal(effect.delay_timer_us, 0);
        assert_true(gw_job_claimable(&job, NOW));
}

static void test_gone(void **state)
{
        (void)state;
        for (int s = GW_STEP_PENDING; s <= GW_STEP_RUNNING; s++) {
                struct gw_job job = new_job((enum gw_job_step)s);
                job.retry.reasons = UINT64_MAX; /* it may still run: never again */
                struct gw_job_event e = event_of(GW_EVENT_GONE);
                e.exit_code = 0;
                apply(&job, e);
                assert_job(&job, GW_STEP_ENDED, GW_FAILED, GW_REASON_LOST);
                assert_int_equal(job.exit_code, -1);
                assert_int_equal(effect.submission, GW_SUBMISSION_CLOSED);
                assert_int_equal(effect.attempts[0].reason, GW_REASON_LOST);

                job = new_job((enum gw_job_step)s);
                job.stop = GW_REASON_CANCELLED_BY_USER;
                apply(&job, e);
                assert_job(&job, GW_STEP_ENDED, GW_CANCELLED, GW_REASON_CANCELLED_BY_USER);
        }
        struct gw_job job = new_job(GW_STEP_RUNNING);
        job.seen = 6;
        apply_type(&job, GW_EVENT_GONE); /* read before what was seen since */
        assert_int_equal(job.step, GW_STEP_RUNNING);
}

/* The backend looked for what it was told to end, and has it no more. */
static void test_lost_when_it_was_to_end(void **state)
{
        (void)state;
        static const struct {
                enum gw_reason stop, said;
                enum gw_state state;
                enum gw_reason reason;
        } cases[] = {
                {GW_REASON_NONE, GW_REASON_LOST, GW_FAILED, GW_REASON_LOST},
                {GW_REASON_CANCELLED_BY_USER, GW_REASON_LOST, GW_CANCELLED,
                 GW_REASON_CANCELLED_BY_USER},
                {GW_REASON_DEADLINE, GW_REASON_LOST, GW_FAILED, GW_REASON_DEADLINE},
                {GW_REASON_CANCELLED_BY_USER, GW_REASON_NODE_FAILURE, GW_FAILED,
                 GW_REASON_NODE_FAILURE},
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct gw_job job = new_job(GW_STEP_RUNNING);
                job.stop = cases[i].stop;
                apply_reason(&job, GW_EVENT_FACT_ENDED, cases[i].said);
                assert_job(&job, GW_STEP_ENDED, cases[i].state, cases[i].reason);
        }
}

static void test_older_facts_are_ignored(void **state)
{
        (void)state;
        for (int t = GW_EVENT_FACT_PENDING; t <= GW_EVENT_FACT_ENDED; t++) {
                struct gw_job job = new_job(GW_STEP_UNKNOWN), before;
                struct gw_job_event e = event_of((enum gw_job_event_type)t);
                job.seen = 6;
                before = job;
                apply(&job, e);
                assert_memory_equal(&job, &before, sizeof job);
                job.seen = 0;
                job.restart = 1;
                e.seen = 6;
                apply(&job, e); /* of a run that is over */
                assert_int_equal(job.step, GW_STEP_UNKNOWN);
                e.restart = 1;
                apply(&job, e);
                assert_int_not_equal(job.step, GW_STEP_UNKNOWN);
                assert_int_equal(job.seen, 6);
        }
}

static void test_facts_twice(void **state)
{
        (void)state;
        for (int s = 0; s < GW_STEP_COUNT; s++) {
                for (int t = GW_EVENT_FACT_PENDING; t <= GW_EVENT_GONE; t++) {
                        for (uint32_t restart = 0; restart < 2; restart++) {
                                struct gw_job job = new_job((enum gw_job_step)s);
                                struct gw_job_event e = event_of((enum gw_job_event_type)t);
                                e.restart = restart;
                                e.raw = "words";
                                apply(&job, e);
                                e.at_us += 9;
                                e.seen++;
                                apply(&job, e);
                                assert_false(effect.changed || effect.state_changed);
                                assert_int_equal(effect.attempt_count, 0);
                                assert_int_equal(effect.submission, GW_SUBMISSION_NONE);
                        }
                }
        }
}

/* ---- runs the scheduler began by itself ------------------------------------------------- */

static void test_restart_while_running(void **state)
{
        (void)state;
        struct gw_job job = new_job(GW_STEP_RUNNING);
        struct gw_job_event e = event_of(GW_EVENT_FACT_RUNNING);
        e.restart = 1;
        e.node = "n02";
        apply(&job, e);
        assert_job(&job, GW_STEP_RUNNING, GW_RUNNING, GW_REASON_NONE);
        assert_int_equal(job.attempt, 2);
        assert_int_equal(job.submission, 1);
        assert_int_equal(job.started_us, NOW);
        assert_int_equal(job.first_started_us, NOW - GW_SECOND);
        assert_int_equal(effect.attempt_count, 2);
        const struct gw_attempt *old = &effect.attempts[0], *now = &effect.attempts[1];
        assert_int_equal(old->no, 1);
        assert_int_equal(old->restart, 0);
        assert_false(old->by_scheduler);
        assert_int_equal(old->state, GW_FAILED);
        assert_int_equal(old->reason, GW_REASON_PREEMPTED);
        assert_int_equal(old->ended_us, NOW);
        assert_string_equal(old->node, "");
        assert_int_equal(now->no, 2);
        assert_int_equal(now->restart, 1);
        assert_true(now->by_scheduler);
        assert_int_equal(now->state, GW_RUNNING);
        assert_string_equal(now->node, "n02");
}

static void test_requeued(void **state)
{
        (void)state;
        struct gw_job job = new_job(GW_STEP_RUNNING);
        apply_type(&job, GW_EVENT_FACT_PENDING); /* same run: it does not go back */
        assert_int_equal(job.step, GW_STEP_RUNNING);
        struct gw_job_event e = event_of(GW_EVENT_FACT_PENDING);
        e.restart = 1;
        e.reason = GW_REASON_NODE_FAILURE;
        apply(&job, e);
        assert_job(&job, GW_STEP_PENDING, GW_PENDING, GW_REASON_NONE);
        assert_int_equal(effect.attempt_count, 1);
        assert_int_equal(effect.attempts[0].reason, GW_REASON_NODE_FAILURE);
        assert_int_equal(job.attempt, 2);
        e = event_of(GW_EVENT_FACT_RUNNING);
        e.restart = 1;
        apply(&job, e);
        assert_int_equal(effect.attempt_count, 1);
        assert_int_equal(effect.attempts[0].no, 2);
        assert_true(effect.attempts[0].by_scheduler);
}

static void test_restart_reasons(void **state)
{
        (void)state;
        static const struct {
                enum gw_job_event_type type;
                enum gw_reason told, old;
        } cases[] = {
                {GW_EVENT_FACT_PENDING, GW_REASON_IMAGE_PULL, GW_REASON_PREEMPTED},
                {GW_EVENT_FACT_PENDING, GW_REASON_PRIORITY, GW_REASON_PREEMPTED},
                {GW_EVENT_FACT_RUNNING, GW_REASON_EVICTED, GW_REASON_EVICTED},
                {GW_EVENT_FACT_ENDING, GW_REASON_EXIT_CODE, GW_REASON_PREEMPTED},
                {GW_EVENT_FACT_ENDED, GW_REASON_EXIT_CODE, GW_REASON_PREEMPTED},
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct gw_job job = new_job(GW_STEP_RUNNING);
                struct gw_job_event e = event_of(cases[i].type);
                e.restart = 1;
                e.reason = cases[i].told;
                apply(&job, e);
                assert_int_equal(effect.attempts[0].no, 1);
                assert_int_equal(effect.attempts[0].reason, cases[i].old);
                assert_int_equal(job.attempt, 2);
        }
}

/* What the scheduler repeats by itself costs nothing of the job's own budget. */
static void test_restarts_do_not_count(void **state)
{
        (void)state;
        struct gw_job job = new_job(GW_STEP_RUNNING);
        job.retry.limit = 1;
        for (uint32_t restart = 1; restart < 5; restart++) {
                struct gw_job_event e = event_of(GW_EVENT_FACT_RUNNING);
                e.restart = restart;
                apply(&job, e);
        }
        assert_int_equal(job.attempt, 5);
        struct gw_job_event e = event_of(GW_EVENT_FACT_ENDED);
        e.restart = 4;
        e.reason = GW_REASON_NODE_FAILURE;
        apply(&job, e);
        assert_job(&job, GW_STEP_WAITING, GW_QUEUED, GW_REASON_RETRY_DELAY);
        job.delayed_us = 0;
        apply_type(&job, GW_EVENT_CLAIM);
        assert_int_equal(job.attempt, 6);
        assert_int_equal(job.submission, 2);
        assert_int_equal(job.restart, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fact_implies_acceptance),
                cmocka_unit_test(test_pending),
                cmocka_unit_test(test_running),
                cmocka_unit_test(test_start_is_guessed_then_known),
                cmocka_unit_test(test_ending),
                cmocka_unit_test(test_succeeded),
                cmocka_unit_test(test_ended_unseen),
                cmocka_unit_test(test_outcomes_without_retry),
                cmocka_unit_test(test_retry),
                cmocka_unit_test(test_retry_at_once),
                cmocka_unit_test(test_gone),
                cmocka_unit_test(test_lost_when_it_was_to_end),
                cmocka_unit_test(test_older_facts_are_ignored),
                cmocka_unit_test(test_facts_twice),
                cmocka_unit_test(test_restart_while_running),
                cmocka_unit_test(test_requeued),
                cmocka_unit_test(test_restart_reasons),
                cmocka_unit_test(test_restarts_do_not_count),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
