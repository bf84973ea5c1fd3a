/* What no sequence of events may do to a job: a long random walk against a small record. */
#include "tests/unit/server/model/job_fixture.h"

static uint64_t random_state = 88172645463325252U;

static unsigned pick(unsigned n)
{
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (unsigned)(random_state % n);
}

static struct gw_job_event random_event(const struct gw_job *job, int64_t at_us)
{
        struct gw_job_event e = {.type = (enum gw_job_event_type)pick(GW_EVENT_COUNT),
                                 .at_us = at_us,
                                 .reason = (enum gw_reason)pick(GW_REASON_COUNT),
                                 .exit_code = (int)pick(257) - 1,
                                 .signal = (int)pick(3),
                                 .seen = job->seen + pick(8) - (job->seen ? 1 : 0),
                                 .restart = pick(8) ? job->restart : job->restart + pick(3)};
        if (pick(3) == 0)
                e.type = GW_EVENT_CLAIM;
        else if (pick(3) == 0) { /* what is retried, so that some jobs live long */
                e.type = GW_EVENT_FACT_ENDED;
                e.reason = GW_REASON_NODE_FAILURE;
        }
        if (pick(2))
                e.started_us = at_us - 1;
        return e;
}

struct record { /* what a database would hold */
        uint32_t highest;
        enum gw_submission_state state; /* of the highest */
        uint32_t last_attempt;
        bool last_ended;
};

static bool is_open(enum gw_submission_state s)
{
        return s == GW_SUBMISSION_INTENDED || s == GW_SUBMISSION_UNKNOWN ||
               s == GW_SUBMISSION_ACCEPTED;
}

static void record_submission(struct record *r)
{
        if (effect.submission == GW_SUBMISSION_NONE)
                return;
        if (effect.submission_no != r->highest) {
                assert_int_equal(effect.submission_no, r->highest + 1);
                assert_int_equal(effect.submission, GW_SUBMISSION_INTENDED);
                assert_false(is_open(r->state)); /* never two at once */
        } else {
                assert_true(is_open(r->state)); /* a closed one stays closed */
        }
        r->highest = effect.submission_no;
        r->state = effect.submission;
}

static void record_attempts(struct record *r)
{
        for (unsigned i = 0; i < effect.attempt_count; i++) {
                const struct gw_attempt *a = &effect.attempts[i];
                assert_true(a->no >= r->last_attempt);
                assert_false(a->no == r->last_attempt && r->last_ended);
                assert_int_equal(a->submission, r->highest);
                assert_int_equal(a->by_scheduler, a->restart > 0);
                assert_int_equal(gw_state_terminal(a->state), a->ended_us != 0);
                r->last_attempt = a->no;
                r->last_ended = gw_state_terminal(a->state);
        }
}

static void check_job(const struct gw_job *job, const struct gw_job *before, const struct record *r)
{
        static const unsigned allowed[GW_STEP_COUNT] = {0,
                                                        GW_ACTION_SUBMIT,
                                                        GW_ACTION_RESOLVE,
                                                        GW_ACTION_CANCEL | GW_ACTION_CHANGE,
                                                        GW_ACTION_CANCEL,
                                                        0};
        enum gw_submission_state open = is_open(r->state) ? r->state : GW_SUBMISSION_NONE;

        assert_int_equal(job->submission, r->highest);
        assert_true(job->attempt >= before->attempt);
        assert_true(r->last_attempt <= job->attempt);
        assert_int_equal(gw_job_step_of(job->state, open), job->step);
        assert_int_equal(open != GW_SUBMISSION_NONE,
                         job->step != GW_STEP_WAITING && job->step != GW_STEP_ENDED);
        assert_int_equal(gw_job_actions(job) & ~allowed[job->step], 0);
        assert_true(job->submission <= job->retry.limit + 1);
        assert_int_equal(effect.ended, job->step == GW_STEP_ENDED && before->step != job->step);
        if (job->step == GW_STEP_RUNNING)
                assert_true(job->started_us != 0 && job->first_started_us != 0);
        if (job->held)
                assert_true(job->step < GW_STEP_RUNNING);
        if (job->step == GW_STEP_WAITING)
                assert_int_equal(job->stop, GW_REASON_NONE);
        if (job->step == GW_STEP_ENDED)
                assert_int_equal(gw_reason_outcome(job->reason), job->state);
        if (job->step == GW_STEP_ENDED && job->reason == GW_REASON_COMPLETED)
                assert_true(r->last_ended);
}

static void check_terminal(struct gw_job job)
{
        for (int i = 0; i < 20; i++) {
                struct gw_job before = job;
                apply(&job, random_event(&job, NOW * 2));
                before.seen = job.seen;
                assert_memory_equal(&job, &before, sizeof job);
                assert_false(effect.changed || effect.ended || effect.attempt_count);
        }
}

static void test_any_sequence(void **state)
{
        (void)state;
        unsigned ended[GW_STATE_COUNT] = {0}, longest = 0;
        for (int step = 0; step < 1000000;) {
                struct gw_job job = new_job(GW_STEP_WAITING);
                struct record r = {0};
                job.retry.limit = 5;
                job.retry.reasons |= UINT64_C(1) << GW_REASON_EXIT_CODE;
                for (int64_t at = NOW; job.step != GW_STEP_ENDED; at += 100 * GW_SECOND, step++) {
                        struct gw_job before = job;
                        struct gw_job_event e = random_event(&job, at);
                        apply(&job, e);
                        record_submission(&r);
                        record_attempts(&r);
                        check_job(&job, &before, &r);
                        before.seen = job.seen;
                        before.silent_us = job.silent_us;
                        if (!effect.changed)
                                assert_memory_equal(&job, &before, sizeof job);
                }
                check_terminal(job);
                ended[job.state]++;
                longest = job.submission > longest ? job.submission : longest;
        }
        /* the walk got around */
        assert_true(ended[GW_SUCCEEDED] > 100 && ended[GW_FAILED] > 100);
        assert_true(ended[GW_CANCELLED] > 100 && longest == 6);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_any_sequence),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
