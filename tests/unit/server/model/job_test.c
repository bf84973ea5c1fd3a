/* The job table: every cell, and the words around it. */
#include "tests/unit/server/model/job_fixture.h"

/* The step after each event, in the order of enum gw_job_event_type:
 * claim recover, done refused not_sent lost_answer absent, fact pending running ending ended,
 * gone dead (of an attempt whose node is not silent), cancel hold release, timer delay
 * start_deadline deadline. */
static const char *const after[GW_STEP_COUNT] = {
        [GW_STEP_WAITING] = "IW WWWWW WWWW WW EWW WEE",
        [GW_STEP_INTENDED] = "IU PEIUI PRRE II III III",
        [GW_STEP_UNKNOWN] = "UU PEUUI PRRE UU UUU UUU",
        [GW_STEP_PENDING] = "PP PEPPP PRRE EP PPP PPP",
        [GW_STEP_RUNNING] = "RR RRRRR RRRE ER RRR RRR",
        [GW_STEP_ENDED] = "EE EEEEE EEEE EE EEE EEE",
};

/* The same once somebody asked for its end. */
static const char *const after_stop[GW_STEP_COUNT] = {
        [GW_STEP_INTENDED] = "IU PEEUI PRRE II III III",
        [GW_STEP_UNKNOWN] = "UU PEUUE PRRE UU UUU UUU",
        [GW_STEP_PENDING] = "PP PEPPP PRRE EP PPP PPP",
        [GW_STEP_RUNNING] = "RR RRRRR RRRE ER RRR RRR",
};

static void check_cell(struct gw_job job, enum gw_job_event_type type, char expected)
{
        static const char letters[] = "WIUPRE";
        enum gw_job_step from = job.step;

        apply_type(&job, type);
        if (letters[job.step] != expected)
                fail_msg("%s + %s: %s, not %c", gw_job_step_name(from), gw_job_event_name(type),
                         gw_job_step_name(job.step), expected);
        if (gw_state_terminal(job.state) != (job.step == GW_STEP_ENDED))
                fail_msg("%s + %s: state %s", gw_job_step_name(from), gw_job_event_name(type),
                         gw_state_name(job.state));
}

static void check_row(const struct gw_job *job, const char *row)
{
        int type = 0;
        for (const char *p = row; *p; p++) {
                if (*p != ' ')
                        check_cell(*job, (enum gw_job_event_type)type++, *p);
        }
        assert_int_equal(type, GW_EVENT_COUNT);
}

static void test_every_cell(void **state)
{
        (void)state;
        for (int s = 0; s < GW_STEP_COUNT; s++) {
                struct gw_job job = new_job((enum gw_job_step)s);
                check_row(&job, after[s]);
        }
}

static void test_every_cell_once_stopped(void **state)
{
        (void)state;
        for (int s = GW_STEP_INTENDED; s < GW_STEP_ENDED; s++) {
                struct gw_job job = new_job((enum gw_job_step)s);
                job.stop = GW_REASON_DEADLINE;
                check_row(&job, after_stop[s]);
        }
}

/* A cell that does nothing leaves no trace. */
static void test_ignored_changes_nothing(void **state)
{
        (void)state;
        for (int t = 0; t < GW_EVENT_COUNT; t++) {
                struct gw_job job = new_job(GW_STEP_ENDED), before = job;
                apply_type(&job, (enum gw_job_event_type)t);
                assert_memory_equal(&job, &before, sizeof job);
                assert_false(effect.changed || effect.ended || effect.attempt_count);
                assert_int_equal(effect.submission, GW_SUBMISSION_NONE);
        }
}

static void test_names(void **state)
{
        (void)state;
        for (int s = 0; s < GW_STEP_COUNT; s++)
                assert_non_null(gw_job_step_name((enum gw_job_step)s));
        for (int t = 0; t < GW_EVENT_COUNT; t++)
                assert_non_null(gw_job_event_name((enum gw_job_event_type)t));
        assert_null(gw_submission_state_name(GW_SUBMISSION_NONE));
        for (int i = GW_SUBMISSION_INTENDED; i <= GW_SUBMISSION_CLOSED; i++) {
                enum gw_submission_state s = GW_SUBMISSION_NONE;
                const char *name = gw_submission_state_name((enum gw_submission_state)i);
                assert_int_equal(gw_submission_state_parse(name, &s), 0);
                assert_int_equal(s, i);
        }
        enum gw_submission_state s = GW_SUBMISSION_CLOSED;
        assert_int_equal(gw_submission_state_parse("open", &s), -1);
        assert_int_equal(s, GW_SUBMISSION_CLOSED);
}

static void test_step_of(void **state)
{
        (void)state;
        static const struct {
                enum gw_state state;
                enum gw_submission_state open;
                enum gw_job_step step;
        } cases[] = {
                {GW_QUEUED, GW_SUBMISSION_NONE, GW_STEP_WAITING},
                {GW_QUEUED, GW_SUBMISSION_INTENDED, GW_STEP_INTENDED},
                {GW_QUEUED, GW_SUBMISSION_UNKNOWN, GW_STEP_UNKNOWN},
                {GW_QUEUED, GW_SUBMISSION_ACCEPTED, GW_STEP_UNKNOWN},
                {GW_QUEUED, GW_SUBMISSION_REFUSED, GW_STEP_WAITING},
                {GW_QUEUED, GW_SUBMISSION_CLOSED, GW_STEP_WAITING},
                {GW_PENDING, GW_SUBMISSION_ACCEPTED, GW_STEP_PENDING},
                {GW_RUNNING, GW_SUBMISSION_ACCEPTED, GW_STEP_RUNNING},
                {GW_SUCCEEDED, GW_SUBMISSION_NONE, GW_STEP_ENDED},
                {GW_FAILED, GW_SUBMISSION_NONE, GW_STEP_ENDED},
                {GW_CANCELLED, GW_SUBMISSION_NONE, GW_STEP_ENDED},
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                assert_int_equal(gw_job_step_of(cases[i].state, cases[i].open), cases[i].step);
}

static void test_actions(void **state)
{
        (void)state;
        static const unsigned plain[] = {0, GW_ACTION_SUBMIT, GW_ACTION_RESOLVE, 0, 0, 0};
        static const unsigned stopped[] = {
                0, GW_ACTION_SUBMIT, GW_ACTION_RESOLVE, GW_ACTION_CANCEL, GW_ACTION_CANCEL, 0};
        for (int s = 0; s < GW_STEP_COUNT; s++) {
                struct gw_job job = new_job((enum gw_job_step)s);
                assert_int_equal(gw_job_actions(&job), plain[s]);
                job.stop = GW_REASON_CANCELLED_BY_USER;
                assert_int_equal(gw_job_actions(&job), stopped[s]);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_cell),
                cmocka_unit_test(test_every_cell_once_stopped),
                cmocka_unit_test(test_ignored_changes_nothing),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_step_of),
                cmocka_unit_test(test_actions),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
