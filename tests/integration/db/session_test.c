/* Sessions against a real PostgreSQL: batches, faults, order, notifications. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/cleanup.h"
#include "server/base/log.h"
#include "server/base/thread.h"
#include "tests/integration/db/support.h"

static int set_up(void **state)
{
        test_items_make();
        *state = test_session();
        return 0;
}

static int tear_down(void **state)
{
        gw_db_session_close(*state);
        return 0;
}

static void run(struct gw_db_session *s, struct test_item *items, size_t count)
{
        struct gw_error err = {0};
        if (gw_db_session_run(s, test_link(items, count), &err) < 0)
                fail_msg("%s", err.message);
}

static void expect_all(const struct test_item *items, size_t count, enum gw_error_code code)
{
        for (size_t i = 0; i < count; i++) {
                assert_int_equal(items[i].command.error.code, code);
                assert_int_equal(items[i].command.rows, code == GW_OK ? 1 : 0);
                assert_int_equal(items[i].rows, (int)items[i].command.rows);
        }
}

static void two_thousand_in_one_go(void **state)
{
        gw_autofree struct test_item *items = test_items_new(&test_insert, 2000);
        run(*state, items, 2000);
        expect_all(items, 2000, GW_OK);
        assert_int_equal(test_number("SELECT count(*) FROM test_item"), 2000);
        assert_int_equal(test_number("SELECT sum(n) FROM test_item"), 1999000);
        /* Again: nothing changes, everyone has the same answer. */
        run(*state, items, 2000);
        assert_int_equal(test_number("SELECT count(*) FROM test_item"), 2000);
}

static void every_batch_size(void **state)
{
        for (unsigned count = 1, next = 0; count <= 9; next += count, count++) {
                gw_autofree struct test_item *items = test_items_new(&test_insert, count);
                for (unsigned i = 0; i < count; i++)
                        items[i].id = test_id(next + i);
                run(*state, items, count);
                expect_all(items, count, GW_OK);
        }
        assert_int_equal(test_number("SELECT count(*) FROM test_item"), 45);
}

static void mixed_kinds_keep_their_answers(void **state)
{
        gw_autofree struct test_item *first = test_items_new(&test_insert, 30);
        run(*state, first, 30);

        gw_autofree struct test_item *items = test_items_new(&test_select, 90);
        for (unsigned i = 0; i < 90; i++) {
                items[i].id = test_id(i / 3);
                if (i % 3 == 1) {
                        items[i].command.kind = &test_series;
                        items[i].n = (int32_t)i;
                } else if (i % 3 == 2) {
                        items[i].command.kind = &test_insert;
                        items[i].id = test_id(1000 + i);
                }
        }
        run(*state, items, 90);
        for (int i = 0; i < 90; i++) {
                assert_int_equal(items[i].command.error.code, GW_OK);
                assert_int_equal(items[i].rows, i % 3 == 1 ? i : 1);
                if (i % 3 == 0)
                        assert_int_equal(items[i].n, i / 3);
        }
        assert_int_equal(test_number("SELECT count(*) FROM test_item"), 60);
}

static void a_refusal_is_no_row(void **state)
{
        gw_autofree struct test_item *items = test_items_new(&test_select, 3);
        run(*state, items, 3);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(items[i].command.error.code, GW_OK);
                assert_int_equal(items[i].command.rows, 0);
        }
}

static void a_long_list_streams(void **state)
{
        struct test_item list = {.command.kind = &test_series, .id = test_id(1), .n = 100000};
        run(*state, &list, 1);
        assert_int_equal(list.command.error.code, GW_OK);
        assert_int_equal(list.rows, 100000);
        assert_int_equal(list.n, 100000);
}

static void a_poisoned_row_hurts_only_itself(void **state)
{
        gw_autofree struct test_item *items = test_items_new(&test_insert, 100);
        items[37].body = "{\"a\":\"\\u0000\"}";
        items[38].body = "not json";
        items[99].n = -1;
        run(*state, items, 100);
        for (int i = 0; i < 100; i++) {
                enum gw_error_code want = i == 37 || i == 38 ? GW_ERR_UNPROCESSABLE
                                          : i == 99          ? GW_ERR_INTERNAL
                                                             : GW_OK;
                assert_int_equal(items[i].command.error.code, want);
                assert_int_equal(items[i].rows, want == GW_OK);
        }
        assert_null(strstr(items[37].command.error.message, "INSERT"));
        assert_int_equal(test_number("SELECT count(*) FROM test_item"), 97);
}

static const struct gw_db_kind broken = {.name = "test_broken",
                                         .sql = "SELECT d.ord FROM no_such_table, {input} AS d"};

static void a_broken_statement_leaves_the_others(void **state)
{
        gw_autofree struct test_item *items = test_items_new(&test_insert, 4);
        items[1].command.kind = items[2].command.kind = &broken;
        for (int turn = 0; turn < 2; turn++) {
                run(*state, items, 4);
                assert_int_equal(items[0].command.error.code, GW_OK);
                assert_int_equal(items[1].command.error.code, GW_ERR_INTERNAL);
                assert_int_equal(items[2].command.error.code, GW_ERR_INTERNAL);
                assert_int_equal(items[3].command.error.code, GW_OK);
        }
        test_exec("CREATE TABLE no_such_table AS SELECT 1 AS a");
        run(*state, items, 4);
        test_exec("DROP TABLE no_such_table");
        for (int i = 0; i < 4; i++)
                assert_int_equal(items[i].command.error.code, GW_OK);
}

/* How many commands were in the statement, into n. */
static void encode_id(const struct gw_db_command *c, struct gw_db_input *in)
{
        gw_db_put_uuid(in, GW_CONTAINER(c, const struct test_item, command)->id);
}

static void n_row(struct gw_db_command *c, const struct gw_db_row *row)
{
        GW_CONTAINER(c, struct test_item, command)->n = (int32_t)gw_db_get_int8(row, 1);
}

static void a_statement_takes_no_more_than_its_kind_says(void **state)
{
        static const struct gw_db_column id_column[] = {{"id", GW_DB_UUID}};
        static const struct gw_db_kind kind = {
                .name = "test_width",
                .sql = "SELECT d.ord, count(*) OVER () FROM {input} AS d",
                .columns = id_column,
                .column_count = 1,
                .encode = encode_id,
                .row = n_row,
                .batch_max = 5,
        };
        gw_autofree struct test_item *items = test_items_new(&kind, 12);
        run(*state, items, 12);
        for (int i = 0; i < 12; i++)
                assert_int_equal(items[i].n, i < 10 ? 5 : 2);
}

/* A constraint that is only checked by the commit, after the rows were sent. */
static const struct gw_db_column tag_columns[] = {{"id", GW_DB_UUID}, {"tag", GW_DB_INT4}};

static void encode_tag(const struct gw_db_command *c, struct gw_db_input *in)
{
        const struct test_item *item = GW_CONTAINER(c, const struct test_item, command);
        gw_db_put_uuid(in, item->id);
        gw_db_put_int4(in, item->n);
}

static void tag_row(struct gw_db_command *c, const struct gw_db_row *row)
{
        (void)row;
        GW_CONTAINER(c, struct test_item, command)->rows++;
}

static const struct gw_db_kind tag = {
        .name = "test_tag",
        .sql = "WITH d AS (SELECT * FROM {input} AS i), new AS (INSERT INTO test_item (id, n, tag) "
               "SELECT id, 1, tag FROM d) SELECT d.ord FROM d",
        .columns = tag_columns,
        .column_count = GW_COUNT(tag_columns),
        .encode = encode_tag,
        .row = tag_row,
};

static void a_failing_commit_is_no_answer(void **state)
{
        gw_autofree struct test_item *items = test_items_new(&tag, 8);
        items[5].n = items[2].n;
        run(*state, items, 8);
        int failed = 0;
        for (int i = 0; i < 8; i++) {
                if (items[i].command.error.code == GW_OK) {
                        assert_int_equal(items[i].rows, 1);
                        continue;
                }
                assert_int_equal(items[i].command.error.code, GW_ERR_INTERNAL);
                assert_int_equal(items[i].rows, 0);
                failed++;
        }
        assert_int_equal(failed, 1);
        assert_int_equal(test_number("SELECT count(*) FROM test_item"), 7);
}

static void big_values_are_cut_into_statements(void **state)
{
        size_t size = 1024 * 1024;
        gw_autofree char *body = malloc(size + 3);
        assert_non_null(body);
        memset(body, 'x', size + 2);
        body[0] = body[size + 1] = '"';
        body[size + 2] = '\0';
        gw_autofree struct test_item *items = test_items_new(&test_insert, 24);
        for (int i = 0; i < 24; i++)
                items[i].body = body;
        run(*state, items, 24);
        expect_all(items, 24, GW_OK);
        assert_int_equal(test_number("SELECT sum(length(body #>> '{}')) FROM test_item"),
                         24 * (int64_t)size);
}

static const struct gw_db_kind slow = {.name = "test_slow",
                                       .sql = "SELECT d.ord FROM {input} AS d, pg_sleep(30)"};

static void a_statement_timeout_is_not_a_lost_connection(void **state)
{
        (void)state;
        struct gw_error err = {0};
        struct gw_db_session *s = gw_db_session_open(
                &(struct gw_db_session_settings){.conninfo = test_environment("JOBGATE_TEST_PG"),
                                                 .statement_timeout_ms = 50},
                &err);
        assert_non_null(s);
        gw_autofree struct test_item *items = test_items_new(&test_insert, 2);
        items[0].command.kind = &slow;
        run(s, items, 2);
        assert_int_equal(items[0].command.error.code, GW_ERR_UNAVAILABLE);
        assert_int_equal(items[1].command.error.code, GW_OK);
        gw_db_session_close(s);
}

static void a_reader_cannot_write(void **state)
{
        (void)state;
        struct gw_error err = {0};
        struct gw_db_session *s = gw_db_session_open(
                &(struct gw_db_session_settings){.conninfo = test_environment("JOBGATE_TEST_PG"),
                                                 .read_only = true},
                &err);
        assert_non_null(s);
        assert_int_equal(gw_db_session_exec(s, "DELETE FROM test_item", &err), -1);
        gw_db_session_close(s);
}

static void a_bad_server_is_unavailable(void **state)
{
        (void)state;
        struct gw_error err = {0};
        assert_null(gw_db_session_open(
                &(struct gw_db_session_settings){.conninfo = "host=/nowhere user=x dbname=y"},
                &err));
        assert_int_equal(err.code, GW_ERR_UNAVAILABLE);
}

/* ---- two sessions -------------------------------------------------------------------- */

struct updater {
        bool backwards;
        int64_t done; /* commands that say they are committed */
};

static void *update_all(void *arg)
{
        struct updater *u = arg;
        struct gw_db_session *s = test_session();
        gw_autofree struct test_item *items = test_items_new(&test_update, 100);
        for (unsigned i = 0; i < 100; i++) {
                items[i].id = test_id(u->backwards ? 99 - i : i);
                items[i].n = 1;
        }
        for (int turn = 0; turn < 100; turn++) {
                gw_db_session_run(s, test_link(items, 100), NULL);
                for (int i = 0; i < 100; i++)
                        u->done += items[i].command.error.code == GW_OK;
        }
        gw_db_session_close(s);
        return NULL;
}

/* Returns how many updates say they are committed. */
static int64_t update_from_both_ends(void)
{
        struct updater updaters[] = {{false, 0}, {true, 0}};
        pthread_t threads[2];
        for (int i = 0; i < 2; i++)
                assert_int_equal(
                        gw_thread_start(&threads[i], "updater", update_all, &updaters[i], NULL), 0);
        for (int i = 0; i < 2; i++)
                gw_thread_join(threads[i]);
        return updaters[0].done + updaters[1].done;
}

static int64_t deadlocks(void)
{
        return test_number("SELECT deadlocks FROM pg_stat_database "
                           "WHERE datname = current_database()");
}

static void order_prevents_deadlocks(void **state)
{
        gw_autofree struct test_item *items = test_items_new(&test_insert, 100);
        for (int i = 0; i < 100; i++)
                items[i].n = 0;
        run(*state, items, 100);
        int64_t before = deadlocks();
        assert_int_equal(update_from_both_ends(), 20000);
        assert_int_equal(test_number("SELECT sum(n) FROM test_item"), 20000);
        assert_int_equal(deadlocks(), before);
}

/* Runs a statement that loses `times` times, then wins; returns how often it was run. */
static int64_t lose_first(struct gw_db_session *s, int times, struct test_item *item)
{
        char sql[600];
        snprintf(sql, sizeof sql,
                 "DROP SEQUENCE IF EXISTS test_turns; CREATE SEQUENCE test_turns; "
                 "CREATE OR REPLACE FUNCTION test_lose() RETURNS int LANGUAGE plpgsql AS $$ BEGIN "
                 "IF nextval('test_turns') <= %d THEN RAISE EXCEPTION USING ERRCODE = '40P01'; "
                 "END IF; RETURN 0; END $$",
                 times);
        test_exec(sql);
        static const struct gw_db_kind kind = {.name = "test_lose",
                                               .sql = "SELECT test_lose() AS ord FROM {input} d"};
        item->command.kind = &kind;
        run(s, item, 1);
        return test_number("SELECT last_value FROM test_turns");
}

static void who_lost_is_run_again_but_not_for_ever(void **state)
{
        struct test_item item = {0};
        assert_int_equal(lose_first(*state, 3, &item), 4);
        assert_int_equal(item.command.error.code, GW_OK);
        assert_int_equal(item.command.rows, 1);
        assert_int_equal(lose_first(*state, 1000, &item), 6);
        assert_int_equal(item.command.error.code, GW_ERR_UNAVAILABLE);
        assert_int_equal(item.command.rows, 0);
}

/* ---- notifications ------------------------------------------------------------------- */

static void note(void *arg, const char *channel, const char *payload)
{
        char *seen = arg;
        strcat(strcat(strcat(seen, channel), payload), " ");
}

static void notifications_arrive(void **state)
{
        (void)state;
        struct gw_db_session *s = gw_db_session_open(
                &(struct gw_db_session_settings){.conninfo = test_environment("JOBGATE_TEST_PG"),
                                                 .listen = "test_one,test_two"},
                NULL);
        assert_non_null(s);
        test_exec("NOTIFY test_one, '7'");
        test_exec("NOTIFY test_three, '8'");
        test_exec("NOTIFY test_two, '9'");
        char seen[200] = "";
        int64_t deadline = test_now_ms() + 10000;
        while (!strstr(seen, "9")) {
                struct pollfd p = {gw_db_session_fd(s), POLLIN, 0};
                poll(&p, 1, 100);
                assert_int_equal(gw_db_session_notifications(s, note, seen), 0);
                test_pause(deadline);
        }
        assert_string_equal(seen, "test_one7 test_two9 ");

        test_exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                  "WHERE query LIKE 'LISTEN test_two%'");
        while (gw_db_session_notifications(s, note, seen) == 0)
                test_pause(deadline);
        gw_db_session_close(s);
}

int main(void)
{
        gw_log_init(GW_LOG_ERROR + 1, 2);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(two_thousand_in_one_go, set_up, tear_down),
                cmocka_unit_test_setup_teardown(every_batch_size, set_up, tear_down),
                cmocka_unit_test_setup_teardown(mixed_kinds_keep_their_answers, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_refusal_is_no_row, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_long_list_streams, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_poisoned_row_hurts_only_itself, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_broken_statement_leaves_the_others, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_statement_takes_no_more_than_its_kind_says,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_failing_commit_is_no_answer, set_up, tear_down),
                cmocka_unit_test_setup_teardown(big_values_are_cut_into_statements, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_statement_timeout_is_not_a_lost_connection,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_reader_cannot_write, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_bad_server_is_unavailable, set_up, tear_down),
                cmocka_unit_test_setup_teardown(order_prevents_deadlocks, set_up, tear_down),
                cmocka_unit_test_setup_teardown(who_lost_is_run_again_but_not_for_ever, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(notifications_arrive, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
