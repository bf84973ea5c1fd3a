/*
 * Who may use which partition, by the lists of accounts and QOS that partitions have, which are not
 * for everybody's eyes. Of an offer (gw_slurm_offer()). Pure; any thread.
 */
#ifndef GW_BACKENDS_SLURM_ACCESS_H
#define GW_BACKENDS_SLURM_ACCESS_H

#include <jansson.h>
#include <stdbool.h>

/* Whether one of the "accounts" or "qos" (`what`) may use a queue; name: NULL when it is not known,
 * and then it may. */
bool gw_slurm_may_use(const json_t *queue, const char *what, const char *name);

/* The offer as the record has it: its queues say that they are "restricted" in the place of the
 * lists, and each user's grant has the "queues" that it may use. Groups are not looked at. The
 * caller's; NULL without memory. */
json_t *gw_slurm_access_told(const json_t *offer);

#endif
