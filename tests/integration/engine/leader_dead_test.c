/*
 * The leader against a real PostgreSQL and a scripted backend whose nodes are silent: what people
 * know to be dead ends, and nothing else does.
 */
#include "tests/integration/engine/stage.h"

#include <stdio.h>
#include <string.h>

static bool record(struct gw_id id, int attempt, const char *indices, const char *ordinals)
{
        char projects[32];
        snprintf(projects, sizeof projects, "%lld", (long long)project);
        struct gw_db_dead_confirm c = {.job = id,
                                       .projects = projects,
                                       .indices = indices,
                                       .ordinals = ordinals,
                                       .attempt = attempt,
                                       .user_id = test_user_id};
        gw_db_dead_confirm_init(&c);
        test_run(&c.cmd);
        return c.cmd.rows == 1;
}

static bool confirm(struct gw_id id, int attempt, const char *indices, const char *ordinals)
{
        bool is_recorded = record(id, attempt, indices, ordinals);
        gw_leader_hint(leader);
        return is_recorded;
}

static void fall_silent(struct gw_id id, struct gw_mark mark, uint32_t first, uint32_t last)
{
        tell_tasks(mark, first, last, GW_PHASE_RUNNING, GW_REASON_NODE_UNAVAILABLE, -1);
        test_await(id, GW_RUNNING, "node_unavailable");
}

/* Of the indices 10 and 11, both silent, and not tried again. */
static struct gw_id silent_array(void)
{
        struct gw_id id = test_submit(
                project, SPEC_WITH(",\"array\":{\"indices\":\"10-11\"},\"retry\":{\"limit\":0}"));
        struct call c = await_call(GW_REQUEST_SUBMIT);
        answer(c, GW_ANSWER_DONE);
        fall_silent(id, c.mark, 0, 1);
        return id;
}

static void no_wish_is_left(void)
{
        char count[16];
        int64_t deadline = test_deadline_ms(10000);
        for (;;) {
                test_text("SELECT 0, (SELECT count(*) FROM dead_wishes)::text || '/' ||"
                          " (SELECT count(*) FROM jobs WHERE wished)",
                          count, sizeof count);
                if (strcmp(count, "0/0") == 0)
                        return;
                test_pause(deadline);
        }
}

static void a_dead_job_ends_and_its_submission_is_closed(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC_WITH(",\"retry\":{\"limit\":0}"));
        struct gw_mark mark = running(id);
        assert_false(confirm(id, 1, "0", NULL)); /* it runs */
        fall_silent(id, mark, 0, 0);
        assert_false(confirm(id, 2, "0", NULL)); /* there is no such attempt */
        assert_true(confirm(id, 1, "0", NULL));
        struct test_job j = test_await(id, GW_FAILED, "node_failure");
        assert_string_equal(j.message, "its node was confirmed to be dead");
        assert_int_equal(await_call(GW_REQUEST_FORGET).mark.number, 1);
        assert_false(confirm(id, 1, "0", NULL));
        tell(mark, GW_PHASE_RUNNING, GW_REASON_NONE, -1); /* it was not dead: nothing of it stays */
        assert_int_equal(await_call(GW_REQUEST_FORGET).mark.number, 1);
        test_await(id, GW_FAILED, "node_failure");
        no_wish_is_left();
}

static void a_dead_job_is_tried_again(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC_WITH(",\"retry\":{\"delay\":0}"));
        fall_silent(id, running(id), 0, 0);
        assert_true(confirm(id, 1, "0", NULL));
        await_call(GW_REQUEST_FORGET);
        struct call c = await_call(GW_REQUEST_SUBMIT);
        assert_int_equal(c.mark.number, 2);
        assert_int_equal(c.attempt, 2);
        no_wish_is_left();
}

static void a_dead_job_that_was_to_end_ends_as_that(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        fall_silent(id, running(id), 0, 0);
        test_wish(id, project, GW_WISH_CANCEL);
        await_call(GW_REQUEST_CANCEL);
        assert_true(confirm(id, 1, "0", NULL));
        test_await(id, GW_CANCELLED, "cancelled_by_user");
}

/* Both wishes are read at once: nobody led when they came. */
static void cancelled_and_dead_while_nobody_leads(struct gw_id id, const char *indices,
                                                  const char *ordinals)
{
        end_leader(leader);
        test_wish(id, project, GW_WISH_CANCEL);
        assert_true(record(id, 1, indices, ordinals));
        leader = start_leader(&backend, 64);
        await_lead(leader);
        test_await(id, GW_CANCELLED, "cancelled_by_user");
        no_wish_is_left();
}

static void a_dead_job_that_was_to_end_before_ends_as_that(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        fall_silent(id, running(id), 0, 0);
        cancelled_and_dead_while_nobody_leads(id, "0", NULL);
}

static void dead_tasks_that_were_to_end_before_end_as_that(void **state)
{
        (void)state;
        cancelled_and_dead_while_nobody_leads(silent_array(), "10-11", "[[0,1]]");
}

/* It takes what it reads in task_wishes for cancels, and the wish for read. */
static void an_older_leader_overlooks_it(struct gw_id id, const char *indices, const char *ordinals)
{
        char count[16];
        end_leader(leader);
        assert_true(record(id, 1, indices, ordinals));
        test_text("SELECT 0, count(*)::text FROM task_wishes", count, sizeof count);
        assert_string_equal(count, "0");
        test_exec("UPDATE jobs SET wished = false, version = version + 1");
        leader = start_leader(&backend, 64);
        await_lead(leader);
        test_await(id, GW_FAILED, "node_failure");
        no_wish_is_left();
}

static void a_dead_job_ends_though_an_older_leader_overlooked_it(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC_WITH(",\"retry\":{\"limit\":0}"));
        fall_silent(id, running(id), 0, 0);
        an_older_leader_overlooks_it(id, "0", NULL);
}

static void dead_tasks_end_though_an_older_leader_overlooked_it(void **state)
{
        (void)state;
        an_older_leader_overlooks_it(silent_array(), "10-11", "[[0,1]]");
}

static void what_came_back_goes_on(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct gw_mark mark = running(id);
        fall_silent(id, mark, 0, 0);
        end_leader(leader); /* nobody reads the wish before the next leads, who hears more */
        assert_int_equal(test_read(id).state, GW_RUNNING);
        test_exec("UPDATE jobs SET reason = NULL");
        test_exec("INSERT INTO dead_wishes (job_id, indices, by_user, attempt)"
                  " SELECT id, '0', user_id, 1 FROM jobs; UPDATE jobs SET wished = true");
        leader = start_leader(&backend, 64);
        await_lead(leader);
        no_wish_is_left();
        test_await(id, GW_RUNNING, "");
}

static void tasks_of_a_dead_node_end_by_themselves(void **state)
{
        (void)state;
        struct gw_id id = test_submit(
                project, SPEC_WITH(",\"array\":{\"indices\":\"10-13\"},\"retry\":{\"limit\":0}"));
        struct call c = await_call(GW_REQUEST_SUBMIT);
        answer(c, GW_ANSWER_DONE);
        tell_tasks(c.mark, 0, 3, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        test_await(id, GW_RUNNING, "");
        assert_false(confirm(id, 1, "10", "[[0,0]]"));
        fall_silent(id, c.mark, 0, 1);
        assert_false(confirm(id, 1, "12-13", "[[2,3]]")); /* these run */
        assert_true(confirm(id, 1, "11-13", "[[1,3]]"));
        char text[16];
        int64_t deadline = test_deadline_ms(10000);
        do {
                test_pause(deadline);
                test_text("SELECT 0, string_agg(lo || '-' || hi, ',') FROM tasks"
                          " WHERE state = 'failed' AND reason = 'node_failure'",
                          text, sizeof text);
        } while (strcmp(text, "1-1") != 0);
        no_wish_is_left();
        assert_true(confirm(id, 1, "10", "[[0,0]]"));
        test_await(id, GW_RUNNING, "");
        tell_tasks(c.mark, 2, 3, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        test_await(id, GW_FAILED, "node_failure");
        assert_int_equal(await_call(GW_REQUEST_FORGET).mark.number, 1);
}

#define WAITS_FOR_ORPHANS(limit) ",\"retry\":{\"limit\":" limit ",\"delay\":0,\"orphan_wait\":2}"
#define GIVEN_UP "its node was silent for longer than retry.orphan_wait: what ran there may run on"

static void what_is_silent_for_too_long_ends(void **state)
{
        (void)state;
        struct gw_id waits = test_submit(project, SPEC);
        fall_silent(waits, running(waits), 0, 0);
        struct gw_id id = test_submit(project, SPEC_WITH(WAITS_FOR_ORPHANS("0")));
        struct gw_mark mark = running(id);
        fall_silent(id, mark, 0, 0);
        assert_string_equal(test_await(id, GW_FAILED, "node_failure").message, GIVEN_UP);
        assert_true(gw_id_equal(await_call(GW_REQUEST_FORGET).mark.job, id));
        assert_int_equal(test_read(waits).state, GW_RUNNING);
}

/* Nothing of it is told to the next leader but that it runs. */
static void what_is_silent_for_too_long_is_ended_by_the_next_leader(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC_WITH(WAITS_FOR_ORPHANS("1")));
        fall_silent(id, running(id), 0, 0);
        restart_leader(64);
        assert_int_equal(await_call(GW_REQUEST_FORGET).mark.number, 1);
        struct call c = await_call(GW_REQUEST_SUBMIT);
        assert_int_equal(c.mark.number, 2);
        assert_int_equal(c.attempt, 2);
}

static void tasks_that_are_silent_for_too_long_end(void **state)
{
        (void)state;
        struct gw_id id = test_submit(
                project, SPEC_WITH(",\"array\":{\"indices\":\"10-13\"}" WAITS_FOR_ORPHANS("1")));
        struct call c = await_call(GW_REQUEST_SUBMIT);
        answer(c, GW_ANSWER_DONE);
        tell_tasks(c.mark, 0, 3, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        test_await(id, GW_RUNNING, "");
        fall_silent(id, c.mark, 0, 2);
        tell_tasks(c.mark, 1, 1, GW_PHASE_RUNNING, GW_REASON_NONE, -1); /* it is back */
        struct call again = await_call(GW_REQUEST_SUBMIT);
        assert_int_equal(again.mark.number, 2);
        assert_string_equal(again.spans, "0,2");
        answer(again, GW_ANSWER_DONE);
        tell_tasks(again.mark, 0, 0, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        tell_tasks(again.mark, 2, 2, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        tell_tasks(c.mark, 1, 1, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        tell_tasks(c.mark, 3, 3, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        test_await(id, GW_SUCCEEDED, "completed");
}

#define WAITS_AN_HOUR ",\"retry\":{\"limit\":0,\"orphan_wait\":3600}"

/* It fell silent long before; what the next leader does of it follows from what it hears. */
static void two_hours_ago(void)
{
        end_leader(leader);
        test_exec("UPDATE events SET at = at - interval '2 hours'");
        leader = start_leader(&backend, 64);
        await_lead(leader);
}

static void a_wait_goes_on_with_the_next_leader(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC_WITH(WAITS_AN_HOUR));
        struct gw_mark mark = running(id);
        struct gw_id lives = test_submit(project, SPEC_WITH(WAITS_AN_HOUR));
        struct gw_mark of_lives = running(lives);
        fall_silent(id, mark, 0, 0);
        fall_silent(lives, of_lives, 0, 0);
        two_hours_ago();
        tell(of_lives, GW_PHASE_RUNNING, GW_REASON_NONE, -1); /* it came back meanwhile */
        test_await(lives, GW_RUNNING, "");
        test_await(id, GW_RUNNING, "node_unavailable"); /* nobody said so yet */
        tell(mark, GW_PHASE_RUNNING, GW_REASON_NODE_UNAVAILABLE, -1);
        assert_string_equal(test_await(id, GW_FAILED, "node_failure").message, GIVEN_UP);
        assert_int_equal(test_read(lives).state, GW_RUNNING);
}

static void a_wait_of_tasks_goes_on_with_the_next_leader(void **state)
{
        (void)state;
        struct gw_id id =
                test_submit(project, SPEC_WITH(",\"array\":{\"indices\":\"10-12\"}" WAITS_AN_HOUR));
        struct call c = await_call(GW_REQUEST_SUBMIT);
        answer(c, GW_ANSWER_DONE);
        tell_tasks(c.mark, 0, 2, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        test_await(id, GW_RUNNING, "");
        fall_silent(id, c.mark, 0, 1);
        two_hours_ago();
        tell_tasks(c.mark, 0, 0, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        tell_tasks(c.mark, 1, 1, GW_PHASE_RUNNING, GW_REASON_NODE_UNAVAILABLE, -1);
        tell_tasks(c.mark, 2, 2, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        test_await(id, GW_FAILED, "node_failure");
        char text[16];
        test_text("SELECT 0, count(*)::text FROM tasks WHERE state = 'failed'", text, sizeof text);
        assert_string_equal(text, "1");
}

/* Each of its tasks has a row of its attempt: one write is not to have all of them. */
static void a_wide_death_comes_in_steps(void **state)
{
        (void)state;
        char text[16];
        take_whole_arrays(100000);
        struct gw_id id = test_submit(
                project, SPEC_WITH(",\"array\":{\"indices\":\"0-44999\"},\"retry\":{\"limit\":0}"));
        struct call c = await_call(GW_REQUEST_SUBMIT);
        answer(c, GW_ANSWER_DONE);
        fall_silent(id, c.mark, 0, 44999);
        assert_true(confirm(id, 1, "0-44999", "[[0,44999]]"));
        test_await(id, GW_FAILED, "node_failure");
        no_wish_is_left();
        char job[GW_ID_TEXT], sql[256];
        gw_id_format(id, job);
        snprintf(sql, sizeof sql,
                 "SELECT 0, (count(*) > 1)::text FROM events WHERE kind = 'tasks'"
                 " AND state = 'failed' AND job_id = '%s'",
                 job);
        test_text(sql, text, sizeof text);
        assert_string_equal(text, "true");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                STAGE_TEST(a_dead_job_ends_and_its_submission_is_closed),
                STAGE_TEST(a_dead_job_is_tried_again),
                STAGE_TEST(a_dead_job_that_was_to_end_ends_as_that),
                STAGE_TEST(a_dead_job_that_was_to_end_before_ends_as_that),
                STAGE_TEST(dead_tasks_that_were_to_end_before_end_as_that),
                STAGE_TEST(a_dead_job_ends_though_an_older_leader_overlooked_it),
                STAGE_TEST(dead_tasks_end_though_an_older_leader_overlooked_it),
                STAGE_TEST(what_came_back_goes_on),
                STAGE_TEST(tasks_of_a_dead_node_end_by_themselves),
                STAGE_TEST(what_is_silent_for_too_long_ends),
                STAGE_TEST(what_is_silent_for_too_long_is_ended_by_the_next_leader),
                STAGE_TEST(tasks_that_are_silent_for_too_long_end),
                STAGE_TEST(a_wait_goes_on_with_the_next_leader),
                STAGE_TEST(a_wait_of_tasks_goes_on_with_the_next_leader),
                STAGE_TEST(a_wide_death_comes_in_steps),
        };
        stage_build("gw_leader_dead_test");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
