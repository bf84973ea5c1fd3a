/* The window on a log: which pieces are read, which are kept for others, and when none is given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

#include "server/engine/follow_window.h"

#define BLOCKS 20

static struct follow_window window;
static uint64_t turn;

static void set_size(uint64_t size)
{
        assert_int_equal(ftruncate(window.file->fd, (off_t)size), 0);
        turn++;
}

static int begin(void **state)
{
        (void)state;
        window.file = follow_file_new(memfd_create("log", MFD_CLOEXEC));
        assert_non_null(window.file);
        set_size(BLOCKS * FOLLOW_BLOCK_BYTES);
        return 0;
}

static int end(void **state)
{
        (void)state;
        follow_window_clear(&window);
        return 0;
}

/* What a follower at the position is given; and how many bytes are read for it. */
static enum follow_found find(uint64_t position, size_t *ret_read)
{
        struct follow_block *block = NULL;
        enum follow_found found = follow_window_find(&window, turn, position, &block, ret_read);
        assert_int_equal(block != NULL, found == FOLLOW_FOUND);
        if (block)
                assert_true(block->first <= position && position < block->first + block->len);
        follow_block_unref(block);
        return found;
}

static void assert_read(uint64_t position)
{
        size_t read = 0;
        assert_int_equal(find(position, &read), FOLLOW_FOUND);
        assert_int_equal(read, FOLLOW_BLOCK_BYTES);
}

static void assert_kept(uint64_t position)
{
        size_t read = 77;
        assert_int_equal(find(position, &read), FOLLOW_FOUND);
        assert_int_equal(read, 0);
}

static void assert_none(uint64_t position, enum follow_found wanted)
{
        size_t read = 77;
        assert_int_equal(find(position, &read), wanted);
        assert_int_equal(read, 0);
}

static void read_all(void)
{
        for (uint64_t i = 0; i < BLOCKS; i++)
                assert_read(i * FOLLOW_BLOCK_BYTES);
}

static void test_one_alone_has_one_piece(void **state)
{
        (void)state;
        read_all();
        assert_int_equal(window.count, 1);
        assert_int_equal(window.bytes, FOLLOW_BLOCK_BYTES);
        assert_kept((BLOCKS - 1) * FOLLOW_BLOCK_BYTES);
        assert_none((BLOCKS - 1) * FOLLOW_BLOCK_BYTES - 1, FOLLOW_BEHIND);
        assert_none(BLOCKS * FOLLOW_BLOCK_BYTES, FOLLOW_NOTHING);
}

static void test_several_have_the_last_pieces(void **state)
{
        (void)state;
        uint64_t kept = BLOCKS * FOLLOW_BLOCK_BYTES - FOLLOW_WINDOW_BYTES;
        follow_window_share(&window, true);
        read_all();
        assert_int_equal(window.bytes, FOLLOW_WINDOW_BYTES);
        assert_kept(kept);
        assert_none(kept - 1, FOLLOW_BEHIND);
        follow_window_share(&window, false);
        assert_int_equal(window.bytes, FOLLOW_BLOCK_BYTES);
        assert_kept((BLOCKS - 1) * FOLLOW_BLOCK_BYTES);
}

static void test_short_pieces_are_counted(void **state)
{
        (void)state;
        follow_window_share(&window, true);
        for (uint64_t i = 1; i <= 2 * FOLLOW_WINDOW_BLOCKS; i++) {
                size_t read = 0;
                set_size(i);
                assert_int_equal(find(i - 1, &read), FOLLOW_FOUND);
                assert_int_equal(read, 1);
        }
        assert_int_equal(window.count, FOLLOW_WINDOW_BLOCKS);
}

static void test_a_new_foremost_begins_anew(void **state)
{
        (void)state;
        follow_window_share(&window, true);
        assert_read(0);
        assert_read(3 * FOLLOW_BLOCK_BYTES);
        assert_int_equal(window.count, 1);
        assert_none(0, FOLLOW_BEHIND);
}

static void test_the_file_is_looked_at_once_in_a_turn(void **state)
{
        (void)state;
        uint64_t size = BLOCKS * FOLLOW_BLOCK_BYTES;
        assert_none(size, FOLLOW_NOTHING);
        assert_int_equal(ftruncate(window.file->fd, (off_t)size + FOLLOW_BLOCK_BYTES), 0);
        assert_none(size, FOLLOW_NOTHING);
        turn++;
        assert_read(size);
}

static void test_a_file_that_becomes_shorter(void **state)
{
        (void)state;
        assert_read(0);
        assert_read(FOLLOW_BLOCK_BYTES);
        set_size(10);
        assert_none(10, FOLLOW_NOTHING);
        assert_none(2 * FOLLOW_BLOCK_BYTES, FOLLOW_NOTHING);
        assert_none(5, FOLLOW_BEHIND);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_one_alone_has_one_piece, begin, end),
                cmocka_unit_test_setup_teardown(test_several_have_the_last_pieces, begin, end),
                cmocka_unit_test_setup_teardown(test_short_pieces_are_counted, begin, end),
                cmocka_unit_test_setup_teardown(test_a_new_foremost_begins_anew, begin, end),
                cmocka_unit_test_setup_teardown(test_the_file_is_looked_at_once_in_a_turn, begin,
                                                end),
                cmocka_unit_test_setup_teardown(test_a_file_that_becomes_shorter, begin, end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
