/*
 * Submitting a job, and the controller's own dry run of it. The agent's one thread.
 *
 * A caller with privileges that leaves out a user or group id runs the job as root: both are
 * needed, and neither may be 0, before anything is sent.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "backends/slurm/agent/options.h"
#include "backends/slurm/agent/order.h"
#include "backends/slurm/agent/request.h"
#include "backends/slurm/agent/verbs.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/str.h"

#define ID_MAX (NO_VAL - 1) /* of a user or group: above are words of libslurm */

struct ask {
        int64_t send_before, uid, gid;
        bool test, held;
        const char *name, *comment, *script, *work_dir, *out, *error;
        const json_t *environment, *options;
};

#define MEMBER(name, kind, member) GW_AGENT_MEMBER(name, kind, struct ask, member)

static const struct gw_agent_member members[] = {
        {MEMBER("send_before", NUMBER, send_before), .required = true, .lo = 0, .hi = INT64_MAX},
        {MEMBER("uid", NUMBER, uid), .required = true, .lo = 1, .hi = ID_MAX},
        {MEMBER("gid", NUMBER, gid), .required = true, .lo = 1, .hi = ID_MAX},
        {MEMBER("test", BOOL, test)},
        {MEMBER("held", BOOL, held)},
        {MEMBER("name", TEXT, name), .required = true},
        {MEMBER("comment", TEXT, comment), .required = true},
        {MEMBER("script", TEXT, script), .required = true},
        {MEMBER("work_dir", TEXT, work_dir), .required = true},
        {MEMBER("stdout", TEXT, out)},
        {MEMBER("stderr", TEXT, error)},
        {MEMBER("environment", JSON, environment), .required = true},
        {MEMBER("options", JSON, options)},
};

/* -- the environment -------------------------------------------------------------------------- */

/* The list is allocated, its texts are borrowed. */
struct environment {
        char **list;
        uint32_t count;
};

static bool has(const struct environment *e, const char *variable)
{
        size_t len = strcspn(variable, "=") + 1;
        for (uint32_t i = 0; i < e->count; i++)
                if (strncmp(e->list[i], variable, len) == 0)
                        return true;
        return false;
}

static int fail_environment(struct gw_error *err)
{
        return gw_fail_at(err, GW_ERR_INVALID, "environment",
                          "must be a list of texts NAME=value, at least one");
}

/* What the request has, and then what sbatch would have set. */
static int fill_environment(struct environment *e, const json_t *given, const struct gw_buf *more,
                            struct gw_error *err)
{
        size_t i, count = json_array_size(given), most = count;
        for (i = 0; i < more->len; i++)
                most += more->data[i] == '\0';
        e->list = calloc(most + 1, sizeof *e->list);
        if (!e->list)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        for (i = 0; i < count; i++) {
                const char *variable = json_string_value(json_array_get(given, i));
                if (!variable || *variable == '=' || !strchr(variable, '='))
                        return fail_environment(err);
                e->list[e->count++] = (char *)variable;
        }
        if (count == 0)
                return fail_environment(err);
        for (i = 0; i < more->len; i += strlen(more->data + i) + 1)
                if (!has(e, more->data + i))
                        e->list[e->count++] = more->data + i;
        return 0;
}

/* -- the description --------------------------------------------------------------------------- */

static int check(const struct ask *ask, struct gw_error *err)
{
        if (*ask->work_dir != '/')
                return gw_fail_at(err, GW_ERR_INVALID, "work_dir", "must be an absolute path");
        if (strncmp(ask->script, "#!", 2) != 0)
                return gw_fail_at(err, GW_ERR_INVALID, "script", "must begin with #!");
        return 0;
}

/* libslurm's texts are not const, and are not changed. */
static char *text(const char *borrowed)
{
        return (char *)borrowed;
}

/* What sbatch adds to every job's environment. */
static void add_variables(struct gw_agent_order *o, const struct ask *ask)
{
        static const struct {
                const char *name, *value;
        } launchers[] = {GW_AGENT_LAUNCHERS{NULL, NULL}};
        gw_agent_order_variable(o, "SLURM_JOB_NAME", ask->name);
        gw_agent_order_variable(o, "SLURM_SUBMIT_DIR", ask->work_dir);
        for (size_t i = 0; launchers[i].name; i++)
                gw_agent_order_variable(o, launchers[i].name, launchers[i].value);
}

static int describe(struct gw_agent_order *o, struct environment *e, const struct ask *ask,
                    struct gw_error *err)
{
        job_desc_msg_t *d = &o->desc;
        add_variables(o, ask);
        if (check(ask, err) || (ask->options && gw_agent_options(o, ask->options, err)) ||
            gw_agent_order_settle(o, err) ||
            fill_environment(e, ask->environment, &o->variables, err))
                return -1;
        d->user_id = (uint32_t)ask->uid;
        d->group_id = (uint32_t)ask->gid;
        d->name = text(ask->name);
        d->comment = text(ask->comment);
        d->script = text(ask->script);
        d->work_dir = text(ask->work_dir);
        d->std_in = text("/dev/null");
        d->std_out = text(ask->out);
        d->std_err = text(ask->error);
        d->environment = e->list;
        d->env_size = e->count;
        d->requeue = 0; /* who repeats it is the gateway */
        /* The controller's dry run of a held job looks at nothing. */
        if (ask->held && !ask->test)
                d->priority = 0;
        return 0;
}

/* -- the call ---------------------------------------------------------------------------------- */

/* A job may come with an error, a warning, and no answer at all with none. */
static int submit(job_desc_msg_t *d, struct gw_agent_result *ret)
{
        submit_response_msg_t *answer = NULL;
        errno = 0;
        if (slurm_submit_batch_job(d, &answer))
                return errno ? errno : SLURM_ERROR;
        if (!answer)
                return SLURM_ERROR;
        ret->job = answer->job_id;
        if (answer->error_code)
                gw_str_copy(ret->text, sizeof ret->text, slurm_strerror((int)answer->error_code));
        if (answer->job_submit_user_msg)
                gw_str_copy(ret->text, sizeof ret->text, answer->job_submit_user_msg);
        slurm_free_submit_response_response_msg(answer);
        return 0;
}

static int test(job_desc_msg_t *d, struct gw_agent_result *ret)
{
        will_run_response_msg_t *answer = NULL;
        if (slurm_job_will_run2(d, &answer))
                return errno ? errno : SLURM_ERROR;
        if (!answer)
                return 0;
        ret->start_s = answer->start_time;
        if (answer->job_submit_user_msg)
                gw_str_copy(ret->text, sizeof ret->text, answer->job_submit_user_msg);
        slurm_free_will_run_response_msg(answer);
        return 0;
}

static void call(struct gw_agent_cluster *c, const struct ask *ask, job_desc_msg_t *d,
                 struct gw_agent_result *ret)
{
        char words[GW_AGENT_WORDS];
        bool sent = false, late = false;
        int error = gw_agent_cluster_begin(c);
        if (error == 0) {
                late = gw_clock_wall_us() >= ask->send_before;
                sent = !late;
        }
        if (sent)
                error = ask->test ? test(d, ret) : submit(d, ret);
        gw_agent_cluster_end(c, error, words);
        if (error)
                gw_agent_result_error(ret, error, words);
        if (error && !sent)
                ret->outcome = GW_AGENT_NOT_SENT;
        if (late)
                gw_agent_result_late(ret);
}

void gw_agent_submit(struct gw_agent_cluster *c, const json_t *request, struct gw_agent_result *ret)
{
        struct ask ask = {0};
        struct gw_error err = {0};
        struct gw_agent_order order;
        struct environment environment = {0};
        char words[GW_AGENT_WORDS];
        gw_agent_order_init(&order);
        gw_agent_words_begin(&c->words);
        int rc = gw_agent_request_read(request, members, GW_COUNT(members), &ask, &err);
        if (rc == 0)
                rc = describe(&order, &environment, &ask, &err);
        gw_agent_words_end(&c->words, words);
        if (rc)
                gw_agent_result_invalid(ret, &err);
        else
                call(c, &ask, &order.desc, ret);
        free(environment.list);
        gw_agent_order_done(&order);
}
