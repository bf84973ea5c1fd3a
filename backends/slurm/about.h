/* What the controller has made of a job, for people. Pure; any thread. */
#ifndef GW_BACKENDS_SLURM_ABOUT_H
#define GW_BACKENDS_SLURM_ABOUT_H

#include <jansson.h>
#include <stdint.h>

/* A job's `scheduler` of the contract as text, made of the agent's "about" (protocol.h), for the
 * controller's number of the job. What is not as it should be is left out. The caller's; NULL
 * without memory. */
char *gw_slurm_about(uint32_t number, const json_t *said);

/* A digest of such a text, never 0. */
uint64_t gw_slurm_about_digest(const char *text);

#endif
