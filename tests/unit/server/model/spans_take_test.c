/* Taking from a set of ordinals and giving back, against a plain list of flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

#include "server/model/spans.h"

#define COUNT 64
#define STEPS 20000

static void assert_same(const struct gw_spans *set, const bool flags[COUNT])
{
        uint64_t next = 0;
        for (uint32_t i = 0; i < COUNT; i++)
                assert_int_equal(gw_spans_contains(set, i), flags[i]);
        for (size_t i = 0; i < set->count; i++) {
                assert_true(set->items[i].first >= next);
                next = (uint64_t)set->items[i].last + 2; /* they do not touch */
        }
}

static bool has_all(const bool flags[COUNT], struct gw_span span)
{
        for (uint32_t i = span.first; i <= span.last; i++)
                if (!flags[i])
                        return false;
        return true;
}

static void is_the_set_that_was_left(void **state)
{
        (void)state;
        struct gw_spans set = GW_SPANS_INIT;
        bool flags[COUNT] = {false};
        unsigned seed = 1;
        for (int step = 0; step < STEPS; step++) {
                uint32_t first = (uint32_t)rand_r(&seed) % COUNT;
                struct gw_span span = {first, first + (uint32_t)rand_r(&seed) % 4};
                if (span.last >= COUNT)
                        span.last = COUNT - 1;
                if (rand_r(&seed) % 3 > 0) {
                        assert_int_equal(gw_spans_put(&set, first), 0);
                        flags[first] = true;
                } else {
                        bool all = has_all(flags, span);
                        assert_int_equal(gw_spans_take(&set, span), all);
                        for (uint32_t i = span.first; all && i <= span.last; i++)
                                flags[i] = false;
                }
                assert_same(&set, flags);
        }
        gw_spans_done(&set);
}

static void is_walked_from_any_ordinal(void **state)
{
        (void)state;
        struct gw_spans set = GW_SPANS_INIT;
        assert_null(gw_spans_from(&set, 0));
        assert_int_equal(gw_spans_append(&set, 2, 4, NULL), 0);
        assert_int_equal(gw_spans_append(&set, 8, UINT32_MAX, NULL), 0);
        static const struct {
                uint64_t from;
                int span;
        } cases[] = {{0, 0}, {2, 0}, {4, 0}, {5, 1}, {8, 1}, {UINT32_MAX, 1}};
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                assert_ptr_equal(gw_spans_from(&set, cases[i].from), &set.items[cases[i].span]);
        assert_null(gw_spans_from(&set, (uint64_t)UINT32_MAX + 1));
        gw_spans_done(&set);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(is_the_set_that_was_left),
                cmocka_unit_test(is_walked_from_any_ordinal),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
