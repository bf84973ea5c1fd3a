/*
 * A job of the controller's table as the agent says it (protocol.h, RECORD). Pure; any thread.
 */
#ifndef GW_BACKENDS_SLURM_RECORD_H
#define GW_BACKENDS_SLURM_RECORD_H

#include <jansson.h>
#include <stdint.h>

#include "server/base/error.h"

/* Strings and about are borrowed from the JSON. What is missing there is 0 or NULL here, but for
 * task and by.
 */
struct gw_slurm_record {
        uint32_t job, array; /* array: of a task or of what is left of an array; 0: a plain job */
        int64_t task;        /* array index, or -1 */
        const char *tasks;   /* "4-9%2": those without a record of their own, or NULL */
        uint32_t state, reason, exit, derived, restart, uid, priority; /* Slurm's own numbers */
        uint32_t requeue; /* 1: Slurm may begin it again, by itself or when it is told to */
        int64_t by;       /* accounting's: the uid of who cancelled it, or -1 */
        const char *desc, *comment, *node;
        const json_t *about; /* what the controller has made of it (about.h), or NULL: as before */
        int64_t submit_s, eligible_s, start_s, end_s, preempt_s; /* since 1970 */
};

/* Strict: a member that is not in the table, of another type or out of range is refused, so that
 * an agent of another release is noticed at once. Returns 0, or -1 with GW_ERR_INVALID. */
int gw_slurm_record_read(const json_t *json, struct gw_slurm_record *ret, struct gw_error *err);

#endif
