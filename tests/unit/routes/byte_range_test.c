/* Ranges as RFC 9110 has them, and the beginnings of tails. */
#include "routes/byte_range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/base/cleanup.h"

static void test_parts(void **state)
{
        (void)state;
        static const struct {
                const char *field;
                uint64_t size, first, len;
        } rows[] = {
                {"bytes=0-9", 100, 0, 10},    {"bytes=0-0", 100, 0, 1},
                {"bytes=5-", 100, 5, 95},     {"bytes=99-", 100, 99, 1},
                {"bytes=99-99", 100, 99, 1},  {"bytes=0-999999999999999999", 100, 0, 100},
                {"bytes=0-100", 100, 0, 100}, {"bytes=-1", 100, 99, 1},
                {"bytes=-100", 100, 0, 100},  {"bytes=-999999999999999999", 100, 0, 100},
                {"Bytes=1-2", 100, 1, 2},
        };
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                struct gw_byte_range r = {77, 77};
                assert_int_equal(gw_byte_range_read(rows[i].field, rows[i].size, &r),
                                 GW_RANGE_PART);
                assert_int_equal(r.first, rows[i].first);
                assert_int_equal(r.len, rows[i].len);
        }
}

static void test_beyond_the_end(void **state)
{
        (void)state;
        static const struct {
                const char *field;
                uint64_t size;
        } rows[] = {{"bytes=100-", 100}, {"bytes=100-200", 100},
                    {"bytes=-0", 100},   {"bytes=0-", 0},
                    {"bytes=0-0", 0},    {"bytes=-5", 0},
                    {"bytes=-0", 0},     {"bytes=999999999999999999-", 100}};
        struct gw_byte_range r;
        for (size_t i = 0; i < GW_COUNT(rows); i++)
                assert_int_equal(gw_byte_range_read(rows[i].field, rows[i].size, &r),
                                 GW_RANGE_BEYOND);
}

static void test_what_is_no_range_is_ignored(void **state)
{
        (void)state;
        static const char *const fields[] = {NULL,
                                             "",
                                             "lines=1-2",
                                             "bytes",
                                             "bytes=",
                                             "bytes=-",
                                             "bytes=a-b",
                                             "bytes=1",
                                             "bytes=0-1,5-6",
                                             "bytes= 0-1",
                                             "bytes=0-1 ",
                                             "bytes=9-5",
                                             "bytes=+1-2",
                                             "bytes=0--1",
                                             "bytes=0x1-2",
                                             "bytes=0-1;",
                                             "bytes=1000000000000000000-",
                                             "bytes=0-1000000000000000000"};
        struct gw_byte_range r;
        for (size_t i = 0; i < GW_COUNT(fields); i++)
                assert_int_equal(gw_byte_range_read(fields[i], 100, &r), GW_RANGE_WHOLE);
}

static int make_file(const char *text, size_t len)
{
        int fd = memfd_create("tail", MFD_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, len), len);
        return fd;
}

static void test_tails(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                uint64_t lines, first;
        } rows[] = {
                {"", 1, 0},       {"a", 1, 0},         {"a\n", 1, 0},       {"a\nb", 1, 2},
                {"a\nb\n", 1, 2}, {"a\nb\nc\n", 2, 2}, {"a\nb\nc\n", 3, 0}, {"a\nb\nc\n", 9, 0},
                {"a\n\n", 1, 2},  {"\n\n\n", 2, 1},    {"\n", 1, 0},        {"\na", 1, 1},
        };
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                uint64_t first = 77, size = strlen(rows[i].text);
                gw_autoclose int fd = make_file(rows[i].text, size);
                assert_int_equal(gw_tail_find(fd, size, rows[i].lines, &first), 0);
                assert_int_equal(first, rows[i].first);
        }
}

/* A file that grows meanwhile: what is behind `size` does not count. */
static void test_a_tail_ends_at_the_size(void **state)
{
        (void)state;
        uint64_t first = 77;
        gw_autoclose int fd = make_file("a\nb\nc\nd\n", 8);
        assert_int_equal(gw_tail_find(fd, 4, 1, &first), 0);
        assert_int_equal(first, 2);
        assert_int_equal(gw_tail_find(fd, 9, 1, &first), -1); /* shorter than said */
}

static uint64_t tail_of(const char *text, size_t size, uint64_t lines)
{
        uint64_t first = 77;
        gw_autoclose int fd = make_file(text, size);
        assert_int_equal(gw_tail_find(fd, size, lines, &first), 0);
        return first;
}

/* The lines are found across blocks, and not searched beyond the bound: there it begins with the
 * first line, and within one only when that is all there is. */
static void test_long_tails(void **state)
{
        (void)state;
        size_t size = GW_MAX_TAIL_BYTES + 100000;
        size_t bound = size - GW_MAX_TAIL_BYTES;
        char *text = malloc(size);
        assert_non_null(text);
        memset(text, 'x', size);
        text[10] = '\n';
        text[size - 1] = '\n';
        assert_int_equal(tail_of(text, size, 2), bound);
        text[size - 70000] = '\n';
        text[size - 1] = 'x';
        assert_int_equal(tail_of(text, size, 1), size - 70000 + 1);
        assert_int_equal(tail_of(text, size, 2), size - 70000 + 1);
        text[bound + 5] = '\n';
        assert_int_equal(tail_of(text, size, 2), bound + 5 + 1);
        assert_int_equal(tail_of(text, size, 9), bound + 5 + 1);
        text[bound - 1] = '\n';
        assert_int_equal(tail_of(text, size, 3), bound);
        assert_int_equal(tail_of(text, size, 9), bound);
        text[bound - 1] = 'x';
        text[bound - 2] = '\n';
        assert_int_equal(tail_of(text, size, 9), bound + 5 + 1);
        free(text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parts),
                cmocka_unit_test(test_beyond_the_end),
                cmocka_unit_test(test_what_is_no_range_is_ignored),
                cmocka_unit_test(test_tails),
                cmocka_unit_test(test_a_tail_ends_at_the_size),
                cmocka_unit_test(test_long_tails),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
