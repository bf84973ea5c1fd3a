/*
 * The named formats of the contract: each is one `pattern` of openapi/openapi.yaml (the table
 * FORMATS of openapi/generate.py pairs them), checked here by hand. Pure; any thread.
 */
#ifndef GW_MODEL_DECODE_FORMATS_H
#define GW_MODEL_DECODE_FORMATS_H

#include <stdbool.h>
#include <stddef.h>

enum gw_format {
        GW_FORMAT_NONE,         /* anything */
        GW_FORMAT_TEXT,         /* any UTF-8 without U+0000 */
        GW_FORMAT_NAME,         /* letters, digits, '-', '_', '.', begins with a letter or digit */
        GW_FORMAT_LABEL_KEY,    /* a name that may also have '/' */
        GW_FORMAT_LABEL_VALUE,  /* letters, digits and ._:@/+- */
        GW_FORMAT_LABEL_FILTER, /* a label key, or key=value */
        GW_FORMAT_ENV_NAME,     /* [A-Za-z_][A-Za-z0-9_]* */
        GW_FORMAT_VISIBLE,      /* ASCII without blanks and controls */
        GW_FORMAT_PRINTABLE,    /* the same with blanks inside */
        GW_FORMAT_PATH,         /* an absolute path */
        GW_FORMAT_CURSOR,       /* base64url */
        GW_FORMAT_UUID,
        GW_FORMAT_DATE_TIME, /* RFC 3339, 1970 to 9999 */
        GW_FORMAT_DURATION,  /* the texts of model/duration.h, whatever their value */
        GW_FORMAT_QUANTITY,  /* the texts of model/quantity.h, whatever their value */
        GW_FORMAT_CPUS,
        GW_FORMAT_INDICES, /* the texts of model/indexset.h, whatever their values */
        GW_FORMAT_INDICES_OR_ALL,
        GW_FORMAT_COUNT
};

/* Whether s, which is valid UTF-8 of `len` bytes and ends with a NUL, has the format. */
bool gw_format_check(enum gw_format format, const char *s, size_t len);

/* What would be right, after "must be ": "an absolute path". */
const char *gw_format_hint(enum gw_format format);

#endif
