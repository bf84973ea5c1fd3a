/* The cells of the job table: what each event does to a job in each step. Used by job.c only;
 * everyone else calls gw_job_apply(). */
#ifndef GW_MODEL_JOB_RULES_H
#define GW_MODEL_JOB_RULES_H

#include "server/model/job.h"

/* Changes *job and adds to *effect what a comparison of the job cannot show: the submission's
 * state, attempts, a timer, the end. The event is not stale. */
typedef void gw_job_rule(struct gw_job *job, const struct gw_job_event *event,
                         struct gw_job_effect *effect);

/* Total over step × event: never NULL. */
gw_job_rule *gw_job_rule_of(enum gw_job_step step, enum gw_job_event_type type);

#endif
