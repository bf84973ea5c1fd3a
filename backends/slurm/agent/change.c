/* Cancelling a job or some of its tasks, and changing one that waits. The agent's one thread. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "backends/slurm/agent/libslurm.h"
#include "backends/slurm/agent/request.h"
#include "backends/slurm/agent/verbs.h"
#include "server/base/buf.h"
#include "server/base/cleanup.h"

#define JOB_TEXT 16

/* The end of a call: what is gone already is done. */
static void conclude(struct gw_agent_cluster *c, int error, bool sent, struct gw_agent_result *ret)
{
        char words[GW_AGENT_WORDS];
        gw_agent_cluster_end(c, error, words);
        if (error == 0)
                return;
        gw_agent_result_error(ret, error, words);
        if (!sent)
                ret->outcome = GW_AGENT_NOT_SENT;
        else if (gw_agent_means_gone(error))
                ret->outcome = GW_AGENT_DONE;
}

/* -- cancel --------------------------------------------------------------------------------------
 */

struct cancel {
        int64_t job;
        const char *tasks;
};

#define CANCEL(name, kind, member) GW_AGENT_MEMBER(name, kind, struct cancel, member)

static const struct gw_agent_member cancel_members[] = {
        {CANCEL("job", NUMBER, job), .required = true, .lo = 1, .hi = NO_VAL - 1},
        {CANCEL("tasks", TEXT, tasks)},
};

/* "87", or "87_2,4-5": without the brackets that scancel takes, which this call does not know. */
static int name_tasks(const struct cancel *ask, struct gw_buf *name, struct gw_error *err)
{
        gw_buf_printf(name, "%" PRId64, ask->job);
        if (ask->tasks) {
                if (!*ask->tasks || ask->tasks[strspn(ask->tasks, "0123456789,-:")])
                        return gw_fail_at(err, GW_ERR_INVALID, "tasks",
                                          "must be indices, as in 2,4-5");
                gw_buf_printf(name, "_%s", ask->tasks);
        }
        return gw_buf_ok(name) ? 0
                               : gw_fail_at(err, GW_ERR_INVALID, "tasks", "are too many to name");
}

void gw_agent_cancel(struct gw_agent_cluster *c, const json_t *request, struct gw_agent_result *ret)
{
        struct cancel ask = {0};
        struct gw_error err = {0};
        struct gw_buf name = GW_BUF_INIT(1024 * 1024);
        if (gw_agent_request_read(request, cancel_members, GW_COUNT(cancel_members), &ask, &err) ||
            name_tasks(&ask, &name, &err)) {
                gw_agent_result_invalid(ret, &err);
        } else {
                int error = gw_agent_cluster_begin(c);
                bool sent = error == 0;
                errno = 0;
                if (sent && slurm_kill_job2(name.data, SIGKILL, 0, NULL))
                        error = errno ? errno : SLURM_ERROR;
                conclude(c, error, sent, ret);
        }
        gw_buf_done(&name);
}

/* -- change --------------------------------------------------------------------------------------
 */

struct change {
        int64_t job, time_limit_s, max_parallel;
        bool held;
};

#define CHANGE(name, kind, member) GW_AGENT_MEMBER(name, kind, struct change, member)
#define TIME_MAX_S (INT64_C(60) * (INFINITE - 2))

static const struct gw_agent_member change_members[] = {
        {CHANGE("job", NUMBER, job), .required = true, .lo = 1, .hi = NO_VAL - 1},
        {CHANGE("time_limit_s", NUMBER, time_limit_s), .lo = 1, .hi = TIME_MAX_S},
        {CHANGE("max_parallel", NUMBER, max_parallel), .lo = 1, .hi = INT32_MAX},
        {CHANGE("held", BOOL, held)},
};

/* Of an array each task answers for itself. The first error that is one counts. */
static int worst_of(const job_array_resp_msg_t *answers)
{
        for (uint32_t i = 0; answers && i < answers->job_array_count; i++) {
                int error = (int)answers->error_code[i];
                if (error && !gw_agent_means_gone(error))
                        return error;
        }
        return 0;
}

static int update(const struct change *ask, bool says_held)
{
        char job[JOB_TEXT], parallel[JOB_TEXT];
        job_desc_msg_t d;
        job_array_resp_msg_t *answers = NULL;
        slurm_init_job_desc_msg(&d);
        snprintf(job, sizeof job, "%" PRId64, ask->job);
        d.job_id_str = job;
        if (ask->time_limit_s)
                d.time_limit = (uint32_t)((ask->time_limit_s + 59) / 60);
        if (ask->max_parallel) {
                /* A bare number: "%5" is accepted and does nothing. */
                snprintf(parallel, sizeof parallel, "%" PRId64, ask->max_parallel);
                d.array_inx = parallel;
        }
        if (says_held) {
                d.priority = ask->held ? 0 : INFINITE;
                d.alloc_sid = ALLOC_SID_USER_HOLD; /* one that its user may release */
        }
        errno = 0;
        int error = slurm_update_job2(&d, &answers) ? (errno ? errno : SLURM_ERROR) : 0;
        if (answers && (error == 0 || worst_of(answers)))
                error = worst_of(answers);
        if (answers)
                slurm_free_job_array_resp(answers);
        return error;
}

void gw_agent_change(struct gw_agent_cluster *c, const json_t *request, struct gw_agent_result *ret)
{
        struct change ask = {0};
        struct gw_error err = {0};
        if (gw_agent_request_read(request, change_members, GW_COUNT(change_members), &ask, &err)) {
                gw_agent_result_invalid(ret, &err);
                return;
        }
        int error = gw_agent_cluster_begin(c);
        bool sent = error == 0;
        if (sent)
                error = update(&ask, json_object_get(request, "held") != NULL);
        conclude(c, error, sent, ret);
}
