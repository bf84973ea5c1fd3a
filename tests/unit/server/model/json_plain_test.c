/* server/model/json_plain.h: what is plain, and that jansson reads the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/model/json_plain.h"

static json_t *read_with_jansson(const char *text, size_t len)
{
        return json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
}

/* Returns whether it was plain; then jansson must agree. The text is at the end of its memory, so
 * that a sanitizer sees a step over it. */
static bool agrees(const char *text, size_t len)
{
        gw_autofree char *copy = malloc(len ? len : 1);
        memcpy(copy, text, len);
        json_auto_t *plain = gw_json_plain(copy, len);
        if (!plain)
                return false;
        json_auto_t *full = read_with_jansson(copy, len);
        if (!full || !json_equal(plain, full))
                fail_msg("jansson reads \"%.*s\" differently", (int)len, text);
        gw_autofree char *a = json_dumps(plain, JSON_ENCODE_ANY);
        gw_autofree char *b = json_dumps(full, JSON_ENCODE_ANY);
        assert_string_equal(a, b); /* in the same order */
        return true;
}

static void test_plain(void **state)
{
        static const char *const texts[] = {
                "{}",
                "[]",
                " \t\r\n[ \t\r\n] \t\r\n",
                "\"\"",
                "\"a\"",
                "0",
                "-1",
                "123456789012345678",
                "-999999999999999999",
                "true",
                "false",
                "null",
                "{\"\":1}",
                "{ \"a\" : [ 1 , { \"b\" : null } , \"c\" ] , \"d\" : { } }",
                "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                "[\"#!/bin/bash\\necho \\\"a\\\"\\n\",\"x\",\"\\\\y\"]",
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(texts); i++)
                if (!agrees(texts[i], strlen(texts[i])))
                        fail_msg("not plain: %s", texts[i]);
}

static void test_left_to_jansson(void **state)
{
        static const struct {
                const char *text;
                size_t len;
        } cases[] = {
#define TEXT(s) {s, sizeof(s) - 1}
                TEXT(""),
                TEXT(" "),
                TEXT("nul"),
                TEXT("truely"),
                TEXT("1 2"),
                TEXT("{} {}"),
                TEXT("1.5"),
                TEXT("1e3"),
                TEXT("-0"),
                TEXT("-"),
                TEXT("01"),
                TEXT("+1"),
                TEXT("1234567890123456789"),
                TEXT("[1"),
                TEXT("[1,"),
                TEXT("[1,]"),
                TEXT("[,1]"),
                TEXT("{\"a\"}"),
                TEXT("{\"a\":}"),
                TEXT("{\"a\":1,}"),
                TEXT("{\"a\":1,\"a\":1}"),
                TEXT("{\"a\\n\":1}"),
                TEXT("{1:1}"),
                TEXT("\"a"),
                TEXT("\"a\\"),
                TEXT("\"a\\n"),
                TEXT("\"\\u0041\""),
                TEXT("\"\\x\""),
                TEXT("\"\\\0\""),
                TEXT("\"\n\""),
                TEXT("\"\0\""),
                TEXT("\"\xc3\xa9\""),
                TEXT("1\0"),
                TEXT("\0"),
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(cases); i++)
                if (agrees(cases[i].text, cases[i].len))
                        fail_msg("plain: %s", cases[i].text);
}

static bool nested_is_plain(size_t levels)
{
        struct gw_buf text = GW_BUF_INIT(4096);
        for (size_t i = 0; i < levels; i++)
                gw_buf_str(&text, i % 2 ? "{\"a\":" : "[");
        gw_buf_char(&text, '1');
        for (size_t i = levels; i-- > 0;)
                gw_buf_char(&text, i % 2 ? '}' : ']');
        bool plain = agrees(text.data, text.len);
        gw_buf_done(&text);
        return plain;
}

static void test_depth(void **state)
{
        (void)state;
        assert_true(nested_is_plain(GW_MAX_JSON_DEPTH));
        assert_false(nested_is_plain(GW_MAX_JSON_DEPTH + 1));
        struct gw_buf side_by_side = GW_BUF_INIT(4096);
        gw_buf_char(&side_by_side, '[');
        for (size_t i = 0; i < 2 * GW_MAX_JSON_DEPTH; i++)
                gw_buf_str(&side_by_side, "[],");
        gw_buf_str(&side_by_side, "{}]");
        assert_true(agrees(side_by_side.data, side_by_side.len));
        gw_buf_done(&side_by_side);
}

/* Bytes of a good text are replaced, left out and doubled: whatever remains plain, jansson reads
 * the same. */
static void test_damaged(void **state)
{
        static const char text[] =
                "{\"name\":\"train\",\"n\":[1,-20,[],{}],\"x\":{\"\":null,\"y\":0},"
                " \"script\":\"#!/bin/sh\\necho \\\"hi\\\"\\n\", \"ok\":true}";
        static const char bytes[] = "{}[]\",:\\ 019-.eE\n\tutfn\xc3\xa9\x7f/";
        (void)state;
        unsigned seed = 1;
        size_t plain = 0;
        for (size_t turn = 0; turn < 100000; turn++) {
                char copy[sizeof text + 8];
                size_t len = sizeof text - 1;
                memcpy(copy, text, len);
                for (unsigned k = 0; k <= turn % 3; k++) {
                        size_t at = (seed = seed * 1103515245 + 12345) / 65536 % (len - 1);
                        unsigned how = (seed = seed * 1103515245 + 12345) / 65536 % 3;
                        if (how == 0) {
                                copy[at] = bytes[seed / 65536 / 3 % sizeof bytes];
                        } else if (how == 1) {
                                memmove(copy + at, copy + at + 1, len - at - 1);
                                len--;
                        } else {
                                memmove(copy + at + 1, copy + at, len - at);
                                len++;
                        }
                }
                plain += agrees(copy, len);
        }
        assert_true(plain > 1000 && plain < 99000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain),
                cmocka_unit_test(test_left_to_jansson),
                cmocka_unit_test(test_depth),
                cmocka_unit_test(test_damaged),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
