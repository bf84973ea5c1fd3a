/* Specs of scripts that a backend's own submit command reads: no defaults over what they say. */
#include "tests/unit/server/model/spec_fixture.h"

#define HEAD "\"script\":\"#!/bin/sh\\n#SBATCH -J own -a 0-7:2%3 --mem=5G\\ntrue\\n\""

static void test_nothing_is_filled_in(void **state)
{
        (void)state;
        struct gw_spec s = must_resolve_for("{" HEAD "}", true);
        assert_true(s.is_raw);
        assert_string_equal(s.name, "own");
        assert_int_equal(s.cpus_milli, 0);
        assert_int_equal(s.memory_bytes, 0);
        assert_int_equal(s.gpus, 0);
        assert_int_equal(s.time_limit_s, 0);
        static const char *const theirs[] = {"name", "resources", "priority", "time_limit"};
        for (size_t i = 0; i < sizeof theirs / sizeof theirs[0]; i++)
                assert_null(json_object_get(s.json, theirs[i]));
        assert_non_null(strstr(s.text, "\"array\":{\"indices\":\"0-6:2\",\"max_parallel\":3}"));
        assert_int_equal(s.task_count, 4);
        assert_int_equal(s.retry.limit, 3);
        assert_int_equal(warnings.count, 0);
        gw_spec_done(&s);
}

static void test_what_is_given_stays(void **state)
{
        (void)state;
        struct gw_spec s =
                must_resolve_for("{" HEAD ",\"name\":\"mine\",\"resources\":{\"cpus\":2},"
                                 "\"array\":{\"indices\":\"1,5\"},\"priority\":0}",
                                 true);
        assert_string_equal(s.name, "mine");
        assert_int_equal(s.cpus_milli, 2000);
        assert_int_equal(s.memory_bytes, 0);
        assert_non_null(strstr(s.text, "\"resources\":{\"cpus\":2}"));
        assert_non_null(strstr(s.text, "\"array\":{\"indices\":\"1,5\"}"));
        assert_non_null(strstr(s.text, "\"priority\":0"));
        assert_int_equal(s.task_count, 2);
        gw_spec_done(&s);
}

static void test_how_many_run_may_be_given_alone(void **state)
{
        (void)state;
        struct gw_spec s = must_resolve_for("{" HEAD ",\"array\":{\"max_parallel\":1}}", true);
        assert_non_null(strstr(s.text, "\"array\":{\"max_parallel\":1,\"indices\":\"0-6:2\"}"));
        gw_spec_done(&s);
}

static void test_elsewhere_the_lines_are_comments(void **state)
{
        (void)state;
        struct gw_spec s = must_resolve("{" HEAD "}");
        assert_false(s.is_raw);
        assert_false(s.is_array);
        assert_string_equal(s.name, "job");
        assert_int_equal(s.cpus_milli, 1000);
        gw_spec_done(&s);
        s = must_resolve_for("{\"script\":\"#!/bin/sh\\ntrue\\n#SBATCH -a 1-3\\n\"}", true);
        assert_false(s.is_raw);
        assert_int_equal(s.cpus_milli, 1000);
        gw_spec_done(&s);
}

static void test_a_name_that_is_none_here(void **state)
{
        (void)state;
        static const char *const texts[] = {"{\"script\":\"#SBATCH -J 'my job'\"}",
                                            "{\"script\":\"#SBATCH -J b\303\270rk\"}",
                                            "{\"script\":\"#SBATCH -N1\"}"};
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                struct gw_spec s = must_resolve_for(texts[i], true);
                assert_string_equal(s.name, "job");
                gw_spec_done(&s);
        }
}

static void test_faults(void **state)
{
        (void)state;
        struct gw_spec s = {0};
        assert_int_equal(resolve_for("{\"script\":\"#SBATCH -a 3-1\"}", true, &s), -1);
        assert_string_equal(faults.items[0].pointer, "/script");
        assert_non_null(strstr(faults.items[0].detail, "--array=3-1"));
        /* Those are for sbatch to refuse. */
        s = must_resolve_for("{\"script\":\"#!/bin/sh\\r\\n#SBATCH -N1\\r\\ntrue\\r\\n\"}", true);
        gw_spec_done(&s);
        s = must_resolve_for("{\"script\":\"#!sh\\n#SBATCH -N1\\n\"}", true);
        gw_spec_done(&s);
}

static void test_stored_and_read_back(void **state)
{
        (void)state;
        struct gw_spec s = must_resolve_for("{" HEAD "}", true), again = {0};
        struct gw_error err = {0};
        assert_int_equal(gw_spec_load(s.text, s.text_len, &again, &err), 0);
        assert_true(again.is_raw);
        assert_string_equal(again.name, "own");
        assert_int_equal(again.cpus_milli, 0);
        assert_int_equal(again.task_count, 4);
        gw_spec_pack(&again);
        assert_string_equal(again.name, "own");
        gw_spec_done(&again);
        gw_spec_done(&s);
        static const char bare[] = "{\"script\":\"true\"}"; /* nothing that could say it */
        assert_int_equal(gw_spec_load(bare, strlen(bare), &again, &err), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_is_filled_in),
                cmocka_unit_test(test_what_is_given_stays),
                cmocka_unit_test(test_how_many_run_may_be_given_alone),
                cmocka_unit_test(test_elsewhere_the_lines_are_comments),
                cmocka_unit_test(test_a_name_that_is_none_here),
                cmocka_unit_test(test_faults),
                cmocka_unit_test(test_stored_and_read_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
