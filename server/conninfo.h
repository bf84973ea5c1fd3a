/* What the process itself has to know of a PostgreSQL connection string: where its secrets are,
 * and whose it is. Both of libpq's forms: "host=… user=…" and "postgresql://…". */
#ifndef GW_SERVER_CONNINFO_H
#define GW_SERVER_CONNINFO_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/buf.h"

/* Appends conninfo with every password replaced by "****". */
void gw_conninfo_mask(const char *conninfo, struct gw_buf *out);

/* The role it connects as. Returns false when it names none, or one that does not fit. */
bool gw_conninfo_user(const char *conninfo, char *ret, size_t size);

#endif
