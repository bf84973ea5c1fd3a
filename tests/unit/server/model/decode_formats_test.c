/*
 * server/model/decode_formats.h: each checker accepts exactly what its pattern in
 * openapi/openapi.yaml matches. The patterns stand here once more, as POSIX expressions, and
 * random texts of each format's own letters are put to both.
 */
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/cleanup.h"
#include "server/model/decode_formats.h"

#define TIME                                                                                       \
        "^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]" \
        "):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
#define DURATION                                                                                   \
        "^([0-9]+|[0-9]+d([0-9]+h)?([0-9]+m)?([0-9]+s)?|[0-9]+h([0-9]+m)?([0-9]+s)?|[0-9]+m([0-9]" \
        "+s)?|[0-9]+s|[0-9]+:[0-9]+(:[0-9]+)?|[0-9]+-[0-9]+(:[0-9]+(:[0-9]+)?)?)$"
#define HEX "[0-9A-Fa-f]"

static const struct {
        enum gw_format format;
        const char *pattern, *letters;
} patterns[] = {
        {GW_FORMAT_NAME, "^[A-Za-z0-9][A-Za-z0-9._-]*$", "aZ09._-/ \n"},
        {GW_FORMAT_LABEL_KEY, "^[A-Za-z0-9][A-Za-z0-9._/-]*$", "aZ09._-/ :"},
        {GW_FORMAT_LABEL_VALUE, "^[A-Za-z0-9._:@/+-]*$", "aZ09._:@/+-=,"},
        {GW_FORMAT_LABEL_FILTER, "^[A-Za-z0-9][A-Za-z0-9._/-]*(=[A-Za-z0-9._:@/+-]*)?$",
         "aZ0.==:@/+"},
        {GW_FORMAT_ENV_NAME, "^[A-Za-z_][A-Za-z0-9_]*$", "aZ0__-="},
        {GW_FORMAT_VISIBLE, "^[!-~]+$", "!~aZ0 \x7F\x1F\xC3"},
        {GW_FORMAT_PRINTABLE, "^[!-~]([ -~]*[!-~])?$", "!~aZ  \n\xC3"},
        {GW_FORMAT_CURSOR, "^[A-Za-z0-9_-]+$", "aZ0_-+/="},
        {GW_FORMAT_UUID, "^" HEX "{8}-" HEX "{4}-" HEX "{4}-" HEX "{4}-" HEX "{12}$", "0aFg-"},
        {GW_FORMAT_DATE_TIME, TIME, "01239-T:.Z+"},
        {GW_FORMAT_DURATION, DURATION, "01dhms:-"},
        {GW_FORMAT_QUANTITY,
         "^\\+?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([kMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$",
         "01.+-kKMGEei"},
        {GW_FORMAT_CPUS, "^\\+?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(m|[eE][+-]?[0-9]+)?$", "01.+-eEm"},
        {GW_FORMAT_INDICES, "^[0-9]+(-[0-9]+(:[0-9]+)?)?(,[0-9]+(-[0-9]+(:[0-9]+)?)?)*$",
         "019-:,% "},
        {GW_FORMAT_INDICES_OR_ALL,
         "^(all|[0-9]+(-[0-9]+(:[0-9]+)?)?(,[0-9]+(-[0-9]+(:[0-9]+)?)?)*)$", "01-:,al"},
};

/* Good texts to begin the longer ones from: chance alone does not find them. */
static const struct {
        enum gw_format format;
        const char *text;
} seeds[] = {
        {GW_FORMAT_UUID, "0193607e-8c1b-7d4f-9a52-6f0c3b1d2e4A"},
        {GW_FORMAT_DATE_TIME, "2026-11-24T10:30:00Z"},
        {GW_FORMAT_DATE_TIME, "1970-01-01T00:00:00.123456789+23:59"},
        {GW_FORMAT_DURATION, "1d1h1m1s"},
        {GW_FORMAT_DURATION, "1-1:1:1"},
        {GW_FORMAT_DURATION, "1:1:1"},
        {GW_FORMAT_QUANTITY, "+1.1e+1"},
        {GW_FORMAT_CPUS, "1.1e-1"},
        {GW_FORMAT_INDICES, "0-99:2,7,3-4,120-130:10"},
        {GW_FORMAT_INDICES_OR_ALL, "0-99:2,7"},
        {GW_FORMAT_INDICES_OR_ALL, "all"},
};

static void compare(size_t which, const regex_t *re, const char *s)
{
        bool matches = regexec(re, s, 0, NULL, 0) == 0;
        bool checked = gw_format_check(patterns[which].format, s, strlen(s));
        /* A pattern cannot know the calendar (30 February); `format: date-time` says it. */
        if (patterns[which].format == GW_FORMAT_DATE_TIME && matches && !checked)
                return;
        if (matches != checked)
                fail_msg("\"%s\": pattern %d, checker %d", s, matches, checked);
}

static char pick(const char *letters, unsigned *seed)
{
        return letters[(size_t)rand_r(seed) % strlen(letters)];
}

static void compare_random(size_t which, const regex_t *re, unsigned *seed)
{
        char s[16];
        size_t len = (size_t)rand_r(seed) % (sizeof s - 1);
        for (size_t i = 0; i < len; i++)
                s[i] = pick(patterns[which].letters, seed);
        s[len] = '\0';
        compare(which, re, s);
}

/* One letter changed, put in or left out. */
static void compare_near(size_t which, const regex_t *re, const char *text, unsigned *seed)
{
        char s[80];
        size_t len = strlen(text), at = (size_t)rand_r(seed) % (len + 1);
        memcpy(s, text, len + 1);
        switch (rand_r(seed) % 3) {
        case 0:
                memmove(s + at + 1, s + at, len + 1 - at);
                s[at] = pick(patterns[which].letters, seed);
                break;
        case 1:
                if (at < len)
                        memmove(s + at, s + at + 1, len - at);
                break;
        default:
                if (at < len)
                        s[at] = pick(patterns[which].letters, seed);
        }
        compare(which, re, s);
}

static void test_checkers_equal_their_patterns(void **state)
{
        (void)state;
        unsigned seed = 1;
        for (size_t i = 0; i < GW_COUNT(patterns); i++) {
                regex_t re;
                assert_int_equal(regcomp(&re, patterns[i].pattern, REG_EXTENDED | REG_NOSUB), 0);
                for (int n = 0; n < 20000; n++)
                        compare_random(i, &re, &seed);
                for (size_t k = 0; k < GW_COUNT(seeds); k++) {
                        if (seeds[k].format != patterns[i].format)
                                continue;
                        assert_int_equal(regexec(&re, seeds[k].text, 0, NULL, 0), 0);
                        compare(i, &re, seeds[k].text);
                        for (int n = 0; n < 5000; n++)
                                compare_near(i, &re, seeds[k].text, &seed);
                }
                regfree(&re);
        }
}

static void test_calendar(void **state)
{
        static const struct {
                const char *text;
                bool good;
        } cases[] = {
                {"2024-02-29T00:00:00Z", true},
                {"2026-02-29T00:00:00Z", false},
                {"2026-04-31T00:00:00Z", false},
                {"2016-12-31T23:59:60Z", false},
                {"1969-12-31T23:59:59Z", false},
                {"9999-12-31T23:59:59-23:59", false},
                {"2026-11-24t10:30:00z", false},
                {"2026-11-24 10:30:00Z", false},
                {"2026-11-24T10:30:00.1234567890Z", false},
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(cases); i++)
                assert_int_equal(
                        gw_format_check(GW_FORMAT_DATE_TIME, cases[i].text, strlen(cases[i].text)),
                        cases[i].good);
}

static void test_texts_and_paths(void **state)
{
        (void)state;
        assert_true(gw_format_check(GW_FORMAT_TEXT, "", 0));
        assert_true(gw_format_check(GW_FORMAT_TEXT, "a\n\t\x01\xC3\xA9", 6));
        assert_false(gw_format_check(GW_FORMAT_TEXT, "a\0b", 3));
        assert_true(gw_format_check(GW_FORMAT_PATH, "/", 1));
        assert_true(gw_format_check(GW_FORMAT_PATH, "/a b/\xC3\xA9", 7));
        assert_false(gw_format_check(GW_FORMAT_PATH, "", 0));
        assert_false(gw_format_check(GW_FORMAT_PATH, "a/b", 3));
        assert_false(gw_format_check(GW_FORMAT_PATH, "/a\0b", 4));
        assert_true(gw_format_check(GW_FORMAT_NONE, "\0", 1));
}

/* A NUL inside is the end to no checker. */
static void test_nul_inside(void **state)
{
        static const struct {
                enum gw_format format;
                const char *text; /* good when cut at its NUL */
                size_t len;
        } cases[] = {
                {GW_FORMAT_NAME, "a\0b", 3},        {GW_FORMAT_LABEL_KEY, "a\0b", 3},
                {GW_FORMAT_LABEL_VALUE, "a\0b", 3}, {GW_FORMAT_LABEL_FILTER, "a=\0b", 4},
                {GW_FORMAT_ENV_NAME, "A\0B", 3},    {GW_FORMAT_VISIBLE, "a\0b", 3},
                {GW_FORMAT_PRINTABLE, "a\0b", 3},   {GW_FORMAT_CURSOR, "a\0b", 3},
                {GW_FORMAT_DURATION, "1h\0m", 4},   {GW_FORMAT_QUANTITY, "1\0k", 3},
                {GW_FORMAT_CPUS, "1\0m", 3},
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                assert_true(gw_format_check(cases[i].format, cases[i].text, strlen(cases[i].text)));
                assert_false(gw_format_check(cases[i].format, cases[i].text, cases[i].len));
        }
}

static void test_every_format_has_a_hint(void **state)
{
        (void)state;
        for (int i = 0; i < GW_FORMAT_COUNT; i++)
                assert_true(strlen(gw_format_hint((enum gw_format)i)) > 5);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_checkers_equal_their_patterns),
                cmocka_unit_test(test_calendar),
                cmocka_unit_test(test_texts_and_paths),
                cmocka_unit_test(test_nul_inside),
                cmocka_unit_test(test_every_format_has_a_hint),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
