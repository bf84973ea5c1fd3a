/* What answers, wishes and timers do to a job, in detail. */
#include "tests/unit/server/model/job_fixture.h"

/* ---- the hand-over --------------------------------------------------------------------- */

static void test_claim(void **state)
{
        (void)state;
        struct gw_job job = new_job(GW_STEP_WAITING);
        job.exit_code = 7;
        strcpy(job.message, "of the last attempt");
        apply_type(&job, GW_EVENT_CLAIM);
        assert_job(&job, GW_STEP_INTENDED, GW_QUEUED, GW_REASON_NONE);
        assert_int_equal(job.submission, 1);
        assert_int_equal(job.attempt, 1);
        assert_int_equal(job.exit_code, -1);
        assert_string_equal(job.message, "");
        assert_true(effect.changed);
        assert_false(effect.state_changed);
        assert_int_equal(effect.submission, GW_SUBMISSION_INTENDED);
        assert_int_equal(effect.submission_no, 1);
        assert_int_equal(effect.attempt_count, 0);
}

static void test_claim_only_when_nothing_keeps_it(void **state)
{
        (void)state;
        struct gw_job held = new_job(GW_STEP_WAITING), early = held, due = held;
        held.held = true;
        early.delayed_us = NOW + 1;
        due.delayed_us = NOW;
        assert_false(gw_job_claimable(&held, NOW));
        assert_false(gw_job_claimable(&early, NOW));
        assert_true(gw_job_claimable(&due, NOW));
        apply_type(&held, GW_EVENT_CLAIM);
        assert_false(effect.changed);
        apply_type(&early, GW_EVENT_CLAIM);
        assert_false(effect.changed);
        apply_type(&due, GW_EVENT_CLAIM);
        assert_int_equal(due.step, GW_STEP_INTENDED);
        assert_int_equal(due.delayed_us, 0);
}

static void test_answers_to_submit(void **state)
{
        (void)state;
        for (int s = GW_STEP_INTENDED; s <= GW_STEP_UNKNOWN; s++) {
                struct gw_job job = new_job((enum gw_job_step)s);
                apply_type(&job, GW_EVENT_DONE);
                assert_job(&job, GW_STEP_PENDING, GW_PENDING, GW_REASON_NONE);
                assert_int_equal(effect.submission, GW_SUBMISSION_ACCEPTED);
                assert_int_equal(effect.submission_no, 1);
                assert_true(effect.state_changed);
        }
        struct gw_job job = new_job(GW_STEP_INTENDED);
        struct gw_job_event e = event_of(GW_EVENT_LOST_ANSWER);
        e.raw = "connection reset";
        apply(&job, e);
        assert_job(&job, GW_STEP_UNKNOWN, GW_QUEUED, GW_REASON_SUBMIT_UNKNOWN);
        assert_string_equal(job.message, "connection reset");
        assert_int_equal(effect.submission, GW_SUBMISSION_UNKNOWN);
        apply(&job, e);
        assert_false(effect.changed);
        assert_int_equal(effect.submission, GW_SUBMISSION_NONE);
        apply_type(&job, GW_EVENT_ABSENT);
        assert_job(&job, GW_STEP_INTENDED, GW_QUEUED, GW_REASON_NONE);
        assert_int_equal(effect.submission, GW_SUBMISSION_INTENDED);
        assert_int_equal(effect.submission_no, 1);
        assert_int_equal(job.submission, 1);
        assert_int_equal(job.attempt, 1);
        apply_type(&job, GW_EVENT_NOT_SENT);
        assert_false(effect.changed);
        assert_int_equal(gw_job_actions(&job), GW_ACTION_SUBMIT);
}

static void test_what_is_not_sent_tells_why(void **state)
{
        (void)state;
        static const enum gw_reason reasons[] = {GW_REASON_BACKEND_UNAVAILABLE, GW_REASON_LIMIT};
        struct gw_job job = new_job(GW_STEP_INTENDED);
        struct gw_job_event e = event_of(GW_EVENT_NOT_SENT);
        e.raw = "connect failure";
        for (size_t i = 0; i < 2; i++) {
                e.reason = reasons[i];
                apply(&job, e);
                assert_job(&job, GW_STEP_INTENDED, GW_QUEUED, reasons[i]);
                assert_string_equal(job.message, "connect failure");
                assert_true(effect.state_changed);
                assert_int_equal(effect.submission, GW_SUBMISSION_NONE);
                assert_int_equal(gw_job_actions(&job), GW_ACTION_SUBMIT);
                apply(&job, e);
                assert_false(effect.changed);
        }
        e.raw = "standby"; /* other words are no news of the state */
        apply(&job, e);
        assert_true(effect.changed);
        assert_false(effect.state_changed);
        apply_type(&job, GW_EVENT_DONE);
        assert_job(&job, GW_STEP_PENDING, GW_PENDING, GW_REASON_NONE);
        assert_string_equal(job.message, "");
        for (int s = 0; s < GW_STEP_COUNT; s++) { /* it is about what is to be sent only */
                job = new_job((enum gw_job_step)s);
                apply(&job, e);
                assert_int_equal(effect.changed, s == GW_STEP_INTENDED);
        }
}

static void test_recover(void **state)
{
        (void)state;
        for (int s = 0; s < GW_STEP_COUNT; s++) {
                struct gw_job job = new_job((enum gw_job_step)s);
                job.seen = 99;
                apply_type(&job, GW_EVENT_RECOVER);
                assert_int_equal(job.seen, 0);
                assert_int_equal(effect.changed, s == GW_STEP_INTENDED);
                assert_int_equal(effect.submission, s == GW_STEP_INTENDED ? GW_SUBMISSION_UNKNOWN
                                                                          : GW_SUBMISSION_NONE);
        }
        struct gw_job job = new_job(GW_STEP_INTENDED);
        apply_type(&job, GW_EVENT_RECOVER);
        assert_job(&job, GW_STEP_UNKNOWN, GW_QUEUED, GW_REASON_SUBMIT_UNKNOWN);
}

static void test_refused(void **state)
{
        (void)state;
        for (int s = GW_STEP_INTENDED; s <= GW_STEP_PENDING; s++) {
                struct gw_job job = new_job((enum gw_job_step)s);
                struct gw_job_event e = event_of(GW_EVENT_REFUSED);
                job.retry.reasons = UINT64_MAX; /* rejected is never retried all the same */
                e.raw = "no such partition";
                e.exit_code = 0;
                apply(&job, e);
                assert_job(&job, GW_STEP_ENDED, GW_FAILED, GW_REASON_REJECTED);
                assert_string_equal(job.message, "no such partition");
                assert_int_equal(job.exit_code, -1);
                assert_int_equal(job.ended_us, NOW);
                assert_true(effect.ended);
                assert_int_equal(effect.submission, GW_SUBMISSION_REFUSED);
                assert_int_equal(effect.attempt_count, 1);
                assert_int_equal(effect.attempts[0].state, GW_FAILED);
                assert_int_equal(effect.attempts[0].reason, GW_REASON_REJECTED);
                assert_int_equal(effect.attempts[0].started_us, 0);
                assert_string_equal(effect.attempts[0].message, "no such partition");
        }
        struct gw_job job = new_job(GW_STEP_INTENDED);
        job.stop = GW_REASON_CANCELLED_BY_ADMIN;
        apply_type(&job, GW_EVENT_REFUSED);
        assert_job(&job, GW_STEP_ENDED, GW_CANCELLED, GW_REASON_CANCELLED_BY_ADMIN);
}

static void test_refused_after_a_run_is_ignored(void **state)
{
        (void)state;
        struct gw_job job = new_job(GW_STEP_RUNNING);
        struct gw_job_event e = event_of(GW_EVENT_FACT_PENDING);
        e.restart = 1;
        apply(&job, e);
        assert_int_equal(job.step, GW_STEP_PENDING);
        apply_type(&job, GW_EVENT_REFUSED);
        assert_int_equal(job.step, GW_STEP_PENDING);
        assert_false(effect.changed);
}

static void test_stopped_before_it_was_sent(void **state)
{
        (void)state;
        static const struct {
                enum gw_job_step step;
                enum gw_job_event_type type;
        } cases[] = {{GW_STEP_INTENDED, GW_EVENT_NOT_SENT}, {GW_STEP_UNKNOWN, GW_EVENT_ABSENT}};
        for (size_t i = 0; i < 2; i++) {
                struct gw_job job = new_job(cases[i].step);
                strcpy(job.message, "connect failure");
                apply_type(&job, GW_EVENT_CANCEL);
                apply_type(&job, cases[i].type);
                assert_job(&job, GW_STEP_ENDED, GW_CANCELLED, GW_REASON_CANCELLED_BY_USER);
                assert_string_equal(job.message, "");
                assert_int_equal(effect.submission, GW_SUBMISSION_CLOSED);
                assert_int_equal(effect.attempt_count, 0);
                assert_int_equal(job.ended_us, NOW);
                assert_true(effect.ended);
        }
}

static struct gw_job silent_job(void)
{
        struct gw_job job = new_job(GW_STEP_RUNNING);
        job.reason = GW_REASON_NODE_UNAVAILABLE;
        return job;
}

static void test_a_confirmed_death(void **state)
{
        (void)state;
        struct gw_job job = silent_job();
        struct gw_job_event e = event_of(GW_EVENT_DEAD);
        e.attempt = job.attempt;
        e.raw = "confirmed";
        job.retry.limit = 0;
        apply(&job, e);
        assert_job(&job, GW_STEP_ENDED, GW_FAILED, GW_REASON_NODE_FAILURE);
        assert_string_equal(job.message, "confirmed");
        assert_int_equal(effect.submission, GW_SUBMISSION_CLOSED);
        assert_int_equal(effect.attempt_count, 1);
        assert_int_equal(effect.attempts[0].reason, GW_REASON_NODE_FAILURE);
        assert_int_equal(effect.attempts[0].ended_us, NOW);
        job = silent_job();
        apply(&job, e);
        assert_int_equal(job.step, GW_STEP_WAITING);
        assert_int_equal(effect.submission, GW_SUBMISSION_CLOSED);
        job = silent_job();
        apply_type(&job, GW_EVENT_CANCEL);
        apply(&job, e);
        assert_job(&job, GW_STEP_ENDED, GW_CANCELLED, GW_REASON_CANCELLED_BY_USER);
}

static void test_only_what_is_silent_is_dead(void **state)
{
        (void)state;
        struct gw_job_event e = event_of(GW_EVENT_DEAD);
        struct gw_job job = silent_job();
        e.attempt = job.attempt + 1;
        apply(&job, e);
        assert_false(effect.changed);
        for (int s = 0; s < GW_STEP_COUNT; s++) {
                job = new_job((enum gw_job_step)s);
                e.attempt = job.attempt;
                apply(&job, e);
                assert_false(effect.changed);
                assert_int_equal(effect.submission, GW_SUBMISSION_NONE);
        }
}

/* ---- wishes and timers ----------------------------------------------------------------- */

static void test_cancel_waiting(void **state)
{
        (void)state;
        static const struct {
                enum gw_job_event_type type;
                enum gw_reason by, reason;
                enum gw_state state;
        } cases[] = {
                {GW_EVENT_CANCEL, GW_REASON_CANCELLED_BY_USER, GW_REASON_CANCELLED_BY_USER,
                 GW_CANCELLED},
                {GW_EVENT_CANCEL, GW_REASON_CANCELLED_BY_ADMIN, GW_REASON_CANCELLED_BY_ADMIN,
                 GW_CANCELLED},
                {GW_EVENT_CANCEL, GW_REASON_NONE, GW_REASON_CANCELLED_BY_USER, GW_CANCELLED},
                {GW_EVENT_TIMER_DEADLINE, 0, GW_REASON_DEADLINE, GW_FAILED},
                {GW_EVENT_TIMER_START_DEADLINE, 0, GW_REASON_START_DEADLINE, GW_FAILED},
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct gw_job job = new_job(GW_STEP_WAITING);
                job.held = true;
                apply_reason(&job, cases[i].type, cases[i].by);
                assert_job(&job, GW_STEP_ENDED, cases[i].state, cases[i].reason);
                assert_true(effect.ended);
                assert_int_equal(effect.submission, GW_SUBMISSION_NONE);
                assert_int_equal(effect.attempt_count, 0);
                assert_int_equal(job.ended_us, NOW);
                assert_false(job.held);
        }
}

static void test_first_stop_wins(void **state)
{
        (void)state;
        for (int s = GW_STEP_INTENDED; s <= GW_STEP_RUNNING; s++) {
                struct gw_job job = new_job((enum gw_job_step)s);
                apply_type(&job, GW_EVENT_TIMER_DEADLINE);
                assert_true(effect.changed);
                assert_false(effect.state_changed);
                apply_type(&job, GW_EVENT_CANCEL);
                assert_false(effect.changed);
                assert_int_equal(job.stop, GW_REASON_DEADLINE);
        }
}

static void test_start_deadline_once_it_ran(void **state)
{
        (void)state;
        struct gw_job job = new_job(GW_STEP_RUNNING);
        apply_type(&job, GW_EVENT_TIMER_START_DEADLINE);
        assert_false(effect.changed);
        apply_reason(&job, GW_EVENT_FACT_ENDED, GW_REASON_NODE_FAILURE);
        assert_int_equal(job.step, GW_STEP_WAITING);
        apply_type(&job, GW_EVENT_TIMER_START_DEADLINE);
        assert_false(effect.changed);
}

static void test_hold_waiting(void **state)
{
        (void)state;
        static const struct {
                int64_t delayed_us;
                uint32_t submission;
                enum gw_reason after;
        } cases[] = {
                {0, 0, GW_REASON_NONE},
                {NOW + 1, 0, GW_REASON_NOT_BEFORE},
                {NOW + 1, 1, GW_REASON_RETRY_DELAY},
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct gw_job job = new_job(GW_STEP_WAITING);
                job.delayed_us = cases[i].delayed_us;
                job.submission = cases[i].submission;
                apply_type(&job, GW_EVENT_HOLD);
                assert_job(&job, GW_STEP_WAITING, GW_QUEUED, GW_REASON_HELD);
                assert_true(job.held && effect.state_changed);
                apply_type(&job, GW_EVENT_HOLD);
                assert_false(effect.changed);
                apply_type(&job, GW_EVENT_RELEASE);
                assert_job(&job, GW_STEP_WAITING, GW_QUEUED, cases[i].after);
                apply_type(&job, GW_EVENT_RELEASE);
                assert_false(effect.changed);
        }
        struct gw_job job =
                new_job(GW_STEP_WAITING); /* as read: the wish is known, its reason not */
        job.held = true;
        apply_type(&job, GW_EVENT_HOLD);
        assert_int_equal(job.reason, GW_REASON_HELD);
        job.held = false;
        apply_type(&job, GW_EVENT_RELEASE);
        assert_int_equal(job.reason, GW_REASON_NONE);
        job.reason = GW_REASON_DEPENDENCY; /* a reason of others stays */
        apply_type(&job, GW_EVENT_RELEASE);
        assert_int_equal(job.reason, GW_REASON_DEPENDENCY);
}

static void test_delay_over(void **state)
{
        (void)state;
        struct gw_job job = new_job(GW_STEP_WAITING);
        job.delayed_us = NOW + 1;
        job.reason = GW_REASON_NOT_BEFORE;
        apply_type(&job, GW_EVENT_TIMER_DELAY);
        assert_false(effect.changed);
        assert_int_equal(effect.delay_timer_us, NOW + 1);
        job.delayed_us = NOW;
        apply_type(&job, GW_EVENT_TIMER_DELAY);
        assert_job(&job, GW_STEP_WAITING, GW_QUEUED, GW_REASON_NONE);
        assert_int_equal(job.delayed_us, 0);

        job.delayed_us = NOW;
        apply_type(&job, GW_EVENT_HOLD);
        apply_type(&job, GW_EVENT_TIMER_DELAY);
        assert_job(&job, GW_STEP_WAITING, GW_QUEUED, GW_REASON_HELD);
        assert_int_equal(job.delayed_us, 0);
}

static void assert_change(const struct gw_job *job, bool held, bool change)
{
        assert_int_equal(job->held, held);
        assert_int_equal(gw_job_actions(job), change ? GW_ACTION_CHANGE : 0);
}

/* A hold at the backend: told until it says so; and what others do there is shown. */
static void test_hold_pending(void **state)
{
        (void)state;
        struct gw_job job = new_job(GW_STEP_PENDING);
        apply_type(&job, GW_EVENT_HOLD);
        assert_true(effect.changed);
        assert_change(&job, true, true);
        apply_reason(&job, GW_EVENT_FACT_PENDING, GW_REASON_RESOURCES); /* not there yet */
        assert_change(&job, true, true);
        apply_reason(&job, GW_EVENT_FACT_PENDING, GW_REASON_HELD);
        assert_change(&job, true, false);
        apply_type(&job, GW_EVENT_RELEASE);
        assert_change(&job, false, true);
        apply_reason(&job, GW_EVENT_FACT_PENDING, GW_REASON_HELD); /* not there yet */
        assert_change(&job, false, true);
        apply_reason(&job, GW_EVENT_FACT_PENDING, GW_REASON_PRIORITY);
        assert_change(&job, false, false);

        apply_reason(&job, GW_EVENT_FACT_PENDING, GW_REASON_HELD); /* by somebody else */
        assert_change(&job, true, false);
        apply_reason(&job, GW_EVENT_FACT_PENDING, GW_REASON_NONE);
        assert_change(&job, false, false);

        apply_type(&job, GW_EVENT_HOLD); /* too late */
        apply_type(&job, GW_EVENT_FACT_RUNNING);
        assert_change(&job, false, false);
}

static void test_message_is_cut_and_clean(void **state)
{
        (void)state;
        char raw[GW_JOB_MESSAGE + 8];
        memset(raw, 'x', sizeof raw);
        memcpy(raw + GW_JOB_MESSAGE - 2, "\xc3\xa9", 2); /* would be cut in two */
        raw[1] = '\xff';
        raw[sizeof raw - 1] = '\0';
        struct gw_job job = new_job(GW_STEP_INTENDED);
        struct gw_job_event e = event_of(GW_EVENT_LOST_ANSWER);
        e.raw = raw;
        apply(&job, e);
        assert_int_equal(strlen(job.message), GW_JOB_MESSAGE - 2);
        assert_int_equal(job.message[1], '?');
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_claim),
                cmocka_unit_test(test_claim_only_when_nothing_keeps_it),
                cmocka_unit_test(test_answers_to_submit),
                cmocka_unit_test(test_what_is_not_sent_tells_why),
                cmocka_unit_test(test_a_confirmed_death),
                cmocka_unit_test(test_only_what_is_silent_is_dead),
                cmocka_unit_test(test_recover),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_refused_after_a_run_is_ignored),
                cmocka_unit_test(test_stopped_before_it_was_sent),
                cmocka_unit_test(test_cancel_waiting),
                cmocka_unit_test(test_first_stop_wins),
                cmocka_unit_test(test_start_deadline_once_it_ran),
                cmocka_unit_test(test_hold_waiting),
                cmocka_unit_test(test_delay_over),
                cmocka_unit_test(test_hold_pending),
                cmocka_unit_test(test_message_is_cut_and_clean),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
