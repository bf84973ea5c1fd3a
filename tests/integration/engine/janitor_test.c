/* The janitor against a real PostgreSQL: partitions come and go, expired keys go, living jobs are
 * counted, and two janitors do not do the same work twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "db/housekeeping.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/engine/janitor.h"
#include "tests/integration/engine/support.h"

#define SPEC                                                                                       \
        "{\"command\":[\"true\"],\"name\":\"one\",\"resources\":{\"cpus\":1,\"memory\":\"1Gi\"}}"
#define LONG_MS 20000
#define DAY_S (INT64_C(24) * 3600)

static const char *conninfo;
static int64_t project;
static struct gw_metrics *metrics;
static struct gw_metric_family *jobs;

/* ---- looking at the record ---- */

struct number {
        struct gw_db_command cmd;
        int64_t n;
};

static void take_number(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        GW_DB_COMMAND(cmd, struct number)->n = gw_db_get_int8(row, 1);
}

/* What "SELECT <what>" gives. */
static int64_t number(const char *what)
{
        char sql[512];
        snprintf(sql, sizeof sql, "SELECT d.ord, (%s)::bigint FROM {input} d", what);
        struct gw_db_kind kind = {.sql = sql, .row = take_number, .batch_max = 1};
        struct number c = {.cmd.kind = &kind};
        test_run(&c.cmd);
        return c.n;
}

static void await_number(const char *what, int64_t wanted)
{
        int64_t deadline = test_deadline_ms(LONG_MS);
        while (number(what) != wanted)
                test_pause(deadline);
}

#define PARTITIONS_OF_JOBS "SELECT count(*) FROM pg_inherits WHERE inhparent = 'jobs'::regclass"
#define THIS_MONTH                                                                                 \
        "SELECT count(*) FROM pg_class WHERE relname = 'jobs_' || to_char(now() AT TIME ZONE "     \
        "'UTC', 'YYYYMM')"
#define OLD_MONTH "SELECT count(*) FROM pg_class WHERE relname = 'jobs_202001'"

static struct gw_janitor *start(int64_t retention_s)
{
        struct gw_error err = {0};
        struct gw_janitor_settings s = {
                .conninfo = conninfo, .retention_s = retention_s, .jobs = jobs};
        struct gw_janitor *j = gw_janitor_start(&s, &err);
        if (!j)
                fail_msg("%s", err.message);
        return j;
}

/* The series' line as it stands. */
static bool shows(const char *line)
{
        struct gw_buf text = GW_BUF_INIT(1 << 20);
        gw_metrics_write(metrics, &text);
        bool found = text.data && strstr(text.data, line);
        gw_buf_done(&text);
        return found;
}

static void await_shown(const char *line)
{
        int64_t deadline = test_deadline_ms(LONG_MS);
        while (!shows(line))
                test_pause(deadline);
}

/* ---- tests ---- */

static void missing_partitions_are_made(void **state)
{
        (void)state;
        int64_t before = number(PARTITIONS_OF_JOBS);
        test_exec("DO $$ DECLARE t text; BEGIN FOREACH t IN ARRAY gw_job_tables() LOOP"
                  " EXECUTE format('DROP TABLE %I', t || '_' || to_char(now() AT TIME ZONE 'UTC',"
                  " 'YYYYMM')); END LOOP; END $$");
        assert_int_equal(number(THIS_MONTH), 0);
        struct gw_janitor *j = start(0);
        await_number(THIS_MONTH, 1);
        gw_janitor_stop(j);
        assert_int_equal(number(PARTITIONS_OF_JOBS), before);
}

static void old_partitions_are_dropped_when_retention_says_so(void **state)
{
        (void)state;
        test_exec("SELECT gw_make_partitions('2020-01-15')");
        assert_int_equal(number(OLD_MONTH), 1);
        gw_metric_set(jobs, 0, 0, 99);
        struct gw_janitor *j = start(0);                 /* for ever */
        await_shown("jobgate_jobs{state=\"queued\"} 0"); /* the last chore of the round */
        gw_janitor_stop(j);
        assert_int_equal(number(OLD_MONTH), 1);
        j = start(90 * DAY_S);
        await_number(OLD_MONTH, 0);
        gw_janitor_stop(j);
        assert_int_equal(number(THIS_MONTH), 1);
}

static void only_one_does_it(void **state)
{
        (void)state;
        struct gw_error err = {0};
        struct gw_db_session_settings s = {.conninfo = conninfo, .application_name = "other"};
        struct gw_db_session *other = gw_db_session_open(&s, &err);
        struct gw_db_partitions c = {0};
        gw_db_partitions_init(&c);
        assert_non_null(other);
        assert_int_equal(gw_db_session_exec(other, "BEGIN", &err), 0);
        assert_int_equal(gw_db_session_run_one(other, &c.cmd, &err), 0);
        assert_true(c.done);
        struct gw_db_partitions mine = {0};
        gw_db_partitions_init(&mine);
        test_run(&mine.cmd);
        assert_false(mine.done);
        assert_int_equal(gw_db_session_exec(other, "COMMIT", &err), 0);
        test_run(&mine.cmd);
        assert_true(mine.done);
        gw_db_session_close(other);
}

static void expired_keys_go_and_others_stay(void **state)
{
        (void)state;
        char sql[512];
        snprintf(sql, sizeof sql,
                 "INSERT INTO idempotency (project_id, user_id, key, request_sha256, job_id,"
                 " expires_at) SELECT %lld, %lld, 'k' || i, sha256('x'), gen_random_uuid(),"
                 " now() + CASE WHEN i <= 2500 THEN interval '-1 s' ELSE interval '1 h' END"
                 " FROM generate_series(1, 2510) i",
                 (long long)project, (long long)test_user_id);
        test_exec(sql);
        struct gw_janitor *j = start(0);
        await_number("SELECT count(*) FROM idempotency", 10);
        gw_janitor_stop(j);
        assert_int_equal(number("SELECT count(*) FROM idempotency WHERE expires_at < now()"), 0);
        test_exec("DELETE FROM idempotency");
}

static void living_jobs_are_counted(void **state)
{
        (void)state;
        for (int i = 0; i < 3; i++)
                test_submit(project, SPEC);
        int64_t second = test_project("audio");
        struct gw_id job = test_submit(second, SPEC);
        struct gw_db_job_counts c = {0};
        gw_db_job_counts_init(&c);
        test_run(&c.cmd);
        assert_int_equal(c.counts[GW_QUEUED], 4);
        assert_int_equal(c.counts[GW_RUNNING], 0);
        test_exec("UPDATE jobs SET state = 'running' WHERE project_id = (SELECT id FROM projects"
                  " WHERE name = 'audio')");
        assert_int_equal(test_read(job).state, GW_RUNNING);
        struct gw_janitor *j = start(0);
        await_shown("jobgate_jobs{state=\"running\"} 1");
        gw_janitor_stop(j);
        assert_true(shows("jobgate_jobs{state=\"queued\"} 3"));
}

static void it_stops_at_once(void **state)
{
        (void)state;
        struct gw_janitor *j = start(0);
        int64_t before = test_now_ms();
        gw_janitor_stop(j);
        assert_true(test_now_ms() - before < 5000);
        gw_janitor_stop(NULL);
}

static void without_a_database_it_waits_for_one(void **state)
{
        (void)state;
        struct gw_error err = {0};
        struct gw_janitor_settings s = {.conninfo = "host=/nonexistent"};
        struct gw_janitor *j = gw_janitor_start(&s, &err);
        assert_non_null(j);
        gw_janitor_stop(j);
}

int main(void)
{
        static const char *const states[] = {"queued", "pending", "running", NULL};
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(missing_partitions_are_made),
                cmocka_unit_test(old_partitions_are_dropped_when_retention_says_so),
                cmocka_unit_test(only_one_does_it),
                cmocka_unit_test(expired_keys_go_and_others_stay),
                cmocka_unit_test(living_jobs_are_counted),
                cmocka_unit_test(it_stops_at_once),
                cmocka_unit_test(without_a_database_it_waits_for_one),
        };
        gw_log_init(GW_LOG_ERROR, 2);
        conninfo = test_database("gw_janitor_test");
        project = test_project("vision");
        metrics = gw_metrics_new();
        jobs = gw_metrics_add(metrics, GW_METRIC_GAUGE, "jobgate_jobs", "Jobs", "state", states,
                              NULL, NULL);
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        gw_metrics_free(metrics);
        return failed;
}
