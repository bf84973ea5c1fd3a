/* The leader against a real PostgreSQL and a scripted backend: the ways of a job. */
#include "tests/integration/engine/stage.h"

static void a_job_goes_its_way(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct gw_mark mark = running(id);
        tell(mark, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        struct test_job j = test_await(id, GW_SUCCEEDED, "completed");
        assert_int_equal(j.exit_code, 0);
        assert_int_equal(j.attempt, 1);
        struct call c = await_call(GW_REQUEST_FORGET);
        assert_int_equal(c.mark.number, 1);
}

static void a_lost_answer_is_resolved_not_guessed(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct call c = await_call(GW_REQUEST_SUBMIT);
        answer(c, GW_ANSWER_UNKNOWN);
        test_await(id, GW_QUEUED, "submit_unknown");
        struct call r = await_call(GW_REQUEST_RESOLVE);
        assert_int_equal(r.mark.number, 1);
        answer(r, GW_ANSWER_ABSENT);
        c = await_call(GW_REQUEST_SUBMIT);
        assert_int_equal(c.mark.number, 1);
        answer(c, GW_ANSWER_DONE);
        test_await(id, GW_PENDING, "");
}

static void what_was_not_sent_is_sent_again(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        answer(await_call(GW_REQUEST_SUBMIT), GW_ANSWER_BUSY);
        answer(await_call(GW_REQUEST_SUBMIT), GW_ANSWER_NOT_SENT);
        struct call c = await_call(GW_REQUEST_SUBMIT);
        assert_int_equal(c.mark.number, 1);
        answer(c, GW_ANSWER_DONE);
        test_await(id, GW_PENDING, "");
}

static void a_refusal_is_final(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        answer(await_call(GW_REQUEST_SUBMIT), GW_ANSWER_REFUSED);
        struct test_job j = test_await(id, GW_FAILED, "rejected");
        assert_string_equal(j.message, "no such thing");
}

static void a_retry_is_a_new_submission(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC_WITH(",\"retry\":{\"delay\":0}"));
        tell(running(id), GW_PHASE_ENDED, GW_REASON_NODE_FAILURE, -1);
        assert_int_equal(await_call(GW_REQUEST_FORGET).mark.number, 1);
        struct call c = await_call(GW_REQUEST_SUBMIT);
        assert_int_equal(c.mark.number, 2);
        answer(c, GW_ANSWER_DONE);
        tell(c.mark, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        assert_int_equal(test_await(id, GW_SUCCEEDED, "completed").attempt, 2);
}

static void a_retry_waits_for_its_delay(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC_WITH(",\"retry\":{\"delay\":1}"));
        tell(running(id), GW_PHASE_ENDED, GW_REASON_PREEMPTED, -1);
        test_await(id, GW_QUEUED, "retry_delay");
        await_call(GW_REQUEST_FORGET);
        assert_int_equal(await_call(GW_REQUEST_SUBMIT).mark.number, 2);
}

static void an_exit_code_is_not_retried(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        tell(running(id), GW_PHASE_ENDED, GW_REASON_EXIT_CODE, 3);
        assert_int_equal(test_await(id, GW_FAILED, "exit_code").exit_code, 3);
}

static void cancelling_what_waits_needs_no_backend(void **state)
{
        (void)state;
        struct gw_id id =
                test_submit(project, SPEC_WITH(",\"not_before\":\"2099-01-01T00:00:00Z\""));
        test_wish(id, project, GW_WISH_CANCEL);
        gw_leader_hint(leader);
        test_await(id, GW_CANCELLED, "cancelled_by_user");
        assert_int_equal(calls_made(), 0);
}

static void cancelling_what_runs_asks_the_backend_once(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct gw_mark mark = running(id);
        test_wish(id, project, GW_WISH_CANCEL);
        answer(await_call(GW_REQUEST_CANCEL), GW_ANSWER_DONE);
        tell(mark, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        tell(mark, GW_PHASE_ENDED, GW_REASON_CANCELLED_BY_USER, -1);
        test_await(id, GW_CANCELLED, "cancelled_by_user");
        await_call(GW_REQUEST_FORGET);
}

/* What a submit brought may begin before its answer is recorded. */
static void a_cancel_does_not_wait_for_the_answer(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct call c = await_call(GW_REQUEST_SUBMIT);
        test_wish(id, project, GW_WISH_CANCEL);
        answer(await_call(GW_REQUEST_CANCEL), GW_ANSWER_ABSENT);
        answer(c, GW_ANSWER_DONE);
        answer(await_call(GW_REQUEST_CANCEL), GW_ANSWER_DONE);
        tell(c.mark, GW_PHASE_ENDED, GW_REASON_CANCELLED_BY_USER, -1);
        test_await(id, GW_CANCELLED, "cancelled_by_user");
        await_call(GW_REQUEST_FORGET);
        assert_int_equal(calls_made(), 0);
}

static void who_finished_first_keeps_the_outcome(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct gw_mark mark = running(id);
        test_wish(id, project, GW_WISH_CANCEL);
        await_call(GW_REQUEST_CANCEL);
        tell(mark, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        test_await(id, GW_SUCCEEDED, "completed");
}

static void a_hand_over_cut_off_is_resolved_by_the_next_leader(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct call c = await_call(GW_REQUEST_SUBMIT);
        restart_leader(64);
        assert_int_equal(backend.live_count, 1);
        assert_false(backend.accepted[0]);
        assert_string_equal(backend.begun[0], "");
        struct call r = await_call(GW_REQUEST_RESOLVE);
        assert_int_equal(r.mark.number, c.mark.number);
        answer(r, GW_ANSWER_DONE);
        test_await(id, GW_PENDING, "");
        assert_int_equal(calls_made(), 0); /* no second submit */
}

static void a_running_job_is_taken_over(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct gw_mark mark = running(id);
        uint64_t old = backend.epoch;
        restart_leader(64);
        assert_true(backend.epoch > old);
        assert_int_equal(backend.live_count, 1);
        assert_string_equal(backend.begun[0], "0");
        assert_true(backend.accepted[0]);
        backend.seen = 0;
        tell(mark, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        test_await(id, GW_SUCCEEDED, "completed");
}

static void a_word_of_an_old_epoch_is_not_heard(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct gw_mark mark = running(id);
        backend.epoch--;
        tell(mark, GW_PHASE_ENDED, GW_REASON_EXIT_CODE, 1);
        backend.epoch++;
        tell(mark, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        test_await(id, GW_SUCCEEDED, "completed");
}

static void what_a_whole_read_does_not_show_is_lost(void **state)
{
        (void)state;
        struct gw_id gone = test_submit(project, SPEC);
        running(gone);
        struct gw_id there = test_submit(project, SPEC);
        struct gw_mark mark = running(there);
        backend.seen++;
        tell(mark, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        tell_synced(gw_clock_wall_us() + GW_SECOND);
        test_await(gone, GW_FAILED, "lost");
        assert_int_equal(test_read(there).state, GW_RUNNING);
}

static void a_deadline_ends_what_runs(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC_WITH(",\"deadline\":1"));
        struct gw_mark mark = running(id);
        answer(await_call(GW_REQUEST_CANCEL), GW_ANSWER_DONE);
        tell(mark, GW_PHASE_ENDED, GW_REASON_CANCELLED_BY_USER, -1);
        test_await(id, GW_FAILED, "deadline");
}

static void a_start_deadline_ends_what_waits(void **state)
{
        (void)state;
        struct gw_id id = test_submit(
                project,
                SPEC_WITH(",\"start_deadline\":1,\"not_before\":\"2099-01-01T00:00:00Z\""));
        char when[32];
        test_await(id, GW_FAILED, "start_deadline");
        assert_int_equal(calls_made(), 0);
        /* Now, not when it could have gone. */
        test_text("SELECT 0, (ended_at < now() + interval '1 hour')::text FROM jobs", when,
                  sizeof when);
        assert_string_equal(when, "true");
}

static void a_held_job_waits_for_its_release(void **state)
{
        (void)state;
        struct gw_id id =
                test_submit(project, SPEC_WITH(",\"not_before\":\"2099-01-01T00:00:00Z\""));
        test_wish(id, project, GW_WISH_HOLD);
        gw_leader_hint(leader);
        test_await(id, GW_QUEUED, "held");
        test_wish(id, project, GW_WISH_RELEASE);
        gw_leader_hint(leader);
        test_await(id, GW_QUEUED, "not_before");
        assert_int_equal(calls_made(), 0);
}

static void projects_take_turns(void **state)
{
        (void)state;
        int64_t small = test_project("small");
        end_leader(leader);
        for (int i = 0; i < 20; i++)
                test_submit(project, SPEC);
        struct gw_id id = test_submit(small, SPEC);
        leader = start_leader(&backend, 4);
        bool found = false;
        for (int i = 0; i < 4; i++)
                found |= gw_id_equal(await_call(GW_REQUEST_SUBMIT).mark.job, id);
        assert_true(found);
        assert_int_equal(calls_made(), 0); /* the window is full */
}

/* What one project has waiting there, maybe for ever, is not in another's way. */
static void a_full_window_has_a_place_for_who_has_none(void **state)
{
        (void)state;
        int64_t other = test_project("late");
        end_leader(leader);
        for (int i = 0; i < 6; i++)
                test_submit(project, SPEC);
        leader = start_leader(&backend, 4);
        for (int i = 0; i < 4; i++)
                answer(await_call(GW_REQUEST_SUBMIT), GW_ANSWER_DONE);
        struct gw_id first = test_submit(other, SPEC), second = test_submit(other, SPEC);
        gw_leader_hint(leader);
        struct call c = await_call(GW_REQUEST_SUBMIT);
        assert_true(gw_id_equal(c.mark.job, first));
        answer(c, GW_ANSWER_DONE);
        test_await(first, GW_PENDING, NULL);
        gw_leader_hint(leader);
        test_await(second, GW_QUEUED, NULL);
        assert_int_equal(calls_made(), 0); /* it has one now */
}

static void one_leads_at_a_time(void **state)
{
        (void)state;
        static struct scripted other;
        init_backend(&other);
        struct gw_leader *second = start_leader(&other, 64);
        struct gw_id id = test_submit(project, SPEC);
        running(id);
        assert_false(gw_leader_leads(second));
        assert_int_equal(other.made, 0);
        gw_leader_stop(leader);
        await_lead(second);
        assert_int_equal(other.live_count, 1);
        gw_leader_free(leader);
        leader = second;
}

/* However many messages it was. */
static void what_is_said_while_it_writes_is_written_together(void **state)
{
        (void)state;
        struct gw_id ids[3];
        struct gw_mark marks[3];
        for (int i = 0; i < 3; i++) {
                ids[i] = test_submit(project, SPEC);
                marks[i] = running(ids[i]);
        }
        test_exec("BEGIN; SELECT FROM leases WHERE name = 'test' FOR UPDATE");
        tell(marks[0], GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        await_text(ids[0],
                   "SELECT count(*) FROM pg_locks WHERE NOT granted"
                   " AND pg_backend_pid() = ANY (pg_blocking_pids(pid))",
                   "1");
        tell(marks[1], GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        tell(marks[2], GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        test_exec("COMMIT");
        for (int i = 0; i < 3; i++)
                test_await(ids[i], GW_SUCCEEDED, "completed");
        await_text(ids[0], "SELECT count(DISTINCT x.xmin::text) FROM jobs x", "2");
}

static void a_broken_connection_ends_leadership(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct gw_mark mark = running(id);
        test_exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                  " WHERE application_name = 'jobgate leader' AND datname = current_database()");
        int64_t deadline = test_deadline_ms(10000);
        while (leads() < 2) {
                gw_leader_hint(leader);
                test_pause(deadline);
        }
        await_lead(leader);
        tell(mark, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        test_await(id, GW_SUCCEEDED, "completed");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                STAGE_TEST(a_job_goes_its_way),
                STAGE_TEST(a_lost_answer_is_resolved_not_guessed),
                STAGE_TEST(what_was_not_sent_is_sent_again),
                STAGE_TEST(a_refusal_is_final),
                STAGE_TEST(a_retry_is_a_new_submission),
                STAGE_TEST(a_retry_waits_for_its_delay),
                STAGE_TEST(an_exit_code_is_not_retried),
                STAGE_TEST(cancelling_what_waits_needs_no_backend),
                STAGE_TEST(cancelling_what_runs_asks_the_backend_once),
                STAGE_TEST(a_cancel_does_not_wait_for_the_answer),
                STAGE_TEST(who_finished_first_keeps_the_outcome),
                STAGE_TEST(a_hand_over_cut_off_is_resolved_by_the_next_leader),
                STAGE_TEST(a_running_job_is_taken_over),
                STAGE_TEST(a_word_of_an_old_epoch_is_not_heard),
                STAGE_TEST(what_a_whole_read_does_not_show_is_lost),
                STAGE_TEST(a_deadline_ends_what_runs),
                STAGE_TEST(a_start_deadline_ends_what_waits),
                STAGE_TEST(a_held_job_waits_for_its_release),
                STAGE_TEST(projects_take_turns),
                STAGE_TEST(a_full_window_has_a_place_for_who_has_none),
                STAGE_TEST(one_leads_at_a_time),
                STAGE_TEST(what_is_said_while_it_writes_is_written_together),
                STAGE_TEST(a_broken_connection_ends_leadership),
        };
        stage_build("gw_leader_test");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
