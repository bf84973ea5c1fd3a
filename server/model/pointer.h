/* A JSON pointer (RFC 6901) that follows a walk through a value. Pure; any thread. */
#ifndef GW_MODEL_POINTER_H
#define GW_MODEL_POINTER_H

#include <jansson.h>
#include <stddef.h>

#include "server/base/error.h"

struct gw_pointer {
        size_t len;
        char text[GW_ERROR_POINTER]; /* ends with a NUL; what does not fit is left out */
};

/* Begins at `prefix`, which is a pointer, or a place outside of JSON ("?limit"). */
void gw_pointer_init(struct gw_pointer *p, const char *prefix);

/* Steps into a member, or an element. Returns what gw_pointer_leave() wants. */
size_t gw_pointer_enter(struct gw_pointer *p, const char *name, size_t len);
size_t gw_pointer_enter_index(struct gw_pointer *p, size_t index);

void gw_pointer_leave(struct gw_pointer *p, size_t mark);

/* The member that a pointer of one or two steps without escapes names, borrowed; NULL: none. */
const json_t *gw_pointer_member(const json_t *value, const char *pointer);

#endif
