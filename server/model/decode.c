/*
 * The decoder of the contract. Any thread; pure but for memory; runs on every submit.
 * A value that breaks its schema is left as it is, and the walk goes on: every fault is
 * found in one go. Recursion is bounded by the schema, which is no deeper than a few levels.
 */
#include "server/model/decode.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/str.h"
#include "server/model/duration.h"
#include "server/model/json_plain.h"
#include "server/model/pointer.h"
#include "server/model/quantity.h"

#define SHOWN 48 /* bytes of the client's own text in a message */

struct walk {
        struct gw_faults *faults;
        struct gw_pointer at; /* the value at hand */
};

#define fault(w, code, ...) gw_faults_add((w)->faults, code, (w)->at.text, __VA_ARGS__)

static void decode_value(struct walk *w, const struct gw_schema *schema, json_t *value);

/* ---- messages ------------------------------------------------------------------------ */

static const char *const expected[GW_SCHEMA_TYPE_COUNT] = {
        [GW_SCHEMA_OBJECT] = "an object",
        [GW_SCHEMA_MAP] = "an object",
        [GW_SCHEMA_FREE] = "an object",
        [GW_SCHEMA_ARRAY] = "an array",
        [GW_SCHEMA_STRING] = "a string",
        [GW_SCHEMA_INTEGER] = "a whole number",
        [GW_SCHEMA_NUMBER] = "a number",
        [GW_SCHEMA_BOOLEAN] = "true or false",
        [GW_SCHEMA_DURATION] = "a duration: whole seconds, or text such as \"2h30m\"",
        [GW_SCHEMA_QUANTITY] = "a size: whole bytes, or text such as \"32Gi\"",
        [GW_SCHEMA_CPUS] = "a number of cores: 4, 0.5 or \"500m\"",
        [GW_SCHEMA_STRING_OR_INTEGER] = "a string or a whole number",
        [GW_SCHEMA_SCALAR] = "a string, a number, true or false",
};

static const char *name_type(const json_t *value)
{
        static const char *const names[] = {
                [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
                [JSON_INTEGER] = "a number", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
                [JSON_FALSE] = "false",      [JSON_NULL] = "null",
        };
        return names[json_typeof(value)];
}

static void fault_type(struct walk *w, const struct gw_schema *schema, const json_t *value)
{
        if (json_is_real(value))
                fault(w, GW_ERR_INVALID, "must be %s, not %.17g", expected[schema->type],
                      json_real_value(value));
        else
                fault(w, GW_ERR_INVALID, "must be %s, not %s", expected[schema->type],
                      name_type(value));
}

static const char *read_value_name(const void *list, size_t i)
{
        return ((const char *const *)list)[i];
}

static const char *read_member_name(const void *list, size_t i)
{
        const struct gw_schema *schema = list;
        return i < schema->member_count ? schema->members[i].name : NULL;
}

/* ---- numbers ------------------------------------------------------------------------- */

static void check_bounds(struct walk *w, const struct gw_schema *schema, double v)
{
        if (v < schema->lo || v > schema->hi)
                fault(w, GW_ERR_INVALID, "must be from %.16g to %.16g, not %.16g", schema->lo,
                      schema->hi, v);
}

static bool is_whole(const json_t *value)
{
        double v = json_number_value(value);
        return json_is_integer(value) || (json_is_real(value) && v == floor(v));
}

static void check_whole(struct walk *w, const struct gw_schema *schema, const json_t *value)
{
        if (is_whole(value))
                check_bounds(w, schema, json_number_value(value));
        else
                fault_type(w, schema, value);
}

/* ---- texts --------------------------------------------------------------------------- */

static size_t count_characters(const char *s, size_t len)
{
        size_t n = 0;
        for (size_t i = 0; i < len; i++)
                n += ((unsigned char)s[i] & 0xC0) != 0x80;
        return n;
}

static void fault_length(struct walk *w, size_t have, size_t lo, size_t hi, const char *what)
{
        if (have < lo && have == 0)
                fault(w, GW_ERR_INVALID, "must not be empty");
        else if (lo == hi)
                fault(w, GW_ERR_INVALID, "must have %zu %s, not %zu", lo, what, have);
        else
                fault(w, GW_ERR_INVALID, "must have %zu to %zu %s, not %zu", lo, hi, what, have);
}

static void fault_enum(struct walk *w, const char *const *values, const char *s)
{
        char shown[SHOWN], list[GW_ERROR_MESSAGE] = "";
        size_t n = 0;
        for (size_t i = 0; values[i] && n < sizeof list; i++)
                n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i > 0 ? ", " : "",
                                      values[i]);
        gw_str_copy(shown, sizeof shown, s);
        const char *near = gw_str_nearest(s, read_value_name, values);
        if (near)
                fault(w, GW_ERR_INVALID, "\"%s\" is unknown; did you mean \"%s\"?", shown, near);
        else
                fault(w, GW_ERR_INVALID, "\"%s\" is unknown; must be one of %s", shown, list);
}

static void check_enum(struct walk *w, const char *const *values, const char *s)
{
        for (size_t i = 0; values[i]; i++)
                if (strcmp(values[i], s) == 0)
                        return;
        fault_enum(w, values, s);
}

/* Length, format and enum. Returns whether it is good. */
static bool check_text(struct walk *w, const struct gw_schema *schema, const char *s, size_t len)
{
        size_t before = w->faults->count + w->faults->dropped;
        if (schema->values) {
                check_enum(w, schema->values, s);
                return w->faults->count + w->faults->dropped == before;
        }
        /* Most texts are short and ASCII: bytes first, characters only when they matter. */
        if (len < schema->min_len || len > schema->max_len || schema->min_len > 1) {
                size_t n = count_characters(s, len);
                if (n < schema->min_len || n > schema->max_len) {
                        fault_length(w, n, schema->min_len, schema->max_len, "characters");
                        return false;
                }
        }
        if (gw_format_check(schema->format, s, len))
                return true;
        fault(w, GW_ERR_INVALID, "must be %s", gw_format_hint(schema->format));
        return false;
}

static int parse_amount(const struct gw_schema *schema, const char *s, double *ret,
                        struct gw_error *err)
{
        int64_t v = 0;
        int rc = schema->type == GW_SCHEMA_DURATION   ? gw_duration_parse(s, &v, err)
                 : schema->type == GW_SCHEMA_QUANTITY ? gw_quantity_parse(s, &v, err)
                                                      : gw_cpus_parse(s, &v, err);
        *ret = schema->type == GW_SCHEMA_CPUS ? (double)v / 1000 : (double)v;
        return rc;
}

/* A duration, a size or cores as text: what the parser says is more helpful than a pattern. */
static void check_amount(struct walk *w, const struct gw_schema *schema, const json_t *value)
{
        static const char *const units[GW_SCHEMA_TYPE_COUNT] = {
                [GW_SCHEMA_DURATION] = "seconds",
                [GW_SCHEMA_QUANTITY] = "bytes",
                [GW_SCHEMA_CPUS] = "cores",
        };
        const char *s = json_string_value(value);
        size_t len = json_string_length(value);
        struct gw_error err = {.code = GW_OK};
        double v = 0;

        if (len > schema->max_len || !gw_format_check(schema->format, s, len)) {
                if (len <= schema->max_len && parse_amount(schema, s, &v, &err))
                        fault(w, GW_ERR_INVALID, "%s", err.message);
                else
                        check_text(w, schema, s, len);
        } else if (parse_amount(schema, s, &v, &err)) {
                fault(w, GW_ERR_UNPROCESSABLE, "%s", err.message);
        } else if (v < schema->lo || v > schema->hi) {
                fault(w, GW_ERR_UNPROCESSABLE, "must be from %.16g to %.16g %s", schema->lo,
                      schema->hi, units[schema->type]);
        }
}

/* ---- objects and arrays -------------------------------------------------------------- */

static const struct gw_member *find_member(const struct gw_schema *schema, const char *key)
{
        size_t lo = 0, hi = schema->member_count;
        while (lo < hi) {
                size_t mid = lo + (hi - lo) / 2;
                int order = strcmp(key, schema->members[mid].name);
                if (order == 0)
                        return &schema->members[mid];
                if (order < 0)
                        hi = mid;
                else
                        lo = mid + 1;
        }
        return NULL;
}

/* The nearest name among the members, or among those of a member that is an object: people
 * write "memory" where "resources" has it. */
static const char *find_near(const struct gw_schema *schema, const char *key, const char **ret_home)
{
        const char *near = gw_str_nearest(key, read_member_name, schema);
        *ret_home = NULL;
        for (size_t i = 0; !near && i < schema->member_count; i++) {
                const struct gw_member *m = &schema->members[i];
                if (m->schema->type != GW_SCHEMA_OBJECT)
                        continue;
                near = gw_str_nearest(key, read_member_name, m->schema);
                *ret_home = m->name;
        }
        return near;
}

static void fault_unknown(struct walk *w, const struct gw_schema *schema, const char *key)
{
        char shown[SHOWN];
        const char *home, *near = find_near(schema, key, &home);
        gw_str_copy(shown, sizeof shown, key);
        if (near && home)
                fault(w, GW_ERR_INVALID, "unknown field \"%s\"; did you mean \"%s\" in \"%s\"?",
                      shown, near, home);
        else if (near)
                fault(w, GW_ERR_INVALID, "unknown field \"%s\"; did you mean \"%s\"?", shown, near);
        else
                fault(w, GW_ERR_INVALID, "unknown field \"%s\"", shown);
}

static bool takes_fractions(enum gw_schema_type type)
{
        return type == GW_SCHEMA_NUMBER || type == GW_SCHEMA_CPUS || type == GW_SCHEMA_SCALAR;
}

/* 4.0 where a whole number belongs: the same number as an integer, or NULL to leave it. */
static json_t *as_integer(const struct gw_schema *schema, const json_t *value)
{
        double v = json_real_value(value);
        if (!json_is_real(value) || takes_fractions(schema->type) || v != floor(v) ||
            v < schema->lo || v > schema->hi)
                return NULL;
        return json_integer((json_int_t)v);
}

static void put_preset(struct walk *w, const struct gw_member *m, json_t *object)
{
        json_t *preset = gw_decode_preset(m->schema, m->preset);
        if (!preset || json_object_set_new_nocheck(object, m->name, preset))
                fault(w, GW_ERR_NOMEM, "out of memory");
}

static void check_count(struct walk *w, const struct gw_schema *schema, size_t n, const char *what)
{
        if (n < schema->min_len || n > schema->max_len)
                fault_length(w, n, schema->min_len, schema->max_len, what);
}

/* What was not given: missing, or a default. `seen` has the bit of each member that was. */
static void complete_object(struct walk *w, const struct gw_schema *schema, json_t *value,
                            uint64_t seen)
{
        for (size_t i = 0; i < schema->member_count; i++) {
                const struct gw_member *m = &schema->members[i];
                if (seen >> i & 1)
                        continue;
                if (m->preset) {
                        put_preset(w, m, value);
                } else if (m->required) {
                        size_t mark = gw_pointer_enter(&w->at, m->name, strlen(m->name));
                        fault(w, GW_ERR_INVALID, "is missing: must be %s",
                              expected[m->schema->type]);
                        gw_pointer_leave(&w->at, mark);
                }
        }
}

static void decode_item(struct walk *w, const struct gw_schema *schema, json_t *object, void *iter)
{
        json_t *value = json_object_iter_value(iter);
        decode_value(w, schema, value);
        json_t *whole = as_integer(schema, value);
        if (whole)
                json_object_iter_set_new(object, iter, whole);
}

static void decode_object(struct walk *w, const struct gw_schema *schema, json_t *value)
{
        uint64_t seen = 0;
        if (schema->min_len > 0 || json_object_size(value) == 0)
                check_count(w, schema, json_object_size(value), "members");
        for (void *it = json_object_iter(value); it; it = json_object_iter_next(value, it)) {
                const char *key = json_object_iter_key(it);
                const struct gw_member *m = find_member(schema, key);
                size_t mark = gw_pointer_enter(&w->at, key, strlen(key));
                if (m) {
                        seen |= UINT64_C(1) << (m - schema->members);
                        decode_item(w, m->schema, value, it);
                } else {
                        fault_unknown(w, schema, key);
                }
                gw_pointer_leave(&w->at, mark);
        }
        complete_object(w, schema, value, seen);
}

static void decode_map(struct walk *w, const struct gw_schema *schema, json_t *value)
{
        check_count(w, schema, json_object_size(value), "members");
        for (void *it = json_object_iter(value); it; it = json_object_iter_next(value, it)) {
                const char *key = json_object_iter_key(it);
                size_t mark = gw_pointer_enter(&w->at, key, strlen(key));
                check_text(w, schema->names, key, strlen(key));
                decode_item(w, schema->item, value, it);
                gw_pointer_leave(&w->at, mark);
        }
}

static void decode_free(struct walk *w, const struct gw_schema *schema, json_t *value)
{
        check_count(w, schema, json_object_size(value), "members");
}

static void decode_array(struct walk *w, const struct gw_schema *schema, json_t *value)
{
        check_count(w, schema, json_array_size(value), "items");
        for (size_t i = 0; i < json_array_size(value); i++) {
                json_t *item = json_array_get(value, i);
                size_t mark = gw_pointer_enter_index(&w->at, i);
                decode_value(w, schema->item, item);
                gw_pointer_leave(&w->at, mark);
                json_t *whole = as_integer(schema->item, item);
                if (whole)
                        json_array_set_new(value, i, whole);
        }
}

/* ---- any value ----------------------------------------------------------------------- */

static void decode_string(struct walk *w, const struct gw_schema *schema, json_t *value)
{
        check_text(w, schema, json_string_value(value), json_string_length(value));
}

static void decode_number(struct walk *w, const struct gw_schema *schema, json_t *value)
{
        check_bounds(w, schema, json_number_value(value));
}

static void decode_whole(struct walk *w, const struct gw_schema *schema, json_t *value)
{
        check_whole(w, schema, value);
}

static void decode_nothing(struct walk *w, const struct gw_schema *schema, json_t *value)
{
        (void)w, (void)schema, (void)value;
}

static void decode_amount(struct walk *w, const struct gw_schema *schema, json_t *value)
{
        check_amount(w, schema, value);
}

typedef void (*decode_function)(struct walk *w, const struct gw_schema *schema, json_t *value);

/* What a type does with each JSON type it takes; NULL: it does not take it. */
static const struct {
        decode_function container, string, integer, real, boolean;
} types[GW_SCHEMA_TYPE_COUNT] = {
        [GW_SCHEMA_OBJECT] = {.container = decode_object},
        [GW_SCHEMA_MAP] = {.container = decode_map},
        [GW_SCHEMA_FREE] = {.container = decode_free},
        [GW_SCHEMA_ARRAY] = {.container = decode_array},
        [GW_SCHEMA_STRING] = {.string = decode_string},
        [GW_SCHEMA_INTEGER] = {.integer = decode_whole, .real = decode_whole},
        [GW_SCHEMA_NUMBER] = {.integer = decode_number, .real = decode_number},
        [GW_SCHEMA_BOOLEAN] = {.boolean = decode_nothing},
        [GW_SCHEMA_DURATION] = {.string = decode_amount,
                                .integer = decode_whole,
                                .real = decode_whole},
        [GW_SCHEMA_QUANTITY] = {.string = decode_amount,
                                .integer = decode_whole,
                                .real = decode_whole},
        [GW_SCHEMA_CPUS] = {.string = decode_amount,
                            .integer = decode_number,
                            .real = decode_number},
        [GW_SCHEMA_STRING_OR_INTEGER] = {.string = decode_string,
                                         .integer = decode_whole,
                                         .real = decode_whole},
        [GW_SCHEMA_SCALAR] = {.string = decode_string,
                              .integer = decode_number,
                              .real = decode_number,
                              .boolean = decode_nothing},
};

static decode_function find_function(const struct gw_schema *schema, const json_t *value)
{
        switch (json_typeof(value)) {
        case JSON_OBJECT:
                return schema->type == GW_SCHEMA_ARRAY ? NULL : types[schema->type].container;
        case JSON_ARRAY:
                return schema->type == GW_SCHEMA_ARRAY ? types[schema->type].container : NULL;
        case JSON_STRING:
                return types[schema->type].string;
        case JSON_INTEGER:
                return types[schema->type].integer;
        case JSON_REAL:
                return types[schema->type].real;
        case JSON_TRUE:
        case JSON_FALSE:
                return types[schema->type].boolean;
        default:
                return NULL;
        }
}

static void decode_value(struct walk *w, const struct gw_schema *schema, json_t *value)
{
        decode_function decode = find_function(schema, value);
        if (decode)
                decode(w, schema, value);
        else
                fault_type(w, schema, value);
}

int gw_decode(const struct gw_schema *schema, json_t *value, const char *pointer,
              struct gw_faults *faults)
{
        size_t before = faults->count + faults->dropped;
        struct walk w = {.faults = faults};
        gw_pointer_init(&w.at, pointer);
        decode_value(&w, schema, value);
        return faults->count + faults->dropped == before ? 0 : -1;
}

json_t *gw_decode_preset(const struct gw_schema *schema, const char *preset)
{
        json_t *value = gw_json_plain(preset, strlen(preset));
        if (!value)
                value = json_loads(preset, JSON_DECODE_ANY, NULL);

        struct gw_faults faults;
        gw_faults_init(&faults);
        if (value && schema->type == GW_SCHEMA_OBJECT && gw_decode(schema, value, "", &faults)) {
                json_decref(value);
                return NULL;
        }
        return value;
}
