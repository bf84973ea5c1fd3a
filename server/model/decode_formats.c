/*
 * One checker per named format. Any thread; pure; each looks at every byte once.
 * A checker and its pattern in openapi.yaml accept exactly the same texts.
 */
#include "server/model/decode_formats.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"

/* Sets of ASCII characters, as bits of one table. */
enum {
        DIGIT = 1,
        LETTER = 2,
        ALNUM = DIGIT | LETTER,
        HEX = 4,
        NAME = 8,         /* . _ - */
        SLASH = 16,       /* / */
        VALUE = 32,       /* : @ + */
        VISIBLE = 64,     /* ! to ~ */
        UNDERSCORE = 128, /* _ */
};

static const uint8_t sets[256] = {
        ['!' ... '*'] = VISIBLE,
        ['+'] = VISIBLE | VALUE,
        [','] = VISIBLE,
        ['-' ... '.'] = VISIBLE | NAME,
        ['/'] = VISIBLE | SLASH,
        ['0' ... '9'] = VISIBLE | DIGIT | HEX,
        [':'] = VISIBLE | VALUE,
        [';' ... '?'] = VISIBLE,
        ['@'] = VISIBLE | VALUE,
        ['A' ... 'F'] = VISIBLE | LETTER | HEX,
        ['G' ... 'Z'] = VISIBLE | LETTER,
        ['[' ... '^'] = VISIBLE,
        ['_'] = VISIBLE | NAME | UNDERSCORE,
        ['`'] = VISIBLE,
        ['a' ... 'f'] = VISIBLE | LETTER | HEX,
        ['g' ... 'z'] = VISIBLE | LETTER,
        ['{' ... '~'] = VISIBLE,
};

static bool is(char c, unsigned set)
{
        return sets[(unsigned char)c] & set;
}

/* The first character from s on that is not in the set; the NUL is in none. */
static const char *skip(const char *s, unsigned set)
{
        while (is(*s, set))
                s++;
        return s;
}

static bool check_text(const char *s, size_t len)
{
        return memchr(s, '\0', len) == NULL;
}

static bool check_name(const char *s, size_t len)
{
        return is(*s, ALNUM) && skip(s, ALNUM | NAME) == s + len;
}

static const char *skip_label_key(const char *s)
{
        return is(*s, ALNUM) ? skip(s, ALNUM | NAME | SLASH) : s;
}

static bool check_label_key(const char *s, size_t len)
{
        return len > 0 && skip_label_key(s) == s + len;
}

static bool check_label_value(const char *s, size_t len)
{
        return skip(s, ALNUM | NAME | SLASH | VALUE) == s + len;
}

static bool check_label_filter(const char *s, size_t len)
{
        const char *p = skip_label_key(s);
        if (p == s)
                return false;
        return p == s + len || (*p == '=' && skip(p + 1, ALNUM | NAME | SLASH | VALUE) == s + len);
}

static bool check_env_name(const char *s, size_t len)
{
        return is(*s, LETTER | UNDERSCORE) && skip(s, ALNUM | UNDERSCORE) == s + len;
}

static bool check_visible(const char *s, size_t len)
{
        return len > 0 && skip(s, VISIBLE) == s + len;
}

static bool check_printable(const char *s, size_t len)
{
        if (len == 0 || *s == ' ' || s[len - 1] == ' ')
                return false;
        while (*s == ' ' || is(*s, VISIBLE)) {
                s++;
                len--;
        }
        return len == 0;
}

static bool check_path(const char *s, size_t len)
{
        return *s == '/' && check_text(s, len);
}

static bool check_cursor(const char *s, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if (!is(s[i], ALNUM | UNDERSCORE) && s[i] != '-')
                        return false;
        return len > 0;
}

/* Moves *p over digits; false when there are none. */
static bool take_digits(const char **p)
{
        const char *begin = *p;
        *p = skip(begin, DIGIT);
        return *p > begin;
}

static bool check_uuid(const char *s, size_t len)
{
        if (len != 36)
                return false;
        for (size_t i = 0; i < len; i++) {
                bool dash = i == 8 || i == 13 || i == 18 || i == 23;
                if (dash ? s[i] != '-' : !is(s[i], HEX))
                        return false;
        }
        return true;
}

/* gw_time_parse() knows the calendar; what it takes beyond the pattern is refused here. */
static bool check_date_time(const char *s, size_t len)
{
        int64_t us;
        if (len < 20 || len > 35 || memcmp(s, "1970", 4) < 0 || s[10] != 'T')
                return false;
        return (s[len - 1] == 'Z' || is(s[len - 1], DIGIT)) && gw_time_parse(s, &us) == 0;
}

/* Numbers with units in the order d h m s, each at most once. */
static bool check_units(const char *s)
{
        const char *units = "dhms";
        do {
                if (!take_digits(&s))
                        return false;
                units = *s ? strchr(units, *s) : NULL;
                if (!units)
                        return false;
                units++;
        } while (*++s);
        return true;
}

static bool check_duration(const char *s, size_t len)
{
        const char *p = s;
        if (memchr(s, '\0', len) || !take_digits(&p))
                return false;
        bool days = *p == '-';
        if (!days && *p != ':')
                return *p == '\0' || check_units(s);
        for (int colons = days ? 0 : 1; *p; colons++) {
                bool dash = days && colons == 0;
                if (*p++ != (dash ? '-' : ':') || colons > 2 || !take_digits(&p))
                        return false;
        }
        return true;
}

/* [+] digits [. digits], with digits on at least one side; NULL when there is none. */
static const char *skip_amount(const char *s)
{
        const char *p = s + (*s == '+'), *whole = p;
        p = skip(p, DIGIT);
        bool digits = p > whole;
        if (*p == '.') {
                const char *fraction = ++p;
                p = skip(p, DIGIT);
                digits = digits || p > fraction;
        }
        return digits ? p : NULL;
}

static bool is_exponent(const char *p)
{
        if (*p != 'e' && *p != 'E')
                return false;
        p += p[1] == '+' || p[1] == '-' ? 2 : 1;
        return take_digits(&p) && *p == '\0';
}

static bool check_quantity(const char *s, size_t len)
{
        const char *p = memchr(s, '\0', len) ? NULL : skip_amount(s);
        if (!p)
                return false;
        if (*p == '\0' || is_exponent(p))
                return true;
        if (strchr("KMGTPE", *p) && p[1] == 'i')
                return p[2] == '\0';
        return strchr("kMGTPE", *p) && p[1] == '\0';
}

static bool check_cpus(const char *s, size_t len)
{
        const char *p = memchr(s, '\0', len) ? NULL : skip_amount(s);
        return p && (*p == '\0' || strcmp(p, "m") == 0 || is_exponent(p));
}

/* Moves *p over index, first-last or first-last:step; false when there is none. */
static bool take_range(const char **p)
{
        for (const char *next = "-:"; take_digits(p); next++, ++*p)
                if (*next == '\0' || **p != *next)
                        return true;
        return false;
}

static bool check_indices(const char *s, size_t len)
{
        const char *p = s;
        while (take_range(&p)) {
                if (*p != ',')
                        return p == s + len;
                p++;
        }
        return false;
}

static bool check_indices_or_all(const char *s, size_t len)
{
        return (len == 3 && memcmp(s, "all", 3) == 0) || check_indices(s, len);
}

static const struct {
        bool (*check)(const char *s, size_t len); /* NULL: anything */
        const char *hint;
} formats[GW_FORMAT_COUNT] = {
        [GW_FORMAT_NONE] = {NULL, "any text"},
        [GW_FORMAT_TEXT] = {check_text, "text without U+0000"},
        [GW_FORMAT_NAME] = {check_name,
                            "letters, digits, '.', '_' and '-', beginning with a letter or digit"},
        [GW_FORMAT_LABEL_KEY] = {check_label_key,
                                 "letters, digits, '.', '_', '-' and '/', beginning "
                                 "with a letter or digit"},
        [GW_FORMAT_LABEL_VALUE] = {check_label_value,
                                   "letters, digits, '.', '_', ':', '@', '/', '+' and '-'"},
        [GW_FORMAT_LABEL_FILTER] = {check_label_filter,
                                    "a label as key=value, or key for any value"},
        [GW_FORMAT_ENV_NAME] = {check_env_name,
                                "letters, digits and '_', not beginning with a digit"},
        [GW_FORMAT_VISIBLE] = {check_visible, "visible ASCII characters without blanks"},
        [GW_FORMAT_PRINTABLE] = {check_printable,
                                 "printable ASCII characters, without a blank at either end"},
        [GW_FORMAT_PATH] = {check_path, "an absolute path, beginning with '/'"},
        [GW_FORMAT_CURSOR] = {check_cursor, "a cursor as the gateway gave it"},
        [GW_FORMAT_UUID] = {check_uuid, "an id such as 0193607e-8c1b-7d4f-9a52-6f0c3b1d2e4a"},
        [GW_FORMAT_DATE_TIME] = {check_date_time,
                                 "a time from 1970 on such as 2026-11-24T10:30:00Z or "
                                 "2026-11-24T10:30:00+02:00"},
        [GW_FORMAT_DURATION] = {check_duration,
                                "a duration such as 90, \"2h30m\" or \"1-12:00:00\""},
        [GW_FORMAT_QUANTITY] = {check_quantity, "a size such as 1073741824, \"1.5Gi\" or \"32G\""},
        [GW_FORMAT_CPUS] = {check_cpus, "a number of cores such as 4, 0.5 or \"500m\""},
        [GW_FORMAT_INDICES] =
                {check_indices,
                 "indices such as \"7\", \"0-99\" or \"0-99:2,120\"; how many run at a "
                 "time is said by max_parallel"},
        [GW_FORMAT_INDICES_OR_ALL] = {check_indices_or_all,
                                      "indices such as \"7\" or \"0-99:2,120\", or \"all\""},
};

bool gw_format_check(enum gw_format format, const char *s, size_t len)
{
        assert((unsigned)format < GW_FORMAT_COUNT);
        return !formats[format].check || formats[format].check(s, len);
}

const char *gw_format_hint(enum gw_format format)
{
        assert((unsigned)format < GW_FORMAT_COUNT);
        return formats[format].hint;
}
