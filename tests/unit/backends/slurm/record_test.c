/* Records as the agent says them, and what it never says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "backends/slurm/record.h"
#include "server/base/cleanup.h"

static int read_text(const char *text, json_t **ret_json, struct gw_slurm_record *ret,
                     struct gw_error *err)
{
        *ret_json = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
        if (!*ret_json)
                fail_msg("no JSON: %s", text);
        return gw_slurm_record_read(*ret_json, ret, err);
}

static void reads_every_member(void **state)
{
        (void)state;
        struct gw_slurm_record r;
        json_auto_t *json = NULL;
        const char *text =
                "{\"job\": 88, \"array\": 85, \"task\": 3, \"tasks\": \"4-9%2\", \"state\": 32773, "
                "\"reason\": 24, \"desc\": \"é\", \"exit\": 4294967294, \"derived\": 1280, "
                "\"restart\": 2, \"uid\": 1001, \"by\": 0, \"comment\": \"jobgate:x y\", \"about\": {\"cpus\": 2}, \"node\": \"n[1-2]\", "
                "\"submit\": 1700000000, \"eligible\": 1700000001, \"start\": 1700000002, "
                "\"end\": 1700000003, \"preempt\": 1700000004, \"priority\": 4294901757}";
        assert_int_equal(read_text(text, &json, &r, NULL), 0);
        assert_int_equal(r.job, 88);
        assert_int_equal(r.array, 85);
        assert_int_equal(r.task, 3);
        assert_string_equal(r.tasks, "4-9%2");
        assert_int_equal(r.state, 32773);
        assert_int_equal(r.reason, 24);
        assert_string_equal(r.desc, "é");
        assert_int_equal(r.exit, 4294967294);
        assert_int_equal(r.derived, 1280);
        assert_int_equal(r.restart, 2);
        assert_int_equal(r.uid, 1001);
        assert_int_equal(r.by, 0);
        assert_string_equal(r.comment, "jobgate:x y");
        assert_string_equal(r.node, "n[1-2]");
        assert_int_equal(json_integer_value(json_object_get(r.about, "cpus")), 2);
        assert_int_equal(r.submit_s, 1700000000);
        assert_int_equal(r.eligible_s, 1700000001);
        assert_int_equal(r.start_s, 1700000002);
        assert_int_equal(r.end_s, 1700000003);
        assert_int_equal(r.preempt_s, 1700000004);
        assert_int_equal(r.priority, 4294901757);
}

static void what_is_missing_is_nothing(void **state)
{
        (void)state;
        struct gw_slurm_record r;
        json_auto_t *json = NULL;
        memset(&r, 0xff, sizeof r);
        assert_int_equal(read_text("{\"job\": 1}", &json, &r, NULL), 0);
        assert_int_equal(r.job, 1);
        assert_int_equal(r.array, 0);
        assert_int_equal(r.task, -1);
        assert_null(r.tasks);
        assert_null(r.desc);
        assert_null(r.comment);
        assert_null(r.node);
        assert_int_equal(r.state, 0);
        assert_int_equal(r.exit, 0);
        assert_int_equal(r.start_s, 0);
}

static void task_0_is_one(void **state)
{
        (void)state;
        struct gw_slurm_record r;
        json_auto_t *json = NULL;
        assert_int_equal(read_text("{\"job\": 1, \"array\": 1, \"task\": 0}", &json, &r, NULL), 0);
        assert_int_equal(r.task, 0);
}

static void refuses_what_no_agent_says(void **state)
{
        (void)state;
        static const char *const bad[] = {
                "[]",
                "null",
                "\"job\"",
                "{}",
                "{\"state\": 3}",
                "{\"job\": 0}",
                "{\"job\": -1}",
                "{\"job\": 4294967296}",
                "{\"job\": \"1\"}",
                "{\"job\": 1.0}",
                "{\"job\": null}",
                "{\"job\": 1, \"jobs\": 1}",
                "{\"job\": 1, \"Job\": 1}",
                "{\"job\": 1, \"\": 1}",
                "{\"job\": 1, \"state\": -1}",
                "{\"job\": 1, \"state\": true}",
                "{\"job\": 1, \"exit\": 4294967296}",
                "{\"job\": 1, \"desc\": 1}",
                "{\"job\": 1, \"desc\": null}",
                "{\"job\": 1, \"node\": [\"n1\"]}",
                "{\"job\": 1, \"start\": -1}",
                "{\"job\": 1, \"start\": \"now\"}",
                "{\"job\": 1, \"task\": 1}",
                "{\"job\": 1, \"task\": 0}",
                "{\"job\": 1, \"tasks\": \"0-9\"}",
                "{\"job\": 1, \"array\": 0, \"task\": 1}",
                "{\"job\": 1, \"array\": 1, \"task\": -1}",
                "{\"job\": 1, \"array\": 1, \"task\": 4294967296}",
        };
        for (size_t i = 0; i < GW_COUNT(bad); i++) {
                struct gw_slurm_record r = {.job = 12345};
                struct gw_error err = {0};
                json_auto_t *json = NULL;
                if (read_text(bad[i], &json, &r, &err) == 0)
                        fail_msg("read: %s", bad[i]);
                assert_int_equal(err.code, GW_ERR_INVALID);
                assert_true(err.message[0]);
                assert_int_equal(r.job, 12345);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_every_member),
                cmocka_unit_test(what_is_missing_is_nothing),
                cmocka_unit_test(task_0_is_one),
                cmocka_unit_test(refuses_what_no_agent_says),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
