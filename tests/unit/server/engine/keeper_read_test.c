/* What is kept of an output: all of it, or whole lines of both ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/engine/keeper_read.h"

static struct gw_log_text read_text(const char *text, size_t head, size_t tail, char memory[64])
{
        struct gw_log_text ret;
        FILE *file = tmpfile();
        assert_non_null(file);
        assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
        fflush(file);
        assert_int_equal(gw_keeper_read(fileno(file), head, tail, memory, &ret), 0);
        fclose(file);
        return ret;
}

static const struct {
        const char *text;
        size_t head_max, tail_max;
        const char *head, *tail;
} rows[] = {
        {"", 4, 4, "", ""},
        {"12345678", 4, 4, "12345678", ""},
        {"123456789", 4, 4, "1234", "6789"},
        {"a\nb\nc\nd\ne\n", 5, 4, "a\nb\n", "e\n"},
        {"a\nb\nc\nd\ne\n", 4, 4, "a\nb\n", "e\n"},
        {"abcdefgh\n", 4, 4, "abcd", "fgh\n"}, /* its one end is no beginning */
        {"abcdefgh\nij", 4, 4, "abcd", "ij"},
        {"123456789", 0, 4, "", "6789"},
        {"123456789", 4, 0, "1234", ""},
};

static void test_both_ends(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                char memory[64];
                struct gw_log_text t =
                        read_text(rows[i].text, rows[i].head_max, rows[i].tail_max, memory);
                assert_int_equal(t.size, strlen(rows[i].text));
                assert_int_equal(t.head_len, strlen(rows[i].head));
                assert_memory_equal(t.head, rows[i].head, t.head_len);
                assert_int_equal(t.tail_len, strlen(rows[i].tail));
                assert_memory_equal(t.tail, rows[i].tail, t.tail_len);
        }
}

static void test_what_cannot_be_read(void **state)
{
        (void)state;
        char memory[64];
        struct gw_log_text t;
        assert_int_equal(gw_keeper_read(-1, 1, 1, memory, &t), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_both_ends),
                cmocka_unit_test(test_what_cannot_be_read),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
