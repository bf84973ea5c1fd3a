/*
 * Makes an index set out of rising indices: the one way to make one.
 *
 * Cuts them into runs greedily, the longest progression from the first index left, so that
 * the runs follow from the set alone and not from how it was written. Begin with
 * GW_INDEX_BUILDER_INIT, end with gw_index_builder_done in any case. Pure; one thread each.
 */
#ifndef GW_MODEL_INDEX_BUILDER_H
#define GW_MODEL_INDEX_BUILDER_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"
#include "server/model/indexset.h"

struct gw_index_builder {
        struct gw_indexset set; /* runs that are settled; ordinals are put in at the end */
        size_t cap;
        struct gw_index_run run; /* the one being made */
        uint32_t length;         /* its number of indices so far */
};

#define GW_INDEX_BUILDER_INIT ((struct gw_index_builder){0})

/* Adds an index above all before. Returns 0; or -1 with GW_ERR_INVALID when there are more
 * than GW_MAX_INDEX_RANGES runs, or GW_ERR_NOMEM. */
int gw_index_builder_push(struct gw_index_builder *b, uint32_t index, struct gw_error *err);

/* Adds first, first + step … last, in constant time but for the first three. As above. */
int gw_index_builder_push_run(struct gw_index_builder *b, uint32_t first, uint32_t last,
                              uint32_t step, struct gw_error *err);

/* Gives the set away and leaves the builder empty. Returns 0; or -1 as above, or with
 * GW_ERR_INVALID when the set's text would be over GW_MAX_INDEX_TEXT. */
int gw_index_builder_finish(struct gw_index_builder *b, struct gw_indexset *ret,
                            struct gw_error *err);

void gw_index_builder_done(struct gw_index_builder *b);

#endif
