/* Kept output as a file: what is missing is said in a line of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "routes/log_kept.h"

static void check(int64_t size, const char *head, const char *tail, const char *wanted,
                  uint64_t wanted_omitted)
{
        struct gw_log_text text = {.size = size,
                                   .head = head,
                                   .head_len = strlen(head),
                                   .tail = tail,
                                   .tail_len = strlen(tail)};
        struct gw_error err = {0};
        uint64_t file_size, omitted;
        char found[128] = "";
        int fd = gw_log_kept_file(&text, &file_size, &omitted, &err);
        assert_true(fd >= 0);
        assert_int_equal(pread(fd, found, sizeof found - 1, 0), strlen(wanted));
        assert_string_equal(found, wanted);
        assert_int_equal(file_size, strlen(wanted));
        assert_int_equal(omitted, wanted_omitted);
        close(fd);
}

static void test_files(void **state)
{
        (void)state;
        check(0, "", "", "", 0);
        check(6, "a\nb\nc\n", "", "a\nb\nc\n", 0);
        check(100, "a\n", "z\n", "a\n[jobgate: 96 bytes are not kept]\nz\n", 96);
        check(100, "a", "z", "a\n[jobgate: 98 bytes are not kept]\nz", 98);
        check(10, "", "z", "[jobgate: 9 bytes are not kept]\nz", 9);
}

static void test_without_a_folder(void **state)
{
        (void)state;
        struct gw_error err = {0};
        struct gw_log_text text = {0};
        uint64_t size, omitted;
        assert_int_equal(setenv("TMPDIR", "/nowhere/at/all", 1), 0);
        assert_int_equal(gw_log_kept_file(&text, &size, &omitted, &err), -1);
        assert_int_equal(err.code, GW_ERR_UNAVAILABLE);
        unsetenv("TMPDIR");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_files),
                cmocka_unit_test(test_without_a_folder),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
