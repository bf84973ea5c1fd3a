/*
 * A growable byte buffer that is told its maximum when it is made.
 *
 * Errors are sticky: after a failed append (over the maximum, or out of memory)
 * every later append does nothing and gw_buf_ok() is false, so a writer checks once
 * at the end. The content is always followed by a NUL that is not counted.
 */
#ifndef GW_BASE_BUF_H
#define GW_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_buf {
        char *data; /* NULL while empty */
        size_t len;
        size_t cap;
        size_t max;  /* most bytes it may hold, without the NUL */
        bool failed; /* over max, or out of memory */
};

#define GW_BUF_INIT(max_bytes) ((struct gw_buf){.max = (max_bytes)})

void gw_buf_init(struct gw_buf *b, size_t max_bytes);
void gw_buf_done(struct gw_buf *b);  /* frees; usable again after gw_buf_init */
void gw_buf_clear(struct gw_buf *b); /* keeps the memory, forgets content and failure */

/* Ensures room for `extra` more bytes. Returns 0, or -1 with the buffer failed. */
int gw_buf_reserve(struct gw_buf *b, size_t extra);
void gw_buf_add(struct gw_buf *b, const void *data, size_t len);
void gw_buf_str(struct gw_buf *b, const char *s);
void gw_buf_char(struct gw_buf *b, char c);
void gw_buf_int(struct gw_buf *b, int64_t v);
void gw_buf_printf(struct gw_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes, escaped by RFC 8259. `s` is valid UTF-8. NULL gives null. */
void gw_buf_json_str(struct gw_buf *b, const char *s);
void gw_buf_json_strn(struct gw_buf *b, const char *s, size_t len);
/* An RFC 3339 UTC time in quotes, or null when us == 0. */
void gw_buf_json_time(struct gw_buf *b, int64_t us);

static inline bool gw_buf_ok(const struct gw_buf *b)
{
        return !b->failed;
}

/* Gives up the content (caller frees) and leaves the buffer empty; NULL when failed. */
char *gw_buf_take(struct gw_buf *b, size_t *ret_len);

#endif
