/* The builder: runs follow from the set alone, however it is fed; bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/model/index_builder.h"

static void assert_same(const struct gw_indexset *a, const struct gw_indexset *b)
{
        assert_int_equal(a->count, b->count);
        assert_int_equal(a->run_count, b->run_count);
        if (a->run_count > 0)
                assert_memory_equal(a->runs, b->runs, a->run_count * sizeof *a->runs);
}

/* Random rising progressions: as runs, and one by one. */
static void test_runs_equal_single_pushes(void **state)
{
        (void)state;
        unsigned short seed[3] = {5, 5, 5};
        for (int round = 0; round < 50000; round++) {
                struct gw_index_builder quick = GW_INDEX_BUILDER_INIT, slow = GW_INDEX_BUILDER_INIT;
                uint32_t at = (uint32_t)(nrand48(seed) % 5);
                for (int parts = (int)(nrand48(seed) % 8); parts > 0; parts--) {
                        uint32_t step = 1 + (uint32_t)(nrand48(seed) % 4);
                        uint32_t n = 1 + (uint32_t)(nrand48(seed) % 6), last = at + (n - 1) * step;
                        assert_int_equal(gw_index_builder_push_run(&quick, at, last, step, NULL),
                                         0);
                        for (; at <= last; at += step)
                                assert_int_equal(gw_index_builder_push(&slow, at, NULL), 0);
                        at = last + 1 + (uint32_t)(nrand48(seed) % 4);
                }
                struct gw_indexset a, b;
                assert_int_equal(gw_index_builder_finish(&quick, &a, NULL), 0);
                assert_int_equal(gw_index_builder_finish(&slow, &b, NULL), 0);
                assert_same(&a, &b);
                gw_indexset_done(&a);
                gw_indexset_done(&b);
                gw_index_builder_done(&quick);
                gw_index_builder_done(&slow);
        }
}

static void test_cuts_greedily(void **state)
{
        (void)state;
        static const uint32_t indices[] = {0, 3, 6, 7, 8, 9, 20, 30, 31, 50, 60, 70, 80, 100};
        static const struct gw_index_run want[] = {
                {0, 6, 3, 0},   {7, 9, 1, 3},    {20, 20, 1, 6},
                {30, 31, 1, 7}, {50, 80, 10, 9}, {100, 100, 1, 13},
        };
        struct gw_index_builder b = GW_INDEX_BUILDER_INIT;
        for (size_t i = 0; i < sizeof indices / sizeof indices[0]; i++)
                assert_int_equal(gw_index_builder_push(&b, indices[i], NULL), 0);
        struct gw_indexset set;
        assert_int_equal(gw_index_builder_finish(&b, &set, NULL), 0);
        assert_int_equal(set.run_count, sizeof want / sizeof want[0]);
        assert_memory_equal(set.runs, want, sizeof want);
        gw_indexset_done(&set);
}

/* Runs of three, far apart: `n` of them. */
static int build(uint32_t n, uint32_t begin, uint32_t step, struct gw_error *err)
{
        struct gw_index_builder b = GW_INDEX_BUILDER_INIT;
        struct gw_indexset set;
        int rc = 0;
        for (uint32_t i = 0; rc == 0 && i < n; i++) {
                uint32_t first = begin + i * 3 * step + (i & 1); /* no longer progression */
                rc = gw_index_builder_push_run(&b, first, first + 2 * step, step, err);
        }
        if (rc == 0)
                rc = gw_index_builder_finish(&b, &set, err);
        if (rc == 0)
                gw_indexset_done(&set);
        gw_index_builder_done(&b);
        return rc;
}

static void test_bounds_and_one_past(void **state)
{
        (void)state;
        struct gw_error err = {0};
        assert_int_equal(build(GW_MAX_INDEX_RANGES, 0, 10, &err), 0);
        assert_int_equal(build(GW_MAX_INDEX_RANGES + 1, 0, 10, &err), -1);
        assert_int_equal(err.code, GW_ERR_INVALID);
        assert_non_null(strstr(err.message, "more than 10000 ranges"));

        /* "1000000000-1000020000:10000" and a comma are 28 bytes: 9362 of them are 262135 */
        err = (struct gw_error){0};
        assert_int_equal(build(9362, 1000000000, 10000, &err), 0);
        assert_int_equal(build(9363, 1000000000, 10000, &err), -1);
        assert_int_equal(err.code, GW_ERR_INVALID);
        assert_non_null(strstr(err.message, "longer than 262144 bytes"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_runs_equal_single_pushes),
                cmocka_unit_test(test_cuts_greedily),
                cmocka_unit_test(test_bounds_and_one_past),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
