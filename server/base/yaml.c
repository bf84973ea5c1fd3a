/*
 * YAML to JSON. Any thread; keeps nothing between calls.
 *
 * The library parses; what a scalar means, anchors, merge keys and duplicates are done
 * here: it reads `~` as a string, keeps no bound on what aliases expand to, and takes
 * bytes that are no UTF-8 for null. Its messages are collected, so that it prints none.
 *
 * Numbers are read with strtod(): the process never leaves the C locale.
 */
#include "server/base/yaml.h"

#include <errno.h>
#include <libfyaml.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/base/str.h"

struct reader {
        const char *name;
        struct gw_error *err;
        int line, column; /* of the last scalar met, from 1 */
        size_t nodes, aliases, text_bytes;
};

static json_t *convert(struct reader *r, struct fy_node *node, int depth);

static json_t *fail(struct reader *r, const char *what)
{
        gw_fail(r->err, GW_ERR_INVALID, "%s:%d:%d: %s", r->name, r->line, r->column, what);
        return NULL;
}

static json_t *owned(struct reader *r, json_t *value)
{
        if (!value)
                gw_fail(r->err, GW_ERR_NOMEM, "%s: no memory", r->name);
        return value;
}

/* The characters YAML 1.2 allows in a stream. */
static bool is_printable(const char *s, size_t len)
{
        unsigned char c = (unsigned char)*s;
        if (len == 1)
                return (c >= 0x20 && c != 0x7F) || c == '\t' || c == '\n' || c == '\r';
        /* C1 controls but NEL, and U+FFFE and U+FFFF */
        if (c == 0xC2)
                return (unsigned char)s[1] >= 0xA0 || (unsigned char)s[1] == 0x85;
        return len != 3 || (memcmp(s, "\xEF\xBF\xBE", 3) != 0 && memcmp(s, "\xEF\xBF\xBF", 3) != 0);
}

static int check_text(struct reader *r, const char *text, size_t len)
{
        r->line = r->column = 1;
        for (size_t i = 0, n; i < len; i += n, r->column++) {
                n = gw_str_utf8_char(text + i, len - i);
                if (n == 0 || !is_printable(text + i, n)) {
                        fail(r, n == 0 ? "not UTF-8" : "a control character");
                        return -1;
                }
                if (text[i] == '\n') {
                        r->line++;
                        r->column = 0;
                }
        }
        r->line = r->column = 1;
        return 0;
}

static const struct {
        const char *text;
        enum { NOTHING, YES, NO, NO_NUMBER } meaning;
} words[] = {
        {"", NOTHING},        {"~", NOTHING},       {"null", NOTHING},    {"Null", NOTHING},
        {"NULL", NOTHING},    {"true", YES},        {"True", YES},        {"TRUE", YES},
        {"false", NO},        {"False", NO},        {"FALSE", NO},        {".inf", NO_NUMBER},
        {".Inf", NO_NUMBER},  {".INF", NO_NUMBER},  {"+.inf", NO_NUMBER}, {"+.Inf", NO_NUMBER},
        {"+.INF", NO_NUMBER}, {"-.inf", NO_NUMBER}, {"-.Inf", NO_NUMBER}, {"-.INF", NO_NUMBER},
        {".nan", NO_NUMBER},  {".NaN", NO_NUMBER},  {".NAN", NO_NUMBER},
};

static json_t *convert_word(struct reader *r, size_t word)
{
        switch (words[word].meaning) {
        case NOTHING:
                return json_null();
        case YES:
                return json_true();
        case NO:
                return json_false();
        default:
                return fail(r, "neither infinity nor NaN is allowed");
        }
}

#define DIGITS "0123456789"
#define HEX_DIGITS DIGITS "abcdefABCDEF"

/* Whether all of s, and at least one, are of `set`. */
static bool consists_of(const char *s, const char *set)
{
        size_t n = strspn(s, set);
        return n > 0 && s[n] == '\0';
}

static const char *skip_sign(const char *s)
{
        return s + (*s == '-' || *s == '+');
}

/* The base of an integer of the core schema, and where strtoll() begins; 0 for no integer. */
static int integer_base(const char *s, const char **ret_digits)
{
        *ret_digits = s;
        if (consists_of(skip_sign(s), DIGITS))
                return 10;
        *ret_digits = s + 2;
        if (strncmp(s, "0x", 2) == 0 && consists_of(s + 2, HEX_DIGITS))
                return 16;
        if (strncmp(s, "0o", 2) == 0 && consists_of(s + 2, "01234567"))
                return 8;
        return 0;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(const char *s)
{
        s = skip_sign(s);
        size_t before = strspn(s, DIGITS), after = 0;
        s += before;
        if (*s == '.') {
                after = strspn(s + 1, DIGITS);
                s += 1 + after;
        }
        if (before + after == 0)
                return false;
        if (*s == 'e' || *s == 'E')
                return consists_of(skip_sign(s + 1), DIGITS);
        return *s == '\0';
}

static json_t *convert_plain(struct reader *r, const char *text)
{
        for (size_t i = 0; i < GW_COUNT(words); i++)
                if (strcmp(text, words[i].text) == 0)
                        return convert_word(r, i);

        const char *digits;
        int base = integer_base(text, &digits);
        if (base) {
                errno = 0;
                long long v = strtoll(digits, NULL, base);
                return errno ? fail(r, "the integer is out of range") : owned(r, json_integer(v));
        }
        if (is_float(text)) {
                double v = strtod(text, NULL);
                return isfinite(v) ? owned(r, json_real(v)) : fail(r, "the number is out of range");
        }
        return owned(r, json_string(text));
}

/* Collections carry no position: the first scalar in them stands for theirs. */
static struct fy_node *first_scalar(struct fy_node *node)
{
        while (node && !fy_node_is_scalar(node)) {
                if (fy_node_is_sequence(node)) {
                        node = fy_node_sequence_get_by_index(node, 0);
                        continue;
                }
                struct fy_node_pair *pair = fy_node_mapping_get_by_index(node, 0);
                node = pair ? fy_node_pair_key(pair) : NULL;
        }
        return node;
}

static void note_position(struct reader *r, struct fy_node *node)
{
        struct fy_node *scalar = first_scalar(node);
        struct fy_token *token = scalar ? fy_node_get_scalar_token(scalar) : NULL;
        const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
        if (mark) {
                r->line = mark->line + 1;
                r->column = mark->column + 1;
        }
}

enum tag { TAG_NONE, TAG_STRING, TAG_COLLECTION, TAG_UNKNOWN };

static enum tag read_tag(struct fy_node *node)
{
        static const struct {
                const char *text;
                enum tag tag;
        } known[] = {
                {"!", TAG_STRING},
                {"tag:yaml.org,2002:str", TAG_STRING},
                {"tag:yaml.org,2002:map", TAG_COLLECTION},
                {"tag:yaml.org,2002:seq", TAG_COLLECTION},
        };
        size_t len = 0;
        const char *text = fy_node_get_tag(node, &len);
        if (!text || len == 0)
                return TAG_NONE;
        for (size_t i = 0; i < GW_COUNT(known); i++)
                if (strlen(known[i].text) == len && memcmp(known[i].text, text, len) == 0)
                        return known[i].tag;
        return TAG_UNKNOWN;
}

/*
 * Appends what a scalar means. Not with fy_node_get_scalar(), which loses a block of memory
 * for each text of many lines or escapes. Of the doubled quotes of a quoted text, the
 * library gives the second once more when another pair follows; the parts point into the
 * source, where the next pair begins two bytes later, so the surplus is known by its place.
 */
static int read_scalar(struct fy_node *node, struct gw_buf *out)
{
        bool quoted = fy_node_get_style(node) == FYNS_SINGLE_QUOTED;
        struct fy_token_iter *iter = fy_token_iter_create(fy_node_get_scalar_token(node));
        const struct fy_iter_chunk *part = NULL;
        const char *last_quote = NULL;
        int rc = iter ? 0 : -1;
        while (rc == 0 && (part = fy_token_iter_chunk_next(iter, part, &rc))) {
                if (quoted && part->len == 1 && *part->str == '\'') {
                        if (last_quote && part->str == last_quote + 1)
                                continue;
                        last_quote = part->str;
                }
                gw_buf_add(out, part->str, part->len);
        }
        fy_token_iter_destroy(iter);
        return rc;
}

/* A scalar's text, which the caller frees; NULL with the error set. */
static char *scalar_text(struct reader *r, struct fy_node *node, size_t *ret_len)
{
        struct gw_buf buf = GW_BUF_INIT(GW_MAX_YAML_TEXT - r->text_bytes);
        const char *fault = NULL;
        if (!fy_node_is_null(node) && read_scalar(node, &buf))
                fault = "the text cannot be read";
        else if (!gw_buf_ok(&buf))
                fault = "the document is too large";
        else if (!gw_str_utf8(buf.data, buf.len))
                fault = "the text holds a NUL";
        if (fault) {
                gw_buf_done(&buf);
                fail(r, fault);
                return NULL;
        }
        r->text_bytes += buf.len;
        char *text = gw_buf_take(&buf, ret_len);
        if (!text)
                owned(r, NULL);
        return text;
}

static json_t *convert_scalar(struct reader *r, struct fy_node *node)
{
        enum tag tag = read_tag(node);
        if (tag == TAG_UNKNOWN || tag == TAG_COLLECTION)
                return fail(r, "this tag is not supported");
        size_t len;
        gw_autofree char *text = scalar_text(r, node, &len);
        if (!text)
                return NULL;
        if (tag == TAG_STRING || fy_node_get_style(node) != FYNS_PLAIN)
                return owned(r, json_stringn(text, len));
        return convert_plain(r, text);
}

static json_t *convert_sequence(struct reader *r, struct fy_node *node, int depth)
{
        json_auto_t *array = owned(r, json_array());
        if (!array)
                return NULL;
        void *at = NULL;
        struct fy_node *item;
        while ((item = fy_node_sequence_iterate(node, &at))) {
                json_t *value = convert(r, item, depth);
                if (!value)
                        return NULL;
                if (json_array_append_new(array, value))
                        return owned(r, NULL);
        }
        return GW_TAKE(array);
}

static bool is_merge_key(struct fy_node *key)
{
        if (!key || !fy_node_is_scalar(key) || fy_node_get_style(key) != FYNS_PLAIN)
                return false;
        struct gw_buf text = GW_BUF_INIT(strlen("<<"));
        bool yes = read_scalar(key, &text) == 0 && gw_buf_ok(&text) && text.len == 2 &&
                   memcmp(text.data, "<<", 2) == 0;
        gw_buf_done(&text);
        return yes;
}

static int add_member(struct reader *r, json_t *object, struct fy_node_pair *pair, int depth)
{
        struct fy_node *key = fy_node_pair_key(pair);
        if (key)
                note_position(r, key);
        if (!key || !fy_node_is_scalar(key) || fy_node_is_alias(key) || fy_node_is_null(key)) {
                fail(r, "a key must be a plain or quoted text");
                return -1;
        }
        size_t len;
        gw_autofree char *text = scalar_text(r, key, &len);
        if (!text)
                return -1;
        if (json_object_getn(object, text, len)) {
                fail(r, "duplicate key");
                return -1;
        }
        json_t *value = convert(r, fy_node_pair_value(pair), depth);
        if (!value)
                return -1;
        if (json_object_setn_new(object, text, len, value)) {
                owned(r, NULL);
                return -1;
        }
        return 0;
}

/* Adds what `source`, a mapping, has and the object has not. */
static int merge_one(struct reader *r, json_t *object, json_t *source)
{
        if (!json_is_object(source)) {
                fail(r, "<< takes a mapping or a sequence of mappings");
                return -1;
        }
        if (json_object_update_missing(object, source)) {
                owned(r, NULL);
                return -1;
        }
        return 0;
}

static int merge(struct reader *r, json_t *object, struct fy_node_pair *pair, int depth)
{
        note_position(r, fy_node_pair_key(pair));
        json_auto_t *source = convert(r, fy_node_pair_value(pair), depth);
        if (!source)
                return -1;
        if (!json_is_array(source))
                return merge_one(r, object, source);
        size_t i;
        json_t *item;
        json_array_foreach(source, i, item)
        {
                if (merge_one(r, object, item))
                        return -1;
        }
        return 0;
}

static json_t *convert_mapping(struct reader *r, struct fy_node *node, int depth)
{
        json_auto_t *object = owned(r, json_object());
        if (!object)
                return NULL;
        void *at = NULL;
        struct fy_node_pair *pair;
        while ((pair = fy_node_mapping_iterate(node, &at)))
                if (!is_merge_key(fy_node_pair_key(pair)) && add_member(r, object, pair, depth))
                        return NULL;

        /* Last: a mapping's own keys win over merged ones, wherever they stand. */
        at = NULL;
        while ((pair = fy_node_mapping_iterate(node, &at)))
                if (is_merge_key(fy_node_pair_key(pair)) && merge(r, object, pair, depth))
                        return NULL;
        return GW_TAKE(object);
}

/* depth: how many collections are around the node. */
static json_t *convert(struct reader *r, struct fy_node *node, int depth)
{
        if (!node)
                return json_null();
        note_position(r, node);
        if (++r->nodes > GW_MAX_YAML_NODES)
                return fail(r, "the document is too large");
        if (fy_node_is_alias(node)) {
                /* Bounded by themselves: each look-up walks all anchors. */
                if (++r->aliases > GW_MAX_YAML_ALIASES)
                        return fail(r, "too many aliases");
                node = fy_node_resolve_alias(node);
                if (!node)
                        return fail(r, "no such anchor");
        }
        if (fy_node_is_scalar(node))
                return convert_scalar(r, node);
        if (depth >= GW_MAX_JSON_DEPTH)
                return fail(r, "nested too deep");
        enum tag tag = read_tag(node);
        if (tag == TAG_UNKNOWN || tag == TAG_STRING)
                return fail(r, "this tag is not supported");
        return fy_node_is_sequence(node) ? convert_sequence(r, node, depth + 1)
                                         : convert_mapping(r, node, depth + 1);
}

/* What the library complained about first. */
static json_t *fail_syntax(struct reader *r, struct fy_diag *diag)
{
        void *at = NULL;
        struct fy_diag_error *first = fy_diag_errors_iterate(diag, &at);
        if (!first)
                return fail(r, "cannot be parsed");
        r->line = first->line;
        r->column = first->column;
        return fail(r, first->msg);
}

static json_t *fail_count(struct reader *r, size_t most)
{
        if (most == 1)
                gw_fail(r->err, GW_ERR_INVALID, "%s: more than one document", r->name);
        else
                gw_fail(r->err, GW_ERR_INVALID, "%s: more than %zu documents", r->name, most);
        return NULL;
}

/* Appends every document of the stream. */
static int read_stream(struct reader *r, struct fy_parser *parser, struct fy_diag *diag,
                       size_t most, json_t *documents)
{
        struct fy_document *document;
        while ((document = fy_parse_load_document(parser))) {
                json_t *value = json_array_size(documents) < most
                                        ? convert(r, fy_document_root(document), 0)
                                        : fail_count(r, most);
                fy_parse_document_destroy(parser, document);
                if (!value)
                        return -1;
                if (json_array_append_new(documents, value)) {
                        owned(r, NULL);
                        return -1;
                }
        }
        if (!fy_parser_get_stream_error(parser))
                return 0;
        fail_syntax(r, diag);
        return -1;
}

/* The library's messages are collected. */
static struct fy_diag *quiet_diag(void)
{
        struct fy_diag_cfg quiet;
        fy_diag_cfg_default(&quiet);
        quiet.fp = NULL;
        struct fy_diag *diag = fy_diag_create(&quiet);
        if (diag)
                fy_diag_set_collect_errors(diag, true);
        return diag;
}

static int parse(struct reader *r, const char *text, size_t len, size_t most, json_t *documents)
{
        struct fy_diag *diag = quiet_diag();
        struct fy_parse_cfg config = {
                .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_DISABLE_MMAP_OPT |
                         FYPCF_JSON_NONE | FYPCF_ALLOW_DUPLICATE_KEYS,
                .diag = diag,
        };
        struct fy_parser *parser = diag ? fy_parser_create(&config) : NULL;
        int rc = -1;
        if (!documents || !parser || fy_parser_set_string(parser, text, len))
                owned(r, NULL);
        else
                rc = read_stream(r, parser, diag, most, documents);
        if (parser)
                fy_parser_destroy(parser);
        if (diag)
                fy_diag_destroy(diag);
        return rc;
}

json_t *gw_yaml_parse_all(const char *name, const char *text, size_t len, size_t most,
                          struct gw_error *err)
{
        struct reader r = {.name = name, .err = err};
        if (check_text(&r, text, len))
                return NULL;
        json_t *documents = json_array();
        if (parse(&r, text, len, most, documents) == 0)
                return documents;
        json_decref(documents);
        return NULL;
}

json_t *gw_yaml_parse(const char *name, const char *text, size_t len, struct gw_error *err)
{
        json_auto_t *documents = gw_yaml_parse_all(name, text, len, 1, err);
        if (!documents)
                return NULL;
        return json_array_size(documents) > 0 ? json_incref(json_array_get(documents, 0))
                                              : json_null();
}
