/*
 * Partitions and retention against a real PostgreSQL: what lives is never dropped, what is over
 * goes, and what lies where it should not hinders nobody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "db/housekeeping.h"
#include "db/migrate.h"
#include "server/base/clock.h"
#include "tests/integration/db/support.h"

#define DAY_US (INT64_C(24) * 3600 * GW_SECOND)

static struct gw_db_session *session;

static struct gw_db_session *open_session(const char *conninfo)
{
        struct gw_error err = {0};
        struct gw_db_session_settings s = {.conninfo = conninfo,
                                           .application_name = "retention test"};
        struct gw_db_session *ret = gw_db_session_open(&s, &err);
        if (!ret)
                fail_msg("%s", err.message);
        return ret;
}

static void exec(const char *sql)
{
        struct gw_error err = {0};
        if (gw_db_session_exec(session, sql, &err) < 0)
                fail_msg("%s: %s", sql, err.message);
}

struct answer {
        struct gw_db_command cmd;
        int64_t n;
};

static void take_number(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        GW_DB_COMMAND(cmd, struct answer)->n = gw_db_get_int8(row, 1);
}

/* What "SELECT <what>" gives. */
static int64_t number(const char *what)
{
        char sql[512];
        struct gw_error err = {0};
        snprintf(sql, sizeof sql, "SELECT d.ord, (SELECT %s)::bigint FROM {input} d", what);
        struct gw_db_kind kind = {.sql = sql, .row = take_number, .batch_max = 1};
        struct answer a = {.cmd.kind = &kind};
        if (gw_db_session_run_one(session, &a.cmd, &err) < 0)
                fail_msg("%s: %s", what, err.message);
        return a.n;
}

static int set_up(void **state)
{
        (void)state;
        static char conninfo[512];
        struct gw_error err = {0};
        test_exec("DROP DATABASE IF EXISTS gw_retention_test WITH (FORCE)");
        test_exec("CREATE DATABASE gw_retention_test");
        test_exec("DO $$ BEGIN CREATE ROLE gw_retention_serve;"
                  " EXCEPTION WHEN duplicate_object THEN END $$");
        snprintf(conninfo, sizeof conninfo, "%s dbname=gw_retention_test",
                 test_environment("JOBGATE_TEST_PG"));
        if (gw_db_migrate(conninfo, "gw_retention_serve", &err) < 0)
                fail_msg("%s", err.message);
        session = open_session(conninfo);
        exec("INSERT INTO projects (name) VALUES ('vision')");
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        gw_db_session_close(session);
        return 0;
}

/* A job as old as that moment, with a row in every table. */
static void add_job(const char *moment, const char *job_state)
{
        char sql[1024];
        snprintf(
                sql, sizeof sql,
                "WITH j AS (INSERT INTO jobs (id, project_id, user_id, backend, name, state, cpus,"
                " memory, gpus, claimable) SELECT gw_id_at('%s'), 1, 1, 'local', 'one', '%s', 1, 1,"
                " 0, false RETURNING id), s AS (INSERT INTO job_specs (job_id, spec) SELECT id, '{}'"
                " FROM j), t AS (INSERT INTO tasks (job_id, lo, hi, state) SELECT id, 0, 0, 'queued'"
                " FROM j), u AS (INSERT INTO submissions (job_id, no, backend, epoch, attempt, state)"
                " SELECT id, 1, 'local', 1, 1, 'closed' FROM j), k AS (INSERT INTO kept_logs (job_id,"
                " ordinal, attempt, stream, size, head, tail) SELECT id, 0, 1, 'stdout', 0, '', ''"
                " FROM j) INSERT INTO attempts (job_id,"
                " ordinal, no, submission, state) SELECT id, 0, 1, 1, 'failed' FROM j",
                moment, job_state);
        exec(sql);
}

/* What retention of 90 days drops. */
static int32_t drop(void)
{
        struct gw_error err = {0};
        struct gw_db_partitions c = {.keep_from_us = gw_clock_wall_us() - 90 * DAY_US};
        gw_db_partitions_init(&c);
        if (gw_db_session_run_one(session, &c.cmd, &err) < 0)
                fail_msg("%s", err.message);
        assert_true(c.done);
        return c.dropped;
}

static void a_month_goes_when_its_last_job_has_ended(void **state)
{
        (void)state;
        exec("SELECT gw_make_partitions('2021-03-10')"); /* April as well */
        add_job("2021-03-11", "succeeded");
        add_job("2021-03-12", "running");
        assert_int_equal(drop(), 6); /* April */
        assert_int_equal(number("count(*) FROM jobs WHERE state = 'running'"), 1);
        exec("UPDATE jobs SET state = 'failed' WHERE state = 'running'");
        assert_int_equal(drop(), 6);
        assert_int_equal(number("count(*) FROM jobs"), 0);
        assert_int_equal(number("count(*) FROM job_specs"), 0);
        assert_int_equal(drop(), 0);
}

static void wishes_go_with_what_they_are_about(void **state)
{
        (void)state;
        struct gw_error err = {0};
        struct gw_db_expire_keys c = {.limit = 10};
        exec("SELECT gw_make_partitions('2021-03-10')");
        add_job("2021-03-11", "succeeded");
        add_job("2021-03-12", "running");
        exec("INSERT INTO task_wishes (job_id, indices, by_user) SELECT id, '0', 1 FROM jobs");
        exec("INSERT INTO dead_wishes (job_id, indices, by_user, attempt)"
             " SELECT id, '0', 1, 1 FROM jobs");
        gw_db_expire_keys_init(&c);
        assert_int_equal(gw_db_session_run_one(session, &c.cmd, &err), 0);
        assert_int_equal(number("count(*) FROM task_wishes"), 1);
        assert_int_equal(number("count(*) FROM dead_wishes"), 1);
        assert_int_equal(number("count(*) FROM task_wishes JOIN jobs ON id = job_id"
                                " WHERE state = 'running'"),
                         1);
        exec("UPDATE jobs SET state = 'failed' WHERE state = 'running'");
        assert_int_equal(drop(), 12); /* March, and April */
}

static void a_month_in_the_default_partition_stays_whole(void **state)
{
        (void)state;
        add_job("2021-07-05", "succeeded");
        exec("DELETE FROM tasks"); /* nothing of it hinders a partition of tasks */
        exec("SELECT gw_make_partitions('2021-07-10')");
        assert_int_equal(number("count(*) FROM pg_class WHERE relname ~ '_202107$'"), 0);
        assert_int_equal(number("count(*) FROM pg_class WHERE relname ~ '^[a-z_]+_202108$'"), 6);
        drop();
        assert_int_equal(number("count(*) FROM jobs"), 0);
}

static void what_is_over_leaves_the_default_partitions(void **state)
{
        (void)state;
        add_job("2019-01-01", "succeeded");
        add_job("2019-01-02", "queued");
        exec("INSERT INTO events (n, at, project_id, job_id, kind) VALUES (99 * 10 ^ 12,"
             " '2019-01-01', 1, gw_id_at('2019-01-01'), 'state'), (99 * 10 ^ 12 + 1, now(), 1,"
             " gw_id_at('2019-01-01'), 'state')");
        assert_int_equal(drop(), 0);
        assert_int_equal(number("count(*) FROM jobs"), 1);
        assert_int_equal(number("count(*) FROM job_specs"), 1);
        assert_int_equal(number("count(*) FROM tasks"), 1);
        assert_int_equal(number("count(*) FROM submissions"), 1);
        assert_int_equal(number("count(*) FROM kept_logs"), 1);
        assert_int_equal(number("count(*) FROM attempts"), 1);
        assert_int_equal(number("count(*) FROM events"), 1);
        exec("DELETE FROM events; DELETE FROM jobs; DELETE FROM job_specs; DELETE FROM tasks;"
             " DELETE FROM submissions; DELETE FROM attempts; DELETE FROM kept_logs");
}

/* Nothing has happened for longer than is kept; then something does. */
static void the_events_to_come_keep_their_partition(void **state)
{
        (void)state;
        exec("INSERT INTO events (n, at, project_id, job_id, kind) SELECT nextval('events_n'),"
             " '2020-01-01', 1, gw_id_at('2020-01-01'), 'state'");
        assert_int_equal(drop(), 0);
        exec("INSERT INTO events (n, project_id, job_id, kind) SELECT nextval('events_n'), 1,"
             " gw_id_at('2020-01-01'), 'state'");
        assert_int_equal(number("count(*) FROM events_default"), 0);
        exec("DELETE FROM events");
}

static void a_full_block_of_events_goes_when_it_is_old(void **state)
{
        (void)state;
        exec("INSERT INTO events (n, at, project_id, job_id, kind) VALUES (5, '2020-01-01', 1,"
             " gw_id_at('2020-01-01'), 'state')");
        exec("SELECT setval('events_n', 10000001)");
        assert_int_equal(drop(), 1);
        assert_int_equal(number("count(*) FROM events"), 0);
}

static void events_in_the_default_partition_stop_nothing(void **state)
{
        (void)state;
        exec("SELECT setval('events_n', 90000001)");
        exec("INSERT INTO events (n, project_id, job_id, kind) VALUES (90000001, 1,"
             " gw_id_at('2020-01-01'), 'state')");
        exec("SELECT gw_make_partitions('2021-10-10')");
        assert_int_equal(number("count(*) FROM pg_class WHERE relname = 'jobs_202110'"), 1);
        assert_int_equal(number("count(*) FROM pg_class WHERE relname = 'events_10'"), 1);
}

/* A gateway whose clock is years ahead. */
static void the_clock_that_is_behind_decides(void **state)
{
        (void)state;
        int64_t months = number("count(*) FROM pg_inherits WHERE inhparent = 'jobs'::regclass");
        struct gw_error err = {0};
        struct gw_db_partitions c = {.keep_from_us = gw_clock_wall_us() + 3650 * DAY_US};
        gw_db_partitions_init(&c);
        c.now_us += 3740 * DAY_US;
        assert_int_equal(gw_db_session_run_one(session, &c.cmd, &err), 0);
        assert_true(months >= 3);
        assert_int_equal(number("count(*) FROM pg_class WHERE relname = 'jobs_' || to_char(now()"
                                " AT TIME ZONE 'UTC', 'YYYYMM')"),
                         1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_month_goes_when_its_last_job_has_ended),
                cmocka_unit_test(wishes_go_with_what_they_are_about),
                cmocka_unit_test(a_month_in_the_default_partition_stays_whole),
                cmocka_unit_test(what_is_over_leaves_the_default_partitions),
                cmocka_unit_test(the_events_to_come_keep_their_partition),
                cmocka_unit_test(a_full_block_of_events_goes_when_it_is_old),
                cmocka_unit_test(events_in_the_default_partition_stop_nothing),
                cmocka_unit_test(the_clock_that_is_behind_decides),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
