/* The leader and arrays, against a real PostgreSQL and a scripted backend. */
#include <string.h>

#include "tests/integration/engine/stage.h"

#define ATTEMPTS                                                                                   \
        "SELECT string_agg(concat_ws(' ', ordinal, no, submission, state, exit_code), ', '"        \
        " ORDER BY ordinal, no) FROM attempts a WHERE a.job_id = j.id"
#define OPEN                                                                                       \
        "SELECT count(*) FROM submissions s WHERE s.job_id = j.id"                                 \
        " AND s.state NOT IN ('refused', 'closed')"

/* They were cancelled before they started. */
static void tell_cancelled(struct gw_mark mark, uint32_t first, uint32_t last)
{
        struct gw_fact f = {.mark = mark,
                            .span = {first, last},
                            .seen = ++backend.seen,
                            .phase = GW_PHASE_ENDED,
                            .reason = GW_REASON_CANCELLED_BY_USER,
                            .exit_code = -1};
        tell_fact(&f);
}

/* ---- the ways ------------------------------------------------------------------------------ */

static void an_array_goes_its_way(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"10-18:2\""));
        struct gw_mark mark = part(id, "0-4");
        await_text(id, COUNTS, "{0,5,0,0,0,0}");
        await_text(id, ROWS, "0-4 pending 1");
        tell_tasks(mark, 1, 1, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        test_await(id, GW_RUNNING, "");
        tell_tasks(mark, 1, 1, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        tell_tasks(mark, 0, 0, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        await_text(id, COUNTS, "{0,3,0,2,0,0}");
        await_text(id, ROWS, "0-1 succeeded completed 1, 2-4 pending 1");
        for (uint32_t i = 2; i < 5; i++)
                tell_tasks(mark, i, i, GW_PHASE_ENDED, GW_REASON_EXIT_CODE, (int)i);
        test_await(id, GW_FAILED, "exit_code");
        await_text(id, COUNTS, "{0,0,0,2,3,0}");
        await_text(id, ROWS, "0-1 succeeded completed 1, 2-4 failed exit_code 1");
        await_text(
                id, ATTEMPTS,
                "0 1 1 succeeded 0, 1 1 1 succeeded 0, 2 1 1 failed 2, 3 1 1 failed 3, 4 1 1 failed 4");
        await_text(id, OPEN, "0");
        /* An event names indices, not ordinals. */
        await_text(id,
                   "SELECT indices FROM events e WHERE e.job_id = j.id AND e.kind = 'tasks'"
                   " AND e.state = 'pending'",
                   "10-18:2");
        assert_int_equal(await_call(GW_REQUEST_FORGET).mark.number, 1);
}

static void a_large_array_goes_in_parts(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-999999\""));
        struct gw_mark first = part(id, "0-63"); /* the window */
        await_text(id, COUNTS, "{999936,64,0,0,0,0}");
        await_text(id, ROWS, "0-63 pending 1");
        /* Too little room for a good part. */
        for (uint32_t i = 0; i < 15; i++)
                tell_tasks(first, i, i, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        await_text(id, COUNTS, "{999936,49,15,0,0,0}");
        tell_tasks(first, 15, 15, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        struct gw_mark second = part(id, "64-79");
        assert_int_equal(second.number, 2);
        await_text(id, COUNTS, "{999920,64,16,0,0,0}");
        for (uint32_t i = 0; i < 64; i++)
                tell_tasks(first, i, i, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        await_text(id, OPEN, "2"); /* the first is closed, and a third was made */
        test_wish(id, project, GW_WISH_CANCEL);
        gw_leader_hint(leader);
        await_text(id, "j.counts[6] > 999000", "true");
}

static void what_failed_is_retried_alone(void **state)
{
        (void)state;
        struct gw_id id = test_submit(
                project,
                SPEC_WITH(",\"array\":{\"indices\":\"0-9\"},\"retry\":{\"limit\":1,\"delay\":0}"));
        struct gw_mark mark = part(id, "0-9");
        tell_tasks(mark, 3, 3, GW_PHASE_ENDED, GW_REASON_NODE_FAILURE, -1);
        struct call c = await_call(GW_REQUEST_SUBMIT);
        assert_string_equal(c.spans, "3");
        assert_int_equal(c.attempt, 2);
        answer(c, GW_ANSWER_DONE);
        await_text(id, COUNTS, "{0,10,0,0,0,0}");
        tell_tasks(c.mark, 3, 3, GW_PHASE_ENDED, GW_REASON_NODE_FAILURE, -1);
        await_text(id, COUNTS, "{0,9,0,0,1,0}");
        await_text(id, ROWS, "0-2 pending 1, 3-3 failed node_failure 2, 4-9 pending 1");
}

static void a_retry_waits_for_its_delay(void **state)
{
        (void)state;
        struct gw_id id = test_submit(
                project,
                SPEC_WITH(",\"array\":{\"indices\":\"0-1\"},\"retry\":{\"limit\":1,\"delay\":1}"));
        struct gw_mark mark = part(id, "0-1");
        tell_tasks(mark, 0, 0, GW_PHASE_ENDED, GW_REASON_NODE_FAILURE, -1);
        await_text(id, ROWS, "0-0 queued retry_delay 1, 1-1 pending 1");
        tell_tasks(mark, 1, 1, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        assert_int_equal(await_call(GW_REQUEST_FORGET).mark.number, 1);
        mark = part(id, "0");
        assert_int_equal(mark.number, 2);
        tell_tasks(mark, 0, 0, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        test_await(id, GW_SUCCEEDED, "completed");
        await_text(id, ROWS, "0-0 succeeded completed 2, 1-1 succeeded completed 1");
}

static void no_more_run_than_wanted(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-9\",\"max_parallel\":2"));
        struct gw_mark first = part(id, "0-1");
        tell_tasks(first, 0, 0, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        tell_tasks(first, 0, 0, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        tell_tasks(first, 1, 1, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        part(id, "2");
        await_text(id, COUNTS, "{7,1,1,1,0,0}");
        await_text(id, "j.claimable", "false"); /* no question finds it before a place is free */
}

/* The window has 64 places, and a part fills one of them. */
static void an_array_is_handed_over_whole(void **state)
{
        (void)state;
        take_whole_arrays(400);
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-999\""));
        struct gw_mark first = part(id, "0-399");
        part(id, "400-799");
        part(id, "800-999");
        await_text(id, COUNTS, "{0,1000,0,0,0,0}");
        struct gw_id other = test_submit(project, ARRAY("\"indices\":\"0-99\""));
        part(other, "0-99");
        tell_tasks(first, 7, 7, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        await_text(id, COUNTS, "{0,999,1,0,0,0}");
}

static void no_array_before_it_is_known_how_large(void **state)
{
        (void)state;
        take_whole_arrays(0);
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-5\""));
        struct gw_id plain = test_submit(project, SPEC);
        struct call c = await_call(GW_REQUEST_SUBMIT);
        assert_true(gw_id_equal(c.mark.job, plain)); /* which came later */
        answer(c, GW_ANSWER_DONE);
        atomic_store(&backend.most_tasks, 4);
        part(id, "0-3");
        part(id, "4-5");
}

/* The backend numbers its tasks by it. */
static void what_a_part_was_made_for_stays(void **state)
{
        (void)state;
        take_whole_arrays(4);
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-3\""));
        struct call c = await_call(GW_REQUEST_SUBMIT);
        assert_int_equal(c.most_tasks, 4);
        answer(c, GW_ANSWER_DONE);
        tell_tasks(c.mark, 0, 3, GW_PHASE_PENDING, GW_REASON_PRIORITY, -1);
        await_text(id, COUNTS, "{0,4,0,0,0,0}");
        take_whole_arrays(100);
        assert_int_equal(backend.live_count, 1);
        assert_int_equal(backend.made_for[0], 4);
        await_text(id, "SELECT most_tasks FROM submissions s WHERE s.job_id = j.id AND s.no = 1",
                   "4");
}

/* By weight. */
static void projects_share_the_window(void **state)
{
        (void)state;
        int64_t other = test_project("other");
        test_exec("UPDATE projects SET weight = 3 WHERE name = 'other'");
        end_leader(leader);
        struct gw_id a = test_submit(project, ARRAY("\"indices\":\"0-999\""));
        struct gw_id b = test_submit(other, ARRAY("\"indices\":\"0-999\""));
        leader = start_leader(&backend, 64);
        await_lead(leader);
        for (int i = 0; i < 2; i++)
                answer(await_call(GW_REQUEST_SUBMIT), GW_ANSWER_DONE);
        await_text(a, COUNTS, "{984,16,0,0,0,0}");
        await_text(b, COUNTS, "{952,48,0,0,0,0}");
}

/* One task is seen before the answer: the backend has the others as well. */
static void one_word_of_a_part_is_of_all(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-2\""));
        struct call c = await_call(GW_REQUEST_SUBMIT);
        tell_tasks(c.mark, 1, 1, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        await_text(id, ROWS, "0-0 pending 1, 1-1 succeeded completed 1, 2-2 pending 1");
        await_text(id, "SELECT state || ' ' || ordinals FROM submissions s WHERE s.job_id = j.id",
                   "accepted 0-2");
        restart_leader(64);
        pthread_mutex_lock(&backend.lock);
        assert_true(backend.live_count == 1 && backend.accepted[0]);
        pthread_mutex_unlock(&backend.lock);
        assert_int_equal(calls_made(), 0);
}

/* The leader is to find it by itself. */
static void wish_tasks_cancelled(struct gw_id id, const char *indices)
{
        char sql[256], text[GW_ID_TEXT];
        gw_id_format(id, text);
        snprintf(sql, sizeof sql,
                 "INSERT INTO task_wishes (job_id, indices, by_user) VALUES ('%s', '%s', %lld);"
                 " UPDATE jobs SET wished = true, version = version + 1 WHERE id = '%s'",
                 text, indices, (long long)test_user_id, text);
        test_exec(sql);
}

static void cancel_tasks(struct gw_id id, const char *indices)
{
        wish_tasks_cancelled(id, indices);
        gw_leader_hint(leader);
}

static void some_tasks_are_cancelled(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-199\""));
        struct gw_mark mark = part(id, "0-63");
        cancel_tasks(id, "1-2,60-69");
        struct call c = await_call(GW_REQUEST_CANCEL);
        assert_string_equal(c.spans, "1-2,60-63");
        answer(c, GW_ANSWER_DONE);
        await_text(id, COUNTS, "{130,64,0,0,0,6}");
        tell_cancelled(mark, 1, 2);
        tell_cancelled(mark, 60, 63);
        await_text(id, "j.counts[6]", "12");
        await_text(id, "SELECT count(*) FROM task_wishes", "0");
        await_text(id, "NOT j.wished", "true");
}

/* What a submit brought may begin before its answer is recorded. */
static void a_cancel_does_not_wait_for_the_answer(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-3\""));
        struct call c = await_call(GW_REQUEST_SUBMIT);
        cancel_tasks(id, "1");
        struct call early = await_call(GW_REQUEST_CANCEL);
        assert_string_equal(early.spans, "1");
        answer(early, GW_ANSWER_ABSENT);
        answer(c, GW_ANSWER_DONE);
        assert_string_equal(await_call(GW_REQUEST_CANCEL).spans, "1");
        tell_cancelled(c.mark, 1, 1);
        await_text(id, COUNTS, "{0,3,0,0,0,1}");
        assert_int_equal(calls_made(), 0);
}

/* By a wish that is recorded and not read yet. */
static void a_claim_takes_nothing_that_was_cancelled(void **state)
{
        (void)state;
        int64_t deadline = test_deadline_ms(10000);
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-99\""));
        struct gw_mark mark = part(id, "0-63");
        await_text(id, COUNTS, "{36,64,0,0,0,0}");
        wish_tasks_cancelled(id, "64-69");
        tell_tasks(mark, 0, 63, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        while (calls_made() < 2)
                test_pause(deadline); /* without a hint */
        await_call(GW_REQUEST_FORGET);
        part(id, "70-99");
        await_text(id, COUNTS, "{0,30,0,64,0,6}");
}

/* What is cancelled before it was sent is not sent. */
static void a_part_goes_without_what_was_cancelled(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-9\""));
        struct call c = await_call(GW_REQUEST_SUBMIT);
        answer(c, GW_ANSWER_BUSY);
        cancel_tasks(id, "0,3-5");
        await_text(id, COUNTS, "{6,0,0,0,0,4}");
        await_text(id, "SELECT ordinals FROM submissions s WHERE s.job_id = j.id", "1-2,6-9");
        skip_call(GW_REQUEST_CANCEL); /* if the wish was read before the answer */
        struct gw_mark mark = part(id, "1-2,6-9");
        assert_int_equal(mark.number, c.mark.number);
        await_text(id, COUNTS, "{0,6,0,0,0,4}");
        await_text(id, ATTEMPTS, "");
}

/* So does a part of which an answer was lost, when it never arrived. */
static void what_never_arrived_goes_without_them(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-9\""));
        answer(await_call(GW_REQUEST_SUBMIT), GW_ANSWER_UNKNOWN);
        struct call c = await_call(GW_REQUEST_RESOLVE);
        cancel_tasks(id, "9");
        await_text(id, "SELECT string_agg(stop, ',') FROM tasks t WHERE t.job_id = j.id",
                   "cancelled_by_user");
        answer(c, GW_ANSWER_ABSENT);
        part(id, "0-8");
        await_text(id, COUNTS, "{0,9,0,0,0,1}");
}

/* A cancel of some is no word about holds. */
static void a_hold_of_others_stays(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-3\""));
        struct gw_mark mark = part(id, "0-3");
        tell_tasks(mark, 2, 2, GW_PHASE_PENDING, GW_REASON_HELD, -1);
        await_text(id, ROWS, "0-1 pending 1, 2-2 pending held 1, 3-3 pending 1");
        cancel_tasks(id, "0");
        assert_string_equal(await_call(GW_REQUEST_CANCEL).spans, "0");
        tell_cancelled(mark, 0, 0);
        await_text(id, COUNTS, "{0,3,0,0,0,1}");
        assert_int_equal(calls_made(), 0);
}

static void cancelling_all_ends_what_waits_at_once(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-99\""));
        struct gw_mark mark = part(id, "0-63");
        tell_tasks(mark, 0, 0, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        test_await(id, GW_RUNNING, "");
        test_wish(id, project, GW_WISH_CANCEL);
        struct call c = await_call(GW_REQUEST_CANCEL);
        assert_string_equal(c.spans, "0-63");
        await_text(id, COUNTS, "{0,63,1,0,0,36}");
        tell_tasks(mark, 0, 0, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0); /* it was first */
        tell_cancelled(mark, 1, 63);
        test_await(id, GW_CANCELLED, "cancelled_by_user");
        await_text(id, COUNTS, "{0,0,0,1,0,99}");
        await_text(id, ATTEMPTS, "0 1 1 succeeded 0");
        await_call(GW_REQUEST_FORGET);
}

static void a_hold_keeps_what_waits(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-99\""));
        struct gw_mark mark = part(id, "0-63");
        test_wish(id, project, GW_WISH_HOLD);
        struct call c = await_call(GW_REQUEST_CHANGE);
        assert_true(c.held);
        answer(c, GW_ANSWER_DONE);
        tell_tasks(mark, 0, 63, GW_PHASE_PENDING, GW_REASON_HELD, -1);
        await_text(id, "SELECT count(*) FROM tasks t WHERE t.job_id = j.id AND reason = 'held'",
                   "1");
        test_wish(id, project, GW_WISH_RELEASE);
        c = await_call(GW_REQUEST_CHANGE);
        assert_false(c.held);
        answer(c, GW_ANSWER_DONE);
        tell_tasks(mark, 0, 63, GW_PHASE_PENDING, GW_REASON_NONE, -1);
        for (uint32_t i = 0; i < 64; i++)
                tell_tasks(mark, i, i, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        part(id, "64-99");
}

static void a_refused_part_fails_its_tasks(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"5-6\""));
        answer(await_call(GW_REQUEST_SUBMIT), GW_ANSWER_REFUSED);
        test_await(id, GW_FAILED, "rejected");
        await_text(id, COUNTS, "{0,0,0,0,2,0}");
        await_text(id, "SELECT error FROM submissions s WHERE s.job_id = j.id", "no such thing");
        await_text(id, "j.message", "no such thing");
}

/* What runs shows that the backend has the part, whatever its answer says. */
static void a_part_that_runs_is_not_refused(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-1\""));
        struct call c = await_call(GW_REQUEST_SUBMIT);
        tell_tasks(c.mark, 0, 0, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        test_await(id, GW_RUNNING, "");
        answer(c, GW_ANSWER_REFUSED);
        await_text(id, COUNTS, "{0,0,1,0,1,0}");
        await_text(id, OPEN, "1");
        tell_tasks(c.mark, 0, 0, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        test_await(id, GW_FAILED, "rejected");
        await_text(id, OPEN, "0");
}

/* A release comes through although the hold was not seen yet. */
static void a_release_overtakes_its_hold(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-1\""));
        struct gw_mark mark = part(id, "0-1");
        test_wish(id, project, GW_WISH_HOLD);
        struct call c = await_call(GW_REQUEST_CHANGE);
        assert_true(c.held);
        answer(c, GW_ANSWER_DONE);
        test_wish(id, project, GW_WISH_RELEASE);
        c = await_call(GW_REQUEST_CHANGE);
        assert_false(c.held);
        answer(c, GW_ANSWER_DONE);
        tell_tasks(mark, 0, 1, GW_PHASE_PENDING, GW_REASON_HELD, -1);
        await_text(id, ROWS, "0-1 pending held 1");
        tell_tasks(mark, 0, 1, GW_PHASE_PENDING, GW_REASON_NONE, -1);
        await_text(id, ROWS, "0-1 pending 1");
        assert_int_equal(calls_made(), 0);
}

/* Told by someone else, the next leader leaves it. */
static void a_hold_of_others_outlives_the_leader(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-1\""));
        struct gw_mark mark = part(id, "0-1");
        tell_tasks(mark, 1, 1, GW_PHASE_PENDING, GW_REASON_HELD, -1);
        await_text(id, ROWS, "0-0 pending 1, 1-1 pending held 1");
        restart_leader(64);
        tell_tasks(mark, 0, 0, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        await_text(id, COUNTS, "{0,1,0,1,0,0}");
        part(test_submit(project, ARRAY("\"indices\":\"0\"")), "0");
}

static void a_release_is_told_again_by_the_next_leader(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-1\""));
        struct gw_mark mark = part(id, "0-1");
        test_wish(id, project, GW_WISH_HOLD);
        answer(await_call(GW_REQUEST_CHANGE), GW_ANSWER_DONE);
        tell_tasks(mark, 0, 1, GW_PHASE_PENDING, GW_REASON_HELD, -1);
        await_text(id, ROWS, "0-1 pending held 1");
        test_wish(id, project, GW_WISH_RELEASE);
        assert_false(await_call(GW_REQUEST_CHANGE).held);
        restart_leader(64);
        struct call c = await_call(GW_REQUEST_CHANGE);
        assert_false(c.held);
        answer(c, GW_ANSWER_DONE);
        await_text(id, "SELECT changing FROM submissions s WHERE s.job_id = j.id", "false");
        restart_leader(64);
        part(test_submit(project, ARRAY("\"indices\":\"0\"")), "0");
}

/* Nobody led when it was uttered. */
static void a_hold_is_told_by_who_leads_next(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-99\""));
        part(id, "0-63");
        await_text(id, COUNTS, "{36,64,0,0,0,0}");
        end_leader(leader);
        test_wish(id, project, GW_WISH_HOLD);
        leader = start_leader(&backend, 64);
        await_lead(leader);
        assert_true(await_call(GW_REQUEST_CHANGE).held);
        await_text(id, "NOT j.wished", "true");
        await_text(id, ROWS, "0-63 pending 1");
}

static void what_fails_in_a_held_array_is_held(void **state)
{
        (void)state;
        struct gw_id id = test_submit(
                project,
                SPEC_WITH(",\"array\":{\"indices\":\"0-1\"},\"retry\":{\"limit\":1,\"delay\":0}"));
        struct gw_mark mark = part(id, "0-1");
        tell_tasks(mark, 0, 0, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        test_await(id, GW_RUNNING, "");
        test_wish(id, project, GW_WISH_HOLD);
        answer(await_call(GW_REQUEST_CHANGE), GW_ANSWER_DONE);
        tell_tasks(mark, 0, 0, GW_PHASE_ENDED, GW_REASON_NODE_FAILURE, -1);
        await_text(id, ROWS, "0-0 queued held 1, 1-1 pending 1");
}

/* Equal runs of which the next leader does not know the start. */
static void what_ran_and_is_gone_has_ended(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-2\""));
        struct gw_mark mark = part(id, "0-2");
        for (uint32_t i = 0; i < 3; i++)
                tell_tasks(mark, i, i, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        await_text(id, COUNTS, "{0,0,3,0,0,0}");
        restart_leader(64);
        backend.seen++;
        tell_synced(gw_clock_wall_us() + GW_SECOND);
        test_await(id, GW_FAILED, "lost");
        await_text(id, ATTEMPTS, "0 1 1 failed, 1 1 1 failed, 2 1 1 failed");
        await_text(
                id,
                "SELECT count(*) FROM attempts a WHERE a.job_id = j.id AND ended_at > started_at",
                "3");
}

static void tell_runs(struct gw_mark mark, uint32_t ordinal, uint32_t restart)
{
        struct gw_fact f = {.mark = mark,
                            .span = {ordinal, ordinal},
                            .seen = ++backend.seen,
                            .restart = restart,
                            .phase = GW_PHASE_RUNNING,
                            .exit_code = -1}; /* when it started is not known there */
        tell_fact(&f);
}

static void a_new_leader_says_what_has_not_ended(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-9\""));
        struct gw_mark mark = part(id, "0-9");
        tell_tasks(mark, 2, 2, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        for (uint32_t i = 3; i < 6; i++)
                tell_tasks(mark, i, i, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        await_text(id, COUNTS, "{0,6,1,3,0,0}");
        restart_leader(64);
        pthread_mutex_lock(&backend.lock);
        assert_string_equal(backend.begun[0], "2");
        assert_string_equal(backend.open[0], "0-2,6-9");
        pthread_mutex_unlock(&backend.lock);
}

#define RUNS                                                                                       \
        "SELECT string_agg(concat_ws(' ', ordinal, no, restart, state, started_at), ', '"          \
        " ORDER BY ordinal, no) FROM attempts a WHERE a.job_id = j.id AND ordinal < 3"

/* When tasks began, and how often, is as it was. */
static void a_new_leader_changes_nothing_of_what_runs(void **state)
{
        (void)state;
        char before[512], after[512];
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-3\""));
        struct gw_mark mark = part(id, "0-3");
        for (uint32_t i = 0; i < 3; i++)
                tell_runs(mark, i, 0);
        tell_runs(mark, 1, 1);
        await_text(id, "SELECT count(*) FROM attempts a WHERE a.job_id = j.id", "4");
        ask_job(id, RUNS, before, sizeof before);
        restart_leader(64);
        pthread_mutex_lock(&backend.lock);
        assert_string_equal(backend.begun[0], "0-2");
        pthread_mutex_unlock(&backend.lock);
        struct gw_fact stale = {.mark = mark,
                                .span = {1, 1},
                                .seen = ++backend.seen,
                                .phase = GW_PHASE_ENDED,
                                .reason = GW_REASON_NODE_FAILURE};
        tell_fact(&stale);
        for (uint32_t i = 0; i < 4; i++)
                tell_runs(mark, i, i == 1);
        await_text(id, COUNTS, "{0,0,4,0,0,0}");
        ask_job(id, RUNS, after, sizeof after);
        assert_string_equal(before, after);
}

static void an_array_ended_with_its_last_task(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-1\""));
        struct gw_mark mark = part(id, "0-1");
        for (uint32_t i = 0; i < 2; i++) {
                struct gw_fact f = {.mark = mark,
                                    .span = {i, i},
                                    .seen = ++backend.seen,
                                    .phase = GW_PHASE_ENDED,
                                    .reason = GW_REASON_COMPLETED,
                                    .started_us = gw_clock_wall_us(),
                                    .ended_us = gw_clock_wall_us() + (i ? 0 : 100 * GW_SECOND)};
                tell_fact(&f);
        }
        test_await(id, GW_SUCCEEDED, "completed");
        await_text(id, "j.ended_at > now() + interval '50 s'", "true");
}

/* A wish that changes much comes in several writes, and ends as one. */
static void a_wide_cancel_comes_in_steps(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-44999\""));
        answer(await_call(GW_REQUEST_SUBMIT), GW_ANSWER_DONE);
        cancel_tasks(id, "65-44999:2");
        await_text(id, "j.counts[6]", "22468");
        await_text(id, "NOT j.wished", "true");
        await_text(id, "SELECT count(*) FROM tasks t WHERE t.job_id = j.id AND state = 'cancelled'",
                   "22468");
        await_text(id,
                   "SELECT count(*) > 1 FROM events e WHERE e.job_id = j.id AND e.kind = 'tasks'"
                   " AND e.state = 'cancelled'",
                   "true");
        test_wish(id, project, GW_WISH_CANCEL);
        assert_string_equal(await_call(GW_REQUEST_CANCEL).spans, "0-63");
        await_text(id, "j.counts[6]", "44936");
        await_text(id, "NOT j.wished", "true");
}

static void what_is_gone_is_lost(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, ARRAY("\"indices\":\"0-2\""));
        struct gw_mark mark = part(id, "0-2");
        await_text(id, COUNTS, "{0,3,0,0,0,0}");
        tell_tasks(mark, 0, 2, GW_PHASE_PENDING, GW_REASON_NONE, -1);
        tell_tasks(mark, 1, 1, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        test_await(id, GW_RUNNING, "");
        tell_synced(gw_clock_wall_us() + GW_SECOND);
        await_text(id, ROWS, "0-0 failed lost 1, 1-1 running 1, 2-2 failed lost 1");
}

static void the_next_leader_goes_on(void **state)
{
        (void)state;
        struct gw_id id = test_submit(
                project,
                SPEC_WITH(",\"array\":{\"indices\":\"0-99\"},\"retry\":{\"limit\":3,\"delay\":0}"));
        struct gw_mark mark = part(id, "0-63");
        await_text(id, COUNTS, "{36,64,0,0,0,0}");
        tell_tasks(mark, 7, 7, GW_PHASE_ENDED, GW_REASON_NODE_FAILURE, -1);
        await_text(id, "j.counts[1]", "37");
        restart_leader(200);
        pthread_mutex_lock(&backend.lock);
        assert_int_equal(backend.live_count, 1);
        assert_int_equal(backend.live[0].number, 1);
        assert_true(backend.accepted[0]);
        pthread_mutex_unlock(&backend.lock);
        backend.seen = 0;
        struct call rest =
                await_call(GW_REQUEST_SUBMIT); /* those on their second attempt, or the rest */
        answer(rest, GW_ANSWER_DONE);
        await_text(id,
                   "SELECT count(*) FROM submissions s WHERE s.job_id = j.id"
                   " AND s.state = 'accepted'",
                   "2");
        struct call other = await_call(GW_REQUEST_SUBMIT);
        assert_true((strcmp(rest.spans, "7") == 0 && strcmp(other.spans, "64-99") == 0) ||
                    (strcmp(rest.spans, "64-99") == 0 && strcmp(other.spans, "7") == 0));
        end_leader(leader); /* the hand-over was not answered */
        leader = start_leader(&backend, 200);
        await_lead(leader);
        struct call r = await_call(GW_REQUEST_RESOLVE);
        assert_int_equal(r.mark.number, other.mark.number);
        answer(r, GW_ANSWER_DONE);
        await_text(id, COUNTS, "{0,100,0,0,0,0}");
        await_text(id, OPEN, "3");
}

static void a_claim_that_comes_too_late_changes_nothing(void **state)
{
        (void)state;
        struct gw_id id = gw_id_new(gw_clock_wall_us());
        end_leader(leader);
        test_submit_as(id, project, ARRAY("\"indices\":\"0-9\""));
        /* As between the question and the write: it may be claimed, and is not to be. */
        test_exec("UPDATE jobs SET cancel_requested_at = now(), cancel_requested_by = 1");
        leader = start_leader(&backend, 64);
        await_lead(leader);
        for (int i = 0; i < 3; i++)
                gw_leader_hint(leader);
        test_exec("UPDATE jobs SET wished = true, version = version + 1");
        gw_leader_hint(leader);
        test_await(id, GW_CANCELLED, NULL);
        assert_int_equal(calls_made(), 0);
        await_text(id, "SELECT count(*) FROM submissions s WHERE s.job_id = j.id", "0");
        await_text(id, "SELECT count(*) FROM tasks t WHERE t.job_id = j.id", "1");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                STAGE_TEST(an_array_goes_its_way),
                STAGE_TEST(a_large_array_goes_in_parts),
                STAGE_TEST(what_failed_is_retried_alone),
                STAGE_TEST(a_retry_waits_for_its_delay),
                STAGE_TEST(no_more_run_than_wanted),
                STAGE_TEST(an_array_is_handed_over_whole),
                STAGE_TEST(no_array_before_it_is_known_how_large),
                STAGE_TEST(what_a_part_was_made_for_stays),
                STAGE_TEST(projects_share_the_window),
                STAGE_TEST(one_word_of_a_part_is_of_all),
                STAGE_TEST(some_tasks_are_cancelled),
                STAGE_TEST(a_cancel_does_not_wait_for_the_answer),
                STAGE_TEST(a_claim_takes_nothing_that_was_cancelled),
                STAGE_TEST(a_part_goes_without_what_was_cancelled),
                STAGE_TEST(what_never_arrived_goes_without_them),
                STAGE_TEST(a_hold_of_others_stays),
                STAGE_TEST(cancelling_all_ends_what_waits_at_once),
                STAGE_TEST(a_hold_keeps_what_waits),
                STAGE_TEST(a_refused_part_fails_its_tasks),
                STAGE_TEST(a_part_that_runs_is_not_refused),
                STAGE_TEST(a_release_overtakes_its_hold),
                STAGE_TEST(a_hold_of_others_outlives_the_leader),
                STAGE_TEST(a_release_is_told_again_by_the_next_leader),
                STAGE_TEST(a_hold_is_told_by_who_leads_next),
                STAGE_TEST(what_fails_in_a_held_array_is_held),
                STAGE_TEST(what_ran_and_is_gone_has_ended),
                STAGE_TEST(a_new_leader_says_what_has_not_ended),
                STAGE_TEST(a_new_leader_changes_nothing_of_what_runs),
                STAGE_TEST(an_array_ended_with_its_last_task),
                STAGE_TEST(a_wide_cancel_comes_in_steps),
                STAGE_TEST(what_is_gone_is_lost),
                STAGE_TEST(the_next_leader_goes_on),
                STAGE_TEST(a_claim_that_comes_too_late_changes_nothing),
        };
        stage_build("gw_leader_array_test");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
