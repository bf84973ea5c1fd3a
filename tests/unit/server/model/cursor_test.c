/* List cursors: what comes back is what went out, and nothing else is taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/base/str.h"
#include "server/model/cursor.h"

static struct gw_cursor any_cursor(unsigned short seed[3])
{
        struct gw_cursor c = {.kind = (char)('a' + nrand48(seed) % 26)};
        for (size_t i = 0; i < sizeof c.id.bytes; i++)
                c.id.bytes[i] = (uint8_t)nrand48(seed);
        c.n = (int64_t)((uint64_t)jrand48(seed) << 32 ^ (uint64_t)nrand48(seed));
        c.filter = (uint64_t)jrand48(seed) << 32 ^ (uint64_t)nrand48(seed);
        return c;
}

static void assert_refused(const char *text, char kind, uint64_t filter, const char *words)
{
        struct gw_error err = {0};
        struct gw_cursor c = {.n = 77};
        if (gw_cursor_decode(text, kind, filter, &c, &err) == 0)
                fail_msg("%s was accepted", text);
        assert_int_equal(err.code, GW_ERR_UNPROCESSABLE);
        if (!strstr(err.message, words))
                fail_msg("%s: %s", text, err.message);
        assert_int_equal(c.n, 77);
}

static void test_round_trip(void **state)
{
        (void)state;
        unsigned short seed[3] = {1, 1, 1};
        static const int64_t edges[] = {0, 1, -1, INT64_MAX, INT64_MIN};
        for (int i = 0; i < 20000; i++) {
                struct gw_cursor c = any_cursor(seed), back;
                if (i < 5)
                        c.n = edges[i];
                char text[GW_CURSOR_TEXT];
                gw_cursor_encode(&c, text);
                assert_int_equal(strlen(text), GW_CURSOR_TEXT - 1);
                assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                              "0123456789-_"),
                                 GW_CURSOR_TEXT - 1);
                struct gw_error err = {0};
                assert_int_equal(gw_cursor_decode(text, c.kind, c.filter, &back, &err), 0);
                assert_int_equal(back.kind, c.kind);
                assert_true(gw_id_equal(back.id, c.id));
                assert_true(back.n == c.n && back.filter == c.filter);
        }
}

/* Stored links must survive: the form of version 1 does not change. */
static void test_known_text(void **state)
{
        (void)state;
        struct gw_cursor c = {.kind = 'j', .n = 258, .filter = GW_CURSOR_NO_FILTER}, back;
        char text[GW_CURSOR_TEXT];
        for (uint8_t i = 0; i < 16; i++)
                c.id.bytes[i] = i;
        gw_cursor_encode(&c, text);
        assert_string_equal(text, "AWoAAQIDBAUGBwgJCgsMDQ4PAAAAAAAAAQLL8pzkhCIjJZZZ9K4");
        assert_int_equal(gw_cursor_decode(text, 'j', GW_CURSOR_NO_FILTER, &back, NULL), 0);
}

/* Every change of one character, every swap of neighbours, every cut. */
static void test_mangled(void **state)
{
        (void)state;
        static const char alphabet[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.%\xff ";
        unsigned short seed[3] = {2, 2, 2};
        for (int round = 0; round < 100; round++) {
                struct gw_cursor c = any_cursor(seed);
                char text[GW_CURSOR_TEXT], bad[GW_CURSOR_TEXT + 2];
                gw_cursor_encode(&c, text);
                for (size_t i = 0; text[i]; i++) {
                        for (const char *a = alphabet; *a; a++) {
                                memcpy(bad, text, sizeof text);
                                bad[i] = *a;
                                if (*a != text[i])
                                        assert_refused(bad, c.kind, c.filter, "damaged");
                        }
                        memcpy(bad, text, sizeof text);
                        bad[i] = text[i + 1] ? text[i + 1] : 'A';
                        if (text[i + 1])
                                bad[i + 1] = text[i];
                        if (strcmp(bad, text) != 0)
                                assert_refused(bad, c.kind, c.filter, "damaged");
                        memcpy(bad, text, sizeof text);
                        bad[i] = '\0';
                        assert_refused(bad, c.kind, c.filter, "damaged");
                }
                memcpy(bad, text, sizeof text);
                memcpy(bad + GW_CURSOR_TEXT - 1, "=", 2);
                assert_refused(bad, c.kind, c.filter, "damaged");
                memcpy(bad + GW_CURSOR_TEXT - 1, "A", 2);
                assert_refused(bad, c.kind, c.filter, "damaged");
        }
        assert_refused("", 'j', 0, "damaged");
        assert_refused("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 'j', 0, "damaged");
}

static void test_belongs_elsewhere(void **state)
{
        (void)state;
        struct gw_cursor c = {.kind = 'j', .filter = 5};
        char text[GW_CURSOR_TEXT];
        gw_cursor_encode(&c, text);
        assert_refused(text, 'e', 5, "another list");
        assert_refused(text, 'j', 6, "other filters");
}

/* A whole cursor of version 2: the first byte changed and the sum made right again. */
static void test_other_version(void **state)
{
        (void)state;
        struct gw_cursor c = {.kind = 'j'};
        char text[GW_CURSOR_TEXT];
        uint8_t raw[38];
        gw_cursor_encode(&c, text);
        assert_int_equal(gw_str_base64_decode(text, strlen(text), raw, sizeof raw), 38);
        raw[0] = 2;
        uint64_t h = UINT64_C(0xcbf29ce484222325);
        for (size_t i = 0; i < 34; i++)
                h = (h ^ raw[i]) * UINT64_C(0x100000001b3);
        for (size_t i = 0; i < 4; i++)
                raw[34 + i] = (uint8_t)(h >> (24 - 8 * i));
        gw_str_base64url(raw, sizeof raw, text);
        assert_refused(text, 'j', 0, "another release");
}

static void test_filter_hash(void **state)
{
        (void)state;
        uint64_t none = GW_CURSOR_NO_FILTER;
        uint64_t a = gw_cursor_filter_add(none, "state", "running");
        assert_true(a != none);
        assert_true(a == gw_cursor_filter_add(none, "state", "running"));
        assert_true(a != gw_cursor_filter_add(none, "state", "runnin"));
        assert_true(a != gw_cursor_filter_add(none, "staterunning", ""));
        assert_true(a != gw_cursor_filter_add(none, "stater", "unning"));
        assert_true(
                gw_cursor_filter_add(a, "name", "x") !=
                gw_cursor_filter_add(gw_cursor_filter_add(none, "name", "x"), "state", "running"));
        assert_true(gw_cursor_filter_add(gw_cursor_filter_add(none, "n", "x"), "yz", "") !=
                    gw_cursor_filter_add(gw_cursor_filter_add(none, "n", "xy"), "z", ""));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_known_text),
                cmocka_unit_test(test_mangled),       cmocka_unit_test(test_belongs_elsewhere),
                cmocka_unit_test(test_other_version), cmocka_unit_test(test_filter_hash),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
