#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>
#include <stdbool.h>
#include <string.h>

#include "server/http/arena.h"

static bool is_zero(const char *p, size_t size)
{
        for (size_t i = 0; i < size; i++)
                if (p[i])
                        return false;
        return true;
}

/* Twice, so that the second round sees pages that were written to. */
static void zeroed_aligned_and_apart(void **state)
{
        static const size_t sizes[] = {1, 7, 16, 100, 4000, 4080, 4081, 5000, 100000, 1, 3000};
        (void)state;
        struct gw_pages pages = {0};
        for (int round = 0; round < 2; round++) {
                struct gw_arena arena = {.pages = &pages};
                char *pieces[sizeof sizes / sizeof sizes[0]];
                for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
                        pieces[i] = gw_arena_alloc(&arena, sizes[i]);
                        assert_non_null(pieces[i]);
                        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
                        assert_true(is_zero(pieces[i], sizes[i]));
                        memset(pieces[i], (int)i + 1, sizes[i]);
                }
                for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
                        for (size_t j = 0; j < sizes[i]; j++)
                                assert_int_equal(pieces[i][j], (char)(i + 1));
                gw_arena_done(&arena);
        }
        gw_pages_done(&pages);
        assert_int_equal(pages.count, 0);
}

static void impossible_sizes(void **state)
{
        (void)state;
        struct gw_pages pages = {0};
        struct gw_arena arena = {.pages = &pages};
        assert_null(gw_arena_alloc(&arena, SIZE_MAX));
        gw_arena_done(&arena);
}

static void keeps_a_bounded_number(void **state)
{
        (void)state;
        struct gw_pages pages = {0};
        struct gw_arena arena = {.pages = &pages};
        for (int i = 0; i < GW_PAGES_KEPT + 10; i++)
                assert_non_null(gw_arena_alloc(&arena, 4000));
        gw_arena_done(&arena);
        assert_true(pages.count <= GW_PAGES_KEPT);
        gw_pages_done(&pages);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(zeroed_aligned_and_apart),
                cmocka_unit_test(impossible_sizes),
                cmocka_unit_test(keeps_a_bounded_number),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
