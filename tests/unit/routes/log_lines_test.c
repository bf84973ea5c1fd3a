/* Output in any pieces comes out as the same whole lines, whatever room there is. */
#include "routes/log_lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/buf.h"
#include "server/base/cleanup.h"

/* Puts it in in pieces of `in` bytes, takes it out in pieces of `out` bytes. */
static struct gw_buf pass(const char *text, size_t len, size_t in, size_t out)
{
        struct gw_log_lines *l = malloc(sizeof *l);
        struct gw_buf got = GW_BUF_INIT(1 << 20);
        char piece[64];
        assert_non_null(l);
        gw_log_lines_begin(l, 17);
        for (size_t n = 0, room; n < len || !l->over;) {
                char *place = gw_log_lines_room(l, &room);
                assert_true(room > 0);
                size_t more = len - n < in ? len - n : in;
                more = more < room ? more : room;
                memcpy(place, text + n, more);
                gw_log_lines_added(l, more);
                n += more;
                if (n == len)
                        gw_log_lines_end(l);
                for (size_t taken; (taken = gw_log_lines_take(l, piece, out)) > 0;)
                        gw_buf_add(&got, piece, taken);
                assert_false(gw_log_lines_begun(l));
        }
        assert_true(gw_log_lines_empty(l));
        free(l);
        gw_buf_str(&got, "");
        return got;
}

static void check(const char *text, size_t len, const char *expected, size_t expected_len)
{
        static const size_t ins[] = {1, 2, 7, 100000}, outs[] = {1, 3, 64};
        for (size_t i = 0; i < GW_COUNT(ins); i++)
                for (size_t o = 0; o < GW_COUNT(outs); o++) {
                        struct gw_buf got = pass(text, len, ins[i], outs[o]);
                        assert_int_equal(got.len, expected_len);
                        assert_memory_equal(got.data, expected, expected_len);
                        gw_buf_done(&got);
                }
}

#define CHECK(text, expected) check(text, sizeof(text) - 1, expected, sizeof(expected) - 1)

static void test_lines(void **state)
{
        (void)state;
        CHECK("", "");
        CHECK("\n", "[17] \n");
        CHECK("a\nbc\n", "[17] a\n[17] bc\n");
        CHECK("a\n\n\nb", "[17] a\n[17] \n[17] \n[17] b\n");
        CHECK("no end", "[17] no end\n");
        CHECK("\0\xff\r\n\xc3(", "[17] \0\xff\r\n[17] \xc3(\n");
}

static void check_long(size_t len, const char *end, size_t first, size_t second)
{
        struct gw_buf in = GW_BUF_INIT(1 << 20), out = GW_BUF_INIT(1 << 20);
        for (size_t i = 0; i < len; i++)
                gw_buf_char(&in, 'x');
        gw_buf_str(&in, end);
        gw_buf_str(&in, "next\n");
        for (size_t part = 0; part < 2; part++) {
                size_t count = part ? second : first;
                gw_buf_str(&out, count ? "[17] " : "");
                for (size_t i = 0; i < count; i++)
                        gw_buf_char(&out, 'x');
                gw_buf_str(&out, count ? "\n" : "");
        }
        gw_buf_str(&out, "[17] next\n");
        check(in.data, in.len, out.data, out.len);
        gw_buf_done(&in);
        gw_buf_done(&out);
}

static void test_long_lines(void **state)
{
        (void)state;
        check_long(GW_LOG_LINE_BYTES - 1, "\n", GW_LOG_LINE_BYTES - 1, 0);
        check_long(GW_LOG_LINE_BYTES, "\n", GW_LOG_LINE_BYTES, 0);
        check_long(GW_LOG_LINE_BYTES + 1, "\n", GW_LOG_LINE_BYTES, 1);
        check_long(2 * GW_LOG_LINE_BYTES, "\n", GW_LOG_LINE_BYTES, GW_LOG_LINE_BYTES);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_long_lines),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
