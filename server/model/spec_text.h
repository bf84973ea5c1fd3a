/* JSON values as compact text: members in the order they were put in, each number with no more
 * digits than read back the same ("0.1", not "0.10000000000000001"). */
#ifndef GW_MODEL_SPEC_TEXT_H
#define GW_MODEL_SPEC_TEXT_H

#include <jansson.h>

#include "server/base/buf.h"

/* Appends the text. Recursion is as deep as the value, which a parser bounded. */
void gw_spec_text(struct gw_buf *out, const json_t *value);

#endif
