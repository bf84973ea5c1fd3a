/* The rules across a spec's members: each broken and kept, and the rules of thumb. */
#include "tests/unit/server/model/spec_fixture.h"

#include <stdio.h>

static void check_fault(const char *text, const char *pointer)
{
        struct gw_spec s = {0};
        int rc = resolve(text, &s);
        if (!pointer && rc)
                fail_msg("%s: %s %s", text, faults.items[0].pointer, faults.items[0].detail);
        if (pointer && (rc == 0 || strcmp(faults.items[0].pointer, pointer) != 0))
                fail_msg("%s: no fault at %s", text, pointer);
        if (pointer) {
                assert_int_equal(faults.code, GW_ERR_UNPROCESSABLE);
                assert_int_equal(faults.count, 1);
                assert_null(s.json);
        }
        gw_spec_done(&s);
}

#define C "\"command\":[\"x\"]"

static void test_faults(void **state)
{
        (void)state;
        static const struct {
                const char *text, *pointer; /* NULL: none */
        } cases[] = {
                {"{}", "/command"},
                {"{\"name\":\"n\"}", "/command"},
                {"{" C ",\"script\":\"x\"}", "/script"},
                {"{\"command\":[\"\"]}", "/command/0"},
                {"{\"command\":[\"x\",\"\"]}", NULL},
                {"{\"manifest\":{\"job\":{}}}", NULL},
                {"{\"manifest\":{\"job\":{}},\"setup\":[],\"array\":{\"indices\":\"0-3\"}}", NULL},
                {"{\"manifest\":{\"job\":{}}," C "}", "/command"},
                {"{\"manifest\":{\"job\":{}},\"script\":\"x\"}", "/script"},
                {"{\"manifest\":{\"job\":{}},\"setup\":[\"x\"]}", "/setup"},
                {"{\"manifest\":{\"job\":{}},\"volumes\":[{\"path\":\"/a\"}]}", "/volumes"},
                {"{\"manifest\":{\"job\":{}},\"resources\":{\"nodes\":2}}", "/resources/nodes"},
                {"{\"manifest\":{\"job\":{}},\"array\":{\"matrix\":{\"a\":[1]}}}", "/array/matrix"},
                {"{\"script\":\"#!/bin/bash\\nx\"}", NULL},
                {"{\"script\":\"#! /usr/bin/env python3\"}", NULL},
                {"{\"script\":\"# no interpreter\\r\\n\"}", NULL},
                {"{\"script\":\"#!\"}", "/script"},
                {"{\"script\":\"#!\\n/bin/sh\"}", "/script"},
                {"{\"script\":\"#!python\\n\"}", "/script"},
                {"{\"script\":\"#!/bin/sh\\r\\ntrue\\r\\n\"}", "/script"},
                {"{" C ",\"environment\":{\"JOBGATE_URL\":\"x\"}}", "/environment/JOBGATE_URL"},
                {"{" C
                 ",\"environment\":{\"JOBGATE\":\"x\",\"jobgate_x\":\"\",\"XJOBGATE_\":\"\"}}",
                 NULL},
                {"{" C ",\"secrets\":{\"A\":{\"secret\":\"s\",\"key\":\"k\"}}}", NULL},
                {"{" C ",\"secrets\":{\"JOBGATE_A\":{\"secret\":\"s\",\"key\":\"k\"}}}",
                 "/secrets/JOBGATE_A"},
                {"{" C
                 ",\"environment\":{\"A\":\"\"},\"secrets\":{\"A\":{\"secret\":\"s\",\"key\":\"k\"}}}",
                 "/secrets/A"},
                {"{" C
                 ",\"array\":{\"matrix\":{\"A\":[1]}},\"secrets\":{\"A\":{\"secret\":\"s\",\"key\":\"k\"}}}",
                 "/array/matrix/A"},
                {"{" C ",\"resources\":{\"gpu_type\":\"a100\"}}", "/resources/gpu_type"},
                {"{" C ",\"resources\":{\"gpu_type\":\"a100\",\"gpus\":1}}", NULL},
                {"{" C ",\"resources\":{\"memory\":\"2Gi\",\"memory_per_cpu\":\"1Gi\"}}",
                 "/resources/memory_per_cpu"},
                {"{" C ",\"resources\":{\"memory_per_cpu\":\"1Gi\"}}", NULL},
                {"{" C ",\"resources\":{\"memory_per_cpu\":1125899906842624,\"cpus\":1}}", NULL},
                {"{" C ",\"resources\":{\"memory_per_cpu\":1125899906842624,\"cpus\":1.1}}",
                 "/resources/memory_per_cpu"},
                {"{" C
                 ",\"resources\":{\"memory_per_cpu\":\"1Ti\",\"cpus\":1,\"tasks_per_node\":1025}}",
                 "/resources/memory_per_cpu"},
                {"{" C ",\"resources\":{\"shared_memory\":\"1Gi\"}}", NULL},
                {"{" C ",\"resources\":{\"shared_memory\":1073741825}}",
                 "/resources/shared_memory"},
                {"{" C
                 ",\"resources\":{\"shared_memory\":\"4Gi\",\"memory_per_cpu\":\"1Gi\",\"cpus\":4}}",
                 NULL},
                {"{" C ",\"deadline\":\"1h\",\"start_deadline\":3601}", "/start_deadline"},
                {"{" C ",\"deadline\":\"1h\",\"start_deadline\":3600}", NULL},
                {"{" C ",\"start_deadline\":3601}", NULL},
                /* NOW is 12:26:40 */
                {"{" C ",\"deadline\":60,\"not_before\":\"2026-11-18T12:27:40Z\"}", "/not_before"},
                {"{" C ",\"deadline\":60,\"not_before\":\"2026-11-18T12:27:39Z\"}", NULL},
                {"{" C ",\"start_deadline\":60,\"not_before\":\"2026-11-18T12:27:40Z\"}",
                 "/not_before"},
                {"{" C ",\"deadline\":60,\"not_before\":\"1999-01-01T00:00:00Z\"}", NULL},
                {"{" C ",\"not_before\":\"9999-12-31T23:59:59Z\"}", NULL},
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                check_fault(cases[i].text, cases[i].pointer);
}

static void test_all_faults_at_once(void **state)
{
        (void)state;
        static const char *const pointers[] = {
                "/script",
                "/command/0",
                "/script",
                "/environment/JOBGATE_A",
                "/environment/JOBGATE_B",
                "/resources/gpu_type",
                "/start_deadline",
                "/not_before",
        };
        struct gw_spec s = {0};
        assert_int_equal(
                resolve("{\"command\":[\"\"],\"script\":\"#!x\",\"deadline\":1,\"start_deadline\":2,"
                        "\"not_before\":\"2027-01-01T00:00:00Z\","
                        "\"environment\":{\"JOBGATE_A\":\"\",\"JOBGATE_B\":\"\"},"
                        "\"resources\":{\"gpu_type\":\"t\"}}",
                        &s),
                -1);
        assert_int_equal(faults.count, sizeof pointers / sizeof pointers[0]);
        for (size_t i = 0; i < faults.count; i++)
                assert_string_equal(faults.items[i].pointer, pointers[i]);
}

#define T "\"time_limit\":\"1h\""

static void test_warnings(void **state)
{
        (void)state;
        static const struct {
                const char *text, *rules; /* each with a blank behind */
        } cases[] = {
                {"{" C "}", "time_limit "},
                {"{" C "," T "}", ""},
                {"{" C "," T ",\"retry\":{\"limit\":5}}", ""},
                {"{" C "," T ",\"retry\":{\"limit\":6}}", "retry_limit "},
                {"{" C "," T ",\"resources\":{\"gpus\":1}}", ""},
                {"{" C "," T ",\"resources\":{\"gpus\":2}}", "gpu_per_process "},
                {"{\"command\":[\"torchrun\",\"x\"]," T ",\"resources\":{\"gpus\":2}}", ""},
                {"{\"command\":[\"python\",\"-m\",\"torch.distributed.run\"]," T
                 ",\"resources\":{\"gpus\":2}}",
                 ""},
                {"{\"script\":\"mpirun -n 2 x\"," T ",\"resources\":{\"gpus\":2}}", ""},
                {"{\"script\":\"python x\"," T ",\"resources\":{\"gpus\":2}}", "gpu_per_process "},
                {"{" C "," T ",\"resources\":{\"gpus\":1,\"cpus\":2}}", ""},
                {"{" C "," T ",\"resources\":{\"gpus\":1,\"cpus\":1.9}}", "cpus_per_gpu "},
                {"{" C "," T ",\"resources\":{\"gpus\":1,\"cpus\":4.1}}", "cpus_per_gpu "},
                {"{" C "," T
                 ",\"resources\":{\"gpus\":2,\"cpus\":2,\"tasks_per_node\":2,\"nodes\":8}}",
                 ""},
                {"{" C "," T ",\"resources\":{\"gpus\":2,\"cpus\":5,\"tasks_per_node\":2}}",
                 "cpus_per_gpu "},
                {"{" C "," T ",\"resources\":{\"gpus\":3,\"tasks_per_node\":2,\"nodes\":2}}",
                 "gpu_per_process "},
                {"{" C "," T ",\"resources\":{\"gpus\":1,\"tasks_per_node\":7}}", ""},
                {"{" C "," T ",\"resources\":{\"gpus\":1,\"cpus\":2,\"memory_per_cpu\":\"2Gi\"}}",
                 ""},
                {"{" C "," T ",\"resources\":{\"gpus\":1,\"cpus\":2,\"memory_per_cpu\":\"1Gi\"}}",
                 "memory_per_gpu "},
                {"{" C "," T ",\"resources\":{\"gpus\":1,\"memory\":\"4Gi\"}}", ""},
                {"{" C "," T ",\"resources\":{\"gpus\":1,\"memory\":\"4G\"}}", "memory_per_gpu "},
                {"{" C "," T ",\"resources\":{\"gpus\":1,\"memory\":\"9Gi\"}}", "memory_per_gpu "},
                {"{" C
                 ",\"retry\":{\"limit\":9},\"resources\":{\"gpus\":2,\"cpus\":1,\"memory\":1}}",
                 "time_limit gpu_per_process cpus_per_gpu memory_per_gpu retry_limit "},
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                char rules[256] = "";
                struct gw_spec s = must_resolve(cases[i].text);
                for (size_t k = 0; k < warnings.count; k++) {
                        strcat(strcat(rules, warnings.items[k].rule), " ");
                        assert_int_equal(warnings.items[k].pointer[0], '/');
                        assert_true(strlen(warnings.items[k].detail) > 20);
                }
                assert_string_equal(rules, cases[i].rules);
                gw_spec_done(&s);
        }
}

static void test_warnings_are_bounded(void **state)
{
        (void)state;
        struct gw_spec s = must_resolve("{" C "}");
        for (int i = 0; i < 2 * GW_MAX_WARNINGS; i++)
                gw_spec_advise(&s, &warnings);
        assert_int_equal(warnings.count, GW_MAX_WARNINGS);
        gw_spec_done(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_faults),
                cmocka_unit_test(test_all_faults_at_once),
                cmocka_unit_test(test_warnings),
                cmocka_unit_test(test_warnings_are_bounded),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
