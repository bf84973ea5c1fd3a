/*
 * The cluster's table of jobs, and what differs since it was last read. Jobs of others are left
 * out. One thread.
 */
#ifndef GW_BACKENDS_SLURM_AGENT_TABLE_H
#define GW_BACKENDS_SLURM_AGENT_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "backends/slurm/agent/libslurm.h"
#include "server/base/error.h"

struct gw_agent_known; /* one job that was said */

struct gw_agent_table {
        struct gw_agent_known *known; /* by hash of their numbers; 0: a free place */
        size_t places;                /* a power of two, or 0 */
        time_t last_update;           /* the controller's; 0: read it whole */
};

void gw_agent_table_init(struct gw_agent_table *t);
void gw_agent_table_done(struct gw_agent_table *t);

/* Asks the controller; may block for MessageTimeout. *ret is the whole table, or NULL when nothing
 * changed since the last one that was compared; freed with slurm_free_job_info_msg(). Returns 0, or
 * libslurm's error. */
int gw_agent_table_read(struct gw_agent_table *t, job_info_msg_t **ret);

/* What differs between the table and what was said before: *ret_jobs are its records of ours that
 * changed or are new, as in protocol.h, *ret_gone the numbers that are not there any more; both the
 * caller's. From then on that is what was said. Returns 0; or -1 with GW_ERR_NOMEM, or
 * GW_ERR_INTERNAL for a record that is not whole, and what was said is as before. */
int gw_agent_table_compare(struct gw_agent_table *t, const job_info_msg_t *now, json_t **ret_jobs,
                           json_t **ret_gone, struct gw_error *err);

/* A job's RECORD of protocol.h, the caller's; NULL when memory is short, or libslurm cut it. */
json_t *gw_agent_table_record(const slurm_job_info_t *job);

/* From then on jobs with these numbers and owners are ours, whatever their comments; the next read
 * is of everything, and says them. jobs: [[number, uid]…]. Returns 0, or -1 with GW_ERR_INVALID or
 * GW_ERR_NOMEM. */
int gw_agent_table_know(struct gw_agent_table *t, const json_t *jobs, struct gw_error *err);

#endif
