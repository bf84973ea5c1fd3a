/* Combinations of a matrix: how many, in which order, and as what text. */
#include "tests/unit/server/model/spec_fixture.h"

#include <stdio.h>

#include "server/base/buf.h"
#include "server/base/cleanup.h"
#include "server/model/matrix.h"

static void note(void *arg, const char *name, const char *value)
{
        gw_buf_printf(arg, "%s=%s ", name, value);
}

static void check_values(const char *matrix, uint64_t ordinal, const char *want)
{
        json_auto_t *json = json_loads(matrix, 0, NULL);
        struct gw_buf got = GW_BUF_INIT(10000);
        gw_buf_str(&got, "");
        assert_int_equal(gw_matrix_values(json, ordinal, note, &got), 0);
        assert_string_equal(got.data, want);
        gw_buf_done(&got);
}

static void test_the_last_name_is_the_fastest(void **state)
{
        (void)state;
        static const char matrix[] = "{\"b\":[1,2],\"a\":[\"x\",\"y\",\"z\"]}";
        static const char *const want[] = {"b=1 a=x ", "b=1 a=y ", "b=1 a=z ",
                                           "b=2 a=x ", "b=2 a=y ", "b=2 a=z "};
        for (size_t i = 0; i < GW_COUNT(want); i++)
                check_values(matrix, i, want[i]);
}

static void test_texts_of_values(void **state)
{
        (void)state;
        static const struct {
                const char *value, *text;
        } cases[] = {
                {"\"\"", ""},
                {"\" a=\\u00e9\\n \"", " a=\xc3\xa9\n "},
                {"\"1e-3\"", "1e-3"},
                {"true", "true"},
                {"false", "false"},
                {"0", "0"},
                {"-7", "-7"},
                {"9007199254740991", "9007199254740991"},
                {"0.1", "0.1"},
                {"0.30000000000000004", "0.30000000000000004"},
                {"1.0", "1.0"},
                {"1.50", "1.5"},
                {"-0.0", "-0.0"},
                {"1e-3", "0.001"},
                {"1E6", "1000000.0"},
                {"1e-7", "1e-07"},
                {"2.5e-300", "2.5e-300"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                char matrix[64], want[64];
                snprintf(matrix, sizeof matrix, "{\"v\":[%s]}", cases[i].value);
                snprintf(want, sizeof want, "v=%s ", cases[i].text);
                check_values(matrix, 0, want);
        }
}

/* After what is stored, too: the engine reads the spec's text. */
static void test_a_stored_spec_gives_the_same_texts(void **state)
{
        (void)state;
        struct gw_spec s =
                must_resolve("{\"script\":\"x\",\"array\":{\"matrix\":{\"lr\":[0.1,1e-3,1E6]"
                             ",\"on\":[true,\"\\u00e9\",4.0]}}}");
        struct gw_spec again = {0};
        assert_int_equal(gw_spec_load(s.text, s.text_len, &again, NULL), 0);
        assert_int_equal(s.task_count, 9);
        for (uint32_t i = 0; i < s.task_count; i++) {
                struct gw_buf a = GW_BUF_INIT(1000), b = GW_BUF_INIT(1000);
                assert_int_equal(gw_task_values(&s.indices, s.matrix, i, note, &a), 0);
                assert_int_equal(gw_task_values(&again.indices, again.matrix, i, note, &b), 0);
                assert_string_equal(a.data, b.data);
                if (i == 8)
                        assert_string_equal(a.data, "lr=1000000.0 on=4.0 ");
                gw_buf_done(&a);
                gw_buf_done(&b);
        }
        gw_spec_done(&s);
        gw_spec_done(&again);
}

static void test_tasks_that_are_not_there(void **state)
{
        (void)state;
        struct gw_buf none = GW_BUF_INIT(1000);
        struct gw_spec s = must_resolve("{\"script\":\"x\",\"array\":{\"matrix\":{\"a\":[1,2]}}}");
        assert_int_equal(gw_task_values(&s.indices, s.matrix, 2, note, &none), -1);
        assert_int_equal(gw_matrix_values(s.matrix, UINT64_MAX, note, &none), -1);
        gw_spec_done(&s);
        s = must_resolve("{\"script\":\"x\",\"array\":{\"indices\":\"7,9\"}}");
        assert_int_equal(gw_task_values(&s.indices, s.matrix, 1, note, &none), 0);
        assert_int_equal(gw_task_values(&s.indices, s.matrix, 2, note, &none), -1);
        gw_spec_done(&s);
        s = must_resolve("{\"script\":\"x\"}");
        assert_int_equal(gw_task_values(&s.indices, s.matrix, 0, note, &none), 0);
        assert_int_equal(gw_task_values(&s.indices, s.matrix, 1, note, &none), -1);
        gw_spec_done(&s);
        assert_null(none.data);
}

/* `names` names of `values` values each. */
static json_t *make(size_t names, size_t values)
{
        json_t *matrix = json_object();
        for (size_t i = 0; i < names; i++) {
                char name[32];
                json_t *list = json_array();
                snprintf(name, sizeof name, "n%zu", i);
                for (size_t k = 0; k < values; k++)
                        assert_int_equal(json_array_append_new(list, json_integer((int)k)), 0);
                assert_int_equal(json_object_set_new(matrix, name, list), 0);
        }
        return matrix;
}

static void test_counts(void **state)
{
        (void)state;
        static const struct {
                size_t names, values;
                uint64_t count;
        } cases[] = {
                {0, 0, 0},
                {1, 0, 0},
                {1, 1, 1},
                {16, 1, 1},
                {2, 1000, 1000000},
                {3, 1000, 1000000000},
                {16, 15, 6568408355712890625},
                {16, 16, UINT64_MAX},
                {7, 1000, UINT64_MAX},
                {16, 1000, UINT64_MAX},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                json_auto_t *matrix = make(cases[i].names, cases[i].values);
                assert_true(gw_matrix_count(matrix) == cases[i].count);
        }
}

static void test_what_is_no_matrix(void **state)
{
        (void)state;
        static const char *const texts[] = {
                "[]",
                "[[1]]",
                "{}",
                "{\"a\":1}",
                "{\"a\":{\"b\":1}}",
                "{\"a\":[]}",
                "{\"a\":[1],\"b\":[]}",
                "{\"a\":[1,null]}",
                "{\"a\":[[1]]}",
                "{\"a\":[{}]}",
        };
        assert_true(gw_matrix_count(NULL) == 0);
        for (size_t i = 0; i < GW_COUNT(texts); i++) {
                json_auto_t *matrix = json_loads(texts[i], 0, NULL);
                assert_true(gw_matrix_count(matrix) == 0);
                assert_int_equal(gw_matrix_values(matrix, 0, note, NULL), -1);
        }
        /* No list behind one that cannot be counted makes it one. */
        json_auto_t *matrix = make(16, 1000);
        assert_int_equal(json_object_set_new(matrix, "none", json_array()), 0);
        assert_true(gw_matrix_count(matrix) == 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_last_name_is_the_fastest),
                cmocka_unit_test(test_texts_of_values),
                cmocka_unit_test(test_a_stored_spec_gives_the_same_texts),
                cmocka_unit_test(test_tasks_that_are_not_there),
                cmocka_unit_test(test_counts),
                cmocka_unit_test(test_what_is_no_matrix),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
