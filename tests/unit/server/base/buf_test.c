#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "server/base/buf.h"

static void grows_and_terminates(void **state)
{
        (void)state;
        struct gw_buf b = GW_BUF_INIT(100000);
        for (int i = 0; i < 10000; i++) {
                gw_buf_char(&b, (char)('a' + i % 26));
                assert_int_equal(b.len, i + 1);
                assert_int_equal(b.data[b.len], '\0');
        }
        assert_true(gw_buf_ok(&b));
        for (int i = 0; i < 10000; i++)
                assert_int_equal(b.data[i], 'a' + i % 26);
        gw_buf_done(&b);
        assert_null(b.data);
        assert_int_equal(b.len, 0);
}

static void holds_its_maximum_and_not_one_more(void **state)
{
        (void)state;
        for (size_t max = 0; max < 600; max++) {
                struct gw_buf b;
                gw_buf_init(&b, max);
                for (size_t i = 0; i < max; i++)
                        gw_buf_char(&b, 'x');
                assert_true(gw_buf_ok(&b));
                assert_int_equal(b.len, max);
                gw_buf_char(&b, 'y');
                assert_false(gw_buf_ok(&b));
                assert_int_equal(b.len, max);
                gw_buf_done(&b);
        }
}

static void failure_sticks_until_cleared(void **state)
{
        (void)state;
        struct gw_buf b = GW_BUF_INIT(4);
        gw_buf_str(&b, "abc");
        gw_buf_str(&b, "de");
        assert_false(gw_buf_ok(&b));
        gw_buf_char(&b, 'd'); /* would fit */
        gw_buf_int(&b, 1);
        gw_buf_printf(&b, "%d", 1);
        gw_buf_json_str(&b, "");
        assert_int_equal(gw_buf_reserve(&b, 0), -1);
        assert_string_equal(b.data, "abc");
        assert_false(gw_buf_ok(&b));
        gw_buf_clear(&b);
        assert_true(gw_buf_ok(&b));
        assert_string_equal(b.data, "");
        gw_buf_str(&b, "wxyz");
        assert_true(gw_buf_ok(&b));
        assert_string_equal(b.data, "wxyz");
        gw_buf_done(&b);
        gw_buf_clear(&b);
        assert_true(gw_buf_ok(&b));
}

static void reserve_refuses_what_overflows(void **state)
{
        (void)state;
        static const size_t huge[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2, SIZE_MAX / 2 + 1};
        for (size_t i = 0; i < 4; i++) {
                struct gw_buf b = GW_BUF_INIT(SIZE_MAX);
                gw_buf_str(&b, "abc");
                assert_true(gw_buf_ok(&b));
                assert_int_equal(gw_buf_reserve(&b, huge[i]), -1);
                assert_false(gw_buf_ok(&b));
                gw_buf_done(&b);
        }
        struct gw_buf b = GW_BUF_INIT(1000);
        assert_int_equal(gw_buf_reserve(&b, 1000), 0);
        char *before = b.data;
        for (int i = 0; i < 1000; i++)
                gw_buf_char(&b, 'x');
        assert_ptr_equal(before, b.data);
        gw_buf_done(&b);
}

static void take_gives_up_the_content(void **state)
{
        (void)state;
        struct gw_buf b = GW_BUF_INIT(10);
        size_t len = 99;
        char *empty = gw_buf_take(&b, &len);
        assert_string_equal(empty, "");
        assert_int_equal(len, 0);
        free(empty);

        gw_buf_str(&b, "hello");
        char *text = gw_buf_take(&b, &len);
        assert_string_equal(text, "hello");
        assert_int_equal(len, 5);
        free(text);
        assert_null(b.data);
        assert_int_equal(b.max, 10);

        gw_buf_str(&b, "again");
        text = gw_buf_take(&b, NULL);
        assert_string_equal(text, "again");
        free(text);

        gw_buf_str(&b, "abc");
        gw_buf_str(&b, "more than ten");
        assert_null(gw_buf_take(&b, &len));
        assert_true(gw_buf_ok(&b));
        assert_int_equal(b.len, 0);
}

static void writes_integers(void **state)
{
        (void)state;
        static const int64_t values[] = {0,  1,   -1,        9,         10,           -10,
                                         99, 100, INT64_MAX, INT64_MIN, INT64_MIN + 1};
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
                char want[32];
                snprintf(want, sizeof want, "%lld", (long long)values[i]);
                struct gw_buf b = GW_BUF_INIT(32);
                gw_buf_int(&b, values[i]);
                assert_string_equal(b.data, want);
                gw_buf_done(&b);
        }
}

static void prints(void **state)
{
        (void)state;
        struct gw_buf b = GW_BUF_INIT(5000);
        gw_buf_printf(&b, "%s-%d", "a", 5);
        gw_buf_printf(&b, "%*d", 4000, 7);
        assert_true(gw_buf_ok(&b));
        assert_int_equal(b.len, 4003);
        assert_int_equal(b.data[4002], '7');
        gw_buf_printf(&b, "%*d", 998, 7);
        assert_false(gw_buf_ok(&b));
        assert_int_equal(b.len, 4003);
        gw_buf_done(&b);

        struct gw_buf exact = GW_BUF_INIT(3);
        gw_buf_printf(&exact, "%s", "abc");
        assert_true(gw_buf_ok(&exact));
        assert_string_equal(exact.data, "abc");
        gw_buf_done(&exact);
}

static void json_of(const char *s, size_t len, const char *want)
{
        struct gw_buf b = GW_BUF_INIT(1000);
        gw_buf_json_strn(&b, s, len);
        assert_true(gw_buf_ok(&b));
        assert_string_equal(b.data, want);
        gw_buf_done(&b);
}

static void json_escapes(void **state)
{
        (void)state;
        json_of("", 0, "\"\"");
        json_of("plain text, longer than eight", 29, "\"plain text, longer than eight\"");
        json_of("\b\t\n\f\r", 5, "\"\\b\\t\\n\\f\\r\"");
        json_of("\"\\/", 3, "\"\\\"\\\\/\"");
        json_of("\0\1\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\x7f\"");
        json_of("\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\"");

        struct gw_buf b = GW_BUF_INIT(100);
        gw_buf_json_str(&b, NULL);
        gw_buf_json_str(&b, "a");
        assert_string_equal(b.data, "null\"a\"");
        gw_buf_done(&b);
}

/* Every byte at every place of a word of eight, against another reader of JSON. */
static void json_round_trip(void **state)
{
        (void)state;
        for (int c = 0; c < 0x80; c++) {
                for (size_t len = 1; len <= 20; len++) {
                        for (size_t at = 0; at < len; at++) {
                                char text[20];
                                memset(text, 'z', sizeof text);
                                text[at] = (char)c;
                                struct gw_buf b = GW_BUF_INIT(100);
                                gw_buf_json_strn(&b, text, len);
                                json_t *v = json_loadb(b.data, b.len,
                                                       JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
                                assert_non_null(v);
                                assert_int_equal(json_string_length(v), len);
                                assert_memory_equal(json_string_value(v), text, len);
                                json_decref(v);
                                gw_buf_done(&b);
                        }
                }
        }
}

static void json_respects_the_maximum(void **state)
{
        (void)state;
        struct gw_buf b = GW_BUF_INIT(5);
        gw_buf_json_str(&b, "abc");
        assert_true(gw_buf_ok(&b));
        gw_buf_clear(&b);
        gw_buf_json_str(&b, "ab\n");
        assert_false(gw_buf_ok(&b));
        gw_buf_clear(&b);
        gw_buf_json_str(&b, "abcd");
        assert_false(gw_buf_ok(&b));
        gw_buf_clear(&b);
        gw_buf_json_strn(&b, "", SIZE_MAX);
        assert_false(gw_buf_ok(&b));
        gw_buf_done(&b);
}

static void json_times(void **state)
{
        (void)state;
        struct gw_buf b = GW_BUF_INIT(100);
        gw_buf_json_time(&b, 0);
        gw_buf_json_time(&b, 1);
        gw_buf_json_time(&b, 1792146600123456);
        assert_string_equal(b.data, "null\"1970-01-01T00:00:00.000001Z\""
                                    "\"2026-10-16T10:30:00.123456Z\"");
        gw_buf_done(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(grows_and_terminates),
                cmocka_unit_test(holds_its_maximum_and_not_one_more),
                cmocka_unit_test(failure_sticks_until_cleared),
                cmocka_unit_test(reserve_refuses_what_overflows),
                cmocka_unit_test(take_gives_up_the_content),
                cmocka_unit_test(writes_integers),
                cmocka_unit_test(prints),
                cmocka_unit_test(json_escapes),
                cmocka_unit_test(json_round_trip),
                cmocka_unit_test(json_respects_the_maximum),
                cmocka_unit_test(json_times),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
