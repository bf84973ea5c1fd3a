/*
 * Amounts as Kubernetes writes them, so that one text means the same on every backend.
 *
 * The format is that of Kubernetes' resource.Quantity
 * (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/):
 *
 *   [+] digits [. digits]  and then nothing, a suffix or an exponent
 *   decimal suffixes k M G T P E (powers of 1000), binary Ki Mi Gi Ti Pi Ei (of 1024),
 *   milli m (cpus only), exponent e3, E3, e-3
 *
 * As there, a fraction of the unit is rounded up. Unlike there: a negative amount is refused,
 * one that does not fit into 63 bits is refused and not capped, "m" is refused for memory
 * (a thousandth of a byte is a typo of M), and cpus take no suffix but "m".
 *
 * Pure and exact: integers only, no locale.
 */
#ifndef GW_MODEL_QUANTITY_H
#define GW_MODEL_QUANTITY_H

#include <stdint.h>

#include "server/base/error.h"

#define GW_QUANTITY_TEXT 24 /* longest text of the two format functions, with its NUL */

/* Bytes (or whole units): "32Gi", "1.5G", "1e3", "7". Returns 0, or -1 with GW_ERR_INVALID
 * and a message that says what would be right. *ret >= 0. */
int gw_quantity_parse(const char *s, int64_t *ret, struct gw_error *err);

/* Thousandths of a core: "2" is 2000, "0.5" and "500m" are 500. As above. */
int gw_cpus_parse(const char *s, int64_t *ret_milli, struct gw_error *err);

/* The same for a JSON number: rounded up to thousandths, after a double's own error is taken
 * off (1.1 is 1100, not 1101). */
int gw_cpus_from_number(double cpus, int64_t *ret_milli, struct gw_error *err);

/* The shortest text without a fraction that parses to exactly `bytes` (>= 0): "1536Mi",
 * "1k", "7". Of two equally short ones the binary suffix. */
void gw_quantity_format(int64_t bytes, char out[GW_QUANTITY_TEXT]);

/* Kubernetes' canonical text for `milli` (>= 0): "2", "500m", "1500m". */
void gw_cpus_format(int64_t milli, char out[GW_QUANTITY_TEXT]);

#endif
