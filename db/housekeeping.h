/* What keeps the record in shape: partitions, expired keys, and counts for the metrics. */
#ifndef GW_DB_HOUSEKEEPING_H
#define GW_DB_HOUSEKEEPING_H

#include "db/db.h"
#include "server/model/state.h"

/* Makes the partitions that are needed next and drops those that retention no longer keeps
 * (keep_from_us 0: keeps all). Takes the lock of the janitor: done is false when another
 * replica has it. If the database's clock is behind this one, retention goes by that. */
struct gw_db_partitions {
        struct gw_db_command cmd;
        int64_t keep_from_us;
        int64_t now_us; /* set by init */
        bool done;
        int32_t made, dropped;
};
void gw_db_partitions_init(struct gw_db_partitions *c);

/* Deletes at most `limit` expired idempotency keys, rows says how many; and what wishes about tasks
 * are left of jobs that have ended. */
struct gw_db_expire_keys {
        struct gw_db_command cmd;
        int32_t limit;
};
void gw_db_expire_keys_init(struct gw_db_expire_keys *c);

/* How many jobs live, by state. */
struct gw_db_job_counts {
        struct gw_db_command cmd;
        int64_t counts[GW_STATE_COUNT];
};
void gw_db_job_counts_init(struct gw_db_job_counts *c);

#endif
