/* Durations: the three ways of writing them, their bound, and the hints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/model/duration.h"

static void test_good(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                int64_t seconds;
        } cases[] = {
                {"0", 0},
                {"90", 90},
                {"007", 7},
                {"3155760000", GW_MAX_DURATION_S},
                {"45s", 45},
                {"2h30m", 9000},
                {"1d", 86400},
                {"1d2h3m4s", 93784},
                {"90m", 5400},
                {"1d1s", 86401},
                {"0s", 0},
                {"0d0h0m0s", 0},
                {"36525d", GW_MAX_DURATION_S},
                {"1:00", 60},
                {"90:00", 5400},
                {"0:45", 45},
                {"1:90", 150},
                {"01:02:03", 3723},
                {"10000:00:00", 36000000},
                {"2-00", 172800},
                {"1-12", 129600},
                {"1-12:30", 131400},
                {"1-12:30:15", 131415},
                {"0-0:0:1", 1},
                {"36525-00:00:00", GW_MAX_DURATION_S},
                {"0-100", 360000},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_error err = {0};
                int64_t v = -7;
                if (gw_duration_parse(cases[i].text, &v, &err))
                        fail_msg("%s: %s", cases[i].text, err.message);
                if (v != cases[i].seconds)
                        fail_msg("%s: %lld", cases[i].text, (long long)v);
                assert_int_equal(err.code, GW_OK);
        }
}

static void test_bad(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                const char *words;
        } cases[] = {
                {"", "is not a duration"},
                {" ", "is not a duration"},
                {"90 ", "is not a duration"},
                {"+5", "is not a duration"},
                {"2h30", "is not a duration"},
                {"h", "is not a"},
                {"30m2h", "order d h m s"},
                {"1h1h", "order d h m s"},
                {"1s1m", "order d h m s"},
                {"2H", "is not a duration"},
                {"2 h", "is not a duration"},
                {"5min", "is not a"},
                {"PT2H", "is not a duration"},
                {"1w", "is not a duration"},
                {"1e3", "is not a"},
                {":", "is not"},
                {"1:", "is not"},
                {":1", "is not"},
                {"1::2", "is not"},
                {"1:2:3:4", "is not"},
                {"1-", "is not"},
                {"1-:2", "is not"},
                {"1-2-3", "is not"},
                {"1-2:", "is not"},
                {"1-2:3:4:5", "is not"},
                {"1:2-3", "is not"},
                {"1-2h", "is not"},
                {"1h:2", "is not"},
                {"1-2:3:4:", "is not"},
                {"-5", "negative"},
                {"-1-2", "negative"},
                {"-", "negative"},
                {"500ms", "smallest unit is s"},
                {"1s500ms", "smallest unit is s"},
                {"1.5h", "has a fraction"},
                {"0.5", "has a fraction"},
                {"1,5h", "has a fraction"},
                {"UNLIMITED", "leave the field out"},
                {"infinite", "leave the field out"},
                {"3155760001", "too long"},
                {"36525d1s", "too long"},
                {"36525-00:00:01", "too long"},
                {"99999999999999999999999999", "too long"},
                {"99999999999999999999d99999999999999999999h99999999999999999999m9999999999999999s",
                 "too long"},
                {"99999999999999999999-99999999999999999:99999999999999999:9999999999999",
                 "too long"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_error err = {0};
                int64_t v = -7;
                if (gw_duration_parse(cases[i].text, &v, &err) == 0)
                        fail_msg("%s was accepted as %lld", cases[i].text, (long long)v);
                assert_int_equal(v, -7);
                assert_int_equal(err.code, GW_ERR_INVALID);
                if (!strstr(err.message, cases[i].words))
                        fail_msg("%s: %s", cases[i].text, err.message);
                assert_int_equal(gw_duration_parse(cases[i].text, &v, NULL), -1);
        }
}

static void test_format(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                int64_t seconds;
        } cases[] = {{"0s", 0},
                     {"1s", 1},
                     {"1m", 60},
                     {"1m1s", 61},
                     {"2h30m", 9000},
                     {"1d", 86400},
                     {"1d1h1m1s", 90061},
                     {"1d1s", 86401},
                     {"23h59m59s", 86399},
                     {"36525d", GW_MAX_DURATION_S}};
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                char text[GW_DURATION_TEXT];
                gw_duration_format(cases[i].seconds, text);
                assert_string_equal(text, cases[i].text);
        }
}

static void test_parse_undoes_format(void **state)
{
        (void)state;
        unsigned short seed[3] = {4, 5, 6};
        for (int i = 0; i < 200000; i++) {
                int64_t v = nrand48(seed) * INT64_C(2) % (GW_MAX_DURATION_S + 1);
                v >>= nrand48(seed) % 32;
                char text[GW_DURATION_TEXT];
                int64_t back = -1;
                gw_duration_format(v, text);
                assert_int_equal(gw_duration_parse(text, &back, NULL), 0);
                assert_true(back == v);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_bad),
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_parse_undoes_format),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
