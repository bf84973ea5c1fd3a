/* Kinds of settings: how each is read, printed and described. Used before threads start. */
#include "server/setting.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/log.h"
#include "server/base/str.h"
#include "server/conninfo.h"
#include "server/model/duration.h"
#include "server/model/quantity.h"

static const char *const levels[] = {
        [GW_LOG_DEBUG] = "debug",
        [GW_LOG_INFO] = "info",
        [GW_LOG_WARN] = "warn",
        [GW_LOG_ERROR] = "error",
};

/* ---- reading: 0 or -1 -------------------------------------------------------------------- */

static int keep_text(const char *text, void *place)
{
        *(char **)place = strdup(text);
        return *(char **)place ? 0 : -1;
}

static int read_text(const struct gw_setting *s, const char *text, void *place)
{
        if (!text[0] || (s->hi && strlen(text) > (size_t)s->hi))
                return -1;
        return keep_text(text, place);
}

bool gw_setting_is_name(const char *s, size_t max)
{
        size_t n = 0;
        while (isalnum((unsigned char)s[n]) || (s[n] && strchr("-_.", s[n])))
                n++;
        return n > 0 && n <= max && !s[n];
}

static int read_name(const struct gw_setting *s, const char *text, void *place)
{
        return gw_setting_is_name(text, (size_t)s->hi) ? keep_text(text, place) : -1;
}

static int read_url(const struct gw_setting *s, const char *text, void *place)
{
        (void)s;
        size_t len = strlen(text);
        const char *host = strstr(text, "://");
        bool http = strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
        if (!http || !host[3] || text[len - 1] == '/' || strpbrk(text, " \t\r\n\"<>"))
                return -1;
        return keep_text(text, place);
}

/* As browsers send it: lower case, no path, no '/' at the end. */
static bool is_origin(const char *text, size_t len)
{
        static const char *const schemes[] = {"http://", "https://"};
        for (size_t i = 0; i < GW_COUNT(schemes); i++) {
                size_t scheme = strlen(schemes[i]);
                if (len > scheme && memcmp(text, schemes[i], scheme) == 0)
                        return strspn(text + scheme, "abcdefghijklmnopqrstuvwxyz0123456789.-:[]") >=
                               len - scheme;
        }
        return false;
}

static int read_origins(const struct gw_setting *s, const char *text, void *place)
{
        (void)s;
        const char *at = text;
        while (strcmp(text, "*") != 0) {
                at += strspn(at, " ");
                size_t len = strcspn(at, ", ");
                if (!is_origin(at, len))
                        return -1;
                at += len + strspn(at + len, " ");
                if (!*at)
                        break;
                if (*at++ != ',')
                        return -1;
        }
        return keep_text(text, place);
}

static int in_range(const struct gw_setting *s, int64_t value, void *place)
{
        if (value < s->lo || value > s->hi)
                return -1;
        *(int64_t *)place = value;
        return 0;
}

static int read_number(const struct gw_setting *s, const char *text, void *place)
{
        return gw_str_int64(text, s->lo, s->hi, place);
}

static int read_size(const struct gw_setting *s, const char *text, void *place)
{
        int64_t bytes;
        return gw_quantity_parse(text, &bytes, NULL) < 0 ? -1 : in_range(s, bytes, place);
}

static int read_seconds(const struct gw_setting *s, const char *text, void *place)
{
        int64_t seconds;
        return gw_duration_parse(text, &seconds, NULL) < 0 ? -1 : in_range(s, seconds, place);
}

static int read_level(const struct gw_setting *s, const char *text, void *place)
{
        (void)s;
        enum gw_log_level level;
        if (gw_log_level_parse(text, &level) < 0)
                return -1;
        *(int64_t *)place = level;
        return 0;
}

/* ---- printing ------------------------------------------------------------------------------ */

static void print_text(const void *place, struct gw_buf *out)
{
        gw_buf_json_str(out, *(char *const *)place);
}

static void print_secret(const void *place, struct gw_buf *out)
{
        const char *text = *(char *const *)place;
        struct gw_buf masked = GW_BUF_INIT(64 * 1024);
        if (text)
                gw_conninfo_mask(text, &masked);
        gw_buf_json_str(out, text ? (masked.data ? masked.data : "") : NULL);
        gw_buf_done(&masked);
}

static void print_number(const void *place, struct gw_buf *out)
{
        gw_buf_int(out, *(const int64_t *)place);
}

static void print_size(const void *place, struct gw_buf *out)
{
        char text[GW_QUANTITY_TEXT];
        gw_quantity_format(*(const int64_t *)place, text);
        gw_buf_str(out, text);
}

static void print_seconds(const void *place, struct gw_buf *out)
{
        char text[GW_DURATION_TEXT];
        gw_duration_format(*(const int64_t *)place, text);
        gw_buf_str(out, text);
}

static void print_level(const void *place, struct gw_buf *out)
{
        gw_buf_str(out, levels[*(const int64_t *)place]);
}

/* ---- describing ---------------------------------------------------------------------------- */

static void describe_text(const struct gw_setting *s, struct gw_buf *out)
{
        gw_buf_str(out, "a text that is not empty");
        if (s->hi)
                gw_buf_printf(out, ", at most %" PRId64 " bytes", s->hi);
}

static void describe_name(const struct gw_setting *s, struct gw_buf *out)
{
        gw_buf_printf(out, "a name: at most %" PRId64 " letters, digits, '-', '_' and '.'", s->hi);
}

static void describe_url(const struct gw_setting *s, struct gw_buf *out)
{
        (void)s;
        gw_buf_str(out, "a URL: http:// or https://, without a '/' at its end");
}

static void describe_origins(const struct gw_setting *s, struct gw_buf *out)
{
        (void)s;
        gw_buf_str(out, "`*`, or origins with commas between, as browsers send them: lower case, "
                        "without a '/' at the end");
}

static void describe_secret(const struct gw_setting *s, struct gw_buf *out)
{
        (void)s;
        gw_buf_str(out, "a PostgreSQL connection string");
}

static void describe_number(const struct gw_setting *s, struct gw_buf *out)
{
        gw_buf_printf(out, "a whole number from %" PRId64 " to %" PRId64, s->lo, s->hi);
}

static void describe_size(const struct gw_setting *s, struct gw_buf *out)
{
        gw_buf_str(out, "a size from ");
        print_size(&s->lo, out);
        gw_buf_str(out, " to ");
        print_size(&s->hi, out);
}

static void describe_seconds(const struct gw_setting *s, struct gw_buf *out)
{
        gw_buf_str(out, "a duration from ");
        print_seconds(&s->lo, out);
        gw_buf_str(out, " to ");
        print_seconds(&s->hi, out);
}

static void describe_level(const struct gw_setting *s, struct gw_buf *out)
{
        (void)s;
        gw_buf_str(out, "one of ");
        for (size_t i = 0; i < GW_COUNT(levels); i++)
                gw_buf_printf(out, "%s%s", i ? ", " : "", levels[i]);
}

/* ---- the kinds ----------------------------------------------------------------------------- */

static const struct {
        int (*read)(const struct gw_setting *s, const char *text, void *place);
        void (*print)(const void *place, struct gw_buf *out);
        void (*describe)(const struct gw_setting *s, struct gw_buf *out);
        bool text; /* a char *, and a number in the file is not taken for one */
} kinds[GW_SETTING_KINDS] = {
        [GW_SETTING_TEXT] = {read_text, print_text, describe_text, true},
        [GW_SETTING_NAME] = {read_name, print_text, describe_name, true},
        [GW_SETTING_URL] = {read_url, print_text, describe_url, true},
        [GW_SETTING_ORIGINS] = {read_origins, print_text, describe_origins, true},
        [GW_SETTING_SECRET] = {read_text, print_secret, describe_secret, true},
        [GW_SETTING_NUMBER] = {read_number, print_number, describe_number, false},
        [GW_SETTING_SIZE] = {read_size, print_size, describe_size, false},
        [GW_SETTING_SECONDS] = {read_seconds, print_seconds, describe_seconds, false},
        [GW_SETTING_LEVEL] = {read_level, print_level, describe_level, false},
};

static void *place_of(const struct gw_setting *s, const void *base)
{
        return (char *)(uintptr_t)base + s->offset;
}

/* The value as text, in `number` when it was none; NULL when it is no scalar. */
static const char *text_of(const struct gw_setting *s, const json_t *value, char number[24])
{
        if (!value || json_is_null(value))
                return s->preset;
        if (json_is_string(value))
                return json_string_value(value);
        if (!json_is_integer(value) || kinds[s->kind].text)
                return NULL;
        snprintf(number, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return number;
}

void gw_setting_read(const struct gw_setting *s, const json_t *value, const char *path, void *base,
                     struct gw_faults *faults)
{
        char number[24];
        bool given = value && !json_is_null(value);
        const char *text = text_of(s, value, number);
        if (!text && !given) {
                if (s->required)
                        gw_faults_add(faults, GW_ERR_INVALID, path, "is required");
                return;
        }
        if (text && kinds[s->kind].read(s, text, place_of(s, base)) == 0)
                return;
        struct gw_buf right = GW_BUF_INIT(GW_ERROR_MESSAGE);
        gw_setting_describe(s, &right);
        gw_faults_add(faults, GW_ERR_INVALID, path, "must be %s", right.data ? right.data : "");
        gw_buf_done(&right);
}

void gw_setting_done(const struct gw_setting *s, void *base)
{
        if (!kinds[s->kind].text)
                return;
        char **text = place_of(s, base);
        free(*text);
        *text = NULL;
}

void gw_setting_print(const struct gw_setting *s, const void *base, struct gw_buf *out)
{
        kinds[s->kind].print(place_of(s, base), out);
}

void gw_setting_describe(const struct gw_setting *s, struct gw_buf *out)
{
        kinds[s->kind].describe(s, out);
}
