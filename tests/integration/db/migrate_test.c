/* The migration runner against a real PostgreSQL; each test has a database of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "db/migrate.h"
#include "server/base/cleanup.h"
#include "server/base/log.h"
#include "server/base/thread.h"
#include "tests/integration/db/support.h"

#define GRANT                                                                                      \
        "CREATE FUNCTION gw_grant(role text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN "           \
        "EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA public TO %I', role); END $$;"

static const struct gw_db_migration files[] = {
        {1, "0001_one", "CREATE TABLE one (a int); " GRANT},
        {2, "0002_two",
         "SELECT pg_sleep(0.2); CREATE TABLE two (b int); INSERT INTO two VALUES (1)"},
        {3, "0003_three", "INSERT INTO two VALUES (2)"},
        {4, "0004_four", "INSERT INTO two VALUES (3)"},
};

static struct gw_db_migration_set first(size_t count)
{
        return (struct gw_db_migration_set){files, count};
}

static char database[1024]; /* conninfo of the test's; written before there are threads */

static const char *conninfo(void)
{
        return database;
}

static int set_up(void **state)
{
        (void)state;
        snprintf(database, sizeof database, "%s dbname=test_migrate",
                 test_environment("JOBGATE_TEST_PG"));
        test_exec("DROP DATABASE IF EXISTS test_migrate WITH (FORCE)");
        test_exec("CREATE DATABASE test_migrate TEMPLATE template0");
        return 0;
}

static int make_role(void **state)
{
        (void)state;
        test_exec("DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'Test serve') "
                  "THEN CREATE ROLE \"Test serve\" LOGIN; END IF; END $$");
        return 0;
}

/* A session on the test's database, as this role ("" for the superuser). */
static struct gw_db_session *session_as(const char *role)
{
        char text[1200];
        snprintf(text, sizeof text, "%s%s", conninfo(), role);
        struct gw_db_session *s =
                gw_db_session_open(&(struct gw_db_session_settings){.conninfo = text}, NULL);
        assert_non_null(s);
        return s;
}

/* Fails when the condition does not hold in the database. */
static void expect(const char *condition)
{
        char sql[512];
        snprintf(sql, sizeof sql, "SELECT 1 / (CASE WHEN %s THEN 1 ELSE 0 END)", condition);
        struct gw_db_session *s = session_as("");
        if (gw_db_session_exec(s, sql, NULL) < 0)
                fail_msg("%s", condition);
        gw_db_session_close(s);
}

static void migrate(size_t count)
{
        struct gw_error err = {0};
        struct gw_db_migration_set set = first(count);
        if (gw_db_migrate_set(conninfo(), "Test serve", &set, &err) < 0)
                fail_msg("%s", err.message);
}

static void expect_refusal(const struct gw_db_migration_set *set, const char *words)
{
        struct gw_error err = {0};
        assert_int_equal(gw_db_migrate_set(conninfo(), NULL, set, &err), -1);
        if (!strstr(err.message, words))
                fail_msg("%s", err.message);
}

static void an_empty_database_is_brought_up(void **state)
{
        (void)state;
        struct gw_error err = {0};
        struct gw_db_migration_set set = first(3);
        assert_int_equal(gw_db_migrate_check_set(conninfo(), &set, &err), -1);
        assert_int_equal(err.code, GW_ERR_UNAVAILABLE);
        migrate(3);
        expect("(SELECT array_agg(no || name ORDER BY no) FROM schema_migrations) = "
               "'{10001_one,20002_two,30003_three}'");
        expect("(SELECT checksum FROM schema_migrations WHERE no = 2) = (SELECT "
               "encode(sha256('SELECT pg_sleep(0.2); CREATE TABLE two (b int); "
               "INSERT INTO two VALUES (1)'), 'hex'))");
        assert_int_equal(gw_db_migrate_check_set(conninfo(), &set, NULL), 0);
        migrate(3);
        expect("(SELECT count(*) FROM two) = 2");
}

static void a_later_release_applies_the_rest(void **state)
{
        (void)state;
        migrate(1);
        migrate(4);
        expect("(SELECT count(*) FROM two) = 3");
}

static void one_release_older_still_serves(void **state)
{
        (void)state;
        migrate(3);
        struct gw_db_migration_set two = first(2), one = first(1);
        assert_int_equal(gw_db_migrate_check_set(conninfo(), &two, NULL), 0);
        migrate(2);
        struct gw_error err = {0};
        assert_int_equal(gw_db_migrate_check_set(conninfo(), &one, &err), -1);
        assert_non_null(strstr(err.message, "newer release"));
        expect_refusal(&one, "newer release");
        expect("(SELECT count(*) FROM schema_migrations) = 3");
}

static void a_changed_file_is_refused(void **state)
{
        (void)state;
        migrate(2);
        struct gw_db_migration changed[2] = {files[0], files[1]};
        changed[1].sql = "CREATE TABLE two (b bigint)";
        struct gw_db_migration_set set = {changed, 2};
        expect_refusal(&set, "0002_two was changed");
}

static void a_failing_file_leaves_nothing(void **state)
{
        (void)state;
        struct gw_db_migration bad[2] = {
                files[0], {2, "0002_bad", "CREATE TABLE half (a int); SELECT no_such_function()"}};
        struct gw_db_migration_set set = {bad, 2};
        expect_refusal(&set, "no_such_function");
        expect("to_regclass('half') IS NULL");
        /* Nor does one whose row cannot be recorded. */
        bad[1].sql = "CREATE TABLE half (a int); ALTER TABLE schema_migrations DROP checksum";
        expect_refusal(&set, "0002_bad");
        expect("to_regclass('half') IS NULL");
        expect("(SELECT count(*) FROM schema_migrations) = 1");
        migrate(2);
}

struct migrator {
        int result;
};

static void *migrate_thread(void *arg)
{
        struct migrator *m = arg;
        struct gw_db_migration_set set = first(4);
        m->result = gw_db_migrate_set(conninfo(), "Test serve", &set, NULL);
        return NULL;
}

static void four_at_once_take_turns(void **state)
{
        (void)state;
        struct migrator migrators[4];
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
                assert_int_equal(gw_thread_start(&threads[i], "migrate", migrate_thread,
                                                 &migrators[i], NULL),
                                 0);
        for (int i = 0; i < 4; i++) {
                gw_thread_join(threads[i]);
                assert_int_equal(migrators[i].result, 0);
        }
        expect("(SELECT count(*) FROM two) = 3");
        expect("(SELECT count(*) FROM schema_migrations) = 4");
}

static void the_real_record_and_its_serving_role(void **state)
{
        (void)state;
        struct gw_error err = {0};
        for (int turn = 0; turn < 2; turn++) {
                if (gw_db_migrate(conninfo(), "Test serve", &err) < 0)
                        fail_msg("%s", err.message);
        }
        static const struct {
                const char *sql;
                int result;
        } rows[] = {
                {"INSERT INTO users (subject, name) VALUES ('a', 'a')", 0},
                {"DELETE FROM users", 0},
                {"SELECT count(*) FROM jobs", 0},
                {"SELECT nextval('events_n')", 0},
                {"SELECT gw_make_partitions(now() + interval '3 months')", 0},
                {"TRUNCATE users", -1},
                {"CREATE TABLE mine (a int)", -1},
                {"DROP TABLE users", -1},
                {"DELETE FROM schema_migrations", -1},
        };
        assert_int_equal(gw_db_migrate_check(conninfo(), NULL), 0);
        struct gw_db_session *s = session_as(" user='Test serve'");
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                if (gw_db_session_exec(s, rows[i].sql, NULL) != rows[i].result)
                        fail_msg("%s", rows[i].sql);
        }
        gw_db_session_close(s);
}

int main(void)
{
        gw_log_init(GW_LOG_ERROR + 1, 2);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(an_empty_database_is_brought_up, set_up),
                cmocka_unit_test_setup(a_later_release_applies_the_rest, set_up),
                cmocka_unit_test_setup(one_release_older_still_serves, set_up),
                cmocka_unit_test_setup(a_changed_file_is_refused, set_up),
                cmocka_unit_test_setup(a_failing_file_leaves_nothing, set_up),
                cmocka_unit_test_setup(four_at_once_take_turns, set_up),
                cmocka_unit_test_setup(the_real_record_and_its_serving_role, set_up),
        };
        int failed = cmocka_run_group_tests(tests, make_role, NULL);
        test_exec("DROP DATABASE IF EXISTS test_migrate WITH (FORCE)");
        return failed;
}
