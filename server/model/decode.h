/*
 * The executable contract: one decoder that walks the tables the generator makes from
 * openapi/openapi.yaml (openapi/generate.py, generated/openapi/schemas.h).
 *
 * It checks type, required, bounds, enum, pattern (by named format), the closed set of
 * unions, and unknown members, suggesting the nearest name; it reports every bad member at
 * once and puts the defaults in. It is pure: no I/O, no clock. A schema is constant data.
 *
 * What a schema says is a fault of shape (GW_ERR_INVALID), with one exception: a duration, a
 * size or a number of cores written as text that is well formed and out of bounds is a fault of
 * meaning (GW_ERR_UNPROCESSABLE), because no pattern can say it.
 */
#ifndef GW_MODEL_DECODE_H
#define GW_MODEL_DECODE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "server/model/decode_formats.h"
#include "server/model/faults.h"
#include "server/model/json.h"

enum gw_schema_type {
        GW_SCHEMA_OBJECT, /* closed: members listed, others are faults */
        GW_SCHEMA_MAP,    /* any names that satisfy `names`, values of `item` */
        GW_SCHEMA_FREE,   /* an object of another's making: only its members are counted */
        GW_SCHEMA_ARRAY,
        GW_SCHEMA_STRING,
        GW_SCHEMA_INTEGER, /* 4.0 is one too, and becomes 4 */
        GW_SCHEMA_NUMBER,
        GW_SCHEMA_BOOLEAN,
        GW_SCHEMA_DURATION, /* whole seconds, or text (model/duration.h) */
        GW_SCHEMA_QUANTITY, /* whole bytes, or text (model/quantity.h) */
        GW_SCHEMA_CPUS,     /* cores, or text (model/quantity.h) */
        GW_SCHEMA_STRING_OR_INTEGER,
        GW_SCHEMA_SCALAR, /* a string, a number or a boolean; each stays what it is */
        GW_SCHEMA_TYPE_COUNT
};

#define GW_MAX_MEMBERS 64 /* of one object; the generator refuses more */

struct gw_schema;

struct gw_member {
        const char *name;
        const struct gw_schema *schema;
        const char *preset; /* default as JSON text, or NULL */
        bool required;
};

struct gw_schema {
        enum gw_schema_type type;
        enum gw_format format;           /* of a string, or of a union's text */
        double lo, hi;                   /* bounds of a number, a duration's seconds, a size's
                                          * bytes, a number of cores; both are kept */
        size_t min_len, max_len;         /* of a string in characters, of an array, a map or an
                                          * object in items */
        const char *const *values;       /* enum, NULL-ended, or NULL; no lengths then */
        const struct gw_schema *item;    /* of an array or a map */
        const struct gw_schema *names;   /* of a map's names: a STRING */
        const struct gw_member *members; /* sorted by name */
        size_t member_count;
};

/* Checks `value` against `schema` and puts defaults in, in place (a whole number written with a
 * fraction, 4.0, becomes an integer). `pointer` is the prefix of the faults' pointers. Returns
 * 0, or -1 with the faults added. */
int gw_decode(const struct gw_schema *schema, json_t *value, const char *pointer,
              struct gw_faults *faults);

/* A text that stands outside of JSON (a parameter, a part of the path, a header field) as a
 * JSON value of the schema's type: string, integer, boolean, or an array of them from a list
 * with commas. Returns NULL with faults at `pointer`. The caller owns the value. */
json_t *gw_decode_text(const struct gw_schema *schema, const char *pointer, const char *text,
                       struct gw_faults *faults);

/* The same for a query parameter: faults at "?name". */
json_t *gw_decode_parameter(const struct gw_schema *schema, const char *name, const char *text,
                            struct gw_faults *faults);

/* A default as a JSON value, checked and completed; NULL only without memory. */
json_t *gw_decode_preset(const struct gw_schema *schema, const char *preset);

#endif
