/*
 * Text from outside: strict numbers, UTF-8, typos, percent and base64 decoding.
 * Pure functions, any thread, no allocation, no locale.
 */
#include "server/base/str.h"

#include <string.h>

#include "server/base/cleanup.h"

int gw_str_int64(const char *s, int64_t lo, int64_t hi, int64_t *ret)
{
        bool negative = *s == '-';
        const char *p = s + negative;
        if (*p < '0' || *p > '9' || (*p == '0' && (p[1] || negative)))
                return -1;

        /* Counted downwards, where there is room for one more than upwards. */
        int64_t v = 0;
        for (; *p; p++) {
                if (*p < '0' || *p > '9')
                        return -1;
                if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, *p - '0', &v))
                        return -1;
        }
        if (!negative && __builtin_sub_overflow(0, v, &v))
                return -1;
        if (v < lo || v > hi)
                return -1;
        *ret = v;
        return 0;
}

bool gw_str_copy(char *dst, size_t size, const char *s)
{
        size_t len = strnlen(s, size);
        bool fits = len < size;
        if (!fits) {
                len = size - 1;
                while (len > 0 && ((unsigned char)s[len] & 0xC0) == 0x80)
                        len--;
        }
        memcpy(dst, s, len);
        dst[len] = '\0';
        return fits;
}

/* RFC 3629 section 4: what the first byte says about the length and the second byte. */
struct lead {
        unsigned char first, last;
        unsigned char length;
        unsigned char second_low, second_high;
};

static const struct lead leads[] = {
        {0x01, 0x7F, 1, 0x00, 0x00}, {0xC2, 0xDF, 2, 0x80, 0xBF}, {0xE0, 0xE0, 3, 0xA0, 0xBF},
        {0xE1, 0xEC, 3, 0x80, 0xBF}, {0xED, 0xED, 3, 0x80, 0x9F}, {0xEE, 0xEF, 3, 0x80, 0xBF},
        {0xF0, 0xF0, 4, 0x90, 0xBF}, {0xF1, 0xF3, 4, 0x80, 0xBF}, {0xF4, 0xF4, 4, 0x80, 0x8F},
};

static const struct lead *find_lead(unsigned char c)
{
        for (size_t i = 0; i < GW_COUNT(leads); i++)
                if (c >= leads[i].first && c <= leads[i].last)
                        return &leads[i];
        return NULL;
}

size_t gw_str_utf8_char(const char *s, size_t len)
{
        const unsigned char *u = (const unsigned char *)s;
        if (len == 0)
                return 0;
        const struct lead *lead = find_lead(u[0]);
        if (!lead || lead->length > len)
                return 0;
        if (lead->length > 1 && (u[1] < lead->second_low || u[1] > lead->second_high))
                return 0;
        for (size_t i = 2; i < lead->length; i++)
                if ((u[i] & 0xC0) != 0x80)
                        return 0;
        return lead->length;
}

bool gw_str_utf8(const char *s, size_t len)
{
        while (len > 0) {
                size_t n = (signed char)*s > 0 ? 1 : gw_str_utf8_char(s, len);
                if (n == 0)
                        return false;
                s += n;
                len -= n;
        }
        return true;
}

void gw_str_clean(char *s)
{
        size_t len = strlen(s);
        while (len > 0) {
                size_t n = gw_str_utf8_char(s, len);
                if (n == 0) {
                        *s = '?';
                        n = 1;
                }
                s += n;
                len -= n;
        }
}

#define MAX_WORD 64

static inline unsigned char fold(char c)
{
        return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static inline size_t min(size_t a, size_t b)
{
        return a < b ? a : b;
}

/* Optimal string alignment distance; a, b of at most MAX_WORD bytes. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
        size_t rows[3][MAX_WORD + 1]; /* row i lives in rows[i % 3] */
        for (size_t j = 0; j <= b_len; j++)
                rows[0][j] = j;
        for (size_t i = 1; i <= a_len; i++) {
                size_t *row = rows[i % 3];
                const size_t *above = rows[(i - 1) % 3];
                row[0] = i;
                for (size_t j = 1; j <= b_len; j++) {
                        unsigned char x = fold(a[i - 1]), y = fold(b[j - 1]);
                        row[j] = min(above[j - 1] + (x != y), min(above[j], row[j - 1]) + 1);
                        if (i > 1 && j > 1 && x == fold(b[j - 2]) && fold(a[i - 2]) == y)
                                row[j] = min(row[j], rows[(i - 2) % 3][j - 2] + 1);
                }
        }
        return rows[a_len % 3][b_len];
}

const char *gw_str_nearest(const char *word, gw_str_candidate candidate, const void *list)
{
        size_t len = strnlen(word, MAX_WORD + 1);
        if (len > MAX_WORD)
                return NULL;

        const char *nearest = NULL;
        size_t least = len / 3 + 1;
        const char *name;
        for (size_t i = 0; (name = candidate(list, i)); i++) {
                size_t name_len = strnlen(name, MAX_WORD + 1);
                if (name_len > MAX_WORD)
                        continue;
                size_t d = distance(word, len, name, name_len);
                if (d < least) {
                        least = d;
                        nearest = name;
                }
        }
        return nearest;
}

static int hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c = (char)fold(c);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ptrdiff_t gw_str_unescape(char *s, size_t len)
{
        size_t out = 0;
        for (size_t i = 0; i < len; i++) {
                if (s[i] != '%') {
                        s[out++] = s[i];
                        continue;
                }
                int high = i + 2 < len ? hex_value(s[i + 1]) : -1;
                int low = i + 2 < len ? hex_value(s[i + 2]) : -1;
                if (high < 0 || low < 0)
                        return -1;
                s[out++] = (char)(high << 4 | low);
                i += 2;
        }
        return (ptrdiff_t)out;
}

static int base64_value(char c)
{
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        if (c == '+' || c == '-')
                return 62;
        return c == '/' || c == '_' ? 63 : -1;
}

/* The length without its padding, which must fill the last group of four when there is any. */
static ptrdiff_t base64_unpadded(const char *s, size_t len)
{
        size_t n = len;
        while (n > 0 && len - n < 2 && s[n - 1] == '=')
                n--;
        if ((n < len && len % 4 != 0) || n % 4 == 1)
                return -1;
        return (ptrdiff_t)n;
}

ptrdiff_t gw_str_base64_decode(const char *s, size_t len, uint8_t *dst, size_t size)
{
        ptrdiff_t n = base64_unpadded(s, len);
        if (n < 0 || (size_t)n / 4 * 3 + (size_t)n % 4 * 3 / 4 > size)
                return -1;

        ptrdiff_t out = 0;
        uint32_t bits = 0;
        unsigned held = 0;
        for (ptrdiff_t i = 0; i < n; i++) {
                int v = base64_value(s[i]);
                if (v < 0)
                        return -1;
                bits = bits << 6 | (uint32_t)v;
                held += 6;
                if (held >= 8) {
                        held -= 8;
                        dst[out++] = (uint8_t)(bits >> held);
                }
        }
        return bits & ((1U << held) - 1) ? -1 : out;
}

size_t gw_str_base64url(const uint8_t *data, size_t len, char *dst)
{
        static const char alphabet[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        size_t out = 0;
        uint32_t bits = 0;
        unsigned held = 0;
        for (size_t i = 0; i < len; i++) {
                bits = bits << 8 | data[i];
                held += 8;
                while (held >= 6) {
                        held -= 6;
                        dst[out++] = alphabet[bits >> held & 63];
                }
        }
        if (held > 0)
                dst[out++] = alphabet[bits << (6 - held) & 63];
        dst[out] = '\0';
        return out;
}
