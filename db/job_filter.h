/*
 * The filters of lists and bulk cancels as SQL. Inside db/ only.
 *
 * The statement is made for the filters that are set, so that the planner sees only what is
 * asked; values are always parameters of the relation `d`, the job is `j`.
 */
#ifndef GW_DB_JOB_FILTER_H
#define GW_DB_JOB_FILTER_H

#include "db/jobs.h"
#include "server/base/buf.h"

#define GW_JOB_FILTER_SQL 8192 /* longest statement made with filters */

#define GW_JOB_FILTER_COLUMNS                                                                      \
        {"projects", GW_DB_TEXT}, {"states", GW_DB_TEXT}, {"ids", GW_DB_TEXT},                     \
                {"user_id", GW_DB_INT8}, {"owner", GW_DB_TEXT}, {"name", GW_DB_TEXT},              \
                {"backend", GW_DB_TEXT}, {"key", GW_DB_TEXT}, {"labels", GW_DB_JSONB},             \
                {"label_names", GW_DB_TEXT}, {"after", GW_DB_UUID},                                \
        {                                                                                          \
                "before", GW_DB_UUID                                                               \
        }

/* Puts the values of GW_JOB_FILTER_COLUMNS. */
void gw_job_filter_encode(const struct gw_job_filter *f, struct gw_db_input *in);
/* Appends " WHERE …". */
void gw_job_filter_where(const struct gw_job_filter *f, struct gw_buf *sql);
/* Appends a FROM item j: the newest `limit` jobs that match and whose id is below d.cursor (which
 * may be null), walked along ranges of an index, so that little is read of much, whatever the
 * planner believes. */
void gw_job_filter_walk(const struct gw_job_filter *f, int32_t limit, struct gw_buf *sql);

#endif
