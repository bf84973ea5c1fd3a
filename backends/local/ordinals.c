/* Taking from a set of ordinals and giving back. Any thread, each set on its own. */
#include "backends/local/ordinals.h"

#include <string.h>

const struct gw_span *gw_local_ordinals_from(const struct gw_spans *set, uint64_t ordinal)
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

static void drop_first(struct gw_spans *set)
{
        set->count--;
        memmove(set->items, set->items + 1, set->count * sizeof(*set->items));
}

int gw_local_ordinals_take(struct gw_spans *set, struct gw_span span)
{
        const struct gw_span *in = gw_local_ordinals_from(set, span.first);
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
        struct gw_spans one = {.items = &span, .count = 1}, rest;
        if (gw_spans_subtract(set, &one, &rest, NULL))
                return -1;
        gw_spans_done(set);
        *set = rest;
        return 1;
}

int gw_local_ordinals_put(struct gw_spans *set, uint32_t ordinal)
{
        if (set->count > 0 && ordinal < UINT32_MAX && set->items[0].first == ordinal + 1) {
                set->items[0].first = ordinal;
                return 0;
        }
        struct gw_span span = {ordinal, ordinal};
        struct gw_spans one = {.items = &span, .count = 1}, all;
        if (gw_spans_union(set, &one, &all, NULL))
                return -1;
        gw_spans_done(set);
        *set = all;
        return 0;
}
