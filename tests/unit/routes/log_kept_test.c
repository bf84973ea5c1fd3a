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
#include "server/base/limits.h"

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

static size_t size_of(int64_t size, const char *head, const char *tail)
{
        struct gw_log_text text = {.size = size,
                                   .head = head,
                                   .head_len = strlen(head),
                                   .tail = tail,
                                   .tail_len = strlen(tail)};
        return gw_log_kept_size(&text);
}

static void test_sizes(void **state)
{
        (void)state;
        assert_int_equal(size_of(0, "", ""), 0);
        assert_int_equal(size_of(6, "a\nb\nc\n", ""), 6);
        assert_int_equal(size_of(100, "a\n", "z\n"),
                         strlen("a\n[jobgate: 96 bytes are not kept]\nz\n"));
}

/* One past what one user may have, and what all may. */
static void test_room_has_an_end(void **state)
{
        (void)state;
        struct gw_log_kept_room room;
        struct gw_log_kept_place places[8] = {0}, one = {0};
        struct gw_error err = {0};
        const size_t full = GW_MAX_USER_KEPT_BYTES;
        size_t users = GW_MAX_KEPT_BYTES / full, rest = GW_MAX_KEPT_BYTES - users * full;
        gw_log_kept_room_init(&room);
        for (size_t i = 0; i < users; i++)
                assert_int_equal(gw_log_kept_place_take(&places[i], &room, (int64_t)i, full, &err),
                                 0);
        assert_int_equal(gw_log_kept_place_take(&one, &room, 0, 1, &err), -1);
        assert_int_equal(err.code, GW_ERR_TOO_MANY);
        err = (struct gw_error){0};
        assert_int_equal(gw_log_kept_place_take(&one, &room, 99, rest + 1, &err), -1);
        assert_int_equal(err.code, GW_ERR_OVERLOADED);
        assert_int_equal(gw_log_kept_place_take(&one, &room, 99, rest, &err), 0);
        gw_log_kept_place_move(&places[0], &one); /* user 0 has none any more */
        assert_int_equal(gw_log_kept_place_take(&one, &room, 0, full, &err), 0);
        gw_log_kept_place_give_back(&one);
        for (size_t i = 0; i < users; i++)
                gw_log_kept_place_give_back(&places[i]);
        gw_log_kept_place_give_back(&one);
        assert_int_equal(room.bytes, 0);
        gw_log_kept_room_done(&room);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_files),
                cmocka_unit_test(test_without_a_folder),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_room_has_an_end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
