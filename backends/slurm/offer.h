/*
 * What a cluster offers, for people: made of the agent's answer to `offer` (protocol.h). Pure; any
 * thread.
 */
#ifndef GW_BACKENDS_SLURM_OFFER_H
#define GW_BACKENDS_SLURM_OFFER_H

#include <jansson.h>

/*
 * The caller's object of the contract's schema BackendOffer, and besides, where there is
 * accounting, "users": {NAME: [{"account", "partition", "default", "qos", "default_qos"}]}, whom
 * the accounting knows, which is shown to each project of its own user only. NULL without memory.
 *
 * Each queue has in "allow" and "deny" the lists of who may use it ({"accounts", "groups", "qos"}),
 * which are not told as they are (access.h).
 *
 * A node that takes no new jobs counts among what there is in total, and has nothing that is free.
 */
json_t *gw_slurm_offer(const json_t *said);

/* How many GPUs a node's gres or gres_used names, each kind of a type: {"a100": 4}, "" for those
 * without one. The caller's; NULL without memory. */
json_t *gw_slurm_gpus(const char *gres);

#endif
