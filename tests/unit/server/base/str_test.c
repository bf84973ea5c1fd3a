#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "server/base/str.h"

static void integers(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                int64_t lo, hi;
                int rc;
                int64_t value;
        } cases[] = {
                {"0", 0, 10, 0, 0},
                {"7", 0, 10, 0, 7},
                {"10", 0, 10, 0, 10},
                {"11", 0, 10, -1, 0},
                {"-1", 0, 10, -1, 0},
                {"-1", -1, 10, 0, -1},
                {"-2", -1, 10, -1, 0},
                {"9223372036854775807", 0, INT64_MAX, 0, INT64_MAX},
                {"9223372036854775808", 0, INT64_MAX, -1, 0},
                {"9223372036854775808", INT64_MIN, INT64_MAX, -1, 0},
                {"-9223372036854775808", INT64_MIN, 0, 0, INT64_MIN},
                {"-9223372036854775809", INT64_MIN, 0, -1, 0},
                {"99999999999999999999999999", INT64_MIN, INT64_MAX, -1, 0},
                {"", 0, 10, -1, 0},
                {"-", -10, 10, -1, 0},
                {"+1", 0, 10, -1, 0},
                {" 1", 0, 10, -1, 0},
                {"1 ", 0, 10, -1, 0},
                {"01", 0, 10, -1, 0},
                {"00", 0, 10, -1, 0},
                {"-0", -10, 10, -1, 0},
                {"-01", -10, 10, -1, 0},
                {"--1", -10, 10, -1, 0},
                {"1.0", 0, 10, -1, 0},
                {"1e1", 0, 10, -1, 0},
                {"0x1", 0, 10, -1, 0},
                {"\xd9\xa1", 0, 10, -1, 0},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                int64_t v = 4711;
                if (gw_str_int64(cases[i].text, cases[i].lo, cases[i].hi, &v) != cases[i].rc)
                        fail_msg("'%s'", cases[i].text);
                assert_int_equal(v, cases[i].rc ? 4711 : cases[i].value);
        }
}

static void copies_and_cuts(void **state)
{
        (void)state;
        char dst[6];
        assert_true(gw_str_copy(dst, sizeof dst, ""));
        assert_string_equal(dst, "");
        assert_true(gw_str_copy(dst, sizeof dst, "abcde"));
        assert_string_equal(dst, "abcde");
        assert_false(gw_str_copy(dst, sizeof dst, "abcdef"));
        assert_string_equal(dst, "abcde");
        assert_true(gw_str_copy(dst, sizeof dst, "abc\xc3\xa9"));
        assert_false(gw_str_copy(dst, sizeof dst, "abcd\xc3\xa9"));
        assert_string_equal(dst, "abcd");
        assert_false(gw_str_copy(dst, sizeof dst, "abc\xe2\x82\xac"));
        assert_string_equal(dst, "abc");
        assert_false(gw_str_copy(dst, sizeof dst, "ab\xf0\x9f\x98\x80"));
        assert_string_equal(dst, "ab");
        assert_false(gw_str_copy(dst, 1, "\xf0\x9f\x98\x80"));
        assert_string_equal(dst, "");
        assert_false(gw_str_copy(dst, sizeof dst, "\x80\x80\x80\x80\x80\x80\x80"));
        assert_string_equal(dst, "");
}

static void utf8_good(void **state)
{
        (void)state;
        static const char *const good[] = {
                "",
                "plain",
                "\x01\x7f",
                "\xc2\x80",
                "\xdf\xbf",
                "\xe0\xa0\x80",
                "\xed\x9f\xbf",
                "\xee\x80\x80",
                "\xef\xbf\xbf",
                "\xf0\x90\x80\x80",
                "\xf4\x8f\xbf\xbf",
                "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z",
        };
        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
                if (!gw_str_utf8(good[i], strlen(good[i])))
                        fail_msg("case %zu", i);
}

static void utf8_bad(void **state)
{
        (void)state;
        static const char *const bad[] = {
                "\x80",                     /* a continuation alone */
                "\xbf",                     /* the last of them */
                "\xc2",                     /* cut */
                "\xe2\x82",                 /* cut */
                "\xf0\x9f\x98",             /* cut */
                "\xc0\x80",                 /* overlong NUL */
                "\xc0\xaf",                 /* overlong slash */
                "\xc1\xbf",                 /* overlong */
                "\xe0\x80\xaf",             /* overlong */
                "\xe0\x9f\xbf",             /* overlong, the last */
                "\xf0\x80\x80\xaf",         /* overlong */
                "\xf0\x8f\xbf\xbf",         /* overlong, the last */
                "\xed\xa0\x80",             /* the first surrogate */
                "\xed\xbf\xbf",             /* the last surrogate */
                "\xed\xa0\xbd\xed\xb8\x80", /* a pair of them (CESU-8) */
                "\xf4\x90\x80\x80",         /* over U+10FFFF */
                "\xf5\x80\x80\x80",         /* no such first byte */
                "\xf8\x88\x80\x80\x80",     /* five bytes */
                "\xfe",                     /* no such byte */
                "\xff",                     /* no such byte */
                "\xc3(",                    /* second byte wrong */
                "\xe2\x82(",                /* third byte wrong */
                "\xf0\x9f\x98(",            /* fourth byte wrong */
                "abc\xc3\xa9\x80",          /* one too many */
        };
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                if (gw_str_utf8(bad[i], strlen(bad[i])))
                        fail_msg("case %zu", i);
        assert_false(gw_str_utf8("a\0b", 3));
        assert_false(gw_str_utf8("", 1));
        assert_false(gw_str_utf8("\xc3\xa9", 1)); /* the length cuts it */
        assert_int_equal(gw_str_utf8_char("\xc3\xa9", 1), 0);
        assert_int_equal(gw_str_utf8_char("\xf0\x9f\x98\x80", 3), 0);
        assert_int_equal(gw_str_utf8_char("a", 0), 0);
}

/* Every code point, encoded by hand, is valid exactly when it is no surrogate. */
static void utf8_every_code_point(void **state)
{
        (void)state;
        for (uint32_t c = 0x80; c < 0x110000 + 0x1000; c++) {
                char s[4];
                size_t len;
                if (c < 0x800) {
                        s[0] = (char)(0xC0 | c >> 6);
                        s[1] = (char)(0x80 | (c & 63));
                        len = 2;
                } else if (c < 0x10000) {
                        s[0] = (char)(0xE0 | c >> 12);
                        s[1] = (char)(0x80 | (c >> 6 & 63));
                        s[2] = (char)(0x80 | (c & 63));
                        len = 3;
                } else {
                        s[0] = (char)(0xF0 | c >> 18);
                        s[1] = (char)(0x80 | (c >> 12 & 63));
                        s[2] = (char)(0x80 | (c >> 6 & 63));
                        s[3] = (char)(0x80 | (c & 63));
                        len = 4;
                }
                bool want = c < 0x110000 && !(c >= 0xD800 && c < 0xE000);
                if (gw_str_utf8(s, len) != want || gw_str_utf8_char(s, len) != (want ? len : 0))
                        fail_msg("U+%04X", c);
        }
}

static void cleans(void **state)
{
        (void)state;
        static const struct {
                const char *from, *to;
        } cases[] = {
                {"", ""},
                {"fine \xc3\xa9", "fine \xc3\xa9"},
                {"\xff", "?"},
                {"a\xc3", "a?"},
                {"\xc3(", "?("},
                {"\xed\xa0\x80", "???"},
                {"\xf0\x9f\x98", "???"},
                {"\xe2\x82\xe2\x82\xac", "??\xe2\x82\xac"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char s[16];
                strcpy(s, cases[i].from);
                gw_str_clean(s);
                assert_string_equal(s, cases[i].to);
        }
}

static const char *nth(const void *list, size_t i)
{
        return ((const char *const *)list)[i];
}

static void nearest(void **state)
{
        (void)state;
        static const char *const fields[] = {
                "name",        "command", "script", "cpus",   "memory", "time_limit", "gpus",
                "environment", "retry",   "array",  "labels", "queue",  NULL};
        static const struct {
                const char *word, *want;
        } cases[] = {
                {"comand", "command"},
                {"commadn", "command"},
                {"commmand", "command"},
                {"Command", "command"},
                {"CPUS", "cpus"},
                {"cpu", "cpus"},
                {"gpu", "gpus"},
                {"mem", NULL},
                {"nmae", "name"},
                {"enviroment", "environment"},
                {"timelimit", "time_limit"},
                {"time-limit", "time_limit"},
                {"label", "labels"},
                {"queue", "queue"},
                {"colour", NULL},
                {"x", NULL},
                {"", NULL},
                {"nm", NULL},
                {"tries", NULL},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const char *got = gw_str_nearest(cases[i].word, nth, fields);
                if (!cases[i].want)
                        assert_null(got);
                else if (!got || strcmp(got, cases[i].want) != 0)
                        fail_msg("%s: %s", cases[i].word, got ? got : "none");
        }
        const char *none = NULL;
        assert_null(gw_str_nearest("name", nth, &none));
}

/* A third of six is two: two edits are near, three are not. A tie goes to the first. */
static void nearest_bounds(void **state)
{
        (void)state;
        const char *two[] = {"abcdxy", NULL}, *three[] = {"abcxyz", NULL};
        const char *tie[] = {"abcdeX", "abcdeY", NULL}, *better[] = {"abcdXY", "abcdeX", NULL};
        assert_string_equal(gw_str_nearest("abcdef", nth, two), "abcdxy");
        assert_null(gw_str_nearest("abcdef", nth, three));
        assert_string_equal(gw_str_nearest("abcdef", nth, tie), "abcdeX");
        assert_string_equal(gw_str_nearest("abcdef", nth, better), "abcdeX");
        /* a swap is one edit, and a letter moved twice is not: "ca" to "abc" is three */
        const char *swap[] = {"bac", NULL}, *far[] = {"abc", NULL};
        assert_string_equal(gw_str_nearest("abc", nth, swap), "bac");
        assert_null(gw_str_nearest("ca", nth, far));
}

static void nearest_long_words(void **state)
{
        (void)state;
        char word[66], same[66];
        memset(word, 'a', sizeof word);
        memset(same, 'a', sizeof same);
        word[64] = same[64] = '\0';
        const char *list[] = {same, NULL};
        assert_ptr_equal(gw_str_nearest(word, nth, list), same);
        word[64] = 'a';
        word[65] = '\0';
        assert_null(gw_str_nearest(word, nth, list));
        same[64] = 'a';
        same[65] = '\0';
        word[64] = '\0';
        assert_null(gw_str_nearest(word, nth, list));
}

static void unescape_is(const char *from, const char *to, ptrdiff_t len)
{
        char s[32];
        strcpy(s, from);
        assert_int_equal(gw_str_unescape(s, strlen(s)), len);
        if (len >= 0)
                assert_memory_equal(s, to, (size_t)len);
}

static void unescapes(void **state)
{
        (void)state;
        unescape_is("", "", 0);
        unescape_is("a+b", "a+b", 3);
        unescape_is("a%20b", "a b", 3);
        unescape_is("%2f%2F%41", "//A", 3);
        unescape_is("%C3%A9", "\xc3\xa9", 2);
        unescape_is("%00", "\0", 1);
        unescape_is("%ff", "\xff", 1);
        unescape_is("%2541", "%41", 3);
        unescape_is("%", NULL, -1);
        unescape_is("%4", NULL, -1);
        unescape_is("a%4", NULL, -1);
        unescape_is("%4g", NULL, -1);
        unescape_is("%g4", NULL, -1);
        unescape_is("%%41", NULL, -1);
        unescape_is("% 1", NULL, -1);
        unescape_is("%-1", NULL, -1);
        char cut[] = "%41";
        assert_int_equal(gw_str_unescape(cut, 2), -1);
}

/* RFC 4648 section 10. */
static const struct {
        const char *plain, *padded, *url;
} vectors[] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/", "-_-_"},
};

static void base64_vectors(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
                size_t len = strlen(vectors[i].plain);
                char text[16];
                uint8_t back[16];
                assert_int_equal(gw_str_base64url((const uint8_t *)vectors[i].plain, len, text),
                                 strlen(vectors[i].url));
                assert_string_equal(text, vectors[i].url);

                const char *forms[] = {vectors[i].padded, vectors[i].url};
                for (int k = 0; k < 2; k++) {
                        assert_int_equal(
                                gw_str_base64_decode(forms[k], strlen(forms[k]), back, len), len);
                        assert_memory_equal(back, vectors[i].plain, len);
                        if (len > 0)
                                assert_int_equal(gw_str_base64_decode(forms[k], strlen(forms[k]),
                                                                      back, len - 1),
                                                 -1);
                }
        }
}

static void base64_malformed(void **state)
{
        (void)state;
        static const char *const bad[] = {
                "Z",     "Zg=",    "Zg===",    "Z===",       "====", "=",     "==",   "Zm8==",
                "Zm9v=", "Zm9v==", "Zg==Zg==", "Z g=",       "Zg\n", "Zm9vY", "Zm=v", "=Zm9",
                "Zh==",  "Zm9=",   "Zh",       "Zm\xc3\xa9", "Zm.v", "Zm,v",  "A",    "AAAAA",
        };
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                uint8_t back[16];
                if (gw_str_base64_decode(bad[i], strlen(bad[i]), back, sizeof back) != -1)
                        fail_msg("'%s'", bad[i]);
        }
        uint8_t back[4];
        assert_int_equal(gw_str_base64_decode("Zm\0v", 4, back, 4), -1);
}

static void base64_round_trip(void **state)
{
        (void)state;
        uint8_t data[256], back[256];
        char text[4 * 86 + 1];
        for (size_t i = 0; i < sizeof data; i++)
                data[i] = (uint8_t)(i * 167);
        for (size_t len = 0; len <= sizeof data; len++) {
                size_t n = gw_str_base64url(data, len, text);
                assert_int_equal(n, (len * 4 + 2) / 3);
                assert_int_equal(gw_str_base64_decode(text, n, back, len), len);
                assert_memory_equal(back, data, len);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(integers),
                cmocka_unit_test(copies_and_cuts),
                cmocka_unit_test(utf8_good),
                cmocka_unit_test(utf8_bad),
                cmocka_unit_test(utf8_every_code_point),
                cmocka_unit_test(cleans),
                cmocka_unit_test(nearest),
                cmocka_unit_test(nearest_bounds),
                cmocka_unit_test(nearest_long_words),
                cmocka_unit_test(unescapes),
                cmocka_unit_test(base64_vectors),
                cmocka_unit_test(base64_malformed),
                cmocka_unit_test(base64_round_trip),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
