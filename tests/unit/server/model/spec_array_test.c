/* The array of a spec: which tasks it gives, what is refused and where, and reading it back. */
#include "tests/unit/server/model/spec_fixture.h"

#include <stdio.h>

#include "server/base/buf.h"
#include "server/base/cleanup.h"

#define ARRAY(text) "{\"script\":\"x\",\"array\":" text "}"

static char *indices_of(const struct gw_spec *s)
{
        struct gw_buf out = GW_BUF_INIT(GW_MAX_INDEX_TEXT);
        gw_indexset_format(&s->indices, &out);
        return gw_buf_take(&out, NULL);
}

static void check_tasks(const struct gw_spec *s, const char *indices, uint32_t count)
{
        gw_autofree char *text = indices_of(s);
        assert_string_equal(text, indices);
        assert_int_equal(s->indices.count, count);
        assert_int_equal(s->task_count, count);
}

static void test_tasks(void **state)
{
        (void)state;
        static const struct {
                const char *text, *indices;
                uint32_t count;
                bool is_array, has_matrix;
        } cases[] = {
                {"{\"script\":\"x\"}", "0", 1, false, false},
                {ARRAY("{\"indices\":\"0\"}"), "0", 1, true, false},
                {ARRAY("{\"indices\":\"0-99:2,120\",\"max_parallel\":10}"), "0-98:2,120", 51, true,
                 false},
                {ARRAY("{\"indices\":\"5-7,3,6-9,2147483647\"}"), "3,5-9,2147483647", 7, true,
                 false},
                {ARRAY("{\"indices\":\"0-999999\",\"max_parallel\":1000000}"), "0-999999", 1000000,
                 true, false},
                {ARRAY("{\"matrix\":{\"a\":[\"only\"]},\"max_parallel\":1}"), "0", 1, true, true},
                {ARRAY("{\"matrix\":{\"lr\":[0.1,0.01],\"seed\":[1,2,3]},\"max_parallel\":2}"),
                 "0-5", 6, true, true},
                {ARRAY("{\"matrix\":{\"a\":[1,1]}}"), "0-1", 2, true, true},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_spec s = must_resolve(cases[i].text), again = {0};
                assert_int_equal(gw_spec_load(s.text, s.text_len, &again, NULL), 0);
                check_tasks(&s, cases[i].indices, cases[i].count);
                check_tasks(&again, cases[i].indices, cases[i].count);
                assert_int_equal(s.is_array, cases[i].is_array);
                assert_int_equal(again.is_array, cases[i].is_array);
                assert_int_equal(s.matrix != NULL, cases[i].has_matrix);
                assert_true(s.matrix ? json_equal(s.matrix, again.matrix) : !again.matrix);
                gw_spec_done(&s);
                gw_spec_done(&again);
        }
}

/* What the client wrote, not what was made of it. */
static void test_text(void **state)
{
        (void)state;
        static const char *const written[] = {
                "\"array\":{\"indices\":\"7,3-5,4\",\"max_parallel\":3}",
                "\"array\":{\"max_parallel\":1,\"matrix\":{\"z\":[0.1,true],\"a\":[\"0.10\",4.0]}}",
        };
        for (size_t i = 0; i < GW_COUNT(written); i++) {
                char text[256];
                snprintf(text, sizeof text, "{%s,\"script\":\"x\"}", written[i]);
                struct gw_spec s = must_resolve(text);
                assert_non_null(strstr(s.text, written[i]));
                gw_spec_done(&s);
        }
}

static void expect_fault(const char *text, enum gw_error_code code, const char *pointer,
                         const char *words)
{
        struct gw_spec s = {0};
        gw_faults_init(&faults);
        json_auto_t *json = gw_json_parse(text, strlen(text), &faults);
        if (json && gw_decode(&gw_schema_JobSpec, json, "", &faults) == 0)
                gw_spec_resolve(json, false, NOW, &s, NULL, &faults);
        assert_null(s.json);
        if (faults.count != 1)
                fail_msg("%s: %zu faults", text, faults.count);
        assert_int_equal(faults.code, code);
        assert_string_equal(faults.items[0].pointer, pointer);
        if (!strstr(faults.items[0].detail, words))
                fail_msg("%s: \"%s\" lacks \"%s\"", text, faults.items[0].detail, words);
}

static void test_faults(void **state)
{
        (void)state;
        static const struct {
                const char *array;
                enum gw_error_code code;
                const char *pointer, *words;
        } cases[] = {
                {"[]", GW_ERR_INVALID, "/array", "must be an object"},
                {"{}", GW_ERR_UNPROCESSABLE, "/array", "needs indices or a matrix"},
                {"{\"max_parallel\":1}", GW_ERR_UNPROCESSABLE, "/array",
                 "needs indices or a matrix"},
                {"{\"indices\":\"0,2\",\"matrix\":{\"a\":[1,2]}}", GW_ERR_UNPROCESSABLE,
                 "/array/indices", "names 2: the matrix has 2 combinations"},
                {"{\"indexes\":\"0\"}", GW_ERR_INVALID, "/array/indexes",
                 "did you mean \"indices\"?"},
                {"{\"indices\":7}", GW_ERR_INVALID, "/array/indices", "must be a string"},
                {"{\"indices\":\"\"}", GW_ERR_INVALID, "/array/indices", "must not be empty"},
                {"{\"indices\":\"-1\"}", GW_ERR_INVALID, "/array/indices", "0-99:2,120"},
                {"{\"indices\":\"0-9%2\"}", GW_ERR_INVALID, "/array/indices", "max_parallel"},
                {"{\"indices\":\"0, 1\"}", GW_ERR_INVALID, "/array/indices", "0-99:2,120"},
                {"{\"indices\":\"9-0\"}", GW_ERR_UNPROCESSABLE, "/array/indices",
                 "runs backwards: the lower index comes first"},
                {"{\"indices\":\"0-9:0\"}", GW_ERR_UNPROCESSABLE, "/array/indices", "step of 0"},
                {"{\"indices\":\"2147483648\"}", GW_ERR_UNPROCESSABLE, "/array/indices",
                 "the highest index is 2147483647"},
                {"{\"indices\":\"9223372036854775808\"}", GW_ERR_UNPROCESSABLE, "/array/indices",
                 "the highest index is 2147483647"},
                {"{\"indices\":\"0-18446744073709551616\"}", GW_ERR_UNPROCESSABLE, "/array/indices",
                 "the highest index is 2147483647"},
                {"{\"indices\":\"0-9999999\"}", GW_ERR_UNPROCESSABLE, "/array/indices",
                 "more than 1000000 indices"},
                {"{\"indices\":\"0-1000000\"}", GW_ERR_UNPROCESSABLE, "/array/indices",
                 "more than 1000000 indices"},
                {"{\"indices\":\"0\",\"max_parallel\":0}", GW_ERR_INVALID, "/array/max_parallel",
                 "must be from 1 to 1000000"},
                {"{\"indices\":\"0\",\"max_parallel\":1000001}", GW_ERR_INVALID,
                 "/array/max_parallel", "must be from 1 to 1000000"},
                {"{\"matrix\":{}}", GW_ERR_INVALID, "/array/matrix", "must not be empty"},
                {"{\"matrix\":{\"a\":1}}", GW_ERR_INVALID, "/array/matrix/a", "must be an array"},
                {"{\"matrix\":{\"a\":[]}}", GW_ERR_INVALID, "/array/matrix/a", "must not be empty"},
                {"{\"matrix\":{\"lr\":[1,\"x\",true,null]}}", GW_ERR_INVALID, "/array/matrix/lr/3",
                 "must be a string, a number, true or false, not null"},
                {"{\"matrix\":{\"lr\":[[1]]}}", GW_ERR_INVALID, "/array/matrix/lr/0",
                 "not an array"},
                {"{\"matrix\":{\"lr\":[9007199254740992]}}", GW_ERR_INVALID, "/array/matrix/lr/0",
                 "must be from -9007199254740991 to 9007199254740991"},
                {"{\"matrix\":{\"lr\":[\"a\\u0000\"]}}", GW_ERR_INVALID, "/array/matrix/lr/0",
                 "U+0000"},
                {"{\"matrix\":{\"1a\":[1]}}", GW_ERR_INVALID, "/array/matrix/1a",
                 "not beginning with a digit"},
                {"{\"matrix\":{\"a-b\":[1]}}", GW_ERR_INVALID, "/array/matrix/a-b", "letters"},
                {"{\"matrix\":{\"\":[1]}}", GW_ERR_INVALID, "/array/matrix/", "must not be empty"},
                {"{\"matrix\":{\"a\":[1],\"a\":[2]}}", GW_ERR_INVALID, "/array/matrix/a",
                 "stands twice"},
                {"{\"matrix\":{\"JOBGATE_TASK_INDEX\":[1]}}", GW_ERR_UNPROCESSABLE,
                 "/array/matrix/JOBGATE_TASK_INDEX", "is reserved"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                char text[256];
                snprintf(text, sizeof text, ARRAY("%s"), cases[i].array);
                expect_fault(text, cases[i].code, cases[i].pointer, cases[i].words);
        }
        expect_fault("{\"script\":\"x\",\"environment\":{\"A\":\"1\",\"B\":\"\"},"
                     "\"array\":{\"matrix\":{\"a\":[1],\"B\":[1]}}}",
                     GW_ERR_UNPROCESSABLE, "/array/matrix/B", "stands in environment too");
}

/* A spec whose matrix has `names` names of `values` values each. */
static char *matrix_spec(size_t names, size_t values)
{
        struct gw_buf out = GW_BUF_INIT(1024 * 1024);
        gw_buf_str(&out, "{\"script\":\"x\",\"array\":{\"matrix\":{");
        for (size_t i = 0; i < names; i++) {
                gw_buf_printf(&out, "%s\"n%zu\":[0", i ? "," : "", i);
                for (size_t k = 1; k < values; k++)
                        gw_buf_printf(&out, ",%zu", k);
                gw_buf_char(&out, ']');
        }
        gw_buf_str(&out, "}}}");
        return gw_buf_take(&out, NULL);
}

static void test_bounds_of_a_matrix(void **state)
{
        (void)state;
        static const struct {
                size_t names, values;
                enum gw_error_code code;
                const char *pointer, *words;
        } cases[] = {
                {17, 1, GW_ERR_INVALID, "/array/matrix", "must have 1 to 16 members, not 17"},
                {1, 1001, GW_ERR_INVALID, "/array/matrix/n0", "must have 1 to 1000 items"},
                {3, 1000, GW_ERR_UNPROCESSABLE, "/array/matrix",
                 "has 1000000000 combinations: at most 1000000"},
                {16, 1000, GW_ERR_UNPROCESSABLE, "/array/matrix", "than can be counted"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                gw_autofree char *text = matrix_spec(cases[i].names, cases[i].values);
                expect_fault(text, cases[i].code, cases[i].pointer, cases[i].words);
        }
        gw_autofree char *most = matrix_spec(2, 1000), *names = matrix_spec(16, 1);
        struct gw_spec s = must_resolve(most);
        check_tasks(&s, "0-999999", 1000000);
        gw_spec_done(&s);
        s = must_resolve(names);
        check_tasks(&s, "0", 1);
        gw_spec_done(&s);
}

static void test_load_damaged(void **state)
{
        (void)state;
        static const char *const arrays[] = {
                "null",
                "7",
                "[]",
                "{}",
                "{\"max_parallel\":1}",
                "{\"indices\":\"1\",\"matrix\":{\"a\":[1]}}",
                "{\"indices\":7}",
                "{\"indices\":\"\"}",
                "{\"indices\":\"9-0\"}",
                "{\"indices\":\"0-1000000\"}",
                "{\"matrix\":[]}",
                "{\"matrix\":{}}",
                "{\"matrix\":{\"a\":[]}}",
                "{\"matrix\":{\"a\":[null]}}",
        };
        for (size_t i = 0; i < GW_COUNT(arrays); i++) {
                char text[256];
                struct gw_error err = {.code = GW_OK};
                struct gw_spec s = {0};
                snprintf(text, sizeof text,
                         "{\"name\":\"n\",\"resources\":{\"cpus\":1,\"memory\":1},\"array\":%s}",
                         arrays[i]);
                if (gw_spec_load(text, strlen(text), &s, &err) != -1)
                        fail_msg("%s", arrays[i]);
                assert_int_equal(err.code, GW_ERR_INTERNAL);
                if (!strstr(err.message, "\"/array"))
                        fail_msg("%s: %s", arrays[i], err.message);
                assert_null(s.json);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tasks),        cmocka_unit_test(test_text),
                cmocka_unit_test(test_faults),       cmocka_unit_test(test_bounds_of_a_matrix),
                cmocka_unit_test(test_load_damaged),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
