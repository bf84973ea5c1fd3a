/* Blocks of every size, kept, bounded, and freed by another thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/blocks.h"
#include "server/base/cleanup.h"
#include "server/base/thread.h"

static void every_size_has_its_room(void **state)
{
        (void)state;
        for (int turn = 0; turn < 2; turn++) {
                for (size_t size = 0; size <= 1100; size++) {
                        void *b = gw_block_alloc(size);
                        assert_non_null(b);
                        assert_true(malloc_usable_size(b) >= size);
                        assert_int_equal((uintptr_t)b % 16, 0);
                        memset(b, 0xa5, size);
                        gw_block_free(b);
                }
        }
        gw_block_free(NULL);
        gw_blocks_release();
}

/* Each block is handed out once: what is written to one is not seen in another. */
static void blocks_do_not_overlap(void **state)
{
        (void)state;
        unsigned char *blocks[200];
        for (int turn = 0; turn < 3; turn++) {
                for (size_t i = 0; i < GW_COUNT(blocks); i++) {
                        blocks[i] = gw_block_alloc(1 + i * 5);
                        memset(blocks[i], (int)i, 1 + i * 5);
                }
                for (size_t i = 0; i < GW_COUNT(blocks); i++) {
                        assert_int_equal(blocks[i][0], i);
                        assert_int_equal(blocks[i][i * 5], i);
                        gw_block_free(blocks[i]);
                }
        }
        gw_blocks_release();
}

static size_t in_use(void)
{
        return mallinfo2().uordblks;
}

static void what_is_kept_is_bounded_and_given_back(void **state)
{
        (void)state;
        enum { COUNT = 4096, SIZE = 1000 };
        static void *blocks[COUNT];
        size_t before = in_use();
        for (size_t i = 0; i < COUNT; i++)
                blocks[i] = gw_block_alloc(SIZE);
        for (size_t i = 0; i < COUNT; i++)
                gw_block_free(blocks[i]);
        assert_true(in_use() - before <= 300 * 1024);
        gw_blocks_release();
        assert_true(in_use() - before <= 16 * 1024);
}

static void *free_it(void *block)
{
        gw_block_free(block);
        return NULL;
}

static void another_thread_may_free(void **state)
{
        (void)state;
        for (int i = 0; i < 20; i++) {
                pthread_t thread;
                assert_int_equal(
                        gw_thread_start(&thread, "other", free_it, gw_block_alloc(100), NULL), 0);
                gw_thread_join(thread);
        }
        free(gw_block_alloc(100));
        gw_block_free(malloc(100));
        gw_blocks_release();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_size_has_its_room),
                cmocka_unit_test(blocks_do_not_overlap),
                cmocka_unit_test(what_is_kept_is_bounded_and_given_back),
                cmocka_unit_test(another_thread_may_free),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
