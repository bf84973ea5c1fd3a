/*
 * The leader against a real PostgreSQL and a scripted backend that hand-overs do not get to for a
 * passing cause: the jobs tell why, and one of an identity is tried after each pause.
 */
#include "tests/integration/engine/stage.h"

#include <stdio.h>
#include <string.h>

static int64_t other;  /* a project that is somebody else there */
static int64_t nobody; /* another that has no identity there, like `project` */

static void turn_down(struct call c, enum gw_answer verdict, const char *words)
{
        backend.host.answer(backend.host.self, backend.epoch, c.request, c.mark, verdict, NULL,
                            words, 0);
}

static void await_message(struct gw_id id, const char *words)
{
        int64_t deadline = test_deadline_ms(10000);
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

/* The next call, if there is one. */
static bool take_call(struct call *ret)
{
        pthread_mutex_lock(&backend.lock);
        bool there = backend.taken < backend.made;
        if (there)
                *ret = backend.calls[backend.taken++];
        pthread_mutex_unlock(&backend.lock);
        return there;
}

/* Whatever is still told of a job before it. */
static struct call await_submit(void)
{
        int64_t deadline = test_deadline_ms(10000);
        struct call c;
        while (!take_call(&c) || c.request != GW_REQUEST_SUBMIT) {
                gw_leader_hint(leader);
                test_pause(deadline);
        }
        return c;
}

static void what_is_cancelled_before_it_was_sent_tells_nothing_old(void **state)
{
        (void)state;
        static const char *const specs[] = {SPEC, SPEC_WITH(",\"array\":{\"indices\":\"0-3\"}")};
        for (size_t i = 0; i < 2; i++) {
                struct gw_id id = test_submit(project, specs[i]);
                struct call c = await_submit();
                turn_down(c, GW_ANSWER_BUSY, "connect failure");
                await_message(id, "connect failure");
                test_wish(id, project, GW_WISH_CANCEL);
                /* It is sent again meanwhile, or not. */
                for (int64_t end = test_deadline_ms(10000); test_read(id).state == GW_QUEUED;) {
                        if (take_call(&c) && c.request == GW_REQUEST_SUBMIT)
                                turn_down(c, GW_ANSWER_BUSY, "standby");
                        test_pause(end);
                }
                assert_string_equal(test_await(id, GW_CANCELLED, NULL).message, "");
        }
}

enum { WINDOW = 8 };

static void tell_words(struct call c)
{
        turn_down(c, GW_ANSWER_BUSY, "connect failure");
}

/* Jobs of the project, more than the window has; those that were handed over do not get there.
 * Returns the first of them. */
static struct gw_id fail_all(const char *spec, int count)
{
        struct gw_id first = test_submit(project, spec);
        for (int i = 1; i < count; i++)
                (void)test_submit(project, spec);
        tell_words(await_call(GW_REQUEST_SUBMIT));
        await_message(first, "connect failure");
        while (calls_made() > 0)
                tell_words(await_call(GW_REQUEST_SUBMIT));
        return first;
}

static int64_t claimed_of(int64_t project_id)
{
        char sql[160], count[16];
        snprintf(sql, sizeof sql,
                 "SELECT 0, count(*)::text FROM submissions JOIN jobs ON id = job_id"
                 " WHERE project_id = %lld",
                 (long long)project_id);
        test_text(sql, count, sizeof count);
        return atoll(count);
}

/* The next submit of another than the project's, which do not get there. */
static struct call await_other(const struct gw_id *theirs, int count)
{
        for (;;) {
                struct call c = await_call(GW_REQUEST_SUBMIT);
                for (int i = 0; i < count; i++)
                        if (gw_id_equal(c.mark.job, theirs[i]))
                                return c;
                tell_words(c);
        }
}

static void others_have_the_window(int64_t project_id)
{
        struct gw_id theirs[3];
        for (int i = 0; i < 3; i++)
                theirs[i] = test_submit(project_id, SPEC);
        for (int i = 0; i < 3; i++)
                answer(await_other(theirs, 3), GW_ANSWER_DONE);
        for (int i = 0; i < 3; i++)
                test_await(theirs[i], GW_PENDING, "");
        assert_true(claimed_of(project) <= 2 * WINDOW);
}

static void what_a_pause_keeps_fills_no_window(void **state)
{
        (void)state;
        restart_leader(WINDOW);
        (void)fail_all(SPEC, 4 * WINDOW);
        others_have_the_window(other);
}

static void arrays_that_a_pause_keeps_fill_no_window(void **state)
{
        (void)state;
        restart_leader(WINDOW);
        (void)fail_all(SPEC_WITH(",\"array\":{\"indices\":\"0-99\"}"), WINDOW);
        others_have_the_window(other);
}

/* Nobody is said to be who two projects are, and each waits for itself. */
static void projects_without_an_identity_share_no_pause(void **state)
{
        (void)state;
        struct gw_id id = fail_all(SPEC, 1);
        for (int i = 0; i < 4; i++) /* until its next turn is some seconds away */
                tell_words(await_call(GW_REQUEST_SUBMIT));
        struct gw_id late = test_submit(project, SPEC);
        await_message(late, "connect failure");
        struct gw_id theirs = test_submit(nobody, SPEC);
        answer(await_other(&theirs, 1), GW_ANSWER_DONE);
        assert_string_equal(test_await(theirs, GW_PENDING, "").message, "");
        assert_int_equal(events_of(theirs, "backend_unavailable"), 0);
        test_await(id, GW_QUEUED, "backend_unavailable");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                STAGE_TEST(the_job_tells_why_until_it_gets_there),
                STAGE_TEST(an_array_tells_why_until_it_gets_there),
                STAGE_TEST(what_the_next_leader_finds_says_nothing_old),
                STAGE_TEST(one_is_tried_after_a_pause),
                STAGE_TEST(those_that_never_get_there_take_no_others_turn),
                STAGE_TEST(what_is_cancelled_before_it_was_sent_tells_nothing_old),
                STAGE_TEST(what_a_pause_keeps_fills_no_window),
                STAGE_TEST(arrays_that_a_pause_keeps_fill_no_window),
                STAGE_TEST(projects_without_an_identity_share_no_pause),
        };
        stage_build("gw_leader_pause_test");
        other = test_project("speech");
        nobody = test_project("music");
        test_exec("INSERT INTO project_backends (project_id, backend, identity)"
                  " SELECT id, 'test', '{\"user\": \"bob\"}' FROM projects WHERE name = 'speech'");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
