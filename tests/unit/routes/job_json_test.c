/* Rows as the contract's JSON: every member, every absent value, and subsets. */
#include "routes/job_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/cleanup.h"

static const char id_text[] = "0193607e-8c1b-7d4f-9a52-6f0c3b1d2e4a";

static struct gw_job_row plain_row(void)
{
        struct gw_job_row row = {
                .project = "vision",
                .owner = "ana",
                .backend = "local",
                .name = "hello",
                .version = 7,
                .state = GW_QUEUED,
                .exit_code = -1,
                .task_count = 1,
                .spec = "{\"command\":[\"true\"]}",
                .spec_len = strlen("{\"command\":[\"true\"]}"),
        };
        assert_int_equal(gw_id_parse(id_text, &row.id), 0);
        return row;
}

static json_t *job_of(const struct gw_job_row *row, unsigned fields)
{
        struct gw_buf out = GW_BUF_INIT(GW_MAX_JOB_JSON);
        gw_job_json(&out, row, fields);
        assert_true(gw_buf_ok(&out));
        json_t *job = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(job);
        gw_buf_done(&out);
        return job;
}

static const char *text_of(const json_t *job, const char *name)
{
        return json_string_value(json_object_get(job, name));
}

static void test_a_waiting_job_in_full(void **state)
{
        (void)state;
        static const char *const nulls[] = {
                "reason",     "message",  "exit_code",           "signal",   "retry_of",
                "started_at", "ended_at", "cancel_requested_at", "scheduler"};
        struct gw_job_row row = plain_row();
        json_auto_t *job = job_of(&row, GW_JOB_ALL_FIELDS);
        assert_int_equal(json_object_size(job), 23);
        assert_string_equal(text_of(job, "id"), id_text);
        assert_string_equal(text_of(job, "name"), "hello");
        assert_string_equal(text_of(job, "project"), "vision");
        assert_string_equal(text_of(job, "owner"), "ana");
        assert_string_equal(text_of(job, "backend"), "local");
        assert_string_equal(text_of(job, "state"), "queued");
        assert_string_equal(text_of(job, "created_at"), "2024-11-24T23:25:26.427000Z");
        for (size_t i = 0; i < GW_COUNT(nulls); i++)
                assert_true(json_is_null(json_object_get(job, nulls[i])));
        assert_true(json_is_false(json_object_get(job, "terminal")));
        assert_true(json_is_false(json_object_get(job, "succeeded")));
        assert_true(json_is_false(json_object_get(job, "held")));
        assert_int_equal(json_object_size(json_object_get(job, "labels")), 0);
        assert_int_equal(json_array_size(json_object_get(json_object_get(job, "spec"), "command")),
                         1);
}

static void test_an_ended_job(void **state)
{
        (void)state;
        struct gw_job_row row = plain_row();
        row.state = GW_FAILED;
        row.reason = "exit_code";
        row.message = "said \"no\"\n";
        row.exit_code = 0;
        row.signal = 9;
        row.labels = "{\"a\": \"b\"}";
        row.retry_of = row.id;
        row.started_us = 1000000;
        row.ended_us = row.cancel_requested_us = 2000001;
        json_auto_t *job = job_of(&row, GW_JOB_ALL_FIELDS);
        assert_string_equal(text_of(job, "reason"), "exit_code");
        assert_string_equal(text_of(job, "message"), row.message);
        assert_true(json_is_integer(json_object_get(job, "exit_code")));
        assert_int_equal(json_integer_value(json_object_get(job, "exit_code")), 0);
        assert_int_equal(json_integer_value(json_object_get(job, "signal")), 9);
        assert_string_equal(text_of(json_object_get(job, "labels"), "a"), "b");
        assert_string_equal(text_of(job, "retry_of"), id_text);
        assert_string_equal(text_of(job, "started_at"), "1970-01-01T00:00:01.000000Z");
        assert_string_equal(text_of(job, "ended_at"), "1970-01-01T00:00:02.000001Z");
        assert_string_equal(text_of(job, "cancel_requested_at"), text_of(job, "ended_at"));
        assert_true(json_is_true(json_object_get(job, "terminal")));
        assert_true(json_is_false(json_object_get(job, "succeeded")));
        row.state = GW_SUCCEEDED;
        json_auto_t *good = job_of(&row, GW_JOB_ALL_FIELDS);
        assert_true(json_is_true(json_object_get(good, "succeeded")));
}

static void test_counts_are_of_the_state_or_of_the_record(void **state)
{
        (void)state;
        struct gw_job_row row = plain_row();
        row.state = GW_RUNNING;
        row.task_count = 3;
        json_auto_t *job = job_of(&row, GW_JOB_ALL_FIELDS);
        json_t *counts = json_object_get(job, "counts");
        assert_int_equal(json_object_size(counts), GW_STATE_COUNT);
        assert_int_equal(json_integer_value(json_object_get(counts, "running")), 3);
        assert_int_equal(json_integer_value(json_object_get(counts, "queued")), 0);

        row.counts = "[1,2,3,40,5,6]";
        json_auto_t *array = job_of(&row, GW_JOB_ALL_FIELDS);
        counts = json_object_get(array, "counts");
        assert_int_equal(json_integer_value(json_object_get(counts, "queued")), 1);
        assert_int_equal(json_integer_value(json_object_get(counts, "succeeded")), 40);
        assert_int_equal(json_integer_value(json_object_get(counts, "cancelled")), 6);
        row.counts = "[1]"; /* too short */
        json_auto_t *cut = job_of(&row, GW_JOB_ALL_FIELDS);
        assert_int_equal(
                json_integer_value(json_object_get(json_object_get(cut, "counts"), "cancelled")),
                0);
}

static void test_counts_of_one_task(void **state)
{
        (void)state;
        struct gw_job_row row = plain_row();
        for (int s = 0; s < GW_STATE_COUNT; s++) {
                row.state = (enum gw_state)s;
                json_auto_t *job = job_of(&row, GW_JOB_ALL_FIELDS);
                json_t *counts = json_object_get(job, "counts"), *n;
                const char *name;
                assert_int_equal(json_object_size(counts), GW_STATE_COUNT);
                json_object_foreach(counts, name, n)
                {
                        assert_int_equal(json_integer_value(n),
                                         strcmp(name, gw_state_name(row.state)) == 0);
                }
        }
}

static void test_fields_choose_members(void **state)
{
        (void)state;
        struct gw_job_row row = plain_row();
        json_auto_t *names = json_pack("[s, s, s]", "spec", "state", "exit_code");
        unsigned fields = gw_job_fields(names, GW_JOB_ALL_FIELDS);
        json_auto_t *job = job_of(&row, fields);
        assert_int_equal(json_object_size(job), 4);
        assert_string_equal(text_of(job, "id"), id_text);
        assert_string_equal(text_of(job, "state"), "queued");
        assert_non_null(json_object_get(job, "spec"));
        assert_true(fields & GW_JOB_FIELD_SPEC);
        assert_int_equal(gw_job_fields(NULL, GW_JOB_ALL_FIELDS), GW_JOB_ALL_FIELDS);
        assert_int_equal(gw_job_fields(NULL, 0), GW_JOB_FIELD_ID);
}

/* Each name of the contract has a bit of its own. */
static void test_every_member_is_a_field(void **state)
{
        (void)state;
        struct gw_job_row row = plain_row();
        json_auto_t *job = job_of(&row, GW_JOB_ALL_FIELDS);
        unsigned all = 0;
        const char *name;
        json_t *value;
        json_object_foreach(job, name, value)
        {
                json_auto_t *names = json_pack("[s]", name);
                unsigned bit =
                        gw_job_fields(names, 0) & ~(strcmp(name, "id") ? GW_JOB_FIELD_ID : 0);
                assert_int_equal(__builtin_popcount(bit), 1);
                assert_int_equal(all & bit, 0);
                all |= bit;
        }
        assert_int_equal(all, GW_JOB_ALL_FIELDS);
}

static void test_etags_differ_by_version_and_fields(void **state)
{
        (void)state;
        char a[GW_JOB_ETAG], b[GW_JOB_ETAG], c[GW_JOB_ETAG];
        gw_job_etag(7, GW_JOB_ALL_FIELDS, a);
        gw_job_etag(8, GW_JOB_ALL_FIELDS, b);
        gw_job_etag(7, GW_JOB_FIELD_ID, c);
        assert_string_equal(a, "\"7-7fffff\"");
        assert_string_not_equal(a, b);
        assert_string_not_equal(a, c);
        gw_job_etag(INT32_MAX, GW_JOB_ALL_FIELDS, a);
        assert_int_equal(a[strlen(a) - 1], '"');
}

static void test_tasks_and_attempts(void **state)
{
        (void)state;
        struct gw_job_row row = plain_row();
        struct gw_attempt_row attempt = {
                .no = 2,
                .state = "running",
                .origin = "scheduler",
                .provisional_reason = "ending",
                .exit_code = -1,
                .node = "node-7",
                .started_us = 1000000,
        };
        struct gw_buf out = GW_BUF_INIT(4096);
        row.attempt = 2;
        gw_task_json(&out, &row, 0);
        json_auto_t *task = json_loadb(out.data, out.len, 0, NULL);
        assert_int_equal(json_object_size(task), 9);
        assert_int_equal(json_integer_value(json_object_get(task, "attempts")), 2);
        assert_true(json_is_null(json_object_get(task, "exit_code")));

        gw_buf_clear(&out);
        gw_attempt_json(&out, &attempt);
        json_auto_t *a = json_loadb(out.data, out.len, 0, NULL);
        assert_int_equal(json_object_size(a), 10);
        assert_string_equal(text_of(a, "origin"), "scheduler");
        assert_int_equal(json_integer_value(json_object_get(a, "attempt")), 2);
        assert_string_equal(text_of(a, "reason"), "ending");
        assert_string_equal(text_of(a, "node"), "node-7");
        assert_true(json_is_null(json_object_get(a, "signal")));
        assert_true(json_is_null(json_object_get(a, "ended_at")));
        attempt.reason = "completed";
        gw_buf_clear(&out);
        gw_attempt_json(&out, &attempt);
        json_auto_t *over = json_loadb(out.data, out.len, 0, NULL);
        assert_string_equal(text_of(over, "reason"), "completed");
        gw_buf_done(&out);
}

static void test_a_job_too_large_fails_the_buffer(void **state)
{
        (void)state;
        struct gw_job_row row = plain_row();
        struct gw_buf out = GW_BUF_INIT(100);
        gw_job_json(&out, &row, GW_JOB_ALL_FIELDS);
        assert_false(gw_buf_ok(&out));
        gw_buf_done(&out);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_waiting_job_in_full),
                cmocka_unit_test(test_an_ended_job),
                cmocka_unit_test(test_counts_are_of_the_state_or_of_the_record),
                cmocka_unit_test(test_counts_of_one_task),
                cmocka_unit_test(test_fields_choose_members),
                cmocka_unit_test(test_every_member_is_a_field),
                cmocka_unit_test(test_etags_differ_by_version_and_fields),
                cmocka_unit_test(test_tasks_and_attempts),
                cmocka_unit_test(test_a_job_too_large_fails_the_buffer),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
