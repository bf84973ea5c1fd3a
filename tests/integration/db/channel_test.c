/* Channels against a real PostgreSQL: outages, repetition, bounds, draining. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/base/cleanup.h"
#include "server/base/log.h"
#include "server/base/thread.h"
#include "tests/integration/db/support.h"

static const char *const names[] = {"reader", "writer", NULL};

static struct gw_db_channel_settings settings(void)
{
        return (struct gw_db_channel_settings){
                .session = {.conninfo = test_environment("JOBGATE_TEST_PG"),
                            .application_name = "jobgate test writer",
                            .statement_timeout_ms = 20000},
                .name = "writer",
                .queue_max = 1000,
                .batch_max = 128,
                .repeat_ms = 30000,
        };
}

static struct gw_db_channel *start(const struct gw_db_channel_settings *with)
{
        struct gw_db_channel *ch = gw_db_channel_start(with, NULL);
        assert_non_null(ch);
        int64_t deadline = test_now_ms() + 20000;
        while (!gw_db_channel_up(ch))
                test_pause(deadline);
        return ch;
}

static int set_up(void **state)
{
        (void)state;
        test_items_make();
        return 0;
}

/* Takes what came home; returns how many. */
static size_t collect(struct gw_mailbox *home)
{
        size_t n = 0;
        for (struct gw_work *w = gw_mailbox_take(home); w; w = w->next)
                n++;
        return n;
}

static void wait_home(struct gw_mailbox *home, size_t count, int64_t within_ms)
{
        int64_t deadline = test_now_ms() + within_ms;
        while (count > 0) {
                struct pollfd p = {home->fd, POLLIN, 0};
                poll(&p, 1, 100);
                size_t n = collect(home);
                assert_true(n <= count);
                count -= n;
                if (n == 0)
                        test_pause(deadline);
        }
}

/* Keeps `window` commands under way until all of `count` came home; those refused or failed
 * with GW_ERR_UNAVAILABLE are counted, not tried again. */
struct load {
        struct gw_db_channel *channel;
        struct test_item *items;
        size_t count;
        size_t window;
        _Atomic size_t finished; /* for whoever breaks something half-way */
        size_t refused;
};

static void load_post(struct load *l, size_t i, struct gw_mailbox *home, size_t *underway)
{
        struct gw_error err = {0};
        l->items[i].command.work.home = home;
        if (gw_db_channel_post(l->channel, &l->items[i].command, &err) == 0) {
                ++*underway;
                return;
        }
        l->items[i].command.error = err;
        l->refused++;
        l->finished++;
        usleep(100); /* a client that was refused does not spin */
}

static void *load_run(void *arg)
{
        struct load *l = arg;
        struct gw_mailbox home;
        assert_int_equal(gw_mailbox_init(&home, SIZE_MAX), 0);
        size_t next = 0, underway = 0;
        while (next < l->count || underway > 0) {
                while (next < l->count && underway < l->window)
                        load_post(l, next++, &home, &underway);
                struct pollfd p = {home.fd, POLLIN, 0};
                poll(&p, 1, 1000);
                size_t n = collect(&home);
                underway -= n;
                l->finished += n;
        }
        gw_mailbox_done(&home);
        return NULL;
}

/* Every answer is the truth: a row exactly for each command that says so, and none that
 * failed for another reason than the outage. */
static size_t check_truth(const struct load *l)
{
        size_t ok = 0;
        for (size_t i = 0; i < l->count; i++) {
                const struct test_item *item = &l->items[i];
                if (item->command.error.code == GW_OK) {
                        assert_int_equal(item->rows, 1);
                        ok++;
                } else {
                        assert_int_equal(item->command.error.code, GW_ERR_UNAVAILABLE);
                }
        }
        return ok;
}

static void commands_come_home(void **state)
{
        (void)state;
        struct gw_metrics *m = gw_metrics_new();
        struct gw_db_metrics dm;
        assert_int_equal(gw_db_metrics_init(&dm, m, names), 0);
        struct gw_db_channel_settings with = settings();
        with.metrics = &dm;
        struct load l = {.channel = start(&with),
                         .items = test_items_new(&test_insert, 5000),
                         .count = 5000,
                         .window = 64};
        load_run(&l);
        assert_int_equal(check_truth(&l), 5000);
        assert_int_equal(test_number("SELECT count(*) FROM test_item"), 5000);

        struct gw_buf text = GW_BUF_INIT(1 << 20);
        gw_metrics_write(m, &text);
        assert_non_null(strstr(text.data, "jobgate_db_commands_total{channel=\"writer\"} 5000"));
        assert_non_null(strstr(text.data, "jobgate_db_up{channel=\"writer\"} 1"));
        assert_non_null(strstr(text.data, "jobgate_db_up{channel=\"reader\"} 0"));
        assert_non_null(strstr(text.data, "jobgate_db_pending_commands{channel=\"writer\"} 0"));
        gw_buf_done(&text);
        gw_db_channel_stop(l.channel);
        gw_metrics_free(m);
        free(l.items);
}

static void stop_drains_what_is_queued(void **state)
{
        (void)state;
        struct gw_db_channel_settings with = settings();
        struct gw_db_channel *ch = start(&with);
        struct gw_mailbox home;
        assert_int_equal(gw_mailbox_init(&home, SIZE_MAX), 0);
        gw_autofree struct test_item *items = test_items_new(&test_insert, 900);
        for (int i = 0; i < 900; i++) {
                items[i].command.work.home = &home;
                assert_int_equal(gw_db_channel_post(ch, &items[i].command, NULL), 0);
        }
        gw_db_channel_stop(ch);
        assert_int_equal(collect(&home), 900);
        assert_int_equal(test_number("SELECT count(*) FROM test_item"), 900);
        gw_mailbox_done(&home);
}

static void the_queue_is_bounded(void **state)
{
        (void)state;
        struct gw_db_channel_settings with = settings();
        with.queue_max = 100;
        struct gw_db_channel *ch = start(&with);
        struct gw_db_session *locker = test_session();
        assert_int_equal(gw_db_session_exec(locker, "BEGIN; LOCK TABLE test_item", NULL), 0);

        struct gw_mailbox home;
        assert_int_equal(gw_mailbox_init(&home, SIZE_MAX), 0);
        gw_autofree struct test_item *items = test_items_new(&test_insert, 201);
        struct gw_error err = {0};
        size_t accepted = 0;
        while (accepted < 201) {
                items[accepted].command.work.home = &home;
                if (gw_db_channel_post(ch, &items[accepted].command, &err) < 0)
                        break;
                accepted++;
        }
        /* What was taken into the pipeline that waits for the lock, and a full box. */
        assert_true(accepted >= 100 && accepted <= 200);
        assert_int_equal(err.code, GW_ERR_OVERLOADED);
        assert_int_equal(gw_db_session_exec(locker, "COMMIT", NULL), 0);
        wait_home(&home, accepted, 20000);
        gw_db_session_close(locker);
        gw_db_channel_stop(ch);
        gw_mailbox_done(&home);
}

static void terminate_writer(void)
{
        test_exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                  "WHERE application_name = 'jobgate test writer'");
}

static void a_terminated_backend_loses_nothing(void **state)
{
        (void)state;
        struct gw_db_channel_settings with = settings();
        struct load l = {.channel = start(&with),
                         .items = test_items_new(&test_insert, 10000),
                         .count = 10000,
                         .window = 64};
        pthread_t thread;
        assert_int_equal(gw_thread_start(&thread, "load", load_run, &l, NULL), 0);
        for (size_t part = 1; part <= 4; part++) {
                int64_t deadline = test_now_ms() + 60000;
                while (l.finished < part * 2000)
                        test_pause(deadline);
                terminate_writer();
        }
        gw_thread_join(thread);
        size_t ok = check_truth(&l);
        /* Accepted is finished; only what was refused at the door is missing. */
        assert_int_equal(ok, 10000 - l.refused);
        assert_true(ok >= 8000);
        assert_int_equal(test_number("SELECT count(*) FROM test_item"), (int64_t)ok);
        gw_db_channel_stop(l.channel);
        free(l.items);
}

static void a_commit_without_its_answer_is_repeated(void **state)
{
        (void)state;
        struct gw_db_channel_settings with = settings();
        struct gw_db_channel *ch = start(&with);
        struct gw_db_session *locker = test_session();
        assert_int_equal(gw_db_session_exec(locker, "BEGIN; LOCK TABLE test_item", NULL), 0);
        struct gw_mailbox home;
        assert_int_equal(gw_mailbox_init(&home, SIZE_MAX), 0);
        struct test_item *items = test_items_new(&test_insert, 40);
        for (int i = 0; i < 40; i++) {
                items[i].command.work.home = &home;
                assert_int_equal(gw_db_channel_post(ch, &items[i].command, NULL), 0);
        }
        int64_t deadline = test_now_ms() + 20000;
        while (test_number("SELECT count(*) FROM pg_stat_activity WHERE application_name = "
                           "'jobgate test writer' AND wait_event_type = 'Lock'") == 0)
                test_pause(deadline);
        terminate_writer();
        assert_int_equal(gw_db_session_exec(locker, "COMMIT", NULL), 0);
        wait_home(&home, 40, 20000);
        for (int i = 0; i < 40; i++) {
                assert_int_equal(items[i].command.error.code, GW_OK);
                assert_int_equal(items[i].rows, 1);
        }
        assert_int_equal(test_number("SELECT count(*) FROM test_item"), 40);
        gw_db_session_close(locker);
        gw_db_channel_stop(ch);
        gw_mailbox_done(&home);
        free(items);
}

/* ---- the server goes away ------------------------------------------------------------ */

static void server(const char *what)
{
        assert_int_equal(system(test_environment(what)), 0);
}

/* Runs `l` through an immediate stop and a start of the server. */
static void restart_under_load(struct load *l)
{
        pthread_t thread;
        assert_int_equal(gw_thread_start(&thread, "load", load_run, l, NULL), 0);
        int64_t deadline = test_now_ms() + 60000;
        while (l->finished < 5000)
                test_pause(deadline);
        server("JOBGATE_TEST_PG_STOP");
        server("JOBGATE_TEST_PG_START");
        while (!gw_db_channel_up(l->channel))
                test_pause(deadline);
        gw_thread_join(thread);
}

static void a_restart_under_load(void **state)
{
        (void)state;
        struct gw_db_channel_settings with = settings();
        struct load l = {.channel = start(&with),
                         .items = test_items_new(&test_insert, 30000),
                         .count = 30000,
                         .window = 64};
        restart_under_load(&l);
        size_t ok = check_truth(&l);
        assert_int_equal(ok, 30000 - l.refused);
        assert_int_equal(test_number("SELECT count(*) FROM test_item"), (int64_t)ok);
        gw_db_channel_stop(l.channel);
        free(l.items);
}

/* Without patience the outcome of what was in flight stays unknown: such a row may be there. */
static void a_restart_under_load_without_patience(void **state)
{
        (void)state;
        struct gw_db_channel_settings with = settings();
        with.repeat_ms = 1;
        struct load l = {.channel = start(&with),
                         .items = test_items_new(&test_insert, 30000),
                         .count = 30000,
                         .window = 64};
        restart_under_load(&l);
        size_t ok = check_truth(&l);
        assert_true(l.refused > 0);
        assert_true(ok >= 5000);
        int64_t rows = test_number("SELECT count(*) FROM test_item");
        assert_in_range(rows, (int64_t)ok, (int64_t)ok + 64);
        gw_db_channel_stop(l.channel);
        free(l.items);
}

static void an_outage_refuses_at_once_and_gives_up_in_time(void **state)
{
        (void)state;
        struct gw_db_channel_settings with = settings();
        with.repeat_ms = 300;
        struct gw_db_channel *ch = start(&with);
        struct gw_db_session *locker = test_session();
        assert_int_equal(gw_db_session_exec(locker, "BEGIN; LOCK TABLE test_item", NULL), 0);
        struct gw_mailbox home;
        assert_int_equal(gw_mailbox_init(&home, SIZE_MAX), 0);
        struct test_item *items = test_items_new(&test_insert, 11);
        for (int i = 0; i < 11; i++)
                items[i].command.work.home = &home;
        for (int i = 0; i < 10; i++)
                assert_int_equal(gw_db_channel_post(ch, &items[i].command, NULL), 0);

        server("JOBGATE_TEST_PG_STOP");
        int64_t deadline = test_now_ms() + 20000;
        while (gw_db_channel_up(ch))
                test_pause(deadline);
        struct gw_error err = {0};
        assert_int_equal(gw_db_channel_post(ch, &items[10].command, &err), -1);
        assert_int_equal(err.code, GW_ERR_UNAVAILABLE);
        wait_home(&home, 10, 5000);
        for (int i = 0; i < 10; i++)
                assert_int_equal(items[i].command.error.code, GW_ERR_UNAVAILABLE);

        server("JOBGATE_TEST_PG_START");
        while (!gw_db_channel_up(ch))
                test_pause(deadline);
        assert_int_equal(gw_db_channel_post(ch, &items[10].command, &err), 0);
        wait_home(&home, 1, 20000);
        assert_int_equal(items[10].command.error.code, GW_OK);
        gw_db_session_close(locker);
        gw_db_channel_stop(ch);
        gw_mailbox_done(&home);
        free(items);
}

static void stop_while_away_ends(void **state)
{
        (void)state;
        struct gw_db_channel_settings with = settings();
        with.session.conninfo = "host=/nowhere user=x dbname=y";
        struct gw_db_channel *ch = gw_db_channel_start(&with, NULL);
        assert_non_null(ch);
        struct gw_db_command c = {.kind = &test_insert};
        assert_int_equal(gw_db_channel_post(ch, &c, NULL), -1);
        gw_db_channel_stop(ch);
}

int main(void)
{
        gw_log_init(GW_LOG_ERROR + 1, 2);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(commands_come_home, set_up),
                cmocka_unit_test_setup(stop_drains_what_is_queued, set_up),
                cmocka_unit_test_setup(the_queue_is_bounded, set_up),
                cmocka_unit_test_setup(a_terminated_backend_loses_nothing, set_up),
                cmocka_unit_test_setup(a_commit_without_its_answer_is_repeated, set_up),
                cmocka_unit_test_setup(a_restart_under_load, set_up),
                cmocka_unit_test_setup(a_restart_under_load_without_patience, set_up),
                cmocka_unit_test_setup(an_outage_refuses_at_once_and_gives_up_in_time, set_up),
                cmocka_unit_test(stop_while_away_ends),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
