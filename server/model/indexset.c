/*
 * Index sets: text to runs, index to ordinal and back. Any thread, each set on its own.
 *
 * Every set comes out of index_builder.c, which wants rising indices. Parts that
 * overlap or are out of order are spelled out, sorted and fed in one by one; all others go in
 * a run at a time.
 */
#include "server/model/indexset.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/str.h"
#include "server/model/index_builder.h"

/* ---- reading ---- */

struct parts {
        struct gw_index_run *items;
        size_t count, cap;
        uint64_t total; /* indices listed */
};

static int refuse_part(struct gw_error *err, const char *text, const char *part, const char *why)
{
        char raw[64], shown[48];
        size_t len = strcspn(part, ",");
        if (len >= sizeof raw)
                len = sizeof raw - 1;
        memcpy(raw, part, len);
        raw[len] = '\0';
        gw_str_copy(shown, sizeof shown, raw);
        return gw_fail(err, GW_ERR_INVALID, "\"%s\" at character %zu %s", shown,
                       (size_t)(part - text) + 1, why);
}

/* Decimal digits, moving *p behind them; false when there are none. Capped above the maximum. */
static bool read_number(const char **p, uint32_t *ret)
{
        const char *begin = *p;
        uint64_t v = 0;
        for (; **p >= '0' && **p <= '9'; ++*p) {
                v = v * 10 + (uint64_t)(**p - '0');
                v = v <= GW_MAX_INDEX ? v : GW_MAX_INDEX + UINT64_C(1);
        }
        *ret = (uint32_t)v;
        return *p > begin;
}

/* first[-last[:step]] up to the next comma or the end. Returns NULL or what is wrong. */
static const char *read_part(const char **p, struct gw_index_run *ret)
{
        static const char shape[] = "is not an index (7), a range (0-99) or a range with a step "
                                    "(0-99:2)";
        struct gw_index_run r = {.step = 1};

        if (!read_number(p, &r.first))
                return shape;
        r.last = r.first;
        if (**p == '-') {
                ++*p;
                if (!read_number(p, &r.last))
                        return shape;
                if (**p == ':') {
                        ++*p;
                        if (!read_number(p, &r.step))
                                return shape;
                }
        }
        if (**p == '%')
                return "has a %: how many run at once is said by max_parallel";
        if (**p && **p != ',')
                return shape;
        if (r.first > GW_MAX_INDEX || r.last > GW_MAX_INDEX)
                return "is too high: the highest index is 2147483647";
        if (r.last < r.first)
                return "runs backwards: the lower index comes first";
        if (r.step == 0)
                return "has a step of 0: at least 1";
        r.last -= (r.last - r.first) % r.step;
        *ret = r;
        return NULL;
}

static int keep_part(struct parts *parts, const struct gw_index_run *part, struct gw_error *err)
{
        if (parts->count == GW_MAX_INDEX_RANGES)
                return gw_fail(err, GW_ERR_INVALID, "there are more than %d ranges",
                               GW_MAX_INDEX_RANGES);
        parts->total += (part->last - part->first) / part->step + 1;
        if (parts->total > GW_MAX_ARRAY)
                return gw_fail(err, GW_ERR_INVALID, "there are more than %d indices", GW_MAX_ARRAY);
        if (parts->count == parts->cap) {
                size_t cap = parts->cap ? parts->cap * 2 : 8;
                struct gw_index_run *items = realloc(parts->items, cap * sizeof *items);
                if (!items)
                        return gw_fail(err, GW_ERR_NOMEM, "out of memory");
                parts->items = items;
                parts->cap = cap;
        }
        parts->items[parts->count++] = *part;
        return 0;
}

static int read_parts(const char *text, struct parts *parts, struct gw_error *err)
{
        const char *p = text;
        for (;;) {
                struct gw_index_run part;
                const char *begin = p, *wrong = read_part(&p, &part);
                if (wrong)
                        return refuse_part(err, text, begin, wrong);
                if (keep_part(parts, &part, err))
                        return -1;
                if (!*p)
                        return 0;
                p++;
        }
}

/* Whether the parts rise and do not overlap, as most people write them. */
static bool in_order(const struct parts *parts)
{
        for (size_t i = 1; i < parts->count; i++) {
                if (parts->items[i].first <= parts->items[i - 1].last)
                        return false;
        }
        return true;
}

/* Radix sort, 31 bits in three passes: the time is bounded whatever the client sends.
 * Leaves the result in `spare`. */
static void sort_indices(uint32_t *values, uint32_t *spare, size_t n)
{
        for (unsigned shift = 0; shift < 33; shift += 11) {
                size_t at[2048] = {0}, sum = 0;
                for (size_t i = 0; i < n; i++)
                        at[values[i] >> shift & 2047]++;
                for (size_t i = 0; i < 2048; i++) {
                        size_t here = at[i];
                        at[i] = sum;
                        sum += here;
                }
                for (size_t i = 0; i < n; i++)
                        spare[at[values[i] >> shift & 2047]++] = values[i];
                uint32_t *t = values;
                values = spare;
                spare = t;
        }
}

/* Parts in any order: every index on its own, sorted, those named twice once. */
static int push_spelled_out(struct gw_index_builder *b, const struct parts *parts,
                            struct gw_error *err)
{
        size_t n = 0, total = (size_t)parts->total;
        gw_autofree uint32_t *values = calloc(total * 2, sizeof *values);
        if (!values)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        for (size_t i = 0; i < parts->count; i++) {
                const struct gw_index_run *r = &parts->items[i];
                for (uint32_t k = 0; k <= (r->last - r->first) / r->step; k++)
                        values[n++] = r->first + k * r->step;
        }
        const uint32_t *sorted = values + total;
        sort_indices(values, values + total, n);
        for (size_t i = 0; i < n; i++) {
                if ((i == 0 || sorted[i] != sorted[i - 1]) &&
                    gw_index_builder_push(b, sorted[i], err))
                        return -1;
        }
        return 0;
}

static int push_parts(struct gw_index_builder *b, const struct parts *parts, struct gw_error *err)
{
        if (!in_order(parts))
                return push_spelled_out(b, parts, err);
        for (size_t i = 0; i < parts->count; i++) {
                const struct gw_index_run *r = &parts->items[i];
                if (gw_index_builder_push_run(b, r->first, r->last, r->step, err))
                        return -1;
        }
        return 0;
}

int gw_indexset_parse(const char *text, struct gw_indexset *ret, struct gw_error *err)
{
        struct parts parts = {0};
        struct gw_index_builder b = GW_INDEX_BUILDER_INIT;

        if (strnlen(text, GW_MAX_INDEX_TEXT + 1) > GW_MAX_INDEX_TEXT)
                return gw_fail(err, GW_ERR_INVALID, "the text is longer than %d bytes",
                               GW_MAX_INDEX_TEXT);
        int rc = read_parts(text, &parts, err);
        if (rc == 0)
                rc = push_parts(&b, &parts, err);
        if (rc == 0)
                rc = gw_index_builder_finish(&b, ret, err);
        gw_index_builder_done(&b);
        free(parts.items);
        return rc;
}

int gw_indexset_first(uint32_t count, struct gw_indexset *ret, struct gw_error *err)
{
        struct gw_index_builder b = GW_INDEX_BUILDER_INIT;
        assert(count > 0 && count <= GW_MAX_ARRAY);
        int rc = gw_index_builder_push_run(&b, 0, count - 1, 1, err);
        if (rc == 0)
                rc = gw_index_builder_finish(&b, ret, err);
        gw_index_builder_done(&b);
        return rc;
}

void gw_indexset_done(struct gw_indexset *set)
{
        free(set->runs);
        *set = (struct gw_indexset){0};
}

void gw_indexset_format(const struct gw_indexset *set, struct gw_buf *out)
{
        for (size_t i = 0; i < set->run_count; i++) {
                const struct gw_index_run *r = &set->runs[i];
                if (i > 0)
                        gw_buf_char(out, ',');
                gw_buf_int(out, r->first);
                if (r->last > r->first) {
                        gw_buf_char(out, '-');
                        gw_buf_int(out, r->last);
                }
                if (r->step > 1) {
                        gw_buf_char(out, ':');
                        gw_buf_int(out, r->step);
                }
        }
}

/* ---- asking ---- */

int gw_indexset_ordinal(const struct gw_indexset *set, uint32_t index, uint32_t *ret)
{
        size_t lo = 0, hi = set->run_count;
        while (lo < hi) {
                size_t mid = lo + (hi - lo) / 2;
                if (set->runs[mid].last < index)
                        lo = mid + 1;
                else
                        hi = mid;
        }
        if (lo == set->run_count)
                return -1;
        const struct gw_index_run *r = &set->runs[lo];
        if (index < r->first || (index - r->first) % r->step != 0)
                return -1;
        *ret = r->ordinal + (index - r->first) / r->step;
        return 0;
}

const struct gw_index_run *gw_indexset_run(const struct gw_indexset *set, uint32_t ordinal)
{
        size_t lo = 0, hi = set->run_count;
        while (hi - lo > 1) {
                size_t mid = lo + (hi - lo) / 2;
                if (set->runs[mid].ordinal <= ordinal)
                        lo = mid;
                else
                        hi = mid;
        }
        return &set->runs[lo];
}

int gw_indexset_index(const struct gw_indexset *set, uint32_t ordinal, uint32_t *ret)
{
        if (ordinal >= set->count)
                return -1;
        const struct gw_index_run *r = gw_indexset_run(set, ordinal);
        *ret = r->first + (ordinal - r->ordinal) * r->step;
        return 0;
}

int gw_indexset_pick(const struct gw_indexset *all, const struct gw_indexset *some,
                     struct gw_spans *ret, struct gw_error *err)
{
        struct gw_spans spans = GW_SPANS_INIT;
        for (size_t i = 0; i < some->run_count; i++) {
                const struct gw_index_run *r = &some->runs[i];
                for (uint32_t k = 0; k <= (r->last - r->first) / r->step; k++) {
                        uint32_t index = r->first + k * r->step, ordinal;
                        int rc = gw_indexset_ordinal(all, index, &ordinal);
                        if (rc)
                                gw_fail(err, GW_ERR_UNPROCESSABLE,
                                        "%" PRIu32 " is no index of this array", index);
                        if (rc || gw_spans_append(&spans, ordinal, ordinal, err)) {
                                gw_spans_done(&spans);
                                return -1;
                        }
                }
        }
        *ret = spans;
        return 0;
}

/* The indices of one span of ordinals, a run of `all` at a time. */
static int push_span(struct gw_index_builder *b, const struct gw_indexset *all, struct gw_span span,
                     struct gw_error *err)
{
        const struct gw_index_run *end = all->runs + all->run_count;
        for (const struct gw_index_run *r = gw_indexset_run(all, span.first);
             r < end && r->ordinal <= span.last; r++) {
                uint32_t top = r->ordinal + (r->last - r->first) / r->step;
                uint32_t lo = span.first > r->ordinal ? span.first : r->ordinal;
                uint32_t hi = span.last < top ? span.last : top;
                if (gw_index_builder_push_run(b, r->first + (lo - r->ordinal) * r->step,
                                              r->first + (hi - r->ordinal) * r->step, r->step, err))
                        return -1;
        }
        return 0;
}

int gw_indexset_subset(const struct gw_indexset *all, const struct gw_spans *ordinals,
                       struct gw_indexset *ret, struct gw_error *err)
{
        struct gw_index_builder b = GW_INDEX_BUILDER_INIT;
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < ordinals->count; i++) {
                assert(ordinals->items[i].last < all->count);
                rc = push_span(&b, all, ordinals->items[i], err);
        }
        if (rc == 0)
                rc = gw_index_builder_finish(&b, ret, err);
        gw_index_builder_done(&b);
        return rc;
}
