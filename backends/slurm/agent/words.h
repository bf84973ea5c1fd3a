/*
 * What libslurm says on standard error during a call: there alone are the words of a site's
 * job_submit plugin, and which limit a job is over. One thread.
 */
#ifndef GW_BACKENDS_SLURM_AGENT_WORDS_H
#define GW_BACKENDS_SLURM_AGENT_WORDS_H

#include "server/base/error.h"

#define GW_AGENT_WORDS 2048

struct gw_agent_words {
        int out;  /* standard error itself */
        int file; /* what takes its place during a call */
};

/* Returns 0, or -1 with GW_ERR_IO. */
int gw_agent_words_open(struct gw_agent_words *w, struct gw_error *err);
void gw_agent_words_close(struct gw_agent_words *w);

void gw_agent_words_begin(struct gw_agent_words *w);
/* What was said since: its errors without what libslurm puts in front of each, "; " between them,
 * valid UTF-8; "" when there was nothing. */
void gw_agent_words_end(struct gw_agent_words *w, char out[GW_AGENT_WORDS]);

#endif
