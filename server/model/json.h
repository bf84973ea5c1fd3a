/* Strict JSON from a client, for people who want to know where the fault is. */
#ifndef GW_MODEL_JSON_H
#define GW_MODEL_JSON_H

#include <jansson.h>
#include <stddef.h>

#include "server/model/faults.h"

/* Parses a body strictly: one value of any type, no duplicate names, at most
 * GW_MAX_JSON_DEPTH levels, valid UTF-8, no U+0000, no lone surrogate, whole numbers within 64
 * bits and others within a double. On a fault adds one, with the pointer of the value where one
 * is known and line and column, and returns NULL. text may be NULL when len is 0. The caller owns
 * the value. */
json_t *gw_json_parse(const char *text, size_t len, struct gw_faults *faults);

#endif
