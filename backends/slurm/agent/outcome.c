/* Errors of libslurm as outcomes, in one table. Pure. */
#include "backends/slurm/agent/outcome.h"

#include <errno.h>
#include <stdio.h>

#include "backends/slurm/agent/fields.h"
#include "backends/slurm/agent/libslurm.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

/* The controller's own errors. */
#define CONTROLLER_LAST 2999

static const char *const names[] = {
        [GW_AGENT_DONE] = "done", [GW_AGENT_REFUSED] = "refused", [GW_AGENT_NOT_SENT] = "not_sent",
        [GW_AGENT_BUSY] = "busy", [GW_AGENT_UNKNOWN] = "unknown", [GW_AGENT_INVALID] = "invalid",
};

/* The first row that has the error. What no row has may or may not have been done: time-outs,
 * broken connections, and -1, which is a version that does not fit and a job_submit plugin's
 * refusal alike. */
static const struct {
        int first, last;
        enum gw_agent_outcome outcome;
} rows[] = {
        {EAGAIN, EAGAIN, GW_AGENT_BUSY}, /* MaxJobCount */
        {SLURMCTLD_COMMUNICATIONS_CONNECTION_ERROR, SLURMCTLD_COMMUNICATIONS_CONNECTION_ERROR,
         GW_AGENT_NOT_SENT},
        {ESLURM_ERROR_ON_DESC_TO_RECORD_COPY, ESLURM_ERROR_ON_DESC_TO_RECORD_COPY, GW_AGENT_BUSY},
        {ESLURM_NODES_BUSY, ESLURM_NODES_BUSY, GW_AGENT_BUSY},
        {ESLURM_IN_STANDBY_MODE, ESLURM_IN_STANDBY_MODE, GW_AGENT_BUSY},
        {ESLURM_SUBMISSIONS_DISABLED, ESLURM_SUBMISSIONS_DISABLED, GW_AGENT_BUSY},
        {ESLURM_IN_STANDBY_USE_BACKUP, ESLURM_IN_STANDBY_USE_BACKUP, GW_AGENT_BUSY},
        {ESLURM_INVALID_PARTITION_NAME, CONTROLLER_LAST, GW_AGENT_REFUSED},
        {ESLURMD_INVALID_ACCT_FREQ, ESLURMD_INVALID_ACCT_FREQ, GW_AGENT_REFUSED},
        {ESLURM_MISSING_TIME_LIMIT, ESLURM_INVALID_KNL, GW_AGENT_REFUSED},
};

static const int gone[] = {ESLURM_INVALID_JOB_ID, ESLURM_ALREADY_DONE, ESLURM_JOB_FINISHED};

enum gw_agent_outcome gw_agent_outcome_of(int error)
{
        if (error == 0)
                return GW_AGENT_DONE;
        for (size_t i = 0; i < GW_COUNT(rows); i++)
                if (rows[i].first <= error && error <= rows[i].last)
                        return rows[i].outcome;
        return GW_AGENT_UNKNOWN;
}

bool gw_agent_means_gone(int error)
{
        for (size_t i = 0; i < GW_COUNT(gone); i++)
                if (gone[i] == error)
                        return true;
        return false;
}

void gw_agent_result_error(struct gw_agent_result *r, int error, const char *words)
{
        r->outcome = gw_agent_outcome_of(error);
        r->error = error;
        snprintf(r->text, sizeof r->text, "%s%s%s", slurm_strerror(error), *words ? ": " : "",
                 words);
}

void gw_agent_result_invalid(struct gw_agent_result *r, const struct gw_error *err)
{
        r->outcome = GW_AGENT_INVALID;
        snprintf(r->text, sizeof r->text, "%s: %s", err->pointer, err->message);
}

void gw_agent_result_late(struct gw_agent_result *r)
{
        r->outcome = GW_AGENT_NOT_SENT;
        gw_str_copy(r->text, sizeof r->text, "it was too late to send it");
}

static int put_number(json_t *object, const char *name, int64_t n)
{
        return n ? json_object_set_new(object, name, json_integer(n)) : 0;
}

static int put_text(json_t *object, const char *text)
{
        return *text ? json_object_set_new(object, "text", gw_agent_text(text)) : 0;
}

json_t *gw_agent_answer(json_int_t id, const struct gw_agent_result *r)
{
        json_t *answer = json_pack("{s:I, s:s, s:o*}", "id", id, "outcome", names[r->outcome],
                                   "jobs", r->jobs);
        if (answer && put_number(answer, "job", r->job) == 0 &&
            put_number(answer, "error", r->error) == 0 &&
            put_number(answer, "start", r->start_s) == 0 && put_text(answer, r->text) == 0)
                return answer;
        json_decref(answer);
        return NULL;
}
