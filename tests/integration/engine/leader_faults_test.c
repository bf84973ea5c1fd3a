/*
 * The leader against a real PostgreSQL and a scripted backend: what comes at the wrong moment,
 * twice, too late, or broken. Each test is of a fault that was there once.
 */
#include "tests/integration/engine/stage.h"

#include <stdio.h>
#include <string.h>

#define NEVER ",\"not_before\":\"2099-01-01T00:00:00Z\""

/* The leader has looked at the record since, and has led all the time. */
static void assert_still_leads(unsigned since)
{
        struct gw_id id = test_submit(project, SPEC);
        struct call c = await_call(GW_REQUEST_SUBMIT);
        assert_true(gw_id_equal(c.mark.job, id));
        assert_int_equal(leads(), since);
}

/* The statement ends in the comparison with the job's id. */
static void exec_of_job(const char *statement, struct gw_id id)
{
        char sql[256], text[GW_ID_TEXT];
        gw_id_format(id, text);
        snprintf(sql, sizeof sql, "%s '%s'", statement, text);
        test_exec(sql);
}

/* ---- wishes and timers ---------------------------------------------------------------------- */

static void a_wish_that_came_too_late_is_put_away(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct gw_mark mark = running(id);
        test_wish(id, project, GW_WISH_CANCEL);
        tell(mark, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        test_await(id, GW_SUCCEEDED, "completed");
        await_call(GW_REQUEST_FORGET);
        assert_still_leads(1);
}

static void two_timers_that_are_due_together(void **state)
{
        (void)state;
        struct gw_id id =
                test_submit(project, SPEC_WITH(",\"start_deadline\":3600,\"deadline\":7200" NEVER));
        exec_of_job("UPDATE timers SET due_at = now() - interval '2 s' + interval '1 s' *"
                    " (kind = 'deadline')::int WHERE kind <> 'not_before' AND job_id =",
                    id);
        test_await(id, GW_FAILED, "start_deadline");
        assert_still_leads(1);
}

static void a_cancelled_job_is_not_sent_again(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct call c = await_call(GW_REQUEST_SUBMIT);
        test_wish(id, project, GW_WISH_CANCEL);
        await_call(GW_REQUEST_CANCEL);
        answer(c, GW_ANSWER_BUSY);
        test_await(id, GW_CANCELLED, "cancelled_by_user");
        await_call(GW_REQUEST_FORGET);
        assert_int_equal(calls_made(), 0);
}

static void what_was_put_off_is_dropped_when_it_is_cancelled(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct call c = await_call(GW_REQUEST_SUBMIT);
        backend.host.answer(backend.host.self, backend.epoch, c.request, c.mark, GW_ANSWER_BUSY,
                            NULL, NULL, gw_clock_wall_us() + 3600 * GW_SECOND);
        test_wish(id, project, GW_WISH_CANCEL);
        test_await(id, GW_CANCELLED, "cancelled_by_user");
        skip_call(GW_REQUEST_CANCEL); /* if the wish was read before the answer */
        await_call(GW_REQUEST_FORGET);
        assert_int_equal(calls_made(), 0);
}

/* ---- holding at the backend ------------------------------------------------------------------ */

static struct gw_mark held_there(struct gw_id id)
{
        struct gw_mark mark = handed_over(id);
        test_wish(id, project, GW_WISH_HOLD);
        struct call c = await_call(GW_REQUEST_CHANGE);
        assert_true(c.held);
        answer(c, GW_ANSWER_DONE);
        tell(mark, GW_PHASE_PENDING, GW_REASON_HELD, -1);
        test_await(id, GW_PENDING, "held");
        return mark;
}

static void a_hold_is_told_again_after_someone_else_released(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct gw_mark mark = held_there(id);
        tell(mark, GW_PHASE_PENDING, GW_REASON_PRIORITY, -1);
        test_await(id, GW_PENDING, "priority");
        test_wish(id, project, GW_WISH_RELEASE);
        test_wish(id, project, GW_WISH_HOLD);
        struct call c = await_call(GW_REQUEST_CHANGE);
        if (!c.held) /* the two wishes were read one after the other */
                c = await_call(GW_REQUEST_CHANGE);
        assert_true(c.held);
}

static void a_release_is_told_again_by_the_next_leader(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        held_there(id);
        test_wish(id, project, GW_WISH_RELEASE);
        assert_false(await_call(GW_REQUEST_CHANGE).held);
        restart_leader(64);
        assert_false(await_call(GW_REQUEST_CHANGE).held);
}

/* Two are out, and the answer to the first says nothing of the second. */
static void a_release_is_told_again_though_the_hold_was_answered(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct gw_mark mark = handed_over(id);
        test_wish(id, project, GW_WISH_HOLD);
        struct call hold = await_call(GW_REQUEST_CHANGE);
        test_wish(id, project, GW_WISH_RELEASE);
        assert_false(await_call(GW_REQUEST_CHANGE).held);
        answer(hold, GW_ANSWER_DONE);
        tell(mark, GW_PHASE_PENDING, GW_REASON_PRIORITY, -1);
        test_await(id, GW_PENDING, "priority");
        restart_leader(64);
        assert_false(await_call(GW_REQUEST_CHANGE).held);
}

static void await_told(struct gw_id id)
{
        char text[GW_ID_TEXT], sql[256], found[16];
        int64_t deadline = test_deadline_ms(10000);
        gw_id_format(id, text);
        snprintf(sql, sizeof sql,
                 "SELECT 0, (NOT changing)::text FROM submissions WHERE job_id = '%s'", text);
        for (;;) {
                test_text(sql, found, sizeof found);
                if (strcmp(found, "true") == 0)
                        return;
                test_pause(deadline);
        }
}

/* The next call is about a new job. */
static void nothing_is_told(void)
{
        struct gw_id id = test_submit(project, SPEC);
        assert_true(gw_id_equal(await_call(GW_REQUEST_SUBMIT).mark.job, id));
}

static void a_hold_of_others_outlives_the_leader(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct gw_mark mark = handed_over(id);
        tell(mark, GW_PHASE_PENDING, GW_REASON_HELD, -1);
        test_await(id, GW_PENDING, "held");
        restart_leader(64);
        tell(mark, GW_PHASE_PENDING, GW_REASON_HELD, -1);
        nothing_is_told();
}

/* So does what others released. */
static void what_was_told_is_not_told_by_the_next_leader(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct gw_mark mark = held_there(id);
        await_told(id);
        tell(mark, GW_PHASE_PENDING, GW_REASON_PRIORITY, -1);
        test_await(id, GW_PENDING, "priority");
        restart_leader(64);
        nothing_is_told();
}

static void what_is_tried_again_is_held_whoever_released_it(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC_WITH(",\"retry\":{\"delay\":0}"));
        struct gw_mark mark = held_there(id);
        tell(mark, GW_PHASE_PENDING, GW_REASON_PRIORITY, -1);
        test_await(id, GW_PENDING, "priority");
        tell(mark, GW_PHASE_ENDED, GW_REASON_LAUNCH_FAILED, -1);
        test_await(id, GW_QUEUED, "held");
}

static void a_hold_that_came_too_late_keeps_no_retry_waiting(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC_WITH(",\"retry\":{\"delay\":0}"));
        struct gw_mark mark = handed_over(id);
        test_wish(id, project, GW_WISH_HOLD);
        answer(await_call(GW_REQUEST_CHANGE), GW_ANSWER_DONE);
        tell(mark, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        tell(mark, GW_PHASE_ENDED, GW_REASON_NODE_FAILURE, -1);
        await_call(GW_REQUEST_FORGET);
        assert_int_equal(await_call(GW_REQUEST_SUBMIT).mark.number, 2);
}

static void what_is_held_there_leaves_room_for_others(void **state)
{
        (void)state;
        restart_leader(1);
        held_there(test_submit(project, SPEC));
        struct gw_id id = test_submit(project, SPEC);
        assert_true(gw_id_equal(await_call(GW_REQUEST_SUBMIT).mark.job, id));
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void turns_go_on_when_there_is_room_for_one(void **state)
{
        (void)state;
        static int64_t late;
        late = test_project("late");
        end_leader(leader);
        struct gw_id first = test_submit(project, SPEC);
        for (int i = 0; i < 5; i++)
                test_submit(project, SPEC);
        struct gw_id other = test_submit(late, SPEC);
        leader = start_leader(&backend, 1);
        struct gw_mark mark = running(first);
        assert_true(gw_id_equal(await_call(GW_REQUEST_SUBMIT).mark.job, other));
        assert_int_equal(mark.number, 1);
}

static void what_waits_there_counts_as_a_turn(void **state)
{
        (void)state;
        static int64_t last;
        last = test_project("last");
        end_leader(leader);
        struct gw_id ids[4];
        for (int i = 0; i < 4; i++)
                ids[i] = test_submit(project, SPEC);
        leader = start_leader(&backend, 3);
        await_lead(leader);
        for (int i = 0; i < 3; i++)
                handed_over(ids[i]);
        /* Three of one project wait there: what the other brings goes first until both have one. */
        struct gw_id others[2] = {test_submit(last, SPEC), test_submit(last, SPEC)};
        tell((struct gw_mark){ids[0], 1}, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        assert_true(gw_id_equal(await_call(GW_REQUEST_SUBMIT).mark.job, others[0]));
        tell((struct gw_mark){ids[1], 1}, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        assert_true(gw_id_equal(await_call(GW_REQUEST_SUBMIT).mark.job, ids[3]));
}

/* ---- facts ----------------------------------------------------------------------------------- */

static void what_was_accepted_after_a_read_began_is_not_gone(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct call c = await_call(GW_REQUEST_SUBMIT);
        int64_t asked_at = gw_clock_wall_us();
        answer(c, GW_ANSWER_DONE);
        test_await(id, GW_PENDING, "");
        backend.seen++;
        tell_synced(asked_at);
        tell(c.mark, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        int64_t deadline = test_deadline_ms(10000);
        while (test_read(id).version < 4)
                test_pause(deadline);
        assert_int_equal(test_read(id).state, GW_RUNNING);
}

static void what_is_closed_and_still_there_is_to_go(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct gw_mark mark = running(id);
        backend.seen++;
        tell_synced(gw_clock_wall_us() + GW_SECOND);
        test_await(id, GW_FAILED, "lost");
        await_call(GW_REQUEST_FORGET);
        tell(mark, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        await_call(GW_REQUEST_FORGET);
        assert_int_equal(test_read(id).state, GW_FAILED);
}

static void a_fact_that_cannot_be_stored_is_put_right(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct gw_fact f = {.mark = running(id),
                            .seen = ++backend.seen,
                            .phase = GW_PHASE_ENDED,
                            .reason = GW_REASON_EXIT_CODE,
                            .exit_code = 70000,
                            .signal = 100000,
                            .started_us = INT64_MAX,
                            .ended_us = INT64_MIN,
                            .ref = "r\xff",
                            .node = "n\xff",
                            .raw = "\x01\xff\n",
                            .usage = "{\"max_memory\": 1e"};
        tell_fact(&f);
        struct test_job j = test_await(id, GW_FAILED, "exit_code");
        assert_int_equal(j.exit_code, 255);
        await_call(GW_REQUEST_FORGET);
        assert_still_leads(1);
}

static void a_huge_usage_is_left_out(void **state)
{
        (void)state;
        static char usage[64 * 1024];
        struct gw_id id = test_submit(project, SPEC);
        snprintf(usage, sizeof usage, "{\"x\":\"%0*d\"}", (int)sizeof usage - 10, 1);
        struct gw_fact f = {.mark = running(id),
                            .seen = ++backend.seen,
                            .phase = GW_PHASE_ENDED,
                            .reason = GW_REASON_COMPLETED,
                            .usage = usage};
        tell_fact(&f);
        test_await(id, GW_SUCCEEDED, "completed");
        await_call(GW_REQUEST_FORGET);
        assert_still_leads(1);
}

#define CROWD 24

/* Jobs that lie side by side in the leader's table end at once, in two ways. */
static void neighbours_end_together(void **state)
{
        (void)state;
        struct gw_id ids[CROWD];
        struct call calls[CROWD];
        for (int i = 0; i < CROWD; i++) {
                ids[i] = gw_id_new(gw_clock_wall_us());
                memset(ids[i].bytes + 12, 7, 4);
                test_submit_as(ids[i], project, SPEC);
        }
        for (int i = 0; i < CROWD; i++)
                calls[i] = await_call(GW_REQUEST_SUBMIT);
        for (int i = 0; i < CROWD; i += 2)
                answer(calls[i], GW_ANSWER_DONE);
        for (int i = 0; i < CROWD; i += 2)
                test_await(calls[i].mark.job, GW_PENDING, "");
        for (int i = 1; i < CROWD; i += 2)
                answer(calls[i], GW_ANSWER_REFUSED);
        backend.seen++;
        tell_synced(gw_clock_wall_us() + GW_SECOND);
        for (int i = 0; i < CROWD; i++)
                test_await(calls[i].mark.job, GW_FAILED, i % 2 ? "rejected" : "lost");
        for (int i = 0; i < CROWD; i++)
                await_call(GW_REQUEST_FORGET);
        assert_still_leads(1);
}

/* ---- the record ------------------------------------------------------------------------------ */

static void a_spec_that_cannot_be_read_stops_no_one(void **state)
{
        (void)state;
        end_leader(leader);
        struct gw_id id = test_submit(project, SPEC);
        exec_of_job("UPDATE job_specs SET spec = '{\"retry\":7}' WHERE job_id =", id);
        leader = start_leader(&backend, 1);
        struct call c = await_call(GW_REQUEST_SUBMIT);
        assert_true(gw_id_equal(c.mark.job, id));
        answer(c, GW_ANSWER_REFUSED);
        test_await(id, GW_FAILED, "rejected");
}

static void the_time_to_send_outlives_the_leader(void **state)
{
        (void)state;
        test_submit(project, SPEC);
        struct call c = await_call(GW_REQUEST_SUBMIT);
        assert_true(c.send_before > gw_clock_wall_us());
        restart_leader(64);
        assert_int_equal(await_call(GW_REQUEST_RESOLVE).send_before, c.send_before);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                STAGE_TEST(a_wish_that_came_too_late_is_put_away),
                STAGE_TEST(two_timers_that_are_due_together),
                STAGE_TEST(a_cancelled_job_is_not_sent_again),
                STAGE_TEST(what_was_put_off_is_dropped_when_it_is_cancelled),
                STAGE_TEST(a_hold_is_told_again_after_someone_else_released),
                STAGE_TEST(a_release_is_told_again_by_the_next_leader),
                STAGE_TEST(a_release_is_told_again_though_the_hold_was_answered),
                STAGE_TEST(a_hold_of_others_outlives_the_leader),
                STAGE_TEST(what_was_told_is_not_told_by_the_next_leader),
                STAGE_TEST(what_is_tried_again_is_held_whoever_released_it),
                STAGE_TEST(a_hold_that_came_too_late_keeps_no_retry_waiting),
                STAGE_TEST(what_is_held_there_leaves_room_for_others),
                STAGE_TEST(turns_go_on_when_there_is_room_for_one),
                STAGE_TEST(what_waits_there_counts_as_a_turn),
                STAGE_TEST(what_was_accepted_after_a_read_began_is_not_gone),
                STAGE_TEST(what_is_closed_and_still_there_is_to_go),
                STAGE_TEST(a_fact_that_cannot_be_stored_is_put_right),
                STAGE_TEST(a_huge_usage_is_left_out),
                STAGE_TEST(neighbours_end_together),
                STAGE_TEST(a_spec_that_cannot_be_read_stops_no_one),
                STAGE_TEST(the_time_to_send_outlives_the_leader),
        };
        stage_build("gw_leader_faults_test");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
