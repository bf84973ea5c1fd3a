/* Members of the JSON that the leader's statements take apart. Inside db/ only. */
#ifndef GW_DB_RECORD_TEXT_H
#define GW_DB_RECORD_TEXT_H

#include "server/base/buf.h"
#include "server/model/job.h"

/* Append `,"name":` and the value; nothing for NULL, "" and 0. Times are in microseconds. */
void gw_record_put_text(struct gw_buf *b, const char *name, const char *value);
void gw_record_put_time(struct gw_buf *b, const char *name, int64_t us);
/* Appends an object: a row for GW_SQL_ATTEMPTS. */
void gw_record_put_attempt(struct gw_buf *b, const struct gw_attempt *a, uint32_t ordinal);

#endif
