/*
 * One job by its number: what the controller has of it, and what accounting has. The agent's one
 * thread.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "backends/slurm/agent/fields.h"
#include "backends/slurm/agent/libslurm.h"
#include "backends/slurm/agent/request.h"
#include "backends/slurm/agent/table.h"
#include "backends/slurm/agent/verbs.h"
#include "server/base/cleanup.h"

#define MOST_RECORDS 1000 /* of one job, at most */

struct look {
        int64_t job;
};

static const struct gw_agent_member members[] = {
        {GW_AGENT_MEMBER("job", NUMBER, struct look, job), .required = true, .lo = 1,
         .hi = NO_VAL - 1},
};

static int add(json_t *jobs, json_t *record)
{
        if (record && json_array_size(jobs) < MOST_RECORDS)
                return json_array_append_new(jobs, record);
        json_decref(record);
        return -1;
}

/* The end of a call. Takes the jobs. What could not be read whole is as if nobody had answered. */
static void conclude(int error, bool gone, bool whole, json_t *jobs, const char *words,
                     struct gw_agent_result *ret)
{
        if (error)
                gw_agent_result_error(ret, error, words);
        if (gone)
                ret->outcome = GW_AGENT_DONE;
        else if (error || !whole)
                ret->outcome = GW_AGENT_UNKNOWN;
        if (ret->outcome == GW_AGENT_DONE)
                ret->jobs = jobs;
        else
                json_decref(jobs);
}

static int read_request(const json_t *request, struct look *ret, struct gw_agent_result *result)
{
        struct gw_error err = {0};
        int rc = gw_agent_request_read(request, members, GW_COUNT(members), ret, &err);
        if (rc)
                gw_agent_result_invalid(result, &err);
        return rc;
}

/* ---- the controller ---------------------------------------------------------------------- */

/* Returns 0 or libslurm's error. */
static int load(uint32_t job, json_t *jobs, bool *ret_whole)
{
        job_info_msg_t *found = NULL;
        errno = 0;
        if (slurm_load_job(&found, job, SHOW_ALL))
                return errno ? errno : SLURM_ERROR;
        for (uint32_t i = 0; i < found->record_count && *ret_whole; i++)
                *ret_whole = add(jobs, gw_agent_table_record(&found->job_array[i])) == 0;
        slurm_free_job_info_msg(found);
        return 0;
}

void gw_agent_look(struct gw_agent_cluster *c, const json_t *request, struct gw_agent_result *ret)
{
        struct look ask = {0};
        char words[GW_AGENT_WORDS];
        if (read_request(request, &ask, ret))
                return;
        json_t *jobs = json_array();
        bool whole = jobs != NULL;
        int error = gw_agent_cluster_begin(c);
        if (error == 0)
                error = load((uint32_t)ask.job, jobs, &whole);
        gw_agent_cluster_end(c, error, words);
        conclude(error, gw_agent_means_gone(error), whole, jobs, words, ret);
}

/* ---- accounting ---------------------------------------------------------------------------- */

#define FIELD(name, kind, member) GW_AGENT_FIELD(name, kind, slurmdb_job_rec_t, member)

static const struct gw_agent_field fields[] = {
        FIELD("job", NUMBER, jobid),
        FIELD("array", NUMBER, array_job_id),
        FIELD("task", INDEX, array_task_id),
        FIELD("state", NUMBER, state),
        FIELD("reason", NUMBER, state_reason_prev),
        FIELD("exit", NUMBER, exitcode),
        FIELD("derived", NUMBER, derived_ec),
        FIELD("uid", NUMBER, uid),
        FIELD("by", INDEX, requid),
        FIELD("comment", TEXT, derived_es),
        FIELD("node", TEXT, nodes),
        FIELD("submit", NUMBER, submit),
        FIELD("eligible", NUMBER, eligible),
        FIELD("start", NUMBER, start),
        FIELD("end", NUMBER, end),
};

/* What it has instead of nodes for a job that never began. */
static const char no_nodes[] = "None assigned";

static json_t *record_of(slurmdb_job_rec_t *job)
{
        if (job->nodes && strcmp(job->nodes, no_nodes) == 0)
                job->nodes[0] = '\0';
        json_t *record = json_object();
        if (record && gw_agent_fields_put(fields, GW_COUNT(fields), job, record) == 0)
                return record;
        json_decref(record);
        return NULL;
}

static bool put_all(gw_agent_list found, json_t *jobs)
{
        gw_agent_iterator at = slurm_list_iterator_create(found);
        slurmdb_job_rec_t *job;
        bool whole = true;
        while (whole && (job = slurm_list_next(at)))
                whole = add(jobs, record_of(job)) == 0;
        slurm_list_iterator_destroy(at);
        return whole;
}

/* Of a number that was given more than once, all. Returns 0 or libslurm's error. */
static int load_accounts(void *connection, uint32_t job, json_t *jobs, bool *ret_whole)
{
        slurm_selected_step_t number = {.array_task_id = NO_VAL, .het_job_offset = NO_VAL};
        number.step_id.job_id = job;
        number.step_id.step_id = number.step_id.step_het_comp = NO_VAL;
        slurmdb_job_cond_t which = {.flags = JOBCOND_FLAG_DUP | JOBCOND_FLAG_NO_STEP,
                                    .db_flags = SLURMDB_JOB_FLAG_NOTSET};
        which.step_list = slurm_list_create(NULL);
        slurm_list_append(which.step_list, &number);
        errno = 0;
        gw_agent_list found = slurmdb_jobs_get(connection, &which);
        int error = found ? 0 : errno ? errno : SLURM_ERROR;
        slurm_list_destroy(which.step_list);
        if (!found)
                return error;
        *ret_whole = put_all(found, jobs);
        slurm_list_destroy(found);
        return 0;
}

void gw_agent_account(struct gw_agent_cluster *c, const json_t *request,
                      struct gw_agent_result *ret)
{
        struct look ask = {0};
        char words[GW_AGENT_WORDS];
        if (read_request(request, &ask, ret))
                return;
        json_t *jobs = json_array();
        bool whole = jobs != NULL;
        uint16_t flags = 0;
        gw_agent_words_begin(&c->words);
        void *connection = slurmdb_connection_get(&flags);
        int error = connection ? 0 : SLURM_ERROR;
        if (connection) {
                error = load_accounts(connection, (uint32_t)ask.job, jobs, &whole);
                slurmdb_connection_close(&connection);
        }
        gw_agent_words_end(&c->words, words);
        conclude(error, false, whole, jobs, words, ret);
}
