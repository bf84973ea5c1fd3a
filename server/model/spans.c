/*
 * Sets of ordinals as sorted spans. What is made of two sets is one sweep over the borders of
 * both lists, by a truth table of four entries. Any thread, each set on its own.
 */
#include "server/model/spans.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/limits.h"

#define END (UINT64_C(1) << 32) /* one past the highest ordinal */

void gw_spans_done(struct gw_spans *s)
{
        free(s->items);
        *s = GW_SPANS_INIT;
}

static int grow(struct gw_spans *s, struct gw_error *err)
{
        size_t cap = s->cap ? s->cap * 2 : 8;
        struct gw_span *items = NULL;
        if (s->cap < GW_MAX_ARRAY)
                items = realloc(s->items, cap * sizeof *items);
        if (!items)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        s->items = items;
        s->cap = cap;
        return 0;
}

int gw_spans_append(struct gw_spans *s, uint32_t first, uint32_t last, struct gw_error *err)
{
        assert(first <= last);
        if (s->count > 0) {
                struct gw_span *top = &s->items[s->count - 1];
                assert(first > top->last);
                if (first - 1 == top->last) {
                        top->last = last;
                        return 0;
                }
        }
        if (s->count == s->cap && grow(s, err))
                return -1;
        s->items[s->count++] = (struct gw_span){first, last};
        return 0;
}

int gw_spans_gather(struct gw_spans *s, uint32_t first, uint32_t last, struct gw_error *err)
{
        assert(first <= last);
        if (s->count == s->cap && s->cap >= GW_MAX_ARRAY)
                gw_spans_settle(s);
        if (s->count == s->cap && grow(s, err))
                return -1;
        s->items[s->count++] = (struct gw_span){first, last};
        return 0;
}

static int by_first(const void *a, const void *b)
{
        const struct gw_span *x = a, *y = b;
        return (x->first > y->first) - (x->first < y->first);
}

void gw_spans_settle(struct gw_spans *s)
{
        size_t kept = 0;
        if (s->count == 0)
                return;
        qsort(s->items, s->count, sizeof *s->items, by_first);
        for (size_t i = 1; i < s->count; i++) {
                struct gw_span *top = &s->items[kept], next = s->items[i];
                if (next.first > (uint64_t)top->last + 1)
                        s->items[++kept] = next;
                else if (next.last > top->last)
                        top->last = next.last;
        }
        s->count = kept + 1;
}

uint64_t gw_spans_total(const struct gw_spans *s)
{
        uint64_t total = 0;
        for (size_t i = 0; i < s->count; i++)
                total += (uint64_t)s->items[i].last - s->items[i].first + 1;
        return total;
}

const struct gw_span *gw_spans_from(const struct gw_spans *set, uint64_t ordinal)
{
        size_t low = 0, high = set->count;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (set->items[middle].last < ordinal)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < set->count ? &set->items[low] : NULL;
}

bool gw_spans_contains(const struct gw_spans *s, uint32_t ordinal)
{
        const struct gw_span *span = gw_spans_from(s, ordinal);
        return span && span->first <= ordinal;
}

bool gw_spans_equal(const struct gw_spans *a, const struct gw_spans *b)
{
        if (a->count != b->count)
                return false;
        for (size_t i = 0; i < a->count; i++) {
                if (a->items[i].first != b->items[i].first || a->items[i].last != b->items[i].last)
                        return false;
        }
        return true;
}

/* One list during a sweep: items before i end below the position. */
struct side {
        const struct gw_spans *spans;
        size_t i;
};

static bool inside(const struct side *s, uint64_t position)
{
        return s->i < s->spans->count && s->spans->items[s->i].first <= position;
}

/* The next position at which inside() changes. */
static uint64_t border(const struct side *s, uint64_t position)
{
        if (s->i == s->spans->count)
                return END;
        const struct gw_span *span = &s->spans->items[s->i];
        return span->first <= position ? (uint64_t)span->last + 1 : span->first;
}

static void advance(struct side *s, uint64_t position)
{
        if (s->i < s->spans->count && s->spans->items[s->i].last < position)
                s->i++;
}

static int combine(const struct gw_spans *left, const struct gw_spans *right, const bool keep[4],
                   struct gw_spans *ret, struct gw_error *err)
{
        struct side a = {left, 0}, b = {right, 0};
        uint64_t position = 0;

        *ret = GW_SPANS_INIT;
        while (position < END) {
                uint64_t to_a = border(&a, position), to_b = border(&b, position);
                uint64_t next = to_a < to_b ? to_a : to_b;
                if (keep[inside(&a, position) * 2 + inside(&b, position)] &&
                    gw_spans_append(ret, (uint32_t)position, (uint32_t)(next - 1), err)) {
                        gw_spans_done(ret);
                        return -1;
                }
                position = next;
                advance(&a, position);
                advance(&b, position);
        }
        return 0;
}

/* Truth tables: in neither, in b alone, in a alone, in both. */
static const bool in_both[4] = {false, false, false, true};
static const bool in_either[4] = {false, true, true, true};
static const bool in_a_alone[4] = {false, false, true, false};

int gw_spans_intersect(const struct gw_spans *a, const struct gw_spans *b, struct gw_spans *ret,
                       struct gw_error *err)
{
        return combine(a, b, in_both, ret, err);
}

int gw_spans_without(const struct gw_spans *a, const struct gw_spans *b, struct gw_spans *ret,
                     struct gw_error *err)
{
        return combine(a, b, in_a_alone, ret, err);
}

/* Makes the set what it gives with one span. Returns 0, or -1 without memory. */
static int combine_one(struct gw_spans *set, struct gw_span span, const bool keep[4])
{
        struct gw_spans one = {.items = &span, .count = 1}, made;
        if (combine(set, &one, keep, &made, NULL))
                return -1;
        gw_spans_done(set);
        *set = made;
        return 0;
}

static void drop_first(struct gw_spans *set)
{
        set->count--;
        memmove(set->items, set->items + 1, set->count * sizeof(*set->items));
}

int gw_spans_take(struct gw_spans *set, struct gw_span span)
{
        const struct gw_span *in = gw_spans_from(set, span.first);
        if (!in || in->first > span.first || in->last < span.last)
                return 0;
        struct gw_span *first = set->items;
        if (in == first && span.first == first->first) {
                if (span.last == first->last)
                        drop_first(set);
                else
                        first->first = span.last + 1;
                return 1;
        }
        return combine_one(set, span, in_a_alone) ? -1 : 1;
}

int gw_spans_put(struct gw_spans *set, uint32_t ordinal)
{
        if (set->count > 0 && ordinal < UINT32_MAX && set->items[0].first == ordinal + 1) {
                set->items[0].first = ordinal;
                return 0;
        }
        return combine_one(set, (struct gw_span){ordinal, ordinal}, in_either);
}

void gw_spans_format(const struct gw_spans *s, struct gw_buf *out)
{
        for (size_t i = 0; i < s->count; i++) {
                if (i > 0)
                        gw_buf_char(out, ',');
                gw_buf_int(out, s->items[i].first);
                if (s->items[i].last == s->items[i].first)
                        continue;
                gw_buf_char(out, '-');
                gw_buf_int(out, s->items[i].last);
        }
}

/* Takes an ordinal off the text. Returns 0, or -1 when there is none. */
static int take_ordinal(const char **text, uint32_t *ret)
{
        uint64_t v = 0;
        const char *p = *text;
        while (*p >= '0' && *p <= '9' && v <= UINT32_MAX)
                v = v * 10 + (uint64_t)(*p++ - '0');
        if (p == *text || v > UINT32_MAX)
                return -1;
        *text = p;
        *ret = (uint32_t)v;
        return 0;
}

/* Takes "first" or "first-last" off the text; `above` all before. */
static int take_span(const char **text, uint64_t above, struct gw_span *ret)
{
        if (take_ordinal(text, &ret->first) < 0)
                return -1;
        ret->last = ret->first;
        if (**text == '-') {
                (*text)++;
                if (take_ordinal(text, &ret->last) < 0)
                        return -1;
        }
        return ret->first >= above && ret->first <= ret->last ? 0 : -1;
}

int gw_spans_parse(const char *text, struct gw_spans *ret, struct gw_error *err)
{
        struct gw_span span;
        uint64_t above = 0;
        *ret = GW_SPANS_INIT;
        while (*text) {
                if (take_span(&text, above, &span) < 0 || (*text && *text != ',') ||
                    (*text && !*++text)) {
                        gw_spans_done(ret);
                        return gw_fail(err, GW_ERR_INVALID, "these are no spans of ordinals");
                }
                if (gw_spans_append(ret, span.first, span.last, err) < 0) {
                        gw_spans_done(ret);
                        return -1;
                }
                above = (uint64_t)span.last + 1;
        }
        return 0;
}
