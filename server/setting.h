/* A row of a settings table, and the kinds of values that settings have. */
#ifndef GW_SERVER_SETTING_H
#define GW_SERVER_SETTING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/model/faults.h"

enum gw_setting_kind {
        GW_SETTING_TEXT,    /* char *, owned; NULL when there is neither value nor preset */
        GW_SETTING_NAME,    /* the same: letters, digits, '-', '_' and '.' */
        GW_SETTING_URL,     /* the same: http:// or https://, no '/' at the end */
        GW_SETTING_ORIGINS, /* the same: "*", or origins of web pages with commas between */
        GW_SETTING_SECRET,  /* the same: a connection string that may hold a password */
        GW_SETTING_NUMBER,  /* int64_t, as are those below */
        GW_SETTING_SIZE,    /* bytes, "1Mi" */
        GW_SETTING_SECONDS, /* "90d" */
        GW_SETTING_LEVEL,   /* enum gw_log_level */
        GW_SETTING_KINDS
};

struct gw_setting {
        const char *name; /* "listen.port" */
        enum gw_setting_kind kind;
        size_t offset;      /* of the value in the struct that the table fills */
        const char *preset; /* as it is written in a file; NULL: none */
        int64_t lo, hi;     /* of numbers; of texts hi is the longest, 0: no limit */
        bool required;
        const char *help; /* one or two sentences, Markdown */
};

/* Reads `value` (NULL or null: the preset) into the member of `base`; what is wrong goes to
 * *faults under `path`. */
void gw_setting_read(const struct gw_setting *s, const json_t *value, const char *path, void *base,
                     struct gw_faults *faults);
/* Frees the member's text. */
void gw_setting_done(const struct gw_setting *s, void *base);
/* The value as YAML, a secret masked. */
void gw_setting_print(const struct gw_setting *s, const void *base, struct gw_buf *out);
/* "a whole number from 1 to 65535" */
void gw_setting_describe(const struct gw_setting *s, struct gw_buf *out);

/* Whether s is a name: 1 to max letters, digits, '-', '_' and '.'. */
bool gw_setting_is_name(const char *s, size_t max);

#endif
