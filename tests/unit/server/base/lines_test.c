/* Lines of a stream, cut in every way a stream can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/lines.h"

#define MAX 8

/* Writes "no:text|" for each, "no:-|" for one that was too long. */
static bool note(void *arg, const struct gw_line *line)
{
        struct gw_buf *seen = arg;
        if (line->text)
                assert_int_equal(line->text[line->len], '\0');
        gw_buf_printf(seen, "%d:", (int)line->no);
        gw_buf_add(seen, line->text ? line->text : "-", line->text ? line->len : 1);
        gw_buf_char(seen, '|');
        return true;
}

/* parts: where the stream is cut, ascending, -1 at the end. */
static void expect(const char *stream, size_t len, const int *parts, const char *expected)
{
        struct gw_buf seen = GW_BUF_INIT(4096);
        struct gw_lines lines;
        size_t at = 0;
        gw_lines_init(&lines, MAX, note, &seen);
        for (; *parts >= 0; at = (size_t)*parts++)
                gw_lines_add(&lines, stream + at, (size_t)*parts - at);
        gw_lines_add(&lines, stream + at, len - at);
        gw_lines_end(&lines);
        if (strcmp(seen.data ? seen.data : "", expected) != 0)
                fail_msg("\"%s\": %s instead of %s", stream, seen.data, expected);
        gw_lines_done(&lines);
        gw_buf_done(&seen);
}

static const struct {
        const char *stream, *expected;
} cases[] = {
        {"", ""},
        {"\n", ""},
        {"\r\n \t\r\n", ""},
        {"a", "1:a|"},
        {"a\n", "1:a|"},
        {"a\r\n", "1:a|"},
        {"a\r", "1:a|"},
        {"a\nb\nc", "1:a|2:b|3:c|"},
        {"a\r\n\r\nb", "1:a|3:b|"},
        {"\n\na\n\n", "3:a|"},
        {"a\rb\n", "1:a\rb|"},
        {"a\r\r\n", "1:a\r|"},
        {" a \n", "1: a |"},
        {"12345678\n", "1:12345678|"},
        {"12345678\r\n", "1:12345678|"},
        {"12345678", "1:12345678|"},
        {"123456789\n", "1:-|"},
        {"123456789\r\nb", "1:-|2:b|"},
        {"1234567890123\nb\n", "1:-|2:b|"},
        {"         \nb", "1:-|2:b|"},
        {"a\n123456789", "1:a|2:-|"},
        {"123456789\n123456789\n\nb", "1:-|2:-|4:b|"},
};

static void whole(void **state)
{
        (void)state;
        for (size_t i = 0; i < GW_COUNT(cases); i++)
                expect(cases[i].stream, strlen(cases[i].stream), (int[]){-1}, cases[i].expected);
}

static void cut_at_each_two_places(void **state)
{
        (void)state;
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                int len = (int)strlen(cases[i].stream);
                for (int a = 0; a <= len; a++)
                        for (int b = a; b <= len; b++)
                                expect(cases[i].stream, (size_t)len, (int[]){a, b, -1},
                                       cases[i].expected);
        }
}

static void byte_by_byte(void **state)
{
        (void)state;
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                int parts[64], len = (int)strlen(cases[i].stream);
                for (int k = 0; k < len; k++)
                        parts[k] = k + 1;
                parts[len] = -1;
                expect(cases[i].stream, (size_t)len, parts, cases[i].expected);
        }
}

static void nul_is_a_byte(void **state)
{
        (void)state;
        static const char stream[] = "\0\n \0\nb";
        struct gw_buf seen = GW_BUF_INIT(4096);
        struct gw_lines lines;
        gw_lines_init(&lines, MAX, note, &seen);
        gw_lines_add(&lines, stream, sizeof stream - 1);
        gw_lines_end(&lines);
        assert_int_equal(seen.len, 13);
        assert_memory_equal(seen.data, "1:\0|2: \0|3:b|", 13);
        gw_lines_done(&lines);
        gw_buf_done(&seen);
}

static void an_endless_line_is_not_held(void **state)
{
        (void)state;
        char part[1000];
        struct gw_buf seen = GW_BUF_INIT(4096);
        struct gw_lines lines;
        memset(part, 'x', sizeof part);
        gw_lines_init(&lines, 10000, note, &seen);
        for (int i = 0; i < 1000; i++) {
                gw_lines_add(&lines, part, sizeof part);
                assert_in_range(lines.held.cap, 0, 10002);
        }
        assert_int_equal(lines.held.cap, 0);
        gw_lines_add(&lines, "\nb", 2);
        gw_lines_end(&lines);
        assert_string_equal(seen.data, "1:-|2:b|");
        gw_lines_done(&lines);
        gw_buf_done(&seen);
}

/* Stops at each line that begins with '!'. */
static bool note_and_stop(void *arg, const struct gw_line *line)
{
        note(arg, line);
        return line->text[0] != '!';
}

static void no_more_for_now(void **state)
{
        (void)state;
        static const char stream[] = "a\n!b\r\n\nc\n!\n!d";
        static const size_t taken[] = {6, 5, 2};
        struct gw_buf seen = GW_BUF_INIT(4096);
        struct gw_lines lines;
        size_t at = 0;
        gw_lines_init(&lines, MAX, note_and_stop, &seen);
        for (size_t i = 0; i < GW_COUNT(taken); at += taken[i++])
                assert_int_equal(gw_lines_add(&lines, stream + at, sizeof stream - 1 - at),
                                 taken[i]);
        assert_string_equal(seen.data, "1:a|2:!b|4:c|5:!|");
        gw_lines_end(&lines);
        assert_string_equal(seen.data, "1:a|2:!b|4:c|5:!|6:!d|");
        gw_lines_done(&lines);
        gw_buf_done(&seen);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(whole),
                cmocka_unit_test(cut_at_each_two_places),
                cmocka_unit_test(byte_by_byte),
                cmocka_unit_test(nul_is_a_byte),
                cmocka_unit_test(an_endless_line_is_not_held),
                cmocka_unit_test(no_more_for_now),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
