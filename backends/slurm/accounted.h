/*
 * What accounting has of a job that has ended (protocol.h, "account"), as the controller would have
 * said it. Pure; any thread.
 */
#ifndef GW_BACKENDS_SLURM_ACCOUNTED_H
#define GW_BACKENDS_SLURM_ACCOUNTED_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "backends/slurm/record.h"
#include "server/model/state.h"

/* Returns false for what has not ended there, or whose owner is not there yet: what slurmdbd hears
 * first it keeps, and learns the rest a little later. */
bool gw_slurm_accounted(struct gw_slurm_record *r);

/* How a run ended that slurmctld itself followed by another. GW_REASON_NONE: it does not say so. */
enum gw_reason gw_slurm_accounted_before(const struct gw_slurm_record *r);

/* The records of an answer, by their numbers; of one number in the order of their submits. It has
 * one for each run that a requeue began, which makes the time of the submit anew; `restart`, which
 * it does not keep, is how many runs there were before. What is no record is left out. Returns 0,
 * or -1 without memory; *ret is the caller's, to be freed, and borrows from the answer. */
int gw_slurm_accounted_read(const json_t *records, struct gw_slurm_record **ret, size_t *ret_count);

#endif
