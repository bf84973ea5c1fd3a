/* Strings from outside: strict parsing, and help for the person who mistyped. */
#ifndef GW_BASE_STR_H
#define GW_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The whole of s as a decimal integer in [lo, hi]: no blanks, no '+', no leading zeros
 * beyond "0". Returns 0 or -1. */
int gw_str_int64(const char *s, int64_t lo, int64_t hi, int64_t *ret);

/* Copies s into dst of `size` bytes, cut at a UTF-8 character boundary, always terminated.
 * Returns true when all of it fitted. */
bool gw_str_copy(char *dst, size_t size, const char *s);

/* Whether [s, s+len) is valid UTF-8 (RFC 3629: no surrogates, no overlong forms) and
 * holds no NUL. */
bool gw_str_utf8(const char *s, size_t len);

/* The length of the UTF-8 character at s (1 to 4, at most len), or 0 when there is none. */
size_t gw_str_utf8_char(const char *s, size_t len);

/* Makes s valid UTF-8 in place: every byte that is no part of a character becomes '?'. */
void gw_str_clean(char *s);

/* Reads the name of one candidate; NULL ends the list. */
typedef const char *(*gw_str_candidate)(const void *list, size_t i);

/* The candidate nearest to `word` by edit distance (a swap of neighbours counts as one, the
 * case of ASCII letters as nothing), the first of equals, or NULL when none is near enough to
 * be a likely typo: at most a third of the word. */
const char *gw_str_nearest(const char *word, gw_str_candidate candidate, const void *list);

/* Percent-decodes in place (RFC 3986; '+' stays '+'). Returns the new length, or -1 when an
 * escape is malformed. Adds no NUL, and may decode some. */
ptrdiff_t gw_str_unescape(char *s, size_t len);

/* base64 (RFC 4648, either alphabet, with or without padding). Returns the length, or -1 when
 * malformed or over `size`. Unused bits must be zero: each value has one text. */
ptrdiff_t gw_str_base64_decode(const char *s, size_t len, uint8_t *dst, size_t size);
/* base64url without padding; dst needs 4 * ((len + 2) / 3) + 1 bytes. Returns the length. */
size_t gw_str_base64url(const uint8_t *data, size_t len, char *dst);

#endif
