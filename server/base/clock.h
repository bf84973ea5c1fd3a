/* Time. Wall time is int64_t microseconds since 1970 UTC; 0 means "none". */
#ifndef GW_BASE_CLOCK_H
#define GW_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define GW_SECOND INT64_C(1000000)

int64_t gw_clock_wall_us(void);
int64_t gw_clock_mono_us(void); /* for intervals: never steps */

#define GW_TIME_TEXT 28 /* "2026-11-24T10:30:00.123456Z" and NUL */

/* RFC 3339 in UTC with six digits of fraction. Years 0000 to 9999. */
void gw_time_format(int64_t us, char out[GW_TIME_TEXT]);

/* RFC 3339 with any offset and up to nine digits of fraction (cut to microseconds).
 * Leap seconds are refused. Returns 0 or -1. */
int gw_time_parse(const char *s, int64_t *ret_us);

#endif
