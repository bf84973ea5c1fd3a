/* Specs: what is read, the defaults, the text, and reading it back. */
#include "tests/unit/server/model/spec_fixture.h"

static void test_smallest(void **state)
{
        (void)state;
        struct gw_spec s = must_resolve("{\"command\":[\"true\"]}");
        assert_string_equal(s.name, "job");
        assert_null(s.project);
        assert_null(s.backend);
        assert_null(s.labels);
        assert_int_equal(s.cpus_milli, 1000);
        assert_int_equal(s.memory_bytes, INT64_C(1) << 30);
        assert_int_equal(s.gpus, 0);
        assert_int_equal(s.nodes, 1);
        assert_int_equal(s.tasks_per_node, 1);
        assert_int_equal(s.scratch_bytes, 0);
        assert_true(s.cpus_preset && s.memory_preset);
        assert_int_equal(s.priority, 0);
        assert_false(s.hold);
        assert_int_equal(s.not_before_us, 0);
        assert_int_equal(s.time_limit_s, 0);
        assert_int_equal(s.deadline_s, 0);
        assert_int_equal(s.start_deadline_s, 0);
        assert_int_equal(s.retry.limit, 3);
        assert_int_equal(s.retry.delay_s, 10);
        assert_true(gw_retry_wants(&s.retry, GW_REASON_NODE_FAILURE, -1, 3));
        assert_false(gw_retry_wants(&s.retry, GW_REASON_EXIT_CODE, 1, 1));
        gw_spec_done(&s);
        gw_spec_done(&s);
}

static void test_everything(void **state)
{
        (void)state;
        struct gw_spec s = must_resolve(
                "{\"name\":\"train\",\"project\":\"p\",\"backend\":\"b\",\"script\":\"echo\",\"labels\":{\"k\":\"v\"},"
                "\"resources\":{\"cpus\":\"1500m\",\"memory\":\"1.5Gi\",\"gpus\":2,\"gpu_type\":\"a100\"},"
                "\"priority\":-7,\"hold\":true,\"not_before\":\"2026-11-18T12:26:41Z\",\"time_limit\":\"1-0\","
                "\"deadline\":\"2h30m\",\"start_deadline\":60,"
                "\"retry\":{\"limit\":1,\"delay\":0,\"backoff\":1.5,\"max_delay\":\"1m\",\"on\":[7,\"signal\"]}}");
        assert_string_equal(s.name, "train");
        assert_string_equal(s.project, "p");
        assert_string_equal(s.backend, "b");
        assert_string_equal(s.labels, "{\"k\":\"v\"}");
        assert_int_equal(s.cpus_milli, 1500);
        assert_int_equal(s.memory_bytes, INT64_C(3) << 29);
        assert_int_equal(s.gpus, 2);
        assert_int_equal(s.priority, -7);
        assert_true(s.hold);
        assert_int_equal(s.not_before_us, NOW + GW_SECOND);
        assert_int_equal(s.time_limit_s, 86400);
        assert_int_equal(s.deadline_s, 9000);
        assert_int_equal(s.start_deadline_s, 60);
        assert_int_equal(s.retry.limit, 1);
        assert_int_equal(s.retry.delay_s, 0);
        assert_int_equal(s.retry.max_delay_s, 60);
        assert_true(gw_retry_wants(&s.retry, GW_REASON_EXIT_CODE, 7, 1));
        assert_true(gw_retry_wants(&s.retry, GW_REASON_SIGNAL, -1, 1));
        assert_false(gw_retry_wants(&s.retry, GW_REASON_NODE_FAILURE, -1, 1));
        gw_spec_done(&s);
}

static void test_default_resources(void **state)
{
        (void)state;
        static const struct {
                const char *resources;
                int64_t cpus_milli, memory_mib;
        } cases[] = {
                {"{}", 1000, 1024},
                {"{\"cpus\":0.5}", 500, 1024},
                {"{\"memory\":1048576}", 1000, 1},
                {"{\"gpus\":1}", 4000, 8192},
                {"{\"gpus\":3}", 12000, 24576},
                {"{\"gpus\":3,\"cpus\":1}", 1000, 24576},
                {"{\"gpus\":3,\"memory\":\"1Gi\"}", 12000, 1024},
                {"{\"gpus\":4096}", 16384000, 33554432},
                {"{\"tasks_per_node\":3}", 1000, 3072},
                {"{\"gpus\":3,\"tasks_per_node\":2}", 6000, 24576},
                {"{\"gpus\":1,\"tasks_per_node\":8,\"nodes\":2}", 1000, 8192},
                {"{\"memory_per_cpu\":1048576,\"cpus\":2.5,\"tasks_per_node\":2}", 2500, 6},
                {"{\"gpus\":2,\"memory_per_cpu\":\"1Gi\"}", 8000, 8192},
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                char text[128];
                snprintf(text, sizeof text, "{\"script\":\"x\",\"resources\":%s}",
                         cases[i].resources);
                struct gw_spec s = must_resolve(text);
                assert_int_equal(s.cpus_milli, cases[i].cpus_milli);
                assert_int_equal(s.memory_bytes, cases[i].memory_mib << 20);
                gw_spec_done(&s);
        }
}

/* The client's order and spelling first, then what was chosen for it. */
static void test_text(void **state)
{
        (void)state;
        struct gw_spec s = must_resolve(
                " { \"resources\" : {\"gpus\": 1, \"cpus\": 0.1} , \"retry\":{\"limit\":0,\"backoff\":1.0},"
                "\"script\":\"a\\n\\u00e9\\\"\\/\", \"name\":\"n\" } ");
        static const char begin[] =
                "{\"resources\":{\"gpus\":1,\"cpus\":0.1,\"memory\":\"8Gi\"},\"retry\":{\"limit\":0,\"backoff\":1.0";
        static const char middle[] = "\"script\":\"a\\n\xc3\xa9\\\"/\",\"name\":\"n\",";
        assert_memory_equal(s.text, begin, sizeof begin - 1);
        assert_non_null(strstr(s.text, middle));
        assert_non_null(strstr(
                s.text, "\"on\":[\"node_failure\",\"preempted\",\"evicted\",\"launch_failed\"]"));
        assert_non_null(strstr(s.text, "\"hold\":false"));
        assert_int_equal(s.text_len, strlen(s.text));
        json_t *again = json_loads(s.text, 0, NULL);
        assert_true(json_equal(again, s.json));
        json_decref(again);
        gw_spec_done(&s);
}

static void test_project_put_in_before(void **state)
{
        (void)state;
        json_t *json = json_loads("{\"script\":\"x\"}", 0, NULL);
        struct gw_spec s = {0};
        gw_faults_init(&faults);
        assert_int_equal(gw_decode(&gw_schema_JobSpec, json, "", &faults), 0);
        json_object_set_new(json, "project", json_string("mine"));
        assert_int_equal(gw_spec_resolve(json, false, NOW, &s, NULL, &faults), 0);
        json_decref(json);
        assert_string_equal(s.project, "mine");
        assert_non_null(strstr(s.text, "\"project\":\"mine\""));
        gw_spec_done(&s);
}

static void assert_same(const struct gw_spec *a, const struct gw_spec *b)
{
        assert_string_equal(a->text, b->text);
        assert_int_equal(a->text_len, b->text_len);
        assert_string_equal(a->name, b->name);
        assert_string_equal(a->project ? a->project : "-", b->project ? b->project : "-");
        assert_string_equal(a->backend ? a->backend : "-", b->backend ? b->backend : "-");
        assert_string_equal(a->labels ? a->labels : "-", b->labels ? b->labels : "-");
        assert_int_equal(a->cpus_milli, b->cpus_milli);
        assert_int_equal(a->memory_bytes, b->memory_bytes);
        assert_int_equal(a->gpus, b->gpus);
        assert_int_equal(a->nodes, b->nodes);
        assert_int_equal(a->tasks_per_node, b->tasks_per_node);
        assert_int_equal(a->memory_per_cpu, b->memory_per_cpu);
        assert_int_equal(a->scratch_bytes, b->scratch_bytes);
        assert_int_equal(a->shared_memory_bytes, b->shared_memory_bytes);
        assert_int_equal(a->cpus_preset, b->cpus_preset);
        assert_int_equal(a->memory_preset, b->memory_preset);
        assert_int_equal(a->priority, b->priority);
        assert_int_equal(a->hold, b->hold);
        assert_int_equal(a->not_before_us, b->not_before_us);
        assert_int_equal(a->time_limit_s, b->time_limit_s);
        assert_int_equal(a->deadline_s, b->deadline_s);
        assert_int_equal(a->start_deadline_s, b->start_deadline_s);
        assert_int_equal(a->retry.limit, b->retry.limit);
        assert_int_equal(a->retry.reasons, b->retry.reasons);
        assert_memory_equal(a->retry.exit_codes, b->retry.exit_codes, sizeof a->retry.exit_codes);
}

static void test_load(void **state)
{
        (void)state;
        static const char *const texts[] = {
                "{\"command\":[\"true\"]}",
                "{\"script\":\"x\",\"name\":\"n\",\"project\":\"p\",\"backend\":\"b\",\"labels\":{\"a\":\"b\"},"
                "\"resources\":{\"cpus\":\"250m\",\"memory\":\"7k\",\"gpus\":1},\"priority\":9,\"hold\":true,"
                "\"not_before\":\"2030-01-01T00:00:00.5+01:00\",\"time_limit\":\"10:00\",\"deadline\":\"20d\","
                "\"start_deadline\":\"1d\",\"retry\":{\"limit\":2,\"on\":[1,255,\"evicted\"]}}",
        };
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                struct gw_error err = {.code = GW_OK};
                struct gw_spec a = {0}, b = {0};
                gw_faults_init(&faults);
                json_t *json = json_loads(texts[i], 0, NULL);
                assert_int_equal(gw_decode(&gw_schema_JobSpec, json, "", &faults), 0);
                assert_int_equal(gw_spec_resolve(json, false, INT64_C(1893400000) * GW_SECOND, &a,
                                                 NULL, &faults),
                                 0);
                json_decref(json);
                assert_int_equal(gw_spec_load(a.text, a.text_len, &b, &err), 0);
                assert_same(&a, &b);
                gw_spec_done(&a);
                gw_spec_done(&b);
        }
}

static void test_load_damaged(void **state)
{
        (void)state;
#define GOOD "\"name\":\"n\",\"resources\":{\"cpus\":1,\"memory\":1}"
        static const char *const texts[] = {
                "",
                "x",
                "[]",
                "{" GOOD "}}",
                "{}",
                "{\"name\":7,\"resources\":{\"cpus\":1}}",
                "{\"name\":\"n\"}",
                "{\"resources\":{\"cpus\":1}}",
                "{\"name\":\"n\",\"resources\":7}",
                "{\"name\":\"n\",\"resources\":{\"cpus\":[]}}",
                "{\"name\":\"n\",\"resources\":{\"cpus\":\"many\"}}",
                "{\"name\":\"n\",\"resources\":{\"cpus\":-1}}",
                "{\"name\":\"n\",\"resources\":{\"cpus\":1,\"memory\":-1}}",
                "{\"name\":\"n\",\"resources\":{\"cpus\":1,\"memory\":\"x\"}}",
                "{\"name\":\"n\",\"resources\":{\"cpus\":1,\"gpus\":9999999}}",
                "{" GOOD ",\"hold\":1}",
                "{" GOOD ",\"project\":1}",
                "{" GOOD ",\"priority\":\"x\"}",
                "{" GOOD ",\"priority\":3000000000}",
                "{" GOOD ",\"deadline\":true}",
                "{" GOOD ",\"not_before\":\"soon\"}",
                "{" GOOD ",\"not_before\":1}",
                "{" GOOD ",\"retry\":[]}",
                "{" GOOD ",\"retry\":{\"limit\":-1}}",
        };
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                struct gw_error err = {.code = GW_OK};
                struct gw_spec s = {0};
                if (gw_spec_load(texts[i], strlen(texts[i]), &s, &err) != -1)
                        fail_msg("%s", texts[i]);
                assert_int_equal(err.code, GW_ERR_INTERNAL);
                assert_null(s.json);
        }
        struct gw_spec s = {0};
        assert_int_equal(gw_spec_load("{" GOOD "}", strlen("{" GOOD "}"), &s, NULL), 0);
        gw_spec_done(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_smallest),
                cmocka_unit_test(test_everything),
                cmocka_unit_test(test_default_resources),
                cmocka_unit_test(test_text),
                cmocka_unit_test(test_project_put_in_before),
                cmocka_unit_test(test_load),
                cmocka_unit_test(test_load_damaged),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
