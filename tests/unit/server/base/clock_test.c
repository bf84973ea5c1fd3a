#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/base/clock.h"

static void clocks_run(void **state)
{
        (void)state;
        int64_t wall = gw_clock_wall_us(), mono = gw_clock_mono_us();
        int64_t now = (int64_t)time(NULL);
        assert_in_range(wall / GW_SECOND, now - 2, now + 2);
        for (int i = 0; i < 1000; i++) {
                int64_t next = gw_clock_mono_us();
                assert_true(next >= mono);
                mono = next;
        }
}

#define FIRST INT64_C(-62167219200000000)
#define LAST INT64_C(253402300799999999)

static const struct {
        int64_t us;
        const char *text;
} moments[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {1, "1970-01-01T00:00:00.000001Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {482196050520000, "1985-04-12T23:20:50.520000Z"}, /* RFC 3339 section 5.8 */
        {951782400000000, "2000-02-29T00:00:00.000000Z"},
        {4107542400000000, "2100-03-01T00:00:00.000000Z"},
        {4107542399999999, "2100-02-28T23:59:59.999999Z"},
        {1709164800000000, "2024-02-29T00:00:00.000000Z"},
        {FIRST, "0000-01-01T00:00:00.000000Z"},
        {FIRST + INT64_C(86400) * 59 * GW_SECOND, "0000-02-29T00:00:00.000000Z"},
        {FIRST + INT64_C(86400) * 60 * GW_SECOND, "0000-03-01T00:00:00.000000Z"},
        {LAST, "9999-12-31T23:59:59.999999Z"},
};

static void formats_and_parses(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
                char text[GW_TIME_TEXT];
                gw_time_format(moments[i].us, text);
                assert_string_equal(text, moments[i].text);
                int64_t us = 42;
                assert_int_equal(gw_time_parse(moments[i].text, &us), 0);
                assert_int_equal(us, moments[i].us);
        }
}

static void holds_to_four_digit_years(void **state)
{
        (void)state;
        char text[GW_TIME_TEXT];
        gw_time_format(FIRST - 1, text);
        assert_string_equal(text, "0000-01-01T00:00:00.000000Z");
        gw_time_format(INT64_MIN, text);
        assert_string_equal(text, "0000-01-01T00:00:00.000000Z");
        gw_time_format(LAST + 1, text);
        assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
        gw_time_format(INT64_MAX, text);
        assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
}

/* Every fifth day of ten thousand years, against the C library. */
static void ten_thousand_years(void **state)
{
        (void)state;
        for (int64_t us = FIRST; us < LAST; us += 5 * 86400 * GW_SECOND + 1) {
                time_t t = (time_t)((us - FIRST) / GW_SECOND + FIRST / GW_SECOND);
                struct tm tm;
                char want[64], text[GW_TIME_TEXT];
                gmtime_r(&t, &tm);
                snprintf(want, sizeof want, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
                         tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                         tm.tm_sec, (int)((us - FIRST) % GW_SECOND));
                gw_time_format(us, text);
                int64_t back;
                if (strcmp(text, want) != 0 || gw_time_parse(text, &back) != 0 || back != us)
                        fail_msg("%s is not %s", text, want);
        }
}

static void reads_other_forms(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                int64_t us;
        } cases[] = {
                /* RFC 3339 section 5.8, but its two leap seconds */
                {"1985-04-12T23:20:50.52Z", 482196050520000},
                {"1996-12-19T16:39:57-08:00", 851042397000000},
                {"1937-01-01T12:00:27.87+00:20", -1041337172130000},
                {"1970-01-01t00:00:00z", 0},
                {"1970-01-01T00:00:00.1Z", 100000},
                {"1970-01-01T00:00:00.123456789Z", 123456},
                {"1970-01-01T00:00:00.000000999Z", 0},
                {"1970-01-01T00:00:00-00:00", 0},
                {"1970-01-01T23:59:00+23:59", 0},
                {"1969-12-31T00:01:00-23:59", 0},
                {"1970-01-01T00:00:00+01:00", -3600000000},
                {"0000-01-01T00:00:00-00:01", FIRST + 60000000},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                int64_t us = 42;
                if (gw_time_parse(cases[i].text, &us) != 0 || us != cases[i].us)
                        fail_msg("%s gives %lld", cases[i].text, (long long)us);
        }
}

static void refuses(void **state)
{
        (void)state;
        static const char *const bad[] = {
                "",
                "now",
                "1970",
                "1970-01-01",
                "1970-01-01T00:00Z",
                "1970-01-01T00:00:00",
                "1970-01-01 00:00:00Z",
                "1970-01-01T00:00:00 Z",
                "1970-01-01T00:00:00Zx",
                "1970-01-01T00:00:00Z ",
                " 1970-01-01T00:00:00Z",
                "+970-01-01T00:00:00Z",
                "-001-01-01T00:00:00Z",
                "70-01-01T00:00:00Z",
                "19700-01-01T00:00:00Z",
                "1970-1-01T00:00:00Z",
                "1970-01-1T00:00:00Z",
                "1970/01/01T00:00:00Z",
                "1970-00-01T00:00:00Z",
                "1970-13-01T00:00:00Z",
                "1970-01-00T00:00:00Z",
                "1970-01-32T00:00:00Z",
                "1970-04-31T00:00:00Z",
                "1970-06-31T00:00:00Z",
                "1970-09-31T00:00:00Z",
                "1970-11-31T00:00:00Z",
                "1970-02-29T00:00:00Z",
                "1900-02-29T00:00:00Z",
                "2100-02-29T00:00:00Z",
                "2024-02-30T00:00:00Z",
                "1970-01-01T24:00:00Z",
                "1970-01-01T00:60:00Z",
                "1970-01-01T00:00:60Z",
                "1990-12-31T23:59:60Z",
                "1990-12-31T15:59:60-08:00",
                "1970-01-01T00:00:00.Z",
                "1970-01-01T00:00:00,5Z",
                "1970-01-01T00:00:00.1234567890Z",
                "1970-01-01T00:00:00+24:00",
                "1970-01-01T00:00:00+00:60",
                "1970-01-01T00:00:00+0000",
                "1970-01-01T00:00:00+00",
                "1970-01-01T00:00:00+1:00",
                "1970-01-01T00:00:00*01:00",
                "1970-01-01T00:00:00+01:00Z",
                "0000-01-01T00:00:00+00:01",
                "9999-12-31T23:59:59-00:01",
                "1970-01-01T00:00:0\xd9\xa1Z",
        };
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                int64_t us = 42;
                if (gw_time_parse(bad[i], &us) != -1)
                        fail_msg("'%s' was taken", bad[i]);
                assert_int_equal(us, 42);
        }
}

/* Cut anywhere, a good text is refused and nothing behind its NUL is read. */
static void refuses_every_prefix(void **state)
{
        (void)state;
        static const char whole[] = "2026-11-24T10:30:00.123456+01:30";
        for (size_t len = 0; len < strlen(whole); len++) {
                char *cut = strndup(whole, len);
                int64_t us;
                assert_int_equal(gw_time_parse(cut, &us), -1);
                free(cut);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(clocks_run),
                cmocka_unit_test(formats_and_parses),
                cmocka_unit_test(holds_to_four_digit_years),
                cmocka_unit_test(ten_thousand_years),
                cmocka_unit_test(reads_other_forms),
                cmocka_unit_test(refuses),
                cmocka_unit_test(refuses_every_prefix),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
