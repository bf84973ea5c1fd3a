/*
 * The leader against a real PostgreSQL and a scripted backend that hand-overs do not get to for a
 * passing cause: the jobs tell why, and one of an identity is tried after each pause.
 */
#include "tests/integration/engine/stage.h"

#include <stdio.h>
#include <string.h>

static int64_t other; /* a project that is somebody else there */

static void turn_down(struct call c, enum gw_answer verdict, const char *words)
{
        backend.host.answer(backend.host.self, backend.epoch, c.request, c.mark, verdict, NULL,
                            words, 0);
}

static void await_message(struct gw_id id, const char *words)
{
        int64_t deadline = test_now_ms() + 10000;
        while (strcmp(test_read(id).message, words) != 0)
                test_pause(deadline);
}

static int events_of(struct gw_id id, const char *reason)
{
        char text[GW_ID_TEXT], sql[256], count[16];
        gw_id_format(id, text);
        snprintf(sql, sizeof sql,
                 "SELECT 0, count(*)::text FROM events WHERE kind = 'state' AND job_id = '%s'"
                 " AND reason = '%s'",
                 text, reason);
        test_text(sql, count, sizeof count);
        return atoi(count);
}

static void the_job_tells_why_until_it_gets_there(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        turn_down(await_call(GW_REQUEST_SUBMIT), GW_ANSWER_NOT_SENT, "connect failure");
        test_await(id, GW_QUEUED, "backend_unavailable");
        await_message(id, "connect failure");
        turn_down(await_call(GW_REQUEST_SUBMIT), GW_ANSWER_BUSY, "standby");
        await_message(id, "standby");
        assert_int_equal(events_of(id, "backend_unavailable"), 1);
        turn_down(await_call(GW_REQUEST_SUBMIT), GW_ANSWER_FULL, "MaxJobCount");
        test_await(id, GW_QUEUED, "limit");
        answer(await_call(GW_REQUEST_SUBMIT), GW_ANSWER_DONE);
        assert_string_equal(test_await(id, GW_PENDING, "").message, "");
        assert_int_equal(events_of(id, "backend_unavailable"), 1);
}

static void an_array_tells_why_until_it_gets_there(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC_WITH(",\"array\":{\"indices\":\"0-3\"}"));
        turn_down(await_call(GW_REQUEST_SUBMIT), GW_ANSWER_BUSY, "connect failure");
        test_await(id, GW_QUEUED, "backend_unavailable");
        await_message(id, "connect failure");
        turn_down(await_call(GW_REQUEST_SUBMIT), GW_ANSWER_BUSY, "standby");
        await_message(id, "standby");
        assert_int_equal(events_of(id, "backend_unavailable"), 1);
        answer(await_call(GW_REQUEST_SUBMIT), GW_ANSWER_DONE);
        assert_string_equal(test_await(id, GW_PENDING, "").message, "");
}

static void what_the_next_leader_finds_says_nothing_old(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC_WITH(",\"array\":{\"indices\":\"0-3\"}"));
        turn_down(await_call(GW_REQUEST_SUBMIT), GW_ANSWER_BUSY, "connect failure");
        test_await(id, GW_QUEUED, "backend_unavailable");
        restart_leader(64);
        answer(await_call(GW_REQUEST_RESOLVE), GW_ANSWER_DONE);
        assert_string_equal(test_await(id, GW_PENDING, "").message, "");
}

static void one_is_tried_after_a_pause(void **state)
{
        (void)state;
        enum { COUNT = 8, FAILURES = 4 };
        struct gw_id ids[COUNT];
        struct gw_mark last = {0};
        for (int i = 0; i < COUNT; i++)
                ids[i] = test_submit(project, SPEC);
        struct call first[COUNT];
        for (int i = 0; i < COUNT; i++)
                first[i] = await_call(GW_REQUEST_SUBMIT);
        for (int i = 0; i < COUNT; i++)
                turn_down(first[i], GW_ANSWER_BUSY, "connect failure");
        for (int i = 0; i < FAILURES; i++) {
                struct call c = await_call(GW_REQUEST_SUBMIT);
                assert_false(gw_id_equal(c.mark.job, last.job)); /* by turns */
                last = c.mark;
                turn_down(c, GW_ANSWER_BUSY, "connect failure");
        }
        /* What comes in the pause is told without being tried; others are not held up by it. */
        struct gw_id late = test_submit(project, SPEC);
        test_await(late, GW_QUEUED, "backend_unavailable");
        assert_string_equal(test_read(late).message, "connect failure");
        struct gw_id theirs = test_submit(other, SPEC);
        handed_over(theirs);
        /* The cause is over: one is tried, and its success lets the others follow. */
        backend.host.describe(backend.host.self, NULL, true);
        struct call c = await_call(GW_REQUEST_SUBMIT);
        struct gw_id rest = test_submit(other, SPEC);
        handed_over(rest);
        for (int i = 0; i < COUNT; i++) {
                answer(c, GW_ANSWER_DONE);
                c = await_call(GW_REQUEST_SUBMIT);
        }
        answer(c, GW_ANSWER_DONE);
        for (int i = 0; i < COUNT; i++)
                test_await(ids[i], GW_PENDING, "");
        test_await(late, GW_PENDING, "");
}

static void those_that_never_get_there_take_no_others_turn(void **state)
{
        (void)state;
        enum { COUNT = 8, BAD = 2 };
        struct gw_id ids[COUNT];
        struct call first[COUNT];
        for (int i = 0; i < COUNT; i++)
                ids[i] = test_submit(project, SPEC);
        for (int i = 0; i < COUNT; i++)
                first[i] = await_call(GW_REQUEST_SUBMIT);
        for (int i = 0; i < COUNT; i++)
                turn_down(first[i], GW_ANSWER_BUSY, "connect failure");
        /* Those that come first after the first pauses are the ones that never do. */
        struct gw_id bad[BAD];
        for (int i = 0; i < BAD; i++) {
                struct call c = await_call(GW_REQUEST_SUBMIT);
                bad[i] = c.mark.job;
                turn_down(c, GW_ANSWER_BUSY, "too large");
        }
        assert_false(gw_id_equal(bad[0], bad[1]));
        for (int done = 0; done < COUNT - BAD;) {
                struct call c = await_call(GW_REQUEST_SUBMIT);
                bool is_bad = gw_id_equal(c.mark.job, bad[0]) || gw_id_equal(c.mark.job, bad[1]);
                done += !is_bad;
                if (is_bad)
                        turn_down(c, GW_ANSWER_BUSY, "too large");
                else
                        answer(c, GW_ANSWER_DONE);
        }
        for (int i = 0; i < COUNT; i++)
                if (!gw_id_equal(ids[i], bad[0]) && !gw_id_equal(ids[i], bad[1]))
                        test_await(ids[i], GW_PENDING, "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                STAGE_TEST(the_job_tells_why_until_it_gets_there),
                STAGE_TEST(an_array_tells_why_until_it_gets_there),
                STAGE_TEST(what_the_next_leader_finds_says_nothing_old),
                STAGE_TEST(one_is_tried_after_a_pause),
                STAGE_TEST(those_that_never_get_there_take_no_others_turn),
        };
        stage_build("gw_leader_pause_test");
        other = test_project("speech");
        test_exec("INSERT INTO project_backends (project_id, backend, identity)"
                  " SELECT id, 'test', '{\"user\": \"bob\"}' FROM projects WHERE name = 'speech'");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
