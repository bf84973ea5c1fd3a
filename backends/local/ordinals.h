/*
 * The ordinals of a submission that wait: a set of spans (server/model/spans.h) that is taken from
 * at its beginning mostly. Pure; a set belongs to one thread.
 */
#ifndef GW_BACKENDS_LOCAL_ORDINALS_H
#define GW_BACKENDS_LOCAL_ORDINALS_H

#include <stdbool.h>

#include "server/model/spans.h"

/* Takes a span out. Returns 1; 0 when the set does not have all of it, and is as it was; -1
 * without memory, likewise. */
int gw_local_ordinals_take(struct gw_spans *set, struct gw_span span);

/* Puts one back. Returns 0, or -1 without memory, and the set is as it was. */
int gw_local_ordinals_put(struct gw_spans *set, uint32_t ordinal);

/* The first span with an ordinal from this one on, NULL after the last. */
const struct gw_span *gw_local_ordinals_from(const struct gw_spans *set, uint64_t ordinal);

#endif
