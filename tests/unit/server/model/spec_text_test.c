/* The text of JSON values: order, escapes, and numbers in their shortest form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "server/model/spec_text.h"

static void test_round_trips(void **state)
{
        (void)state;
        static const char *const texts[] = {
                "null",
                "true",
                "false",
                "0",
                "-7",
                "9223372036854775807",
                "-9223372036854775808",
                "0.1",
                "1.0",
                "-0.0",
                "1.5e-09",
                "1e+300",
                "0.30000000000000004",
                "123456789.12345679",
                "2.2250738585072014e-308",
                "\"\"",
                "\"a\\n\\u0001\\\\\"",
                "[]",
                "{}",
                "[1,[],{},\"x\"]",
                "{\"b\":1,\"a\":{\"z\":[],\"y\":null}}",
        };
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                struct gw_buf out = GW_BUF_INIT(1000);
                json_t *value = json_loads(texts[i], JSON_DECODE_ANY, NULL);
                assert_non_null(value);
                gw_spec_text(&out, value);
                assert_true(gw_buf_ok(&out));
                assert_string_equal(out.data, texts[i]);
                json_decref(value);
                gw_buf_done(&out);
        }
}

static void test_too_long(void **state)
{
        (void)state;
        struct gw_buf out = GW_BUF_INIT(6);
        json_t *value = json_loads("[1,2,3]", 0, NULL);
        gw_spec_text(&out, value);
        assert_false(gw_buf_ok(&out));
        json_decref(value);
        gw_buf_done(&out);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trips),
                cmocka_unit_test(test_too_long),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
