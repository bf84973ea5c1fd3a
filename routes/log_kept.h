/* Output that is kept in the record (db/kept_logs.h), as a file: then it is read as any other. */
#ifndef GW_ROUTES_LOG_KEPT_H
#define GW_ROUTES_LOG_KEPT_H

#include "db/kept_logs.h"

/* Makes a file without a name that has the head, the tail, and between them a line that says how
 * much is missing (*ret_omitted bytes, 0: nothing, and no line). Any thread; writes to a temporary
 * folder. Returns its descriptor, or -1 with GW_ERR_UNAVAILABLE. */
int gw_log_kept_file(const struct gw_log_text *text, uint64_t *ret_size, uint64_t *ret_omitted,
                     struct gw_error *err);

#endif
