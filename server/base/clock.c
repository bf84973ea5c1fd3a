/*
 * Clocks, and RFC 3339 text to microseconds and back. Any thread; no time zone
 * database and no lock, because every answer writes several times.
 *
 * Days are counted in the proleptic Gregorian calendar in eras of 400 years that
 * begin on 1 March, so that the leap day is the last of its year.
 */
#include "server/base/clock.h"

#include <stdbool.h>
#include <time.h>

#define DAY INT64_C(86400)
#define ERA_DAYS 146097
#define EPOCH_SHIFT 719468                            /* days from 0000-03-01 to 1970-01-01 */
#define YEAR_0000 (INT64_C(-62167219200) * GW_SECOND) /* 0000-01-01T00:00:00Z */
#define YEAR_10000 (INT64_C(253402300800) * GW_SECOND)

static int64_t read_clock(clockid_t clock)
{
        struct timespec t;
        clock_gettime(clock, &t);
        return t.tv_sec * GW_SECOND + t.tv_nsec / 1000;
}

int64_t gw_clock_wall_us(void)
{
        return read_clock(CLOCK_REALTIME);
}

int64_t gw_clock_mono_us(void)
{
        return read_clock(CLOCK_MONOTONIC);
}

/* A year of 0 to 9999, a month of 1 to 12, to days since 1970. */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
        year += 400 - (month <= 2);
        int64_t era = year / 400;
        int64_t year_of_era = year % 400;
        int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        return (era - 1) * ERA_DAYS + day_of_era - EPOCH_SHIFT;
}

struct date {
        int year, month, day;
};

/* Days since 1970, of the years 0 to 9999, to the date. */
static struct date date_from_days(int64_t days)
{
        int shifted = (int)(days + EPOCH_SHIFT + ERA_DAYS);
        int era = shifted / ERA_DAYS - 1;
        int day_of_era = shifted % ERA_DAYS;
        int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
                           day_of_era / (ERA_DAYS - 1)) /
                          365;
        int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        int month = (5 * day_of_year + 2) / 153; /* 0 is March */
        return (struct date){
                .year = era * 400 + year_of_era + (month >= 10),
                .month = month < 10 ? month + 3 : month - 9,
                .day = day_of_year - (153 * month + 2) / 5 + 1,
        };
}

static char *put(char *p, int value, int digits, char after)
{
        for (int i = digits - 1; i >= 0; i--) {
                p[i] = (char)('0' + value % 10);
                value /= 10;
        }
        p[digits] = after;
        return p + digits + 1;
}

void gw_time_format(int64_t us, char out[GW_TIME_TEXT])
{
        if (us < YEAR_0000)
                us = YEAR_0000;
        if (us >= YEAR_10000)
                us = YEAR_10000 - 1;

        int64_t since_0000 = us - YEAR_0000;
        int fraction = (int)(since_0000 % GW_SECOND);
        int64_t seconds = since_0000 / GW_SECOND;
        int of_day = (int)(seconds % DAY);
        struct date d = date_from_days(seconds / DAY + YEAR_0000 / GW_SECOND / DAY);

        char *p = put(out, d.year, 4, '-');
        p = put(p, d.month, 2, '-');
        p = put(p, d.day, 2, 'T');
        p = put(p, of_day / 3600, 2, ':');
        p = put(p, of_day / 60 % 60, 2, ':');
        p = put(p, of_day % 60, 2, '.');
        p = put(p, fraction, 6, 'Z');
        *p = '\0';
}

/* Reads exactly `digits` digits in [lo, hi]; moves *p behind them. */
static int read_number(const char **p, int digits, int lo, int hi)
{
        int v = 0;
        for (int i = 0; i < digits; i++) {
                char c = (*p)[i];
                if (c < '0' || c > '9')
                        return -1;
                v = v * 10 + (c - '0');
        }
        *p += digits;
        return v >= lo && v <= hi ? v : -1;
}

static bool skip(const char **p, char a, char b)
{
        if (**p != a && **p != b)
                return false;
        (*p)++;
        return true;
}

static int month_days(int year, int month)
{
        static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        return days[month - 1] + (month == 2 && leap);
}

static int read_date(const char **p, int64_t *ret_days)
{
        int year = read_number(p, 4, 0, 9999);
        if (year < 0 || !skip(p, '-', '-'))
                return -1;
        int month = read_number(p, 2, 1, 12);
        if (month < 0 || !skip(p, '-', '-'))
                return -1;
        int day = read_number(p, 2, 1, month_days(year, month));
        if (day < 0)
                return -1;
        *ret_days = days_from_date(year, month, day);
        return 0;
}

/* HH:MM, of a time or an offset, in seconds; -1 when malformed. */
static int read_hours(const char **p)
{
        int hours = read_number(p, 2, 0, 23);
        if (hours < 0 || !skip(p, ':', ':'))
                return -1;
        int minutes = read_number(p, 2, 0, 59);
        return minutes < 0 ? -1 : hours * 3600 + minutes * 60;
}

/* ".123456789" or nothing, in microseconds; -1 when malformed. */
static int read_fraction(const char **p)
{
        if (!skip(p, '.', '.'))
                return 0;
        int us = 0, digits = 0;
        for (; **p >= '0' && **p <= '9'; (*p)++) {
                if (digits < 6)
                        us = us * 10 + (**p - '0');
                if (++digits > 9)
                        return -1;
        }
        for (int i = digits; i < 6; i++)
                us *= 10;
        return digits > 0 ? us : -1;
}

static int read_offset(const char **p, int *ret_seconds)
{
        if (skip(p, 'Z', 'z')) {
                *ret_seconds = 0;
                return 0;
        }
        bool west = **p == '-';
        if (!skip(p, '+', '-'))
                return -1;
        int seconds = read_hours(p);
        *ret_seconds = west ? -seconds : seconds;
        return seconds < 0 ? -1 : 0;
}

int gw_time_parse(const char *s, int64_t *ret_us)
{
        int64_t days;
        if (read_date(&s, &days) || !skip(&s, 'T', 't'))
                return -1;
        int minutes = read_hours(&s);
        if (minutes < 0 || !skip(&s, ':', ':'))
                return -1;
        int seconds = read_number(&s, 2, 0, 59);
        if (seconds < 0)
                return -1;
        int fraction = read_fraction(&s);
        int offset;
        if (fraction < 0 || read_offset(&s, &offset) || *s)
                return -1;

        int64_t us = (days * DAY + minutes + seconds - offset) * GW_SECOND + fraction;
        if (us < YEAR_0000 || us >= YEAR_10000)
                return -1;
        *ret_us = us;
        return 0;
}
