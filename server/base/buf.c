/*
 * The growable buffer and its JSON writer. Every answer passes through here, on the
 * thread that owns the buffer.
 *
 * Invariants: len <= max; when data is not NULL, cap > len and data[len] is NUL.
 */
#include "server/base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define FIRST_SIZE 256

void gw_buf_init(struct gw_buf *b, size_t max_bytes)
{
        *b = GW_BUF_INIT(max_bytes);
}

void gw_buf_done(struct gw_buf *b)
{
        free(b->data);
        *b = GW_BUF_INIT(b->max);
}

void gw_buf_clear(struct gw_buf *b)
{
        b->len = 0;
        b->failed = false;
        if (b->data)
                b->data[0] = '\0';
}

static int grow(struct gw_buf *b, size_t need)
{
        if (need >= SIZE_MAX / 2)
                return -1;
        size_t cap = b->cap ? b->cap : FIRST_SIZE;
        while (cap <= need)
                cap *= 2;
        if (cap - 1 > b->max)
                cap = b->max + 1;

        char *data = realloc(b->data, cap);
        if (!data)
                return -1;
        b->data = data;
        b->cap = cap;
        b->data[b->len] = '\0';
        return 0;
}

int gw_buf_reserve(struct gw_buf *b, size_t extra)
{
        if (b->failed)
                return -1;
        if (b->cap > b->len && extra < b->cap - b->len)
                return 0;
        if (extra > b->max - b->len || grow(b, b->len + extra)) {
                b->failed = true;
                return -1;
        }
        return 0;
}

void gw_buf_add(struct gw_buf *b, const void *data, size_t len)
{
        if (len == 0 || gw_buf_reserve(b, len))
                return;
        memcpy(b->data + b->len, data, len);
        b->len += len;
        b->data[b->len] = '\0';
}

void gw_buf_str(struct gw_buf *b, const char *s)
{
        gw_buf_add(b, s, strlen(s));
}

void gw_buf_char(struct gw_buf *b, char c)
{
        gw_buf_add(b, &c, 1);
}

void gw_buf_int(struct gw_buf *b, int64_t v)
{
        char digits[20]; /* -9223372036854775808 */
        char *p = digits + sizeof digits;
        uint64_t rest = v < 0 ? -(uint64_t)v : (uint64_t)v;
        do {
                *--p = (char)('0' + rest % 10);
                rest /= 10;
        } while (rest);
        if (v < 0)
                *--p = '-';
        gw_buf_add(b, p, (size_t)(digits + sizeof digits - p));
}

void gw_buf_printf(struct gw_buf *b, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        int len = vsnprintf(NULL, 0, format, ap);
        va_end(ap);
        if (len < 0) {
                b->failed = true;
                return;
        }
        if (gw_buf_reserve(b, (size_t)len))
                return;

        va_start(ap, format);
        vsnprintf(b->data + b->len, b->cap - b->len, format, ap);
        va_end(ap);
        b->len += (size_t)len;
}

static inline bool is_special(unsigned char c)
{
        return c < 0x20 || c == '"' || c == '\\';
}

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Whether any of eight bytes must be escaped, without a branch for each. */
static inline bool any_special(uint64_t w)
{
        uint64_t quote = w ^ (ONES * '"');
        uint64_t slash = w ^ (ONES * '\\');
        uint64_t found = (w - ONES * 0x20) & ~w;
        found |= (quote - ONES) & ~quote;
        found |= (slash - ONES) & ~slash;
        return found & HIGHS;
}

/* How many bytes at s need no escape. */
static size_t plain_run(const char *s, size_t len)
{
        size_t n = 0;
        while (len - n >= sizeof(uint64_t)) {
                uint64_t w;
                memcpy(&w, s + n, sizeof w);
                if (any_special(w))
                        break;
                n += sizeof w;
        }
        while (n < len && !is_special((unsigned char)s[n]))
                n++;
        return n;
}

static void add_escape(struct gw_buf *b, unsigned char c)
{
        static const char hex[] = "0123456789abcdef";
        static const char shorts[0x20] = {
                ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

        if (c >= 0x20)
                gw_buf_add(b, (char[]){'\\', (char)c}, 2);
        else if (shorts[c])
                gw_buf_add(b, (char[]){'\\', shorts[c]}, 2);
        else
                gw_buf_add(b, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

void gw_buf_json_strn(struct gw_buf *b, const char *s, size_t len)
{
        if (len > SIZE_MAX - 2 || gw_buf_reserve(b, len + 2)) {
                b->failed = true;
                return;
        }
        b->data[b->len++] = '"';
        for (;;) {
                size_t run = plain_run(s, len);
                gw_buf_add(b, s, run);
                if (run == len)
                        break;
                add_escape(b, (unsigned char)s[run]);
                s += run + 1;
                len -= run + 1;
        }
        gw_buf_char(b, '"');
}

void gw_buf_json_str(struct gw_buf *b, const char *s)
{
        if (s)
                gw_buf_json_strn(b, s, strlen(s));
        else
                gw_buf_add(b, "null", 4);
}

void gw_buf_json_time(struct gw_buf *b, int64_t us)
{
        if (us == 0) {
                gw_buf_add(b, "null", 4);
                return;
        }
        char text[GW_TIME_TEXT + 2];
        text[0] = '"';
        gw_time_format(us, text + 1);
        text[GW_TIME_TEXT] = '"';
        gw_buf_add(b, text, GW_TIME_TEXT + 1);
}

char *gw_buf_take(struct gw_buf *b, size_t *ret_len)
{
        if (gw_buf_reserve(b, 0)) {
                gw_buf_done(b);
                return NULL;
        }
        if (ret_len)
                *ret_len = b->len;
        char *data = GW_TAKE(b->data);
        gw_buf_done(b);
        return data;
}
