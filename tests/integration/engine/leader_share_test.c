/* The leader and max_parallel of an array in parts, against a real PostgreSQL and a scripted
 * backend. */
#include <stdio.h>

#include "tests/integration/engine/stage.h"

static struct call await_change(struct gw_mark mark, uint32_t parallel)
{
        struct call c = await_call(GW_REQUEST_CHANGE);
        assert_int_equal(c.mark.number, mark.number);
        assert_int_equal(c.max_parallel, parallel);
        answer(c, GW_ANSWER_DONE);
        return c;
}

static void record_parallel(struct gw_id id, unsigned parallel)
{
        char sql[512], text[GW_ID_TEXT];
        gw_id_format(id, text);
        snprintf(sql, sizeof sql,
                 "UPDATE job_specs SET spec = jsonb_set(spec::jsonb, '{array,max_parallel}', '%u')"
                 " WHERE job_id = '%s';"
                 " UPDATE jobs SET wished = true, version = version + 1 WHERE id = '%s'",
                 parallel, text, text);
        test_exec(sql);
}

static void wish_parallel(struct gw_id id, unsigned parallel)
{
        record_parallel(id, parallel);
        gw_leader_hint(leader);
}

/* Never more of them at a time than are wanted, whatever part they are in. */
static void parts_share_how_many_run(void **state)
{
        (void)state;
        take_whole_arrays(6);
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-9\",\"max_parallel\":3"));
        struct call c = await_call(GW_REQUEST_SUBMIT);
        assert_string_equal(c.spans, "0-5");
        assert_int_equal(c.max_parallel, 3);
        answer(c, GW_ANSWER_DONE);
        for (uint32_t i = 0; i < 3; i++)
                tell_tasks(c.mark, i, i, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        await_text(id, COUNTS, "{4,3,0,3,0,0}");
        assert_int_equal(calls_made(), 0);
        tell_tasks(c.mark, 3, 3, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        struct call second = await_call(GW_REQUEST_SUBMIT);
        assert_string_equal(second.spans, "6-9");
        assert_int_equal(second.max_parallel, 1);
        answer(second, GW_ANSWER_DONE);
        tell_tasks(c.mark, 4, 4, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        assert_false(await_change(second.mark, 2).says_held);
        tell_tasks(c.mark, 5, 5, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        assert_int_equal(await_call(GW_REQUEST_FORGET).mark.number, c.mark.number);
        await_change(second.mark, 3);
        await_text(id, COUNTS, "{0,4,0,6,0,0}");
}

/* Of five tasks each, all of which wait there. */
static struct gw_id two_parts(struct gw_mark *first, struct gw_mark *second)
{
        take_whole_arrays(5);
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-9\""));
        *first = part(id, "0-4");
        *second = part(id, "5-9");
        tell_tasks(*first, 0, 4, GW_PHASE_PENDING, GW_REASON_RESOURCES, -1);
        tell_tasks(*second, 5, 9, GW_PHASE_PENDING, GW_REASON_RESOURCES, -1);
        return id;
}

/* Two parts are there when the limit falls so that none of the second may run. */
static void what_has_no_turn_is_held(void **state)
{
        (void)state;
        struct gw_mark first, second;
        struct gw_id id = two_parts(&first, &second);
        wish_parallel(id, 2);
        struct call c[2] = {await_call(GW_REQUEST_CHANGE), await_call(GW_REQUEST_CHANGE)};
        struct call *of_second = &c[c[1].mark.number == second.number];
        struct call *of_first = &c[c[0].mark.number == second.number];
        assert_true(of_second->says_held && of_second->held && of_second->max_parallel == 0);
        assert_true(!of_first->says_held && of_first->max_parallel == 2);
        answer(c[0], GW_ANSWER_DONE);
        answer(c[1], GW_ANSWER_DONE);
        tell_tasks(second, 5, 9, GW_PHASE_PENDING, GW_REASON_HELD, -1);
        await_text(id, ROWS, "0-4 pending resources 1, 5-9 pending limit 1");
        /* Who leads next says so again, and releases it when its turn comes. */
        restart_leader(64);
        c[0] = await_call(GW_REQUEST_CHANGE);
        c[1] = await_call(GW_REQUEST_CHANGE);
        of_second = &c[c[1].mark.number == second.number];
        assert_true(of_second->says_held && of_second->held);
        answer(c[0], GW_ANSWER_DONE);
        answer(c[1], GW_ANSWER_DONE);
        for (uint32_t i = 0; i < 4; i++)
                tell_tasks(first, i, i, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        struct call released = await_change(second, 1);
        assert_true(released.says_held && !released.held);
        tell_tasks(second, 5, 9, GW_PHASE_PENDING, GW_REASON_RESOURCES, -1);
        tell_tasks(first, 4, 4, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        assert_int_equal(await_call(GW_REQUEST_FORGET).mark.number, first.number);
        assert_false(await_change(second, 2).says_held);
        await_text(id, COUNTS, "{0,5,0,5,0,0}");
}

static struct call await_release(struct gw_mark mark)
{
        for (;;) {
                struct call c = await_call(GW_REQUEST_CHANGE);
                if (c.mark.number == mark.number && c.says_held && !c.held)
                        return c;
        }
}

/* What it is held for is recorded, also when the limit fell while nobody led; so the next leader
 * releases it, whose turn may have come meanwhile. */
static void what_had_no_turn_is_released_by_the_next_leader(void **state)
{
        (void)state;
        struct gw_mark first, second;
        struct gw_id id = two_parts(&first, &second);
        await_text(id, COUNTS, "{0,10,0,0,0,0}");
        end_leader(leader);
        record_parallel(id, 2);
        leader = start_leader(&backend, 64);
        await_lead(leader);
        await_text(id, "SELECT changing FROM submissions s WHERE s.job_id = j.id AND s.no = 2",
                   "true");
        for (uint32_t i = 0; i < 4; i++)
                tell_tasks(first, i, i, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        await_text(id, COUNTS, "{0,6,0,4,0,0}");
        await_release(second);
        restart_leader(64); /* nothing it was told was answered */
        answer(await_release(second), GW_ANSWER_DONE);
        await_text(id, "SELECT changing FROM submissions s WHERE s.job_id = j.id AND s.no = 2",
                   "false");
}

static void how_many_run_is_told_when_it_changes(void **state)
{
        (void)state;
        take_whole_arrays(100);
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-9\",\"max_parallel\":3"));
        struct gw_mark mark = part(id, "0-9");
        await_text(id, COUNTS, "{0,10,0,0,0,0}");
        wish_parallel(id, 5);
        struct call c = await_call(GW_REQUEST_CHANGE);
        assert_int_equal(c.max_parallel, 5);
        answer(c, GW_ANSWER_BUSY); /* and again, and nothing of a hold */
        assert_false(await_change(mark, 5).says_held);
        test_wish(id, project, GW_WISH_HOLD);
        gw_leader_hint(leader);
        c = await_change(mark, 5);
        assert_true(c.says_held && c.held);
        tell_tasks(mark, 0, 9, GW_PHASE_PENDING, GW_REASON_HELD, -1);
        await_text(id, ROWS, "0-9 pending held 1");
        /* Who leads next knows only what is wanted. */
        restart_leader(64);
        assert_false(await_change(mark, 5).says_held);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                STAGE_TEST(parts_share_how_many_run),
                STAGE_TEST(what_has_no_turn_is_held),
                STAGE_TEST(what_had_no_turn_is_released_by_the_next_leader),
                STAGE_TEST(how_many_run_is_told_when_it_changes),
        };
        stage_build("gw_leader_share_test");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
