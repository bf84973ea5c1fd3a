/* server/model/json.h: what is refused, where it is said to be, and what it is called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/buf.h"
#include "server/base/cleanup.h"
#include "server/model/json.h"

static void expect_fault(const char *text, size_t len, const char *pointer, const char *words)
{
        struct gw_faults f;
        gw_faults_init(&f);
        json_t *value = gw_json_parse(text, len, &f);
        if (value)
                fail_msg("accepted: %.*s", (int)len, text);
        assert_int_equal(f.count, 1);
        assert_int_equal(f.code, GW_ERR_INVALID);
        assert_string_equal(f.items[0].pointer, pointer);
        if (!strstr(f.items[0].detail, words))
                fail_msg("\"%s\" lacks \"%s\"", f.items[0].detail, words);
}

static void test_faults(void **state)
{
        static const struct {
                const char *text, *pointer, *words;
        } cases[] = {
                {"", "", "ends too early"},
                {"{", "", "ends too early"},
                {"{\"a\":\"b", "/a", "ends too early"},
                {"{} 1", "", "more text follows"},
                {"nope", "", "is not JSON"},
                {"{'a':1}", "", "is not JSON"},
                {"{\"a\":1,}", "", "is not JSON"},
                {"[1,2,]", "", "is not JSON"},
                {"{\"a\":{\"b\":[0,{\"c\":nope}]}}", "/a/b/1/c", "(line 1, column 22)"},
                {"{\n \"a\": 1,\n \"b\": nope\n}", "/b", "(line 3, column 10)"},
                {"{\"x/y~z\":nope}", "/x~1y~0z", "is not JSON"},
                {"{\"a\":1,\"b\":[{\"c\":1,\"c\":2}]}", "/b/0/c", "stands twice"},
                {"{\"a\":1,\"\\u0061\":2}", "/\\u0061", "stands twice"},
                {"{\"a\":\"x\\u0000y\"}", "/a", "holds U+0000"},
                {"{\"a\":{\"x\\u0000y\":1}}", "/a/x\\u0000y", "holds U+0000"},
                {"[\"ok\",\"\\ud800\"]", "/1", "lone surrogate"},
                {"[\"\\ud800\\u0041\"]", "/0", "lone surrogate"},
                {"[\"\\udc00\"]", "/0", "lone surrogate"},
                {"{\"\\ude00\":1}", "/\\ude00", "lone surrogate"},
                {"[\"\\uZZZZ\"]", "/0", "is not JSON"},
                {"{\"a\":[\"\xFF\"]}", "/a/0", "not valid UTF-8"},
                {"{\"a\":[\"\xED\xA0\x80\"]}", "/a/0", "not valid UTF-8"},
                {"{\"a\":[\"\xC0\x80\"]}", "/a/0", "not valid UTF-8"},
                {"{\"a\":\"tab\there\"}", "/a", "is not JSON"},
                {"{\"a\":99999999999999999999}", "/a", "out of range"},
                {"{\"a\":-9223372036854775809}", "/a", "out of range"},
                {"{\"a\":[1e400]}", "/a/0", "out of range"},
                {"{\"a\":01}", "/a", "is not JSON"},
                {"{\"a\":+1}", "/a", "is not JSON"},
                {"{\"a\":NaN}", "/a", "is not JSON"},
                {"\xEF\xBB\xBF{}", "", "is not JSON"},
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(cases); i++)
                expect_fault(cases[i].text, strlen(cases[i].text), cases[i].pointer,
                             cases[i].words);
}

static void test_a_raw_nul_is_refused(void **state)
{
        (void)state;
        expect_fault("{\"a\":\"x\0y\"}", 11, "/a", "holds a NUL byte (byte 8)");
        expect_fault("[1]\0", 4, "", "NUL");
        expect_fault("[\0]", 3, "/0", "NUL");
        expect_fault(NULL, 0, "", "ends too early");
}

static void test_any_value_is_taken(void **state)
{
        static const char *const texts[] = {
                "5",
                "\"x\"",
                "null",
                " {} ",
                "[]",
                "-0",
                "1e3",
                "9223372036854775807",
                "\"\\ud83d\\ude00\"",
                "\"\xF0\x9F\x98\x80\"",
                "{\"\":{\"\":1}}",
                "1e-999",
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(texts); i++) {
                struct gw_faults f;
                gw_faults_init(&f);
                json_auto_t *value = gw_json_parse(texts[i], strlen(texts[i]), &f);
                if (!value)
                        fail_msg("%s: %s", texts[i], f.items[0].detail);
                assert_int_equal(f.count, 0);
        }
}

/* `depth` levels of objects and arrays in turn, with brackets in strings that do not count. */
static char *nest(size_t depth, size_t *ret_len)
{
        struct gw_buf b = GW_BUF_INIT(64 * 1024);
        for (size_t i = 0; i < depth; i++)
                gw_buf_str(&b, i % 2 ? "[\"[[{\\\"\"," : "{\"{\":");
        gw_buf_char(&b, '1');
        for (size_t i = depth; i-- > 0;)
                gw_buf_char(&b, i % 2 ? ']' : '}');
        return gw_buf_take(&b, ret_len);
}

static void test_depth(void **state)
{
        (void)state;
        struct gw_faults f;
        gw_faults_init(&f);
        size_t len;
        gw_autofree char *most = nest(GW_MAX_JSON_DEPTH, &len);
        json_auto_t *value = gw_json_parse(most, len, &f);
        assert_non_null(value);

        gw_autofree char *more = nest(GW_MAX_JSON_DEPTH + 1, &len);
        expect_fault(more, len, "/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1",
                     "deeper than 32 levels");
        gw_autofree char *many = nest(2000, &len);
        expect_fault(many, len, "/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1/{/1",
                     "deeper than 32 levels");
}

static void test_a_long_pointer_is_cut(void **state)
{
        (void)state;
        struct gw_buf b = GW_BUF_INIT(4096);
        gw_buf_str(&b, "{\"");
        for (int i = 0; i < 1000; i++)
                gw_buf_char(&b, '/');
        gw_buf_str(&b, "\":nope}");
        size_t len;
        gw_autofree char *text = gw_buf_take(&b, &len);

        struct gw_faults f;
        gw_faults_init(&f);
        assert_null(gw_json_parse(text, len, &f));
        assert_true(strlen(f.items[0].pointer) > GW_ERROR_POINTER - 8);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_faults),
                cmocka_unit_test(test_a_raw_nul_is_refused),
                cmocka_unit_test(test_any_value_is_taken),
                cmocka_unit_test(test_depth),
                cmocka_unit_test(test_a_long_pointer_is_cut),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
