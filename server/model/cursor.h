/*
 * Where a page of a list ended, as opaque text for the client to bring back.
 *
 * The text is base64url of a version, the members below and a checksum. The checksum is no
 * secret and no proof: it tells a mangled cursor from a whole one. What a cursor may show is
 * decided by the query it continues, never by the cursor. Pure.
 */
#ifndef GW_MODEL_CURSOR_H
#define GW_MODEL_CURSOR_H

#include <stdint.h>

#include "server/base/error.h"
#include "server/base/id.h"

#define GW_CURSOR_TEXT 52 /* 51 characters and NUL */

struct gw_cursor {
        char kind;       /* which list: one letter per list, chosen by its route */
        struct gw_id id; /* the last item's id, or nil */
        int64_t n;       /* the last item's number, or 0 */
        uint64_t filter; /* of the filters the list was asked with */
};

/* The hash of no filter at all; begin with it. */
#define GW_CURSOR_NO_FILTER UINT64_C(0xcbf29ce484222325)

/* Adds one filter as it was asked for; the order of calls counts. */
uint64_t gw_cursor_filter_add(uint64_t filter, const char *name, const char *value);

void gw_cursor_encode(const struct gw_cursor *cursor, char out[GW_CURSOR_TEXT]);

/* Reads a cursor of the list `kind` with these filters. Returns 0, or -1 with
 * GW_ERR_UNPROCESSABLE when the text is damaged or foreign, comes from a release that wrote
 * them otherwise, or belongs to another list or other filters. */
int gw_cursor_decode(const char *text, char kind, uint64_t filter, struct gw_cursor *ret,
                     struct gw_error *err);

#endif
