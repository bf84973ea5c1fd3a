/*
 * gw_json_parse(): the quick reader, and for what that leaves jansson, with our limits around
 * it and its errors made readable. Any thread; pure but for memory. Runs on every submit.
 * Where a fault is, is only found out once there is one.
 */
#include "server/model/json.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/str.h"
#include "server/model/json_plain.h"
#include "server/model/pointer.h"

/* One open object or array on the way to a place in the text. */
struct frame {
        bool array;
        size_t index;    /* of the element being read */
        const char *key; /* as written, without the quotes; NULL before the first */
        size_t key_len;
};

struct place {
        struct frame frames[GW_MAX_JSON_DEPTH + 1];
        size_t depth;
        bool at_key; /* the next string names a member */
};

/* The end of a string's content that begins at p: its closing quote, or `end`. */
static const char *skip_string(const char *p, const char *end)
{
        for (; p < end && *p != '"'; p++)
                if (*p == '\\' && p + 1 < end)
                        p++;
        return p;
}

static void open_frame(struct place *at, bool array)
{
        if (at->depth < GW_COUNT(at->frames))
                at->frames[at->depth] = (struct frame){.array = array};
        at->depth++;
        at->at_key = !array;
}

static struct frame *top_frame(struct place *at)
{
        if (at->depth == 0 || at->depth > GW_COUNT(at->frames))
                return NULL;
        return &at->frames[at->depth - 1];
}

static void step(struct place *at, char c)
{
        struct frame *top = top_frame(at);
        if (c == '{' || c == '[')
                open_frame(at, c == '[');
        else if ((c == '}' || c == ']') && at->depth > 0)
                at->depth--;
        else if (c == ',' && top && top->array)
                top->index++;
        else if (c == ',' || c == ':')
                at->at_key = c == ',';
}

/* Reads `text` up to `limit`, which may be inside a value. What was read is JSON but perhaps for
 * its last token. */
static void find_place(const char *text, size_t limit, struct place *at)
{
        const char *end = text + limit;
        *at = (struct place){0};
        for (const char *p = text; p < end; p++) {
                if (*p != '"') {
                        step(at, *p);
                        continue;
                }
                const char *begin = p + 1;
                p = skip_string(begin, end);
                struct frame *top = top_frame(at);
                if (top && !top->array && at->at_key) {
                        top->key = begin;
                        top->key_len = (size_t)(p - begin);
                }
        }
}

/* The pointer of a place. Escapes in a name stay as they were written. */
static void write_pointer(const struct place *at, struct gw_pointer *ret)
{
        size_t depth = at->depth < GW_COUNT(at->frames) ? at->depth : GW_COUNT(at->frames);
        gw_pointer_init(ret, "");
        for (size_t i = 0; i < depth; i++) {
                const struct frame *f = &at->frames[i];
                if (f->array)
                        gw_pointer_enter_index(ret, f->index);
                else if (f->key)
                        gw_pointer_enter(ret, f->key, f->key_len);
        }
}

/* Whether the text nests deeper than allowed, and where. For a text that is no JSON the answer
 * does not matter. */
static bool too_deep(const char *text, size_t len, size_t *ret_at)
{
        size_t depth = 0;
        const char *end = text + len;
        for (const char *p = text; p < end; p++) {
                if (*p == '"') {
                        p = skip_string(p + 1, end);
                } else if (*p == '{' || *p == '[') {
                        if (++depth > GW_MAX_JSON_DEPTH) {
                                *ret_at = (size_t)(p - text);
                                return true;
                        }
                } else if ((*p == '}' || *p == ']') && depth > 0) {
                        depth--;
                }
        }
        return false;
}

/* What jansson says, in words for someone who does not know jansson. */
static const struct reason {
        enum json_error_code code;
        const char *words;
} reasons[] = {
        {json_error_null_character, "holds U+0000, which cannot be stored: leave it out"},
        {json_error_null_byte_in_key, "holds U+0000 in a name: leave it out"},
        {json_error_invalid_utf8, "is not valid UTF-8"},
        {json_error_duplicate_key, "stands twice: give each member once"},
        {json_error_numeric_overflow,
         "is a number out of range: whole numbers have at most 64 bits, others are below 1.8e308"},
        {json_error_premature_end_of_input, "the JSON text ends too early"},
        {json_error_end_of_input_expected, "more text follows the end of the JSON value"},
};

#define WORDS (JSON_ERROR_TEXT_LENGTH + 16)

static void describe(const json_error_t *e, char out[WORDS])
{
        enum json_error_code code = json_error_code(e);
        for (size_t i = 0; i < GW_COUNT(reasons); i++) {
                if (reasons[i].code == code) {
                        gw_str_copy(out, WORDS, reasons[i].words);
                        return;
                }
        }
        if (strncmp(e->text, "invalid Unicode '\\u", 19) == 0)
                gw_str_copy(out, WORDS, "holds a lone surrogate: write both halves of the pair");
        else
                snprintf(out, WORDS, "is not JSON: %s", e->text);
}

static void add_parse_fault(struct gw_faults *faults, const char *text, size_t len,
                            const json_error_t *e)
{
        struct place at;
        struct gw_pointer pointer;
        char words[WORDS];
        size_t position = e->position > 0 ? (size_t)e->position : 0;

        if (json_error_code(e) == json_error_out_of_memory) {
                gw_faults_add(faults, GW_ERR_NOMEM, "", "out of memory");
                return;
        }
        find_place(text, position < len ? position : len, &at);
        write_pointer(&at, &pointer);
        describe(e, words);
        gw_faults_add(faults, GW_ERR_INVALID, pointer.text, "%s (line %d, column %d)", words,
                      e->line, e->column);
}

/* A fault at a byte, found without jansson. */
static json_t *refuse_at(struct gw_faults *faults, const char *text, size_t position,
                         const char *words)
{
        struct place at;
        struct gw_pointer pointer;
        find_place(text, position, &at);
        write_pointer(&at, &pointer);
        gw_faults_add(faults, GW_ERR_INVALID, pointer.text, "%s (byte %zu)", words, position + 1);
        return NULL;
}

#define TEXT_OF_(x) #x
#define TEXT_OF(x) TEXT_OF_(x)

json_t *gw_json_parse(const char *text, size_t len, struct gw_faults *faults)
{
        size_t deep_at;
        text = text ? text : ""; /* no body at all */
        json_t *value = gw_json_plain(text, len);
        if (value)
                return value;
        const char *nul = memchr(text, '\0', len);
        if (nul)
                return refuse_at(faults, text, (size_t)(nul - text), "holds a NUL byte");
        if (too_deep(text, len, &deep_at))
                return refuse_at(faults, text, deep_at,
                                 "nests deeper than " TEXT_OF(GW_MAX_JSON_DEPTH) " levels");

        json_error_t e = {.position = 0};
        value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
        if (!value)
                add_parse_fault(faults, text, len, &e);
        return value;
}
