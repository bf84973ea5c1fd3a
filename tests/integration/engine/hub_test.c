/*
 * The hub against a real PostgreSQL: who waits is told, also of what came between looking and
 * waiting, and through the loss of the connection.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "db/events.h"
#include "db/people.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/engine/hub.h"
#include "tests/integration/engine/support.h"

#define SPEC                                                                                       \
        "{\"command\":[\"true\"],\"name\":\"one\",\"resources\":{\"cpus\":1,\"memory\":\"1Gi\"}}"
#define LONG_MS 20000      /* what must not pass */
#define FOREVER_MS 3600000 /* how long a wait would last */
#define MAX_WAITS 3

static const char *conninfo;
static int64_t projects[2];
static struct gw_db_session *outside; /* in another database: it can close this one */

static struct gw_hub *hub;
static struct gw_mailbox home;
static _Atomic unsigned events_calls, people_calls;

/* ---- the hub -------------------------------------------------------------------------------- */

static void on_events(void *arg)
{
        (void)arg;
        atomic_fetch_add(&events_calls, 1);
}

static void on_people(void *arg)
{
        (void)arg;
        atomic_fetch_add(&people_calls, 1);
}

static void await_up(bool up)
{
        int64_t deadline = test_deadline_ms(LONG_MS);
        while (gw_hub_up(hub) != up)
                test_pause(deadline);
}

static int64_t last_event(void)
{
        struct gw_db_event_last c = {0};
        gw_db_event_last_init(&c);
        test_run(&c.cmd);
        return c.n;
}

/* Until the hub has heard of all there is. */
static void await_heard(void)
{
        int64_t deadline = test_deadline_ms(LONG_MS), n = last_event();
        while (gw_hub_now(hub) < n)
                test_pause(deadline);
}

static int begin(void **state)
{
        (void)state;
        struct gw_error err = {0};
        struct gw_hub_settings s = {.conninfo = conninfo,
                                    .max_waits = MAX_WAITS,
                                    .events = on_events,
                                    .people = on_people};
        hub = gw_hub_start(&s, &err);
        assert_non_null(hub);
        assert_int_equal(gw_mailbox_init(&home, 16), 0);
        await_up(true);
        await_heard();
        return 0;
}

static int end(void **state)
{
        (void)state;
        gw_hub_stop(hub);
        hub = NULL;
        gw_mailbox_done(&home);
        return 0;
}

/* ---- waits ----------------------------------------------------------------------------------- */

static struct gw_hub_wait wait_for(struct gw_id job, int64_t since, int64_t ms)
{
        return (struct gw_hub_wait){.work.home = &home,
                                    .job = job,
                                    .since = since,
                                    .until_us = gw_clock_mono_us() + ms * 1000};
}

static struct gw_hub_wait wait_for_project(const int64_t *project, int64_t since, int64_t ms)
{
        struct gw_hub_wait w = wait_for((struct gw_id){0}, since, ms);
        w.projects = project;
        w.project_count = 1;
        return w;
}

static void post(struct gw_hub_wait *w)
{
        struct gw_error err = {0};
        if (gw_hub_wait(hub, w, &err) < 0)
                fail_msg("%s", err.message);
}

/* The next wait that comes home within ms, or NULL. */
static struct gw_hub_wait *come_home(int64_t ms)
{
        int64_t deadline = test_now_ms() + ms;
        for (;;) {
                struct gw_work *work = gw_mailbox_take(&home);
                if (work) {
                        assert_null(work->next);
                        return GW_CONTAINER(work, struct gw_hub_wait, work);
                }
                int64_t left = deadline - test_now_ms();
                struct pollfd fd = {.fd = home.fd, .events = POLLIN};
                if (left <= 0 || poll(&fd, 1, (int)left) < 0)
                        return NULL;
        }
}

static void assert_home(const struct gw_hub_wait *w, bool met)
{
        struct gw_hub_wait *came = come_home(LONG_MS);
        assert_ptr_equal(came, w);
        assert_int_equal(w->met, met);
}

/* The hub is told of a job of project 1, and answers a wait for it: whatever was committed
 * before was given to the waits. */
static void assert_nobody_else_comes(void)
{
        struct gw_hub_wait w = wait_for_project(&projects[1], gw_hub_now(hub), FOREVER_MS);
        post(&w);
        test_submit(projects[1], SPEC);
        assert_home(&w, true);
}

/* ---- the connection ---- */

static void exec_outside(const char *sql)
{
        struct gw_error err = {0};
        if (gw_db_session_exec(outside, sql, &err) < 0)
                fail_msg("%s: %s", sql, err.message);
}

static void cut(void)
{
        test_exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                  " WHERE application_name = 'jobgate hub' AND datname = current_database()");
}

static void close_database(void)
{
        exec_outside("ALTER DATABASE gw_hub_test ALLOW_CONNECTIONS false");
        cut();
        await_up(false);
}

static void open_database(void)
{
        exec_outside("ALTER DATABASE gw_hub_test ALLOW_CONNECTIONS true");
}

/* ---- tests ---- */

static void an_event_of_the_job_ends_its_wait(void **state)
{
        (void)state;
        struct gw_id job = test_submit(projects[0], SPEC);
        await_heard();
        struct gw_hub_wait w = wait_for(job, gw_hub_now(hub), FOREVER_MS);
        post(&w);
        test_submit(projects[0], SPEC);
        assert_nobody_else_comes();
        test_wish(job, projects[0], GW_WISH_CANCEL);
        assert_home(&w, true);
}

static void an_event_of_the_project_ends_its_wait(void **state)
{
        (void)state;
        struct gw_hub_wait w = wait_for_project(&projects[0], gw_hub_now(hub), FOREVER_MS);
        post(&w);
        assert_nobody_else_comes();
        test_submit(projects[0], SPEC);
        assert_home(&w, true);
}

static void a_wait_is_over_at_its_time(void **state)
{
        (void)state;
        struct gw_hub_wait w = wait_for_project(&projects[0], gw_hub_now(hub), 50);
        struct gw_hub_wait later = wait_for_project(&projects[0], gw_hub_now(hub), 250);
        post(&later);
        post(&w);
        assert_home(&w, false);
        assert_true(gw_clock_mono_us() >= w.until_us);
        assert_home(&later, false);
        assert_true(gw_clock_mono_us() >= later.until_us);
}

/* Whatever happens: also while nobody can be asked. */
static void a_wait_for_no_event_is_over_at_its_time(void **state)
{
        (void)state;
        struct gw_hub_wait w = wait_for((struct gw_id){0}, 0, 250);
        test_submit(projects[0], SPEC);
        await_heard();
        post(&w);
        test_submit(projects[0], SPEC);
        assert_home(&w, false);
        assert_true(gw_clock_mono_us() >= w.until_us);
        close_database();
        w = wait_for((struct gw_id){0}, 0, 250);
        post(&w);
        assert_home(&w, false);
        assert_true(gw_clock_mono_us() >= w.until_us);
        open_database();
}

static void what_came_before_the_wait_is_not_missed(void **state)
{
        (void)state;
        int64_t since = gw_hub_now(hub);
        struct gw_id job = test_submit(projects[0], SPEC);
        await_heard(); /* nobody waited: it was not read */
        assert_true(gw_hub_now(hub) > since);
        struct gw_hub_wait of_job = wait_for(job, since, FOREVER_MS);
        post(&of_job);
        assert_home(&of_job, true);
        struct gw_hub_wait of_project = wait_for_project(&projects[0], since, FOREVER_MS);
        post(&of_project);
        assert_home(&of_project, true);
        struct gw_hub_wait of_other = wait_for_project(&projects[1], since, 50);
        post(&of_other);
        assert_home(&of_other, false);
        struct gw_hub_wait seen = wait_for(job, gw_hub_now(hub), 50);
        post(&seen);
        assert_home(&seen, false);
}

static void who_leaves_is_sent_home(void **state)
{
        (void)state;
        struct gw_hub_wait stays = wait_for_project(&projects[0], gw_hub_now(hub), FOREVER_MS);
        struct gw_hub_wait leaves = wait_for_project(&projects[0], gw_hub_now(hub), FOREVER_MS);
        post(&stays);
        post(&leaves);
        gw_hub_abandon(hub, &leaves);
        assert_home(&leaves, false);
        assert_nobody_else_comes();
        gw_hub_abandon(hub, &stays);
        assert_home(&stays, false);
}

static void one_too_many_is_refused(void **state)
{
        (void)state;
        struct gw_hub_wait w[MAX_WAITS + 1];
        struct gw_error err = {0};
        for (int i = 0; i <= MAX_WAITS; i++)
                w[i] = wait_for_project(&projects[0], gw_hub_now(hub), FOREVER_MS);
        for (int i = 0; i < MAX_WAITS; i++)
                post(&w[i]);
        assert_int_equal(gw_hub_wait(hub, &w[MAX_WAITS], &err), -1);
        assert_int_equal(err.code, GW_ERR_OVERLOADED);
        gw_hub_abandon(hub, &w[1]);
        assert_home(&w[1], false);
        post(&w[MAX_WAITS]);
        for (int i = 0; i <= MAX_WAITS; i++)
                if (i != 1) {
                        gw_hub_abandon(hub, &w[i]);
                        assert_home(&w[i], false);
                }
}

static void the_end_sends_everybody_home(void **state)
{
        (void)state;
        struct gw_hub_wait before = wait_for_project(&projects[0], gw_hub_now(hub), FOREVER_MS);
        struct gw_hub_wait after = before;
        post(&before);
        gw_hub_drain(hub);
        assert_home(&before, false);
        post(&after);
        assert_home(&after, false);
}

static void stopping_sends_everybody_home(void **state)
{
        (void)state;
        struct gw_hub_wait w = wait_for_project(&projects[0], gw_hub_now(hub), FOREVER_MS);
        post(&w);
        gw_hub_stop(hub);
        hub = NULL;
        assert_home(&w, false);
}

static void leaders_and_the_cache_are_told(void **state)
{
        (void)state;
        int64_t deadline = test_deadline_ms(LONG_MS);
        while (atomic_load(&events_calls) == 0 || atomic_load(&people_calls) == 0)
                test_pause(deadline);
        unsigned events = atomic_load(&events_calls), people = atomic_load(&people_calls);
        test_submit(projects[0], SPEC);
        while (atomic_load(&events_calls) == events)
                test_pause(deadline);
        assert_int_equal(atomic_load(&people_calls), people);
        struct gw_db_member_set m = {.project = "audio", .user = "ada", .role = "viewer"};
        gw_db_member_set_init(&m);
        test_run(&m.cmd);
        while (atomic_load(&people_calls) == people)
                test_pause(deadline);
}

static void a_lost_connection_loses_no_event(void **state)
{
        (void)state;
        for (int i = 0; i < 10; i++) {
                struct gw_hub_wait w = wait_for_project(&projects[0], gw_hub_now(hub), FOREVER_MS);
                post(&w);
                cut();
                test_submit(projects[0], SPEC);
                assert_home(&w, true);
        }
}

static void an_outage_loses_no_event(void **state)
{
        (void)state;
        int64_t before = gw_hub_now(hub);
        struct gw_id job = test_submit(projects[0], SPEC);
        await_heard();
        struct gw_hub_wait w = wait_for(job, gw_hub_now(hub), FOREVER_MS);
        post(&w);
        close_database();
        test_wish(job, projects[0], GW_WISH_CANCEL);
        /* It cannot ask what lies between: the owner looks again. */
        struct gw_hub_wait unsure = wait_for(job, before, FOREVER_MS);
        post(&unsure);
        assert_home(&unsure, true);
        struct gw_hub_wait over = wait_for_project(&projects[0], gw_hub_now(hub), 50);
        post(&over);
        assert_home(&over, false);
        unsigned people = atomic_load(&people_calls);
        open_database();
        assert_home(&w, true);
        assert_true(gw_hub_up(hub));
        assert_true(atomic_load(&people_calls) > people);
}

/* ---- a reader that looks, waits and looks again ---- */

#define MANY 400

static int submit_on(struct gw_db_session *s, int64_t project)
{
        struct gw_db_job_insert c = {.id = gw_id_new(gw_clock_wall_us()),
                                     .project_id = project,
                                     .user_id = test_user_id,
                                     .backend = "test",
                                     .name = "one",
                                     .cpus_milli = 1000,
                                     .memory = 1,
                                     .spec = SPEC,
                                     .spec_len = strlen(SPEC),
                                     .request_id = "test"};
        gw_db_job_insert_init(&c);
        return gw_db_session_run_one(s, &c.cmd, NULL);
}

static void *submit_many(void *arg)
{
        for (int i = 0; i < MANY; i++)
                if (submit_on(arg, projects[i % 2]) < 0)
                        return arg;
        return NULL;
}

static void count_event(void *arg, const struct gw_event_row *row)
{
        int64_t *last = arg;
        *last = row->n;
}

static void a_reader_misses_nothing(void **state)
{
        (void)state;
        struct gw_error err = {0};
        struct gw_db_session_settings s = {.conninfo = conninfo, .application_name = "submitter"};
        struct gw_db_session *session = gw_db_session_open(&s, &err);
        assert_non_null(session);
        char list[32];
        snprintf(list, sizeof list, "%lld", (long long)projects[0]);
        int64_t last = last_event();
        pthread_t thread;
        void *failed;
        assert_int_equal(pthread_create(&thread, NULL, submit_many, session), 0);
        for (int seen = 0; seen < MANY / 2;) {
                int64_t since = gw_hub_now(hub);
                struct gw_db_event_page page = {.projects = list,
                                                .after = last,
                                                .limit = 3,
                                                .each = count_event,
                                                .arg = &last};
                gw_db_event_page_init(&page);
                test_run(&page.cmd);
                seen += (int)page.cmd.rows;
                if (page.cmd.rows || seen == MANY / 2)
                        continue;
                struct gw_hub_wait w = wait_for_project(&projects[0], since, FOREVER_MS);
                post(&w);
                assert_home(&w, true);
        }
        pthread_join(thread, &failed);
        assert_null(failed);
        gw_db_session_close(session);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(an_event_of_the_job_ends_its_wait),
                TEST(an_event_of_the_project_ends_its_wait),
                TEST(a_wait_is_over_at_its_time),
                TEST(a_wait_for_no_event_is_over_at_its_time),
                TEST(what_came_before_the_wait_is_not_missed),
                TEST(who_leaves_is_sent_home),
                TEST(one_too_many_is_refused),
                TEST(the_end_sends_everybody_home),
                TEST(stopping_sends_everybody_home),
                TEST(leaders_and_the_cache_are_told),
                TEST(a_lost_connection_loses_no_event),
                TEST(an_outage_loses_no_event),
                TEST(a_reader_misses_nothing),
        };
        struct gw_db_session_settings s = {.conninfo = getenv("JOBGATE_TEST_PG"),
                                           .application_name = "hub test outside"};
        gw_log_init(GW_LOG_ERROR, 2);
        conninfo = test_database("gw_hub_test");
        projects[0] = test_project("vision");
        projects[1] = test_project("audio");
        outside = gw_db_session_open(&s, NULL);
        if (!outside)
                return 1;
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        gw_db_session_close(outside);
        return failed;
}
