/*
 * List cursors: 38 bytes (version, kind, id, n, filter, checksum; big-endian) as base64url.
 * Any thread; pure. One cursor has one spelling.
 */
#include "server/model/cursor.h"

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "server/base/str.h"

#define VERSION 1

struct wire {
        uint8_t version;
        uint8_t kind;
        uint8_t id[16];
        uint8_t n[8];
        uint8_t filter[8];
        uint8_t check[4];
};

static_assert(sizeof(struct wire) == 38, "the wire form has no padding");
static_assert((sizeof(struct wire) * 4 + 2) / 3 == GW_CURSOR_TEXT - 1, "base64 of it");

/* FNV-1a. Each step is a bijection of the hash, in its low 32 bits too, and multiplies a
 * difference of one byte beyond what the next byte can undo: one changed character of the
 * text, which touches at most two bytes, always changes the sum. */
static uint64_t hash(uint64_t h, const void *data, size_t len)
{
        const uint8_t *p = data;
        for (size_t i = 0; i < len; i++)
                h = (h ^ p[i]) * UINT64_C(0x100000001b3);
        return h;
}

static void checksum(const struct wire *w, uint8_t out[4])
{
        uint32_t sum =
                htobe32((uint32_t)hash(GW_CURSOR_NO_FILTER, w, offsetof(struct wire, check)));
        memcpy(out, &sum, sizeof sum);
}

uint64_t gw_cursor_filter_add(uint64_t filter, const char *name, const char *value)
{
        filter = hash(filter, name, strlen(name) + 1);
        return hash(filter, value, strlen(value) + 1);
}

void gw_cursor_encode(const struct gw_cursor *cursor, char out[GW_CURSOR_TEXT])
{
        struct wire w = {.version = VERSION, .kind = (uint8_t)cursor->kind};
        uint64_t n = htobe64((uint64_t)cursor->n), filter = htobe64(cursor->filter);

        memcpy(w.id, cursor->id.bytes, sizeof w.id);
        memcpy(w.n, &n, sizeof w.n);
        memcpy(w.filter, &filter, sizeof w.filter);
        checksum(&w, w.check);
        gw_str_base64url((const uint8_t *)&w, sizeof w, out);
}

/* Text to bytes; false when it is not whole. */
static bool read_wire(const char *text, struct wire *w)
{
        char again[GW_CURSOR_TEXT];
        uint8_t check[4];

        if (strlen(text) != GW_CURSOR_TEXT - 1)
                return false;
        if (gw_str_base64_decode(text, GW_CURSOR_TEXT - 1, (uint8_t *)w, sizeof *w) !=
            (ptrdiff_t)sizeof *w)
                return false;
        gw_str_base64url((const uint8_t *)w, sizeof *w, again);
        checksum(w, check);
        return memcmp(check, w->check, sizeof check) == 0 && strcmp(again, text) == 0;
}

int gw_cursor_decode(const char *text, char kind, uint64_t filter, struct gw_cursor *ret,
                     struct gw_error *err)
{
        struct wire w;
        struct gw_cursor c;
        uint64_t n;

        if (!read_wire(text, &w))
                return gw_fail(err, GW_ERR_UNPROCESSABLE,
                               "the cursor is damaged or not one of ours: pass on what a page "
                               "gave, unchanged");
        if (w.version != VERSION)
                return gw_fail(err, GW_ERR_UNPROCESSABLE,
                               "the cursor is of another release: begin again without one");
        if ((char)w.kind != kind)
                return gw_fail(err, GW_ERR_UNPROCESSABLE, "the cursor belongs to another list");

        memcpy(c.id.bytes, w.id, sizeof w.id);
        memcpy(&n, w.n, sizeof n);
        memcpy(&c.filter, w.filter, sizeof c.filter);
        c.kind = kind;
        c.n = (int64_t)be64toh(n);
        c.filter = be64toh(c.filter);
        if (c.filter != filter)
                return gw_fail(err, GW_ERR_UNPROCESSABLE,
                               "the cursor was made with other filters: keep the filters of the "
                               "first page, or begin again without a cursor");
        *ret = c;
        return 0;
}
