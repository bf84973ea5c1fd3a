/* Sets of ordinals against plain bits, over all pairs of small sets, and at their bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/base/limits.h"
#include "server/model/spans.h"

#define BITS 8

static struct gw_spans from_bits(unsigned bits)
{
        struct gw_spans s = GW_SPANS_INIT;
        for (uint32_t i = 0; i < BITS; i++) {
                if (bits >> i & 1)
                        assert_int_equal(gw_spans_append(&s, i, i, NULL), 0);
        }
        return s;
}

/* The bits of a set whose form is checked: rising, apart by more than one. */
static unsigned to_bits(const struct gw_spans *s)
{
        unsigned bits = 0;
        for (size_t i = 0; i < s->count; i++) {
                assert_true(s->items[i].first <= s->items[i].last);
                assert_true(i == 0 || s->items[i].first > s->items[i - 1].last + 1);
                for (uint32_t k = s->items[i].first; k <= s->items[i].last; k++)
                        bits |= 1U << k;
        }
        return bits;
}

static void test_append_joins_neighbours(void **state)
{
        (void)state;
        for (unsigned bits = 0; bits < 1U << BITS; bits++) {
                struct gw_spans s = from_bits(bits);
                assert_int_equal(to_bits(&s), bits);
                assert_int_equal(gw_spans_total(&s), __builtin_popcount(bits));
                for (uint32_t i = 0; i < BITS + 2; i++)
                        assert_int_equal(gw_spans_contains(&s, i), bits >> i & 1);
                gw_spans_done(&s);
                assert_int_equal(s.count, 0);
        }
}

static void test_what_is_made_of_all_pairs(void **state)
{
        (void)state;
        struct gw_spans sets[1U << BITS];
        for (unsigned i = 0; i < 1U << BITS; i++)
                sets[i] = from_bits(i);
        for (unsigned a = 0; a < 1U << BITS; a++) {
                for (unsigned b = 0; b < 1U << BITS; b++) {
                        struct gw_spans both, rest;
                        assert_int_equal(gw_spans_without(&sets[a], &sets[b], &rest, NULL), 0);
                        assert_true(gw_spans_equal(&rest, &sets[a & ~b]));
                        gw_spans_done(&rest);
                        assert_int_equal(gw_spans_intersect(&sets[a], &sets[b], &both, NULL), 0);
                        assert_int_equal(to_bits(&both), a & b);
                        assert_true(gw_spans_equal(&both, &sets[a & b]));
                        assert_int_equal(gw_spans_equal(&sets[a], &sets[b]), a == b);
                        gw_spans_done(&both);
                }
        }
        for (unsigned i = 0; i < 1U << BITS; i++)
                gw_spans_done(&sets[i]);
}

static void test_highest_ordinals(void **state)
{
        (void)state;
        struct gw_spans all = GW_SPANS_INIT, top = GW_SPANS_INIT;
        assert_int_equal(gw_spans_append(&all, 0, UINT32_MAX, NULL), 0);
        assert_int_equal(gw_spans_append(&top, UINT32_MAX, UINT32_MAX, NULL), 0);
        assert_true(gw_spans_total(&all) == UINT64_C(1) << 32);
        assert_true(gw_spans_contains(&all, UINT32_MAX) && gw_spans_contains(&top, UINT32_MAX));
        assert_false(gw_spans_contains(&top, UINT32_MAX - 1));

        assert_int_equal(gw_spans_take(&all, top.items[0]), 1);
        assert_int_equal(all.count, 1);
        assert_true(all.items[0].first == 0 && all.items[0].last == UINT32_MAX - 1);
        assert_int_equal(gw_spans_put(&all, UINT32_MAX), 0);
        assert_true(gw_spans_total(&all) == UINT64_C(1) << 32);
        assert_int_equal(gw_spans_take(&all, all.items[0]), 1);
        assert_int_equal(all.count, 0);
        assert_int_equal(gw_spans_put(&all, UINT32_MAX), 0);
        assert_true(gw_spans_equal(&all, &top));
        gw_spans_done(&all);
        gw_spans_done(&top);
}

/* Every other task of the largest array fits. */
static void test_largest(void **state)
{
        (void)state;
        struct gw_spans even = GW_SPANS_INIT, odd = GW_SPANS_INIT, ret;
        for (uint32_t i = 0; i < GW_MAX_ARRAY; i += 2) {
                assert_int_equal(gw_spans_append(&even, i, i, NULL), 0);
                assert_int_equal(gw_spans_append(&odd, i + 1, i + 1, NULL), 0);
        }
        assert_int_equal(even.count, GW_MAX_ARRAY / 2);
        assert_int_equal(gw_spans_intersect(&even, &odd, &ret, NULL), 0);
        assert_int_equal(ret.count, 0);
        gw_spans_done(&ret);
        assert_int_equal(gw_spans_take(&even, (struct gw_span){2, 2}), 1);
        assert_int_equal(even.count, GW_MAX_ARRAY / 2 - 1);
        assert_int_equal(gw_spans_put(&even, 2), 0);
        assert_int_equal(even.count, GW_MAX_ARRAY / 2);
        assert_int_equal(gw_spans_total(&even), GW_MAX_ARRAY / 2);
        gw_spans_done(&even);
        gw_spans_done(&odd);
}

static void test_grows_no_further_than_its_bound(void **state)
{
        (void)state;
        struct gw_spans s = GW_SPANS_INIT;
        struct gw_error err = {0};
        uint32_t i = 0;
        while (gw_spans_append(&s, i, i, &err) == 0)
                i += 2;
        assert_int_equal(err.code, GW_ERR_NOMEM);
        assert_true(s.count >= GW_MAX_ARRAY && s.count < 2 * GW_MAX_ARRAY);
        gw_spans_done(&s);
}

static void test_format(void **state)
{
        (void)state;
        struct gw_spans s = GW_SPANS_INIT;
        struct gw_buf b = GW_BUF_INIT(100);
        gw_spans_format(&s, &b);
        assert_int_equal(b.len, 0);
        gw_spans_append(&s, 0, 4, NULL);
        gw_spans_append(&s, 7, 7, NULL);
        gw_spans_append(&s, 9, 10, NULL);
        gw_spans_append(&s, 4294967295U, 4294967295U, NULL);
        gw_spans_format(&s, &b);
        assert_true(gw_buf_ok(&b));
        assert_string_equal(b.data, "0-4,7,9-10,4294967295");
        gw_buf_done(&b);
        gw_spans_done(&s);
}

static void test_parse(void **state)
{
        (void)state;
        static const char *const bad[] = {
                "-",     "1-",         "1,", "1,,2", ",1",    "2,1", "1,1", "3-2",
                "1-2-3", "4294967296", "x",  "1 ",   "1-3,3", "0x1", "-1",  "99999999999999999999"};
        static const char *const good[] = {"", "0", "0-4,7,9-10,4294967295", "0-4294967295"};
        struct gw_spans s;
        struct gw_error err = {0};
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                assert_int_equal(gw_spans_parse(bad[i], &s, &err), -1);
                assert_int_equal(err.code, GW_ERR_INVALID);
                assert_int_equal(s.count, 0);
        }
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
                struct gw_buf b = GW_BUF_INIT(100);
                assert_int_equal(gw_spans_parse(good[i], &s, NULL), 0);
                gw_spans_format(&s, &b);
                assert_string_equal(b.data ? b.data : "", good[i]);
                gw_buf_done(&b);
                gw_spans_done(&s);
        }
}

/* More spans than a client may write. */
static void test_parse_many(void **state)
{
        (void)state;
        struct gw_spans s = GW_SPANS_INIT, again;
        struct gw_buf b = GW_BUF_INIT(200000 * GW_SPAN_TEXT);
        for (uint32_t i = 0; i < 200000; i++)
                assert_int_equal(gw_spans_append(&s, 4 * i, 4 * i + i % 2, NULL), 0);
        gw_spans_format(&s, &b);
        assert_true(gw_buf_ok(&b));
        assert_int_equal(gw_spans_parse(b.data, &again, NULL), 0);
        assert_true(gw_spans_equal(&s, &again));
        gw_spans_done(&again);
        gw_spans_done(&s);
        gw_buf_done(&b);
}

/* Any order, overlapping and touching: the set of all that was given. */
static void test_gather(void **state)
{
        (void)state;
        unsigned short seed[3] = {7, 7, 7};
        for (int round = 0; round < 2000; round++) {
                bool member[64] = {false};
                struct gw_spans s = GW_SPANS_INIT;
                for (long n = nrand48(seed) % 12; n > 0; n--) {
                        uint32_t first = (uint32_t)(nrand48(seed) % 60);
                        uint32_t last = first + (uint32_t)(nrand48(seed) % 4);
                        assert_int_equal(gw_spans_gather(&s, first, last, NULL), 0);
                        memset(member + first, true, last - first + 1);
                }
                gw_spans_settle(&s);
                for (uint32_t i = 0; i < 64; i++)
                        assert_int_equal(gw_spans_contains(&s, i), member[i]);
                for (size_t i = 1; i < s.count; i++)
                        assert_true(s.items[i].first > s.items[i - 1].last + 1);
                gw_spans_done(&s);
        }
}

/* More pieces than the largest array has: what is there is put together first. */
static void test_gather_many(void **state)
{
        (void)state;
        struct gw_spans s = GW_SPANS_INIT;
        for (int round = 0; round < 3; round++)
                for (uint32_t i = 0; i < 1000000; i += 2)
                        assert_int_equal(gw_spans_gather(&s, i, i, NULL), 0);
        gw_spans_settle(&s);
        assert_int_equal(s.count, 500000);
        gw_spans_done(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_append_joins_neighbours),
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_parse_many),
                cmocka_unit_test(test_gather),
                cmocka_unit_test(test_gather_many),
                cmocka_unit_test(test_what_is_made_of_all_pairs),
                cmocka_unit_test(test_highest_ordinals),
                cmocka_unit_test(test_largest),
                cmocka_unit_test(test_grows_no_further_than_its_bound),
                cmocka_unit_test(test_format),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
