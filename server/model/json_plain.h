/* A quick reader for the JSON that clients mostly send; inside server/model only. */
#ifndef GW_MODEL_JSON_PLAIN_H
#define GW_MODEL_JSON_PLAIN_H

#include <jansson.h>
#include <stddef.h>

/* The value of a text that is plain: ASCII, whole numbers of up to 18 digits, escapes of one
 * letter, each name once and without escapes, at most GW_MAX_JSON_DEPTH levels. NULL for every
 * other text, good or bad, and without memory: then ask jansson. The caller owns the value. */
json_t *gw_json_plain(const char *text, size_t len);

#endif
