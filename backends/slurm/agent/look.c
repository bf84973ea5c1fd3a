/*
 * One job by its number: what the controller has of it, and what accounting has. The agent's one
 * thread.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/slurm/agent/fields.h"
#include "backends/slurm/agent/libslurm.h"
#include "backends/slurm/agent/request.h"
#include "backends/slurm/agent/table.h"
#include "backends/slurm/agent/verbs.h"
#include "backends/slurm/protocol.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define MOST_RECORDS 100000 /* in one answer, at most */

struct look {
        int64_t job, uid, since_s;
        int64_t from; /* an array index, or -1 */
        const char *comment;
};

#define LOOK(name, kind, member) GW_AGENT_MEMBER(name, kind, struct look, member)

static const struct gw_agent_member look_members[] = {
        {LOOK("job", NUMBER, job), .required = true, .lo = 1, .hi = NO_VAL - 1},
        {LOOK("from", NUMBER, from), .lo = 0, .hi = INT32_MAX},
};

static const struct gw_agent_member account_members[] = {
        {LOOK("job", NUMBER, job), .lo = 1, .hi = NO_VAL - 1},
        {LOOK("from", NUMBER, from), .lo = 0, .hi = INT32_MAX},
        {LOOK("uid", NUMBER, uid), .lo = 1, .hi = UINT32_MAX},
        {LOOK("since", NUMBER, since_s), .lo = 1, .hi = INT32_MAX},
        {LOOK("comment", TEXT, comment)},
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

/* ---- the controller ---------------------------------------------------------------------- */

/* What waits has no index. */
static bool is_asked(const struct look *ask, const slurm_job_info_t *job)
{
        int64_t task = job->array_task_id;
        return ask->from < 0 || task == NO_VAL ||
               (task >= ask->from && task < ask->from + GW_SLURM_LOOK_TASKS);
}

/* Returns 0 or libslurm's error. */
static int load(const struct look *ask, json_t *jobs, bool *ret_whole)
{
        job_info_msg_t *found = NULL;
        errno = 0;
        if (slurm_load_job(&found, (uint32_t)ask->job, SHOW_ALL))
                return errno ? errno : SLURM_ERROR;
        for (uint32_t i = 0; i < found->record_count && *ret_whole; i++)
                if (is_asked(ask, &found->job_array[i]))
                        *ret_whole = add(jobs, gw_agent_table_record(&found->job_array[i])) == 0;
        slurm_free_job_info_msg(found);
        return 0;
}

void gw_agent_look(struct gw_agent_cluster *c, const json_t *request, struct gw_agent_result *ret)
{
        struct look ask = {.from = -1};
        struct gw_error err = {0};
        char words[GW_AGENT_WORDS];
        if (gw_agent_request_read(request, look_members, GW_COUNT(look_members), &ask, &err)) {
                gw_agent_result_invalid(ret, &err);
                return;
        }
        json_t *jobs = json_array();
        bool whole = jobs != NULL;
        int error = gw_agent_cluster_begin(c);
        if (error == 0)
                error = load(&ask, jobs, &whole);
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

/* Whether its comment is that, and then perhaps its user's own behind a blank. */
static bool has_comment(const slurmdb_job_rec_t *job, const char *comment)
{
        size_t len = strlen(comment);
        const char *its = job->derived_es;
        return its && strncmp(its, comment, len) == 0 && (its[len] == '\0' || its[len] == ' ');
}

static bool put_all(gw_agent_list found, const char *comment, json_t *jobs)
{
        gw_agent_iterator at = slurm_list_iterator_create(found);
        slurmdb_job_rec_t *job;
        bool whole = true;
        while (whole && (job = slurm_list_next(at)))
                if (!comment || has_comment(job, comment))
                        whole = add(jobs, record_of(job)) == 0;
        slurm_list_iterator_destroy(at);
        return whole;
}

/* Returns 0 or libslurm's error. */
static int load_those(void *connection, slurmdb_job_cond_t *which, const char *comment,
                      json_t *jobs, bool *ret_whole)
{
        errno = 0;
        gw_agent_list found = slurmdb_jobs_get(connection, which);
        if (!found)
                return errno ? errno : SLURM_ERROR;
        *ret_whole = put_all(found, comment, jobs);
        slurm_list_destroy(found);
        return 0;
}

/* Of a number that was given more than once, all; of an array only the tasks that are asked for. */
static int load_number(void *connection, slurmdb_job_cond_t *which, const struct look *ask,
                       json_t *jobs, bool *ret_whole)
{
        bool some = ask->from >= 0;
        size_t count = some ? GW_SLURM_ACCOUNT_TASKS : 1;
        slurm_selected_step_t *numbers = calloc(count, sizeof *numbers);
        if (!numbers)
                return ENOMEM;
        which->step_list = slurm_list_create(NULL);
        for (size_t i = 0; i < count; i++) {
                numbers[i].array_task_id = some ? (uint32_t)ask->from + (uint32_t)i : NO_VAL;
                numbers[i].het_job_offset = NO_VAL;
                numbers[i].step_id.job_id = (uint32_t)ask->job;
                numbers[i].step_id.step_id = numbers[i].step_id.step_het_comp = NO_VAL;
                slurm_list_append(which->step_list, &numbers[i]);
        }
        int error = load_those(connection, which, NULL, jobs, ret_whole);
        slurm_list_destroy(which->step_list);
        free(numbers);
        return error;
}

/* Those of a user from a time on that have a comment: it is kept when a job has ended. */
static int load_comment(void *connection, slurmdb_job_cond_t *which, const struct look *ask,
                        json_t *jobs, bool *ret_whole)
{
        char uid[16];
        snprintf(uid, sizeof uid, "%" PRId64, ask->uid);
        which->usage_start = ask->since_s;
        which->usage_end = gw_clock_wall_us() / GW_SECOND + 1;
        which->userid_list = slurm_list_create(NULL);
        slurm_list_append(which->userid_list, uid);
        int error = load_those(connection, which, ask->comment, jobs, ret_whole);
        slurm_list_destroy(which->userid_list);
        return error;
}

static int load_accounts(const struct look *ask, json_t *jobs, bool *ret_whole)
{
        slurmdb_job_cond_t which = {.flags = JOBCOND_FLAG_DUP | JOBCOND_FLAG_NO_STEP,
                                    .db_flags = SLURMDB_JOB_FLAG_NOTSET};
        uint16_t flags = 0;
        void *connection = slurmdb_connection_get(&flags);
        if (!connection)
                return SLURM_ERROR;
        int error = ask->job ? load_number(connection, &which, ask, jobs, ret_whole)
                             : load_comment(connection, &which, ask, jobs, ret_whole);
        slurmdb_connection_close(&connection);
        return error;
}

static int read_account(const json_t *request, struct look *ask, struct gw_error *err)
{
        if (gw_agent_request_read(request, account_members, GW_COUNT(account_members), ask, err))
                return -1;
        if (!ask->job && !(ask->uid && ask->since_s && ask->comment))
                return gw_fail_at(err, GW_ERR_INVALID, "job",
                                  "is needed, or uid, since and comment");
        return 0;
}

void gw_agent_account(struct gw_agent_cluster *c, const json_t *request,
                      struct gw_agent_result *ret)
{
        struct look ask = {.from = -1};
        struct gw_error err = {0};
        char words[GW_AGENT_WORDS];
        if (read_account(request, &ask, &err)) {
                gw_agent_result_invalid(ret, &err);
                return;
        }
        json_t *jobs = json_array();
        bool whole = jobs != NULL;
        gw_agent_words_begin(&c->words);
        int error = whole ? load_accounts(&ask, jobs, &whole) : 0;
        gw_agent_words_end(&c->words, words);
        conclude(error, false, whole, jobs, words, ret);
}
