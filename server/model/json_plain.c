/*
 * Plain JSON. jansson reads byte by byte through a function pointer, which was a quarter of the
 * gateway's part of a submit; nearly all bodies need none of its care. Whatever is not plain is
 * left to it, so it alone decides what is an error. Any thread; pure but for memory.
 *
 * Invariant: what this accepts, jansson accepts with an equal value (a test says so).
 */
#include "server/model/json_plain.h"

#include <stdbool.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/cleanup.h"
#include "server/base/limits.h"

#define MAX_DIGITS 18 /* fit in 64 bits, whatever they are */

struct reader {
        const char *at, *end;
        size_t depth;
        struct gw_buf unescaped; /* the last string that had escapes */
};

static json_t *read_value(struct reader *r);

static bool next_is(const struct reader *r, char c)
{
        return r->at < r->end && *r->at == c;
}

static void skip_space(struct reader *r)
{
        while (next_is(r, ' ') || next_is(r, '\n') || next_is(r, '\r') || next_is(r, '\t'))
                r->at++;
}

/* Skips white space and then c, if it is there. */
static bool take(struct reader *r, char c)
{
        skip_space(r);
        if (!next_is(r, c))
                return false;
        r->at++;
        return true;
}

/* ---- strings ---------------------------------------------------------------------------- */

/* Bytes of a string that stand for themselves. */
static const char *skip_plain(const struct reader *r)
{
        const char *p = r->at;
        while (p < r->end && *p >= ' ' && *p <= '~' && *p != '"' && *p != '\\')
                p++;
        return p;
}

static char unescape(char c)
{
        static const char from[] = "\"\\/bfnrt";
        static const char to[] = "\"\\/\b\f\n\r\t";
        const char *at = c ? strchr(from, c) : NULL;
        return at ? to[at - from] : '\0';
}

/* Goes on where an escape begins; what is before it is in the buffer. */
static bool read_escapes(struct reader *r)
{
        while (next_is(r, '\\') && r->end - r->at > 1) {
                char c = unescape(r->at[1]);
                if (!c)
                        return false;
                gw_buf_char(&r->unescaped, c);
                r->at += 2;
                const char *run = r->at;
                r->at = skip_plain(r);
                gw_buf_add(&r->unescaped, run, (size_t)(r->at - run));
        }
        return gw_buf_ok(&r->unescaped);
}

/* A string, after its opening quote. *ret is borrowed: from the text, or, when it had escapes,
 * from the reader until the next string. */
static bool read_text(struct reader *r, const char **ret, size_t *ret_len)
{
        const char *begin = r->at;
        r->at = skip_plain(r);
        *ret = begin;
        *ret_len = (size_t)(r->at - begin);
        if (next_is(r, '\\')) {
                gw_buf_clear(&r->unescaped);
                gw_buf_add(&r->unescaped, begin, *ret_len);
                if (!read_escapes(r))
                        return false;
                *ret = r->unescaped.data;
                *ret_len = r->unescaped.len;
        }
        if (!next_is(r, '"'))
                return false;
        r->at++;
        return true;
}

static json_t *read_string(struct reader *r)
{
        const char *text;
        size_t len;
        return read_text(r, &text, &len) ? json_stringn_nocheck(text, len) : NULL;
}

/* ---- objects and arrays ----------------------------------------------------------------- */

static bool read_member(struct reader *r, json_t *object)
{
        const char *name;
        size_t len, members = json_object_size(object);
        if (!take(r, '"') || !read_text(r, &name, &len) || name == r->unescaped.data ||
            !take(r, ':'))
                return false;
        return json_object_setn_new_nocheck(object, name, len, read_value(r)) == 0 &&
               json_object_size(object) == members + 1;
}

static bool read_item(struct reader *r, json_t *array)
{
        return json_array_append_new(array, read_value(r)) == 0;
}

/* The rest of a container, after its opening bracket. Takes it. */
static json_t *read_rest(struct reader *r, json_t *container,
                         bool (*read)(struct reader *, json_t *), char close)
{
        json_auto_t *c = container;
        if (!c || ++r->depth > GW_MAX_JSON_DEPTH)
                return NULL;
        if (!take(r, close)) {
                do {
                        if (!read(r, c))
                                return NULL;
                } while (take(r, ','));
                if (!take(r, close))
                        return NULL;
        }
        r->depth--;
        return GW_TAKE(c);
}

/* ---- any value -------------------------------------------------------------------------- */

/* The fraction or exponent of another number is no end of a value. */
static json_t *read_integer(struct reader *r)
{
        bool negative = next_is(r, '-');
        r->at += negative;
        const char *begin = r->at;
        json_int_t n = 0;
        for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
                if (r->at - begin == MAX_DIGITS)
                        return NULL;
                n = n * 10 + (*r->at - '0');
        }
        bool leading_zero = r->at > begin && *begin == '0' && (r->at - begin > 1 || negative);
        if (r->at == begin || leading_zero)
                return NULL;
        return json_integer(negative ? -n : n);
}

static json_t *read_word(struct reader *r)
{
        static const struct {
                const char *word;
                json_t *(*make)(void);
        } words[] = {{"true", json_true}, {"false", json_false}, {"null", json_null}};
        for (size_t i = 0; i < GW_COUNT(words); i++) {
                size_t len = strlen(words[i].word);
                if ((size_t)(r->end - r->at) >= len && memcmp(r->at, words[i].word, len) == 0) {
                        r->at += len;
                        return words[i].make();
                }
        }
        return NULL;
}

static json_t *read_value(struct reader *r)
{
        if (take(r, '"'))
                return read_string(r);
        if (take(r, '{'))
                return read_rest(r, json_object(), read_member, '}');
        if (take(r, '['))
                return read_rest(r, json_array(), read_item, ']');
        json_t *word = read_word(r);
        return word ? word : read_integer(r);
}

json_t *gw_json_plain(const char *text, size_t len)
{
        struct reader r = {.at = text, .end = text + len, .unescaped = GW_BUF_INIT(len)};
        json_auto_t *value = read_value(&r);
        skip_space(&r);
        gw_buf_done(&r.unescaped);
        return value && r.at == r.end ? GW_TAKE(value) : NULL;
}
