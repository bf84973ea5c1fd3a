/*
 * Durations: text to seconds and back. Any thread; pure.
 *
 * Every number read is capped one above the maximum, so sums of capped numbers times a day
 * stay far inside 63 bits and one comparison at the end is enough.
 */
#include "server/model/duration.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/base/str.h"

#define CAP (GW_MAX_DURATION_S + 1)

static const struct unit {
        char letter;
        int seconds;
} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

#define UNIT_COUNT (sizeof units / sizeof units[0])

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static int64_t read_digits(const char **p)
{
        int64_t v = 0;
        for (; is_digit(**p); ++*p) {
                v = v * 10 + (**p - '0');
                v = v < CAP ? v : CAP;
        }
        return v;
}

/* One or more of <number><unit>, in falling order of the units. */
static bool read_units(const char *p, int64_t *ret)
{
        int64_t sum = 0;
        size_t next = 0;
        do {
                if (!is_digit(*p))
                        return false;
                int64_t count = read_digits(&p);
                while (next < UNIT_COUNT && units[next].letter != *p)
                        next++;
                if (next == UNIT_COUNT)
                        return false;
                sum += count * units[next++].seconds;
                p++;
        } while (*p);
        *ret = sum;
        return true;
}

/* [D-] and one to three fields with colons between them: Slurm's forms, and the bare number. */
static bool read_fields(const char *p, int64_t *ret)
{
        static const int scales[2][4][3] = {
                {{0}, {1}, {60, 1}, {3600, 60, 1}},       /* SS, MM:SS, HH:MM:SS */
                {{0}, {3600}, {3600, 60}, {3600, 60, 1}}, /* after D- */
        };
        int64_t sum = 0, fields[3] = {0};
        int count = 0;

        bool days = strchr(p, '-') != NULL;
        if (days) {
                if (!is_digit(*p))
                        return false;
                sum = read_digits(&p) * 86400;
                if (*p++ != '-')
                        return false;
        }
        do {
                if (count == 3 || !is_digit(*p))
                        return false;
                fields[count++] = read_digits(&p);
        } while (*p == ':' && *++p);
        if (*p || p[-1] == ':')
                return false;
        for (int i = 0; i < count; i++)
                sum += fields[i] * scales[days][count][i];
        *ret = sum;
        return true;
}

/* What is wrong with a text that none of the forms fits. */
static const char *hint_for(const char *s)
{
        if (*s == '-')
                return "is negative";
        if (strcasecmp(s, "unlimited") == 0 || strcasecmp(s, "infinite") == 0)
                return "is not a duration: for no limit leave the field out";
        if (strstr(s, "ms"))
                return "is not in whole seconds: the smallest unit is s";
        if (strchr(s, '.') || strchr(s, ','))
                return "has a fraction: write 1h30m, not 1.5h";
        return "is not a duration: write seconds (90), units in the order d h m s (2h30m) or "
               "Slurm's MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS";
}

int gw_duration_parse(const char *s, int64_t *ret_seconds, struct gw_error *err)
{
        char text[64];
        int64_t seconds = 0;

        if (!read_fields(s, &seconds) && !read_units(s, &seconds)) {
                gw_str_copy(text, sizeof text, s);
                return gw_fail(err, GW_ERR_INVALID, "\"%s\" %s", text, hint_for(s));
        }
        if (seconds > GW_MAX_DURATION_S) {
                gw_str_copy(text, sizeof text, s);
                return gw_fail(err, GW_ERR_INVALID, "\"%s\" is too long: at most 36525d", text);
        }
        *ret_seconds = seconds;
        return 0;
}

void gw_duration_format(int64_t seconds, char out[GW_DURATION_TEXT])
{
        assert(seconds >= 0 && seconds <= GW_MAX_DURATION_S);
        size_t len = 0;
        for (size_t i = 0; i < UNIT_COUNT; i++) {
                int64_t count = seconds / units[i].seconds;
                seconds %= units[i].seconds;
                if (count > 0)
                        len += (size_t)snprintf(out + len, GW_DURATION_TEXT - len, "%" PRId64 "%c",
                                                count, units[i].letter);
        }
        if (len == 0)
                memcpy(out, "0s", sizeof "0s");
}
