/* A query string taken apart. Pure. */
#ifndef GW_HTTP_QUERY_H
#define GW_HTTP_QUERY_H

#include <stdbool.h>

#include "server/base/error.h"

/* Calls each(arg, name, value) per parameter in order, form-decoded ('+' is a space), value ""
 * when there is none; stops when it returns false. `text` is what stands behind the '?' and is
 * written over; names and values point into it. Returns 0; or -1 with GW_ERR_INVALID for a
 * malformed escape, a NUL, invalid UTF-8 or more than GW_MAX_PARAMETERS. */
int gw_query_each(char *text, bool (*each)(void *arg, const char *name, const char *value),
                  void *arg, struct gw_error *err);

#endif
