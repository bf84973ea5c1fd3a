/*
 * Whether a record can be that of a submission, by its mark and the time of its submit, where
 * nothing else is known of it. Pure; any thread.
 *
 * Its owner's own jobs may have its mark, which is shown to whoever may see the job, and its
 * number, which a controller that lost its state gives again. Neither alone makes them ours.
 */
#ifndef GW_BACKENDS_SLURM_CLAIM_H
#define GW_BACKENDS_SLURM_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/backend.h"
#include "backends/slurm/record.h"

/* The mark in a job's comment, which its owner's own words may follow. Returns 0, or -1: it has
 * none, or there is no comment. */
int gw_slurm_mark_read(const char *comment, struct gw_mark *ret);

/* slurmctld's number of a submission by a record of it, of an array that of the whole. */
uint32_t gw_slurm_number_of(const struct gw_slurm_record *r);

/* Whether a record with the submission's number and owner, the first that is heard of it, is of
 * it. send_before_us: wall, as the submission has it. */
bool gw_slurm_claims(struct gw_mark mark, int64_t send_before_us, const struct gw_slurm_record *r);

/* Whether a record with the mark and the owner of a submission that is closed is of it. number: 0
 * where slurmctld's was never known. */
bool gw_slurm_is_again(struct gw_mark mark, uint32_t number, int64_t send_before_us,
                       const struct gw_slurm_record *r);

#endif
