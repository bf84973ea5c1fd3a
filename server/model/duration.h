/*
 * Lengths of time, in whole seconds. Two ways of writing them, and a bare number:
 *
 *   "90"                  seconds (in sbatch a bare number is minutes)
 *   "2h30m" "1d" "45s"    days, hours, minutes, seconds: in this order, each at most once
 *   "MM:SS" "HH:MM:SS" "D-HH" "D-HH:MM" "D-HH:MM:SS"
 *                         Slurm's (man sbatch, --time). As there a field may exceed its
 *                         usual range: "90:00" is an hour and a half, "10000:00:00" is legal
 *
 * There are no fractions, no milliseconds and no "unlimited". Pure; no locale.
 */
#ifndef GW_MODEL_DURATION_H
#define GW_MODEL_DURATION_H

#include <stdint.h>

#include "server/base/error.h"

#define GW_MAX_DURATION_S (INT64_C(36525) * 86400) /* 100 years */
#define GW_DURATION_TEXT 32 /* longest text of gw_duration_format, with its NUL */

/* Returns 0 with 0 <= *ret_seconds <= GW_MAX_DURATION_S, or -1 with GW_ERR_INVALID and a
 * message that says what would be right. */
int gw_duration_parse(const char *s, int64_t *ret_seconds, struct gw_error *err);

/* "2h30m", "1d", "0s": parses to exactly `seconds`, which is in the range above. */
void gw_duration_format(int64_t seconds, char out[GW_DURATION_TEXT]);

#endif
