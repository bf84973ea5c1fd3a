/* Options against queues. Pure. */
#include "backends/slurm/check.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "backends/slurm/access.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"
#include "server/model/duration.h"

#define MAX_NAME 256 /* of a partition, with its NUL */
#define MINUTE 60

struct job {
        int64_t time_limit_s;      /* 0: not known */
        const char *account, *qos; /* NULL: not known */
};

static const char *text_of(const json_t *object, const char *name)
{
        return json_string_value(json_object_get(object, name));
}

/* ---- the job --------------------------------------------------------------------------------- */

/* As sbatch has it: a number alone is minutes. */
static int64_t time_of(const char *text)
{
        int64_t minutes, seconds;
        if (!text)
                return 0;
        if (strcasecmp(text, "UNLIMITED") == 0 || strcasecmp(text, "INFINITE") == 0)
                return INT64_MAX;
        if (gw_str_int64(text, 0, INT32_MAX, &minutes) == 0)
                return minutes * MINUTE;
        return gw_duration_parse(text, &seconds, NULL) == 0 ? seconds : 0;
}

/* The user's association with the account, or the default one. */
static const json_t *find_grant(const json_t *offer, const char *user, const char *account)
{
        size_t i;
        const json_t *grant;
        json_array_foreach(json_object_get(json_object_get(offer, "users"), user), i, grant)
        {
                const char *its = text_of(grant, "account");
                bool is_default = json_is_true(json_object_get(grant, "default"));
                if (account ? its && strcmp(its, account) == 0 : is_default)
                        return grant;
        }
        return NULL;
}

/* That of a job which names none. */
static const char *preset_qos(const json_t *grant)
{
        const json_t *all = json_object_get(grant, "qos");
        const char *preset = text_of(grant, "default_qos");
        if (preset || !grant)
                return preset;
        return json_array_size(all) == 1 ? json_string_value(json_array_get(all, 0)) : "normal";
}

static struct job read_job(const json_t *offer, const char *user, const json_t *options)
{
        const char *account = text_of(options, "account"), *qos = text_of(options, "qos");
        const json_t *grant = find_grant(offer, user, account);
        return (struct job){
                .time_limit_s = time_of(text_of(options, "time")),
                .account = grant ? text_of(grant, "account") : NULL,
                .qos = qos ? qos : preset_qos(grant),
        };
}

/* ---- one queue ------------------------------------------------------------------------------- */

static int check_queue(const json_t *queue, const struct job *job, struct gw_error *err)
{
        const char *name = text_of(queue, "name"), *state = text_of(queue, "state");
        const json_t *most = json_object_get(queue, "max_time_limit");
        char limit[GW_DURATION_TEXT];
        if (strcmp(state, "down") == 0)
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/queue",
                                  "the queue %s is down: it starts no jobs now", name);
        gw_duration_format(json_integer_value(most), limit);
        if (most && job->time_limit_s > json_integer_value(most))
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/time_limit",
                                  "the queue %s allows %s at most", name, limit);
        if (!gw_slurm_may_use(queue, "accounts", job->account))
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/queue",
                                  "the account %s may not use the queue %s", job->account, name);
        if (!gw_slurm_may_use(queue, "qos", job->qos))
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/queue",
                                  "the QOS %s may not use the queue %s", job->qos, name);
        return 0;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* name: NULL for the default. */
static const json_t *find_queue(const json_t *offer, const char *name)
{
        size_t i;
        const json_t *queue;
        json_array_foreach(json_object_get(offer, "queues"), i, queue)
        {
                bool is_default = json_is_true(json_object_get(queue, "default"));
                if (name ? strcmp(text_of(queue, "name"), name) == 0 : is_default)
                        return queue;
        }
        return NULL;
}

static int check_named(const json_t *offer, const char *name, const struct job *job,
                       struct gw_error *err)
{
        const json_t *queue = find_queue(offer, name);
        return queue ? check_queue(queue, job, err) : 0;
}

int gw_slurm_check(const json_t *offer, const char *user, const json_t *options,
                   struct gw_error *err)
{
        struct job job = read_job(offer, user, options);
        const char *at = text_of(options, "partition");
        struct gw_error first = {0};
        if (!at || !*at)
                return check_named(offer, NULL, &job, err);
        for (size_t len; *at; at += len + (at[len] == ',')) {
                char name[MAX_NAME];
                len = strcspn(at, ",");
                snprintf(name, sizeof name, "%.*s", (int)len, at);
                if (check_named(offer, name, &job, &first) == 0)
                        return 0;
        }
        return gw_fail_at(err, first.code, first.pointer, "%s", first.message);
}
