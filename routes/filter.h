/* A caller's criteria as the record's filter: what lists and bulk cancels have in common. Text
 * that is made lives as long as the exchange. */
#ifndef GW_ROUTES_FILTER_H
#define GW_ROUTES_FILTER_H

#include "db/jobs.h"
#include "routes/call.h"

/* Where a criterion is found by its name: a query, or a body. */
typedef const json_t *(*gw_filter_source)(const struct gw_call *call, const char *name);

/* Fills everything but projects and labels. Returns 0, or -1 without memory. */
int gw_filter_read(const struct gw_call *call, gw_filter_source source, struct gw_job_filter *f);

/* Strings joined with commas; *ret NULL for none. */
int gw_filter_join(const struct gw_call *call, const json_t *strings, const char **ret);
/* Keeps what was written; *ret NULL when it was nothing. */
int gw_filter_keep(const struct gw_call *call, struct gw_buf *text, const char **ret);

/* "key=value" and "key" to f->labels and f->label_names. Returns 0, -1 without memory, or 1 when
 * no job can have them all. */
int gw_filter_labels(const struct gw_call *call, const json_t *labels, struct gw_job_filter *f);

#endif
