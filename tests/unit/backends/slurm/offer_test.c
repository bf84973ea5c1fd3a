/* Sums of nodes, and what partitions become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "backends/slurm/offer.h"

static json_t *read_text(const char *text)
{
        json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        if (!json)
                fail_msg("no JSON: %s", text);
        return json;
}

static void assert_same(const json_t *found, const char *expected)
{
        json_auto_t *other = read_text(expected);
        char *text = json_dumps(found, JSON_ENCODE_ANY);
        if (!json_equal(found, other))
                fail_msg("%s\nis not %s", text, expected);
        free(text);
}

static void gres_names_gpus_and_more(void **state)
{
        (void)state;
        static const struct {
                const char *gres, *gpus;
        } cases[] = {
                {"", "{}"},
                {"gpu:a100:4", "{\"a100\": 4}"},
                {"gpu:4", "{\"\": 4}"},
                {"gpu:a100:4(S:0-1),gpu:v100:2(S:0,1),mps:200", "{\"a100\": 4, \"v100\": 2}"},
                {"mps:200,gpu:a100:1,gpu:a100:2", "{\"a100\": 3}"},
                {"gpu:a100:3(IDX:0,2-3),gpu:v100:0(IDX:N/A)", "{\"a100\": 3, \"v100\": 0}"},
                {"gpu:0(IDX:N/A)", "{\"\": 0}"},
                {"gpu", "{}"},
                {"gpu:", "{}"},
                {"gpu:a100:", "{}"},
                {"gpu:a100:x", "{}"},
                {"gpu:a100:-1,gpu:2", "{\"\": 2}"},
                {"gpu:a100:99999999999999999999", "{}"},
                {"gpu:a100:3(IDX:0,2", "{\"a100\": 3}"},
                {",,gpu:1,", "{\"\": 1}"},
                {"gpus:a100:4", "{}"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                json_auto_t *found = gw_slurm_gpus(cases[i].gres);
                assert_same(found, cases[i].gpus);
        }
}

#define NODES                                                                                       \
        "\"nodes\": ["                                                                              \
        "{\"name\": \"n1\", \"takes\": true, \"cpus\": 8, \"cpus_used\": 6, \"memory_mib\": 100,"   \
        " \"memory_used_mib\": 10, \"gres\": \"gpu:a100:4\", \"gres_used\": \"gpu:a100:3(IDX:0)\"," \
        " \"features\": \"fast,a100\", \"partitions\": \"main,low\"},"                              \
        "{\"name\": \"n2\", \"takes\": true, \"cpus\": 4, \"memory_mib\": 50, \"partitions\": "     \
        "\"main\", \"features\": \"fast\"},"                                                        \
        "{\"name\": \"n3\", \"takes\": false, \"cpus\": 16, \"memory_mib\": 500,"                   \
        " \"gres\": \"gpu:a100:2,gpu:1\", \"partitions\": \"low\"}]"

static void nodes_are_summed_up(void **state)
{
        (void)state;
        json_auto_t *said = read_text("{\"controller\": {\"version\": \"22.05.8\", \"started\": "
                                      "1700000000}, \"pending\": 3, \"running\": 2, " NODES
                                      ", \"partitions\": []}");
        json_auto_t *offer = gw_slurm_offer(said);
        assert_same(offer, "{\"controller\": {\"version\": \"22.05.8\", \"started_at\": "
                           "\"2023-11-14T22:13:20.000000Z\"},"
                           "\"jobs\": {\"pending\": 3, \"running\": 2},"
                           "\"nodes\": 3, \"nodes_available\": 2,"
                           "\"total\": {\"cpus\": 28, \"memory\": 681574400, \"gpus\": 7},"
                           "\"free\": {\"cpus\": 6, \"memory\": 146800640, \"gpus\": 1},"
                           "\"largest_free\": {\"cpus\": 4, \"memory\": 94371840, \"gpus\": 1},"
                           "\"gpu_types\": [{\"type\": \"a100\", \"total\": 6, \"free\": 1},"
                           "                {\"total\": 1, \"free\": 0}],"
                           "\"features\": [\"fast\", \"a100\"], \"queues\": []}");
}

static void a_partition_is_a_queue(void **state)
{
        (void)state;
        json_auto_t *said = read_text(
                "{" NODES ", \"partitions\": [{\"name\": \"low\", \"starts\": true, \"accepts\": "
                "true, \"default\": true, \"max_time_s\": 60, \"max_nodes\": 2, \"accounts\": "
                "\"a,b\", \"deny_qos\": \"late\", \"pending\": 7}]}");
        json_auto_t *offer = gw_slurm_offer(said);
        assert_same(json_object_get(offer, "queues"),
                    "[{\"name\": \"low\", \"default\": true, \"state\": \"up\", "
                    "\"accepts_jobs\": true, \"max_time_limit\": 60, \"max_nodes\": 2,"
                    "\"allow\": {\"accounts\": [\"a\", \"b\"]}, \"deny\": {\"qos\": [\"late\"]},"
                    "\"jobs\": {\"pending\": 7, \"running\": 0},"
                    "\"nodes\": 2, \"nodes_available\": 1,"
                    "\"total\": {\"cpus\": 24, \"memory\": 629145600, \"gpus\": 7},"
                    "\"free\": {\"cpus\": 2, \"memory\": 94371840, \"gpus\": 1},"
                    "\"largest_free\": {\"cpus\": 2, \"memory\": 94371840, \"gpus\": 1},"
                    "\"gpu_types\": [{\"type\": \"a100\", \"total\": 6, \"free\": 1},"
                    "                {\"total\": 1, \"free\": 0}],"
                    "\"features\": [\"fast\", \"a100\"]}]");
}

static void states_of_partitions(void **state)
{
        (void)state;
        static const struct {
                const char *said, *name;
        } cases[] = {
                {"\"accepts\": true, \"starts\": true", "\"up\""},
                {"\"accepts\": true, \"starts\": false", "\"down\""},
                {"\"accepts\": false, \"starts\": true", "\"draining\""},
                {"\"accepts\": false, \"starts\": false", "\"inactive\""},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char text[128];
                snprintf(text, sizeof text, "{\"partitions\": [{\"name\": \"p\", %s}]}",
                         cases[i].said);
                json_auto_t *said = read_text(text);
                json_auto_t *offer = gw_slurm_offer(said);
                const json_t *queue = json_array_get(json_object_get(offer, "queues"), 0);
                json_auto_t *expected = json_loads(cases[i].name, JSON_DECODE_ANY, NULL);
                assert_true(json_equal(json_object_get(queue, "state"), expected));
        }
}

static void users_have_their_grants(void **state)
{
        (void)state;
        json_auto_t *said = read_text(
                "{\"qos\": [{\"name\": \"high\", \"description\": \"urgent\", \"priority\": 9, "
                "\"max_time_s\": 60}], \"associations\": ["
                "{\"user\": \"ana\", \"account\": \"a\", \"default\": true, \"qos\": [\"high\"], "
                "\"default_qos\": \"high\"},"
                "{\"user\": \"bo\", \"account\": \"a\", \"default\": true, \"qos\": []},"
                "{\"user\": \"ana\", \"account\": \"b\", \"partition\": \"low\", \"default\": "
                "false, \"qos\": []}]}");
        json_auto_t *offer = gw_slurm_offer(said);
        assert_same(json_object_get(offer, "qos"),
                    "[{\"name\": \"high\", \"description\": \"urgent\", \"priority\": 9, "
                    "\"max_time_limit\": 60}]");
        assert_same(json_object_get(offer, "users"),
                    "{\"ana\": [{\"account\": \"a\", \"default\": true, \"qos\": [\"high\"], "
                    "\"default_qos\": \"high\"}, {\"account\": \"b\", \"queue\": \"low\", "
                    "\"default\": false, \"qos\": []}],"
                    "\"bo\": [{\"account\": \"a\", \"default\": true, \"qos\": []}]}");
}

static void nothing_said_is_nothing(void **state)
{
        (void)state;
        json_auto_t *said = json_object(), *offer = gw_slurm_offer(said);
        assert_int_equal(json_integer_value(json_object_get(offer, "nodes")), 0);
        assert_null(json_object_get(offer, "users"));
}

static void numbers_that_slurm_never_says(void **state)
{
        (void)state;
        json_auto_t *said =
                read_text("{\"nodes\": [{\"takes\": true, \"cpus\": -5, \"memory_mib\": "
                          "9223372036854775807, \"cpus_used\": 3}], \"partitions\": [3, {}]}");
        json_auto_t *offer = gw_slurm_offer(said);
        assert_same(json_object_get(offer, "free"), "{\"cpus\": 0, \"memory\": 0, \"gpus\": 0}");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(gres_names_gpus_and_more),
                cmocka_unit_test(nodes_are_summed_up),
                cmocka_unit_test(a_partition_is_a_queue),
                cmocka_unit_test(states_of_partitions),
                cmocka_unit_test(users_have_their_grants),
                cmocka_unit_test(nothing_said_is_nothing),
                cmocka_unit_test(numbers_that_slurm_never_says),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
