/*
 * What a submission becomes on Slurm: sbatch's options, the batch script, the environment, and the
 * request that a worker is sent (protocol.h). Pure; a plan belongs to one thread.
 */
#ifndef GW_BACKENDS_SLURM_PLAN_H
#define GW_BACKENDS_SLURM_PLAN_H

#include <jansson.h>

#include "backends/account.h"
#include "backends/backend.h"
#include "backends/slurm/array.h"
#include "backends/slurm/site.h"
#include "server/model/spec.h"

/* Whom a project is on a cluster: {"user": "ada", "account": "research"} in the record. */
struct gw_slurm_identity {
        const char *user;
        const char *account; /* NULL: the user's default */
};

/* Reads an identity; its texts are borrowed from *ret_json, the caller's. Returns 0, or -1 with
 * GW_ERR_UNPROCESSABLE: the project has none here. */
int gw_slurm_identity_read(const char *text, struct gw_slurm_identity *ret, json_t **ret_json,
                           struct gw_error *err);

struct gw_slurm_plan {
        struct gw_spec spec;
        json_t *options; /* sbatch's long options, each with its text, in order */
        struct gw_slurm_array array;
        char comment[GW_MARK_TEXT + 16];
        char *script; /* whole, with the options as #SBATCH lines for people; of one that has lines
                       * for sbatch itself (spec.is_raw) as it is: see raw.h */
};

/*
 * The options are those of options.h, and array: the tasks of the submission (array.h) and how many
 * of them run at a time.
 *
 * most: MaxArraySize, or 0: not known.
 * Returns 0; or -1 with GW_ERR_UNPROCESSABLE (the pointer is the spec's) when Slurm cannot carry
 * it, GW_ERR_INTERNAL when it is no spec.
 */
int gw_slurm_plan_init(struct gw_slurm_plan *plan, const struct gw_submission *s,
                       const struct gw_slurm_identity *identity, const struct gw_slurm_site *site,
                       uint32_t most, struct gw_error *err);
void gw_slurm_plan_done(struct gw_slurm_plan *plan);

/* Whether its script goes through the site's sbatch. */
bool gw_slurm_plan_is_raw(const struct gw_submission *s);

/* What the job finds in its environment, as a list of "NAME=value"; the caller's. url: JOBGATE_URL,
 * or NULL; output and errors: where the outputs of an array go whose ids are places, or NULL. NULL
 * without memory. */
json_t *gw_slurm_plan_environment(const struct gw_slurm_plan *plan, const struct gw_submission *s,
                                  const struct gw_account *account, const char *url,
                                  const char *output, const char *errors);

/* A request to submit it as this user, or to test whether it could be, without an id. folder: for
 * its output, or NULL (output.h). url: JOBGATE_URL, or NULL. NULL without memory. */
json_t *gw_slurm_plan_request(const struct gw_slurm_plan *plan, const struct gw_submission *s,
                              const struct gw_account *account, const char *folder, const char *url,
                              bool test);

#endif
