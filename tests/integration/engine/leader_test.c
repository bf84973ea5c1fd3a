/*
 * The leader against a real PostgreSQL and a backend that does what the test says: what no
 * real scheduler can be made to do on demand (lose an answer, forget a job, run one twice).
 *
 * The test's thread is the backend's thread: ops are queued as calls, which the test awaits
 * and answers.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/engine/leader.h"
#include "tests/integration/engine/support.h"

#define SPEC_WITH(members)                                                                               \
        "{\"command\":[\"true\"],\"name\":\"one\",\"resources\":{\"cpus\":1,\"memory\":\"1Gi\"}" members \
        "}"
#define SPEC SPEC_WITH("")
#define MAX_CALLS 256

/* ---- the backend --------------------------------------------------------------------------- */

struct call {
        enum gw_request request;
        struct gw_mark mark;
        bool held;
};

struct scripted {
        struct gw_backend base;
        struct gw_backend_host host;
        pthread_mutex_t lock;
        uint64_t epoch;
        struct gw_mark live[64]; /* as the last lead() said */
        bool accepted[64];
        size_t live_count;
        unsigned leads;
        struct call calls[MAX_CALLS];
        size_t made, taken;
        uint64_t seen;
};

static struct scripted *scripted_of(struct gw_backend *b)
{
        return (struct scripted *)(void *)b;
}

static int note(struct gw_backend *b, enum gw_request request, struct gw_mark mark, bool held)
{
        struct scripted *s = scripted_of(b);
        pthread_mutex_lock(&s->lock);
        if (s->made < MAX_CALLS)
                s->calls[s->made++] = (struct call){request, mark, held};
        pthread_mutex_unlock(&s->lock);
        return 0;
}

static int do_submit(struct gw_backend *b, const struct gw_submission *s)
{
        return note(b, GW_REQUEST_SUBMIT, s->mark, s->held);
}

static int do_resolve(struct gw_backend *b, const struct gw_submission *s)
{
        return note(b, GW_REQUEST_RESOLVE, s->mark, s->held);
}

static int do_cancel(struct gw_backend *b, struct gw_mark mark, const struct gw_span *spans,
                     size_t count)
{
        (void)spans;
        (void)count;
        return note(b, GW_REQUEST_CANCEL, mark, false);
}

static int do_change(struct gw_backend *b, struct gw_mark mark, bool held, int64_t time_limit_s,
                     uint32_t max_parallel)
{
        (void)time_limit_s;
        (void)max_parallel;
        return note(b, GW_REQUEST_CHANGE, mark, held);
}

static int do_forget(struct gw_backend *b, struct gw_mark mark)
{
        return note(b, GW_REQUEST_FORGET, mark, false);
}

static void do_lead(struct gw_backend *b, uint64_t epoch, const struct gw_submission *live,
                    size_t count, const char *cursor)
{
        struct scripted *s = scripted_of(b);
        (void)cursor;
        pthread_mutex_lock(&s->lock);
        s->epoch = epoch;
        s->leads++;
        s->live_count = count;
        for (size_t i = 0; i < count && i < GW_COUNT(s->live); i++) {
                s->live[i] = live[i].mark;
                s->accepted[i] = live[i].accepted;
        }
        pthread_mutex_unlock(&s->lock);
}

static void do_nothing(struct gw_backend *b)
{
        (void)b;
}

static const struct gw_backend_type scripted_type = {
        .name = "scripted",
        .lead = do_lead,
        .yield = do_nothing,
        .submit = do_submit,
        .resolve = do_resolve,
        .cancel = do_cancel,
        .change = do_change,
        .forget = do_forget,
        .resume = do_nothing,
};

/* ---- the stage ------------------------------------------------------------------------------ */

static const char *conninfo;
static int64_t project;
static struct scripted backend;
static struct gw_leader *leader;

static struct gw_leader *start_leader(struct scripted *s, unsigned window)
{
        struct gw_error err = {0};
        struct gw_leader_settings settings = {
                .conninfo = conninfo, .holder = "test:1", .window = window};
        struct gw_leader *l = gw_leader_new(&settings, &err);
        assert_non_null(l);
        pthread_mutex_lock(&s->lock);
        s->host = gw_leader_host(l);
        pthread_mutex_unlock(&s->lock);
        assert_int_equal(gw_leader_start(l, &s->base, &err), 0);
        return l;
}

static void await_lead(struct gw_leader *l)
{
        int64_t deadline = test_now_ms() + 10000;
        while (!gw_leader_leads(l))
                test_pause(deadline);
}

static void end_leader(struct gw_leader *l)
{
        gw_leader_stop(l);
        gw_leader_free(l);
}

static void init_backend(struct scripted *s)
{
        *s = (struct scripted){.base = {.type = &scripted_type, .name = "test"},
                               .lock = PTHREAD_MUTEX_INITIALIZER};
}

static int begin(void **state)
{
        (void)state;
        test_exec("DELETE FROM jobs; DELETE FROM submissions; DELETE FROM attempts;"
                  " DELETE FROM timers");
        init_backend(&backend);
        leader = start_leader(&backend, 64);
        await_lead(leader);
        return 0;
}

static int end(void **state)
{
        (void)state;
        end_leader(leader);
        return 0;
}

static void restart_leader(void)
{
        end_leader(leader);
        leader = start_leader(&backend, 64);
        await_lead(leader);
}

/* The next call that is made, which must be this request. */
static struct call await_call(enum gw_request request)
{
        int64_t deadline = test_now_ms() + 10000;
        for (;;) {
                struct call c;
                pthread_mutex_lock(&backend.lock);
                bool there = backend.taken < backend.made;
                if (there)
                        c = backend.calls[backend.taken++];
                pthread_mutex_unlock(&backend.lock);
                if (there) {
                        assert_int_equal(c.request, request);
                        return c;
                }
                gw_leader_hint(leader);
                test_pause(deadline);
        }
}

static size_t calls_made(void)
{
        pthread_mutex_lock(&backend.lock);
        size_t n = backend.made - backend.taken;
        pthread_mutex_unlock(&backend.lock);
        return n;
}

static void answer(struct call c, enum gw_answer a)
{
        backend.host.answer(backend.host.self, backend.epoch, c.request, c.mark, a,
                            a == GW_ANSWER_DONE ? "ref-1" : NULL,
                            a == GW_ANSWER_REFUSED ? "no such thing" : NULL, 0);
}

static void tell(struct gw_mark mark, enum gw_phase phase, enum gw_reason reason, int exit_code)
{
        struct gw_fact f = {.mark = mark,
                            .seen = ++backend.seen,
                            .phase = phase,
                            .reason = reason,
                            .exit_code = exit_code,
                            .started_us = phase == GW_PHASE_PENDING ? 0 : gw_clock_wall_us(),
                            .ended_us = phase == GW_PHASE_ENDED ? gw_clock_wall_us() : 0,
                            .node = "node1"};
        assert_int_equal(backend.host.facts(backend.host.self, backend.epoch, &f, 1), 0);
}

/* A job that the backend took; its mark. */
static struct gw_mark handed_over(struct gw_id id)
{
        struct call c = await_call(GW_REQUEST_SUBMIT);
        assert_true(gw_id_equal(c.mark.job, id));
        answer(c, GW_ANSWER_DONE);
        test_await(id, GW_PENDING, "");
        return c.mark;
}

static struct gw_mark running(struct gw_id id)
{
        struct gw_mark mark = handed_over(id);
        tell(mark, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        test_await(id, GW_RUNNING, "");
        return mark;
}

/* ---- tests --------------------------------------------------------------------------------- */

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
        restart_leader();
        assert_int_equal(backend.live_count, 1);
        assert_false(backend.accepted[0]);
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
        restart_leader();
        assert_true(backend.epoch > old);
        assert_int_equal(backend.live_count, 1);
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
        backend.host.synced(backend.host.self, backend.epoch, backend.seen,
                            gw_clock_wall_us() + GW_SECOND, NULL);
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
        test_await(id, GW_FAILED, "start_deadline");
        assert_int_equal(calls_made(), 0);
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

static void a_broken_connection_ends_leadership(void **state)
{
        (void)state;
        struct gw_id id = test_submit(project, SPEC);
        struct gw_mark mark = running(id);
        test_exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                  " WHERE application_name = 'jobgate leader' AND datname = current_database()");
        int64_t deadline = test_now_ms() + 10000;
        for (unsigned leads = 1; leads < 2;) {
                gw_leader_hint(leader);
                test_pause(deadline);
                pthread_mutex_lock(&backend.lock);
                leads = backend.leads;
                pthread_mutex_unlock(&backend.lock);
        }
        await_lead(leader);
        tell(mark, GW_PHASE_ENDED, GW_REASON_COMPLETED, 0);
        test_await(id, GW_SUCCEEDED, "completed");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_job_goes_its_way),
                TEST(a_lost_answer_is_resolved_not_guessed),
                TEST(what_was_not_sent_is_sent_again),
                TEST(a_refusal_is_final),
                TEST(a_retry_is_a_new_submission),
                TEST(a_retry_waits_for_its_delay),
                TEST(an_exit_code_is_not_retried),
                TEST(cancelling_what_waits_needs_no_backend),
                TEST(cancelling_what_runs_asks_the_backend_once),
                TEST(who_finished_first_keeps_the_outcome),
                TEST(a_hand_over_cut_off_is_resolved_by_the_next_leader),
                TEST(a_running_job_is_taken_over),
                TEST(a_word_of_an_old_epoch_is_not_heard),
                TEST(what_a_whole_read_does_not_show_is_lost),
                TEST(a_deadline_ends_what_runs),
                TEST(a_start_deadline_ends_what_waits),
                TEST(a_held_job_waits_for_its_release),
                TEST(projects_take_turns),
                TEST(one_leads_at_a_time),
                TEST(a_broken_connection_ends_leadership),
        };
        gw_log_init(GW_LOG_ERROR, 2);
        conninfo = test_database("gw_leader_test");
        project = test_project("vision");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
