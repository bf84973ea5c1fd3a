/*
 * Sets of an array's tasks, by ordinal: what one submission, one cancel or one event is about.
 *
 * A set is a sorted list of spans that neither overlap nor touch, so two equal sets hold equal
 * lists. It owns its memory and belongs to one thread. Pure.
 */
#ifndef GW_MODEL_SPANS_H
#define GW_MODEL_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/error.h"

/* Ordinals first … last, both included. */
struct gw_span {
        uint32_t first, last;
};

struct gw_spans {
        struct gw_span *items;
        size_t count;
        size_t cap;
};

#define GW_SPANS_INIT ((struct gw_spans){0})

void gw_spans_done(struct gw_spans *s); /* frees; empty and usable again */

/* Adds first … last, all of which lie above every ordinal in s. Returns 0, or -1 with
 * GW_ERR_NOMEM (all spans of the largest array fit). */
int gw_spans_append(struct gw_spans *s, uint32_t first, uint32_t last, struct gw_error *err);

/* Adds first … last to a list that is being gathered in any order; it is a set again after
 * gw_spans_settle(), and until then for nothing else. Returns 0, or -1 with GW_ERR_NOMEM. */
int gw_spans_gather(struct gw_spans *s, uint32_t first, uint32_t last, struct gw_error *err);
void gw_spans_settle(struct gw_spans *s);

uint64_t gw_spans_total(const struct gw_spans *s); /* how many ordinals */
bool gw_spans_contains(const struct gw_spans *s, uint32_t ordinal);
/* The first span with an ordinal from this one on, NULL after the last. */
const struct gw_span *gw_spans_from(const struct gw_spans *s, uint64_t ordinal);
bool gw_spans_equal(const struct gw_spans *a, const struct gw_spans *b);

/* What is in both; what is in a and not in b. *ret is overwritten and must be none of the two; the
 * caller ends it with gw_spans_done. Return 0, or -1 with GW_ERR_NOMEM and *ret empty. */
int gw_spans_intersect(const struct gw_spans *a, const struct gw_spans *b, struct gw_spans *ret,
                       struct gw_error *err);
int gw_spans_without(const struct gw_spans *a, const struct gw_spans *b, struct gw_spans *ret,
                     struct gw_error *err);

/* Takes a span out, quickly at the set's beginning. Returns 1; 0 when the set does not have all of
 * it, and is as it was; -1 without memory, likewise. */
int gw_spans_take(struct gw_spans *s, struct gw_span span);
/* Puts an ordinal in, quickly right before the set. Returns 0, or -1 without memory, and the set is
 * as it was. */
int gw_spans_put(struct gw_spans *s, uint32_t ordinal);

/* "0-4,7": what the record holds as ordinals; at most GW_SPAN_TEXT bytes for each span. */
#define GW_SPAN_TEXT 22
void gw_spans_format(const struct gw_spans *s, struct gw_buf *out);

/* Reads what gw_spans_format() wrote of a set of any size, and nothing else: ordinals that rise.
 * *ret is overwritten, and empty on failure. Returns 0, or -1 with GW_ERR_INVALID or
 * GW_ERR_NOMEM. */
int gw_spans_parse(const char *text, struct gw_spans *ret, struct gw_error *err);

#endif
