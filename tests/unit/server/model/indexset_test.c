/* Index sets: the grammar and its words, and the set itself against plain bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/model/indexset.h"

static struct gw_indexset good(const char *text)
{
        struct gw_error err = {0};
        struct gw_indexset set;
        if (gw_indexset_parse(text, &set, &err))
                fail_msg("%.80s: %s", text, err.message);
        return set;
}

static char *text_of(const struct gw_indexset *set)
{
        struct gw_buf b = GW_BUF_INIT(GW_MAX_INDEX_TEXT);
        gw_buf_str(&b, ""); /* an empty set has a text too */
        gw_indexset_format(set, &b);
        assert_true(gw_buf_ok(&b));
        char *text = gw_buf_take(&b, NULL);
        return text ? text : calloc(1, 1);
}

static void assert_text(const char *text, const char *want)
{
        struct gw_indexset set = good(text);
        gw_autofree char *got = text_of(&set);
        assert_string_equal(got, want);
        gw_indexset_done(&set);
}

/* What indexset.h says of a set's inside. */
static void assert_invariants(const struct gw_indexset *set)
{
        uint32_t ordinal = 0;
        for (size_t i = 0; i < set->run_count; i++) {
                const struct gw_index_run *r = &set->runs[i];
                assert_true(r->first <= r->last && r->step >= 1);
                assert_int_equal((r->last - r->first) % r->step, 0);
                uint32_t n = (r->last - r->first) / r->step + 1;
                assert_true(n >= 3 || r->step == 1);
                assert_true(i == 0 || r->first > set->runs[i - 1].last);
                assert_int_equal(r->ordinal, ordinal);
                ordinal += n;
        }
        assert_int_equal(set->count, ordinal);
        assert_true(set->run_count <= GW_MAX_INDEX_RANGES && set->count <= GW_MAX_ARRAY);
}

static void test_canonical_text(void **state)
{
        (void)state;
        static const struct {
                const char *text, *want;
        } cases[] = {
                {"0", "0"},
                {"007", "7"},
                {"0-99:2", "0-98:2"},
                {"0-99:2,120,200-300", "0-98:2,120,200-300"},
                {"5,3,1", "1-5:2"},
                {"1,2", "1-2"},
                {"1,3", "1,3"},
                {"1,2,3", "1-3"},
                {"3-3", "3"},
                {"3-4:5", "3"},
                {"0-5:5", "0,5"},
                {"0-10:5", "0-10:5"},
                {"0-4,5-9", "0-9"},
                {"5-9,0-4", "0-9"},
                {"0-9,5-20", "0-20"},
                {"0-9,0-9", "0-9"},
                {"1,1,1", "1"},
                {"0-10:2,1-9:2", "0-10"},
                {"0-10:2,11", "0-10:2,11"},
                {"0,5,6,7", "0,5-7"},
                {"0-4:2,4-8:2", "0-8:2"},
                {"0,2,3,4", "0,2-4"},
                {"2147483647", "2147483647"},
                {"0,2147483647", "0,2147483647"},
                {"2147483645-2147483647", "2147483645-2147483647"},
                {"0-2147483646:1073741823", "0-2147483646:1073741823"},
                {"0-2147483647:2147483647", "0,2147483647"},
                {"0-1:2147483647", "0"},
                {"0-999999", "0-999999"},
                {"0,3,6,9,10,11,12", "0-9:3,10-12"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                assert_text(cases[i].text, cases[i].want);
                assert_text(cases[i].want, cases[i].want);
        }
}

static void test_refusals(void **state)
{
        (void)state;
        static const struct {
                const char *text, *words;
        } cases[] = {
                {"", "\"\" at character 1 is not an index"},
                {",", "at character 1"},
                {"1,", "\"\" at character 3"},
                {",1", "at character 1"},
                {"1,,2", "\"\" at character 3"},
                {"0-9,x,3", "\"x\" at character 5 is not an index"},
                {" 1", "is not an index"},
                {"1 ", "is not an index"},
                {"1, 2", "\" 2\" at character 3"},
                {"-1", "is not an index"},
                {"+1", "is not an index"},
                {"1-", "is not an index"},
                {"1-2-3", "is not an index"},
                {"1:2", "is not an index"},
                {"1-2:", "is not an index"},
                {"1-2:3:4", "is not an index"},
                {"1-2:-1", "is not an index"},
                {"[0-9]", "is not an index"},
                {"0x1", "is not an index"},
                {"1.5", "is not an index"},
                {"1;2", "is not an index"},
                {"0-15%4", "max_parallel"},
                {"0-15:2%4", "max_parallel"},
                {"3%1", "max_parallel"},
                {"9-0", "\"9-0\" at character 1 runs backwards"},
                {"1,9-8", "at character 3 runs backwards"},
                {"0-9:0", "has a step of 0"},
                {"2147483648", "the highest index is 2147483647"},
                {"0-2147483648:5", "the highest"},
                {"4294967301", "the highest"},
                {"18446744073709551621", "the highest"},
                {"99999999999999999999999999999999", "the highest"},
                {"1-99999999999999999999999999999:99999999999999999999999", "the highest"},
                {"0-1000000", "more than 1000000 indices"},
                {"0-999999,0", "more than 1000000"},
                {"0-2147483647", "more than 1000000 indices"},
                {"1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,2",
                 "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" at character 3"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_error err = {0};
                struct gw_indexset set = {.count = 77};
                if (gw_indexset_parse(cases[i].text, &set, &err) == 0)
                        fail_msg("%s was accepted", cases[i].text);
                assert_int_equal(err.code, GW_ERR_INVALID);
                if (!strstr(err.message, cases[i].words))
                        fail_msg("%s: %s", cases[i].text, err.message);
                assert_int_equal(set.count, 77);
                assert_int_equal(gw_indexset_parse(cases[i].text, &set, NULL), -1);
        }
}

/* first, first + gap …, as a list of n single indices or of ranges of width + 1. */
static char *list_of(size_t n, uint32_t gap, uint32_t width)
{
        struct gw_buf b = GW_BUF_INIT(4 * GW_MAX_INDEX_TEXT);
        for (uint32_t i = 0; i < n; i++) {
                gw_buf_printf(&b, "%s%u", i ? "," : "", i * gap);
                if (width)
                        gw_buf_printf(&b, "-%u", i * gap + width);
        }
        assert_true(gw_buf_ok(&b));
        return gw_buf_take(&b, NULL);
}

static void assert_refused(const char *text, const char *words)
{
        struct gw_error err = {0};
        struct gw_indexset set;
        assert_int_equal(gw_indexset_parse(text, &set, &err), -1);
        assert_int_equal(err.code, GW_ERR_INVALID);
        if (!strstr(err.message, words))
                fail_msg("%s", err.message);
}

static void test_bounds_and_one_past(void **state)
{
        (void)state;
        gw_autofree char *most = list_of(GW_MAX_INDEX_RANGES, 3, 1);
        struct gw_indexset set = good(most);
        assert_int_equal(set.run_count, GW_MAX_INDEX_RANGES);
        assert_invariants(&set);
        gw_indexset_done(&set);
        gw_autofree char *more = list_of(GW_MAX_INDEX_RANGES + 1, 3, 1);
        assert_refused(more, "there are more than 10000 ranges");
        gw_autofree char *singles = list_of(GW_MAX_INDEX_RANGES, 1, 0);
        assert_text(singles, "0-9999");
        gw_autofree char *one_more = list_of(GW_MAX_INDEX_RANGES + 1, 1, 0);
        assert_refused(one_more, "there are more than 10000 ranges");

        /* few parts whose union falls into too many runs */
        assert_refused("0-99999:2,0-99999:3", "fall into more than 10000 ranges");

        gw_autofree char *text = malloc(GW_MAX_INDEX_TEXT + 2);
        assert_non_null(text);
        memset(text, '0', GW_MAX_INDEX_TEXT + 1);
        text[GW_MAX_INDEX_TEXT] = '\0';
        set = good(text);
        assert_int_equal(set.count, 1);
        gw_indexset_done(&set);
        memcpy(text + GW_MAX_INDEX_TEXT, "0", 2);
        assert_refused(text, "longer than 262144 bytes");

        set = good("1-1000000");
        assert_int_equal(set.count, GW_MAX_ARRAY);
        gw_indexset_done(&set);
}

/* All subsets of 0 … 12, written as a list in falling order: members, mapping, one text. */
static void test_every_small_set(void **state)
{
        (void)state;
        for (unsigned bits = 1; bits < 1U << 13; bits++) {
                struct gw_buf b = GW_BUF_INIT(1000);
                for (int i = 12; i >= 0; i--) {
                        if (bits >> i & 1)
                                gw_buf_printf(&b, "%s%d", b.len ? "," : "", i);
                }
                struct gw_indexset set = good(b.data);
                assert_invariants(&set);
                assert_int_equal(set.count, __builtin_popcount(bits));
                uint32_t want = 0, got;
                for (uint32_t i = 0; i < 15; i++) {
                        if (bits >> i & 1) {
                                assert_int_equal(gw_indexset_ordinal(&set, i, &got), 0);
                                assert_int_equal(got, want);
                                assert_int_equal(gw_indexset_index(&set, want++, &got), 0);
                                assert_int_equal(got, i);
                        } else {
                                assert_int_equal(gw_indexset_ordinal(&set, i, &got), -1);
                        }
                }
                assert_int_equal(gw_indexset_index(&set, want, &got), -1);
                gw_autofree char *text = text_of(&set);
                assert_text(text, text);
                gw_indexset_done(&set);
                gw_buf_done(&b);
        }
}

#define UNIVERSE 600

/* Random parts that may overlap, with what they stand for in `member`. */
static char *random_text(unsigned short seed[3], bool member[UNIVERSE])
{
        struct gw_buf b = GW_BUF_INIT(4000);
        int parts = 1 + (int)(nrand48(seed) % 12);
        memset(member, 0, UNIVERSE);
        for (int i = 0; i < parts; i++) {
                int first = (int)(nrand48(seed) % UNIVERSE);
                int last = first + (int)(nrand48(seed) % (UNIVERSE - first));
                int step = 1 + (int)(nrand48(seed) % 9);
                if (nrand48(seed) % 3 == 0)
                        last = first;
                gw_buf_printf(&b, "%s%d", i ? "," : "", first);
                if (last > first)
                        gw_buf_printf(&b, "-%d:%d", last, step);
                for (int k = first; k <= last; k += step)
                        member[k] = true;
        }
        return gw_buf_take(&b, NULL);
}

static void test_random_sets(void **state)
{
        (void)state;
        unsigned short seed[3] = {3, 3, 3};
        for (int round = 0; round < 5000; round++) {
                bool member[UNIVERSE];
                gw_autofree char *text = random_text(seed, member);
                struct gw_indexset set = good(text);
                assert_invariants(&set);
                uint32_t ordinal = 0, got;
                for (uint32_t i = 0; i < UNIVERSE; i++) {
                        assert_int_equal(gw_indexset_ordinal(&set, i, &got), member[i] ? 0 : -1);
                        if (!member[i])
                                continue;
                        assert_int_equal(got, ordinal);
                        assert_int_equal(gw_indexset_index(&set, ordinal++, &got), 0);
                        assert_int_equal(got, i);
                }
                assert_int_equal(set.count, ordinal);
                gw_autofree char *once = text_of(&set);
                assert_text(once, once);
                gw_indexset_done(&set);
        }
}

/* pick undoes subset: over random sets and random ordinals of them. */
static void test_subset_and_pick(void **state)
{
        (void)state;
        unsigned short seed[3] = {4, 4, 4};
        for (int round = 0; round < 5000; round++) {
                bool member[UNIVERSE];
                gw_autofree char *text = random_text(seed, member);
                struct gw_indexset all = good(text), some;
                struct gw_spans ordinals = GW_SPANS_INIT, back, read;
                uint32_t density = 1 + (uint32_t)(nrand48(seed) % 10);
                for (uint32_t i = 0; i < all.count; i++) {
                        if (nrand48(seed) % 10 < density)
                                assert_int_equal(gw_spans_append(&ordinals, i, i, NULL), 0);
                }
                assert_int_equal(gw_indexset_subset(&all, &ordinals, &some, NULL), 0);
                assert_invariants(&some);
                assert_int_equal(some.count, gw_spans_total(&ordinals));
                assert_int_equal(gw_indexset_pick(&all, &some, &back, NULL), 0);
                assert_true(gw_spans_equal(&back, &ordinals));
                gw_spans_done(&back);

                if (some.count > 0) { /* the same set, and the spans, through their texts */
                        gw_autofree char *once = text_of(&some);
                        assert_text(once, once);
                        struct gw_buf b = GW_BUF_INIT(GW_MAX_INDEX_TEXT);
                        gw_spans_format(&ordinals, &b);
                        assert_int_equal(gw_spans_parse(b.data, &read, NULL), 0);
                        assert_true(gw_spans_equal(&read, &ordinals));
                        gw_spans_done(&read);
                        gw_buf_done(&b);
                }
                gw_indexset_done(&some);
                gw_spans_done(&ordinals);
                gw_indexset_done(&all);
        }
}

static void test_pick_names_the_stranger(void **state)
{
        (void)state;
        struct gw_indexset all = good("0-98:2"), some = good("4,6,7,9");
        struct gw_spans spans = {.count = 77};
        struct gw_error err = {0};
        assert_int_equal(gw_indexset_pick(&all, &some, &spans, &err), -1);
        assert_int_equal(err.code, GW_ERR_UNPROCESSABLE);
        assert_non_null(strstr(err.message, "7 is no index"));
        assert_int_equal(spans.count, 77);
        gw_indexset_done(&some);

        some = good("90-98:4");
        assert_int_equal(gw_indexset_pick(&all, &some, &spans, NULL), 0);
        assert_int_equal(spans.count, 3);
        assert_int_equal(spans.items[0].first, 45);
        gw_spans_done(&spans);
        gw_indexset_done(&some);
        gw_indexset_done(&all);
}

static void test_nothing_of_a_set(void **state)
{
        (void)state;
        struct gw_indexset all = good("0-9"), none;
        struct gw_spans empty = GW_SPANS_INIT, spans;
        assert_int_equal(gw_indexset_subset(&all, &empty, &none, NULL), 0);
        assert_int_equal(none.count, 0);
        gw_autofree char *text = text_of(&none);
        assert_string_equal(text, "");
        uint32_t got;
        assert_int_equal(gw_indexset_ordinal(&none, 0, &got), -1);
        assert_int_equal(gw_indexset_index(&none, 0, &got), -1);
        assert_int_equal(gw_indexset_pick(&all, &none, &spans, NULL), 0);
        assert_int_equal(spans.count, 0);
        gw_indexset_done(&none);
        gw_indexset_done(&none); /* may be repeated */
        gw_indexset_done(&all);
}

static void test_the_first_indices(void **state)
{
        (void)state;
        static const struct {
                uint32_t count;
                const char *text;
        } cases[] = {{1, "0"}, {2, "0-1"}, {3, "0-2"}, {4, "0-3"}, {GW_MAX_ARRAY, "0-999999"}};
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_indexset set;
                assert_int_equal(gw_indexset_first(cases[i].count, &set, NULL), 0);
                assert_int_equal(set.count, cases[i].count);
                assert_int_equal(set.run_count, 1);
                gw_autofree char *text = text_of(&set);
                assert_string_equal(text, cases[i].text);
                gw_indexset_done(&set);
        }
}

/* A subset that falls into more runs, or a longer text, than can be read again. */
static void test_subset_out_of_bounds(void **state)
{
        (void)state;
        struct gw_indexset all = good("0-999999"), set;
        struct gw_spans ordinals = GW_SPANS_INIT;
        struct gw_error err = {0};
        for (uint32_t i = 0; i <= GW_MAX_INDEX_RANGES; i++)
                assert_int_equal(gw_spans_append(&ordinals, i * 3, i * 3 + 1, NULL), 0);
        assert_int_equal(gw_indexset_subset(&all, &ordinals, &set, &err), -1);
        assert_int_equal(err.code, GW_ERR_INVALID);
        gw_spans_done(&ordinals);
        gw_indexset_done(&all);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_canonical_text),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_bounds_and_one_past),
                cmocka_unit_test(test_every_small_set),
                cmocka_unit_test(test_random_sets),
                cmocka_unit_test(test_subset_and_pick),
                cmocka_unit_test(test_pick_names_the_stranger),
                cmocka_unit_test(test_nothing_of_a_set),
                cmocka_unit_test(test_the_first_indices),
                cmocka_unit_test(test_subset_out_of_bounds),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
