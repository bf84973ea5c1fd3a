/*
 * Quantities: text to integer and back. Any thread; pure.
 *
 * A number is kept as digits * 10^exponent with at most 20 significant digits (INT64_MAX has
 * 19), so that digits * 2^60 fits into 128 bits and every step is exact. Rounding up happens
 * once, at the end.
 */
#include "server/model/quantity.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "server/base/str.h"

#define MAX_TEXT 64
#define MAX_DIGITS 20
#define MAX_EXPONENT 1000 /* larger ones mean the same: too much, or next to nothing */

__extension__ typedef unsigned __int128 wide;

struct number {
        wide digits;
        int exponent;
};

static const struct suffix {
        char text[3];
        int power2;
        int power10;
} suffixes[] = {
        {"", 0, 0},    {"Ki", 10, 0}, {"Mi", 20, 0}, {"Gi", 30, 0}, {"Ti", 40, 0},
        {"Pi", 50, 0}, {"Ei", 60, 0}, {"k", 0, 3},   {"M", 0, 6},   {"G", 0, 9},
        {"T", 0, 12},  {"P", 0, 15},  {"E", 0, 18},
};

#define SUFFIX_COUNT (sizeof suffixes / sizeof suffixes[0])

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static int refuse(struct gw_error *err, const char *s, const char *hint)
{
        char text[MAX_TEXT + 1];
        gw_str_copy(text, sizeof text, s);
        return gw_fail(err, GW_ERR_INVALID, "\"%s\" %s", text, hint);
}

/* Appends one digit. Zeros wait in *zeros until another digit follows, so that neither
 * leading nor trailing ones count as significant. */
static int push_digit(struct number *n, int *significant, int *zeros, unsigned digit)
{
        if (digit == 0) {
                ++*zeros;
                return 0;
        }
        if (n->digits == 0)
                *zeros = 0;
        *significant += *zeros + 1;
        if (*significant > MAX_DIGITS)
                return -1;
        for (; *zeros > 0; --*zeros)
                n->digits *= 10;
        n->digits = n->digits * 10 + digit;
        return 0;
}

/* Reads digits [. digits] and moves *p behind them. Returns NULL or what is wrong. */
static const char *read_number(const char **p, struct number *n)
{
        int significant = 0, zeros = 0, seen = 0, decimals = 0;
        bool point = false;

        *n = (struct number){0};
        for (; is_digit(**p) || (**p == '.' && !point); ++*p) {
                if (**p == '.') {
                        point = true;
                        continue;
                }
                seen++;
                decimals += point;
                if (push_digit(n, &significant, &zeros, (unsigned)(**p - '0')))
                        return "has more than 20 significant digits";
        }
        n->exponent = zeros - decimals;
        return seen ? NULL : "has no number in front";
}

/* e3, E-3: reads a whole exponent up to the end of the text. */
static bool read_exponent(const char *p, int *ret)
{
        if (*p != 'e' && *p != 'E')
                return false;
        p++;
        bool negative = *p == '-';
        if (*p == '-' || *p == '+')
                p++;
        if (!*p)
                return false;
        int v = 0;
        for (; is_digit(*p); p++)
                v = v < MAX_EXPONENT ? v * 10 + (*p - '0') : v;
        *ret = negative ? -v : v;
        return !*p;
}

/* digits * 2^power2 * 10^exponent, rounded up. Returns 0, or -1 when over 63 bits. */
static int evaluate(const struct number *n, int power2, int64_t *ret)
{
        wide v = n->digits << power2;
        int exponent = v ? n->exponent : 0;

        for (; exponent > 0; exponent--) {
                if (v > INT64_MAX / 10)
                        return -1;
                v *= 10;
        }
        if (exponent < -38) { /* v < 2^127 < 10^39 */
                *ret = 1;
                return 0;
        }
        wide divisor = 1;
        for (; exponent < 0; exponent++)
                divisor *= 10;
        v = v / divisor + (v % divisor != 0);
        if (v > INT64_MAX)
                return -1;
        *ret = (int64_t)v;
        return 0;
}

/* The part both kinds share: sign and number. Returns where the suffix begins, or NULL with
 * *err filled. */
static const char *begin(const char *s, struct number *n, struct gw_error *err)
{
        if (strlen(s) > MAX_TEXT) {
                refuse(err, s, "is cut here: an amount has at most 64 characters");
                return NULL;
        }
        if (*s == '-') {
                refuse(err, s, "is negative");
                return NULL;
        }
        const char *p = s + (*s == '+');
        const char *wrong = read_number(&p, n);
        if (wrong) {
                refuse(err, s, wrong);
                return NULL;
        }
        return p;
}

/* What the writer of a wrong suffix probably meant. */
static int refuse_suffix(struct gw_error *err, const char *s, const char *suffix)
{
        static const char letters[] = "kmgtpe", shown[] = "kMGTPE";
        while (*suffix == ' ')
                suffix++;
        const char *at = *suffix ? strchr(letters, *suffix | 0x20) : NULL;
        if (!at)
                return refuse(err, s,
                              "is not an amount: write a number and one of Ki Mi Gi Ti "
                              "Pi Ei (powers of 1024) or k M G T P E (powers of 1000)");

        char right = shown[at - letters], upper = (char)(right & ~0x20);
        char hint[160];
        snprintf(hint, sizeof hint,
                 "is not an amount: after the number write %ci (powers of 1024) or %c (powers of "
                 "1000), without a blank and without B",
                 upper, right);
        return refuse(err, s, hint);
}

int gw_quantity_parse(const char *s, int64_t *ret, struct gw_error *err)
{
        struct number n;
        const char *p = begin(s, &n, err);
        if (!p)
                return -1;

        int exponent = 0;
        size_t i = 0;
        if (!read_exponent(p, &exponent)) {
                while (i < SUFFIX_COUNT && strcmp(p, suffixes[i].text) != 0)
                        i++;
                if (i == SUFFIX_COUNT)
                        return refuse_suffix(err, s, p);
                exponent = suffixes[i].power10;
        }
        n.exponent += exponent;
        if (evaluate(&n, suffixes[i].power2, ret))
                return refuse(err, s, "is too much: at most 9223372036854775807");
        return 0;
}

int gw_cpus_parse(const char *s, int64_t *ret_milli, struct gw_error *err)
{
        struct number n;
        const char *p = begin(s, &n, err);
        if (!p)
                return -1;

        int exponent = 0;
        if (*p && strcmp(p, "m") != 0 && !read_exponent(p, &exponent))
                return refuse(err, s,
                              "is not a number of cpus: write 2, 0.5 or 500m "
                              "(thousandths)");
        n.exponent += exponent + (*p == 'm' ? 0 : 3);
        if (evaluate(&n, 0, ret_milli))
                return refuse(err, s, "is too many cpus");
        return 0;
}

int gw_cpus_from_number(double cpus, int64_t *ret_milli, struct gw_error *err)
{
        if (!(cpus >= 0))
                return gw_fail(err, GW_ERR_INVALID, "a number of cpus is not negative");
        if (!(cpus < 1e15))
                return gw_fail(err, GW_ERR_INVALID, "%g is too many cpus", cpus);

        double milli = cpus * 1000, near = round(milli);
        bool exact = fabs(milli - near) <= 1e-12 * near;
        *ret_milli = (int64_t)(exact ? near : ceil(milli));
        return 0;
}

void gw_quantity_format(int64_t bytes, char out[GW_QUANTITY_TEXT])
{
        assert(bytes >= 0);
        int best = GW_QUANTITY_TEXT;
        for (size_t i = 0; i < SUFFIX_COUNT; i++) {
                int64_t unit = INT64_C(1) << suffixes[i].power2;
                for (int e = 0; e < suffixes[i].power10; e++)
                        unit *= 10;
                if (bytes % unit != 0)
                        continue;
                char text[GW_QUANTITY_TEXT];
                int len = snprintf(text, sizeof text, "%" PRId64 "%s", bytes / unit,
                                   suffixes[i].text);
                if (len < best) {
                        best = len;
                        memcpy(out, text, sizeof text);
                }
        }
}

void gw_cpus_format(int64_t milli, char out[GW_QUANTITY_TEXT])
{
        assert(milli >= 0);
        bool whole = milli % 1000 == 0;
        snprintf(out, GW_QUANTITY_TEXT, "%" PRId64 "%s", whole ? milli / 1000 : milli,
                 whole ? "" : "m");
}
