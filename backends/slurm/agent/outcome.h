/* What became of a request of the role `work`: libslurm's errors as protocol.h's outcomes. Pure. */
#ifndef GW_BACKENDS_SLURM_AGENT_OUTCOME_H
#define GW_BACKENDS_SLURM_AGENT_OUTCOME_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/slurm/agent/words.h"
#include "server/base/error.h"

enum gw_agent_outcome {
        GW_AGENT_DONE,
        GW_AGENT_REFUSED,
        GW_AGENT_NOT_SENT,
        GW_AGENT_BUSY,
        GW_AGENT_UNKNOWN,
        GW_AGENT_INVALID,
};

struct gw_agent_result {
        enum gw_agent_outcome outcome;
        int error;       /* libslurm's, 0: none */
        uint32_t job;    /* 0: none */
        int64_t start_s; /* of a test: when it would start; 0: not known */
        json_t *jobs;    /* records, given to the answer; or NULL */
        char text[GW_AGENT_WORDS + GW_ERROR_MESSAGE]; /* UTF-8, "" */
};

/* What an error of libslurm means for what was asked: nothing but what surely was not done is not
 * GW_AGENT_UNKNOWN. */
enum gw_agent_outcome gw_agent_outcome_of(int error);
/* Whether it says that the job has ended or is not known any more. */
bool gw_agent_means_gone(int error);

/* Sets outcome and error, and the text: libslurm's for the error, and then what it said itself. */
void gw_agent_result_error(struct gw_agent_result *r, int error, const char *words);
/* Nothing was sent, for what err says. */
void gw_agent_result_invalid(struct gw_agent_result *r, const struct gw_error *err);
void gw_agent_result_late(struct gw_agent_result *r);

/* The answer, the caller's, with the result's jobs; NULL when memory is short. */
json_t *gw_agent_answer(json_int_t id, const struct gw_agent_result *r);

#endif
