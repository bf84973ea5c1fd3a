/*
 * Scripts that have lines for sbatch (server/model/directives.h): how they are handed to the site's
 * own. The script goes as it is; what the spec says stands on the command line, which wins over
 * the script's lines. Of a script the gateway owns the comment (its mark, and then theirs), that it
 * is not requeued, and where it says nothing the files of its output. Pure; any thread.
 */
#ifndef GW_BACKENDS_SLURM_RAW_H
#define GW_BACKENDS_SLURM_RAW_H

#include <jansson.h>

#include "backends/account.h"
#include "backends/slurm/as_user_request.h"
#include "backends/slurm/plan.h"
#include "server/base/buf.h"

/* sbatch's arguments, as a list of texts; the caller's. output: the path for what it prints where
 * the script names none, or NULL. NULL without memory. */
json_t *gw_slurm_raw_arguments(const struct gw_slurm_plan *plan, const struct gw_submission *s,
                               const char *output, bool test);

/* The options that check.h looks at: those of the script's lines, and over them all of the plan's;
 * the caller's. NULL without memory. */
json_t *gw_slurm_raw_options(const struct gw_slurm_plan *plan);

/* Whether the gateway can hand a script to sbatch. Returns 0; or -1 with GW_ERR_UNPROCESSABLE:
 * sbatch would wait for the job's end, or give it to another cluster; or GW_ERR_NOMEM. */
int gw_slurm_raw_check(const char *script, struct gw_error *err);

/* The request to jobgate-slurm-as-user. deadline_us: monotonic. The rest as in
 * gw_slurm_plan_request(). NULL without memory. */
json_t *gw_slurm_raw_request(const struct gw_slurm_plan *plan, const struct gw_submission *s,
                             const struct gw_account *account, const char *folder, const char *url,
                             int64_t deadline_us, bool test);

/* What a person would type: the command line with the script as a here-document. Where its output
 * goes is not known here. */
void gw_slurm_raw_render(const struct gw_slurm_plan *plan, const struct gw_submission *s,
                         struct gw_buf *out);

enum gw_slurm_sbatch_verdict {
        GW_SBATCH_DONE,     /* slurmctld has it */
        GW_SBATCH_REFUSED,  /* sbatch or slurmctld does not take it */
        GW_SBATCH_NOT_SENT, /* surely nothing was sent, or taken for a cause that passes */
        GW_SBATCH_FULL,     /* slurmctld has as many jobs as it takes */
        GW_SBATCH_UNKNOWN,  /* all else */
};

struct gw_slurm_sbatch_answer {
        enum gw_slurm_sbatch_verdict verdict;
        uint32_t number;     /* of the job, when done */
        char cluster[64];    /* that has it, where sbatch names one; or "" */
        char words[1024];    /* sbatch's own, or "" */
        bool may_be_refusal; /* of what is unknown: these are words of no list */
};

/* What came of sbatch. answer and text: jobgate-slurm-as-user's, NULL allowed. */
void gw_slurm_sbatch_read(enum gw_as_user_outcome outcome, const json_t *answer, const char *text,
                          struct gw_slurm_sbatch_answer *ret);

#endif
