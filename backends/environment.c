/* A task's environment. */
#include "backends/environment.h"

#include <inttypes.h>
#include <stdio.h>

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"
#define DEFAULT_LANG "C.UTF-8"

static int set_text(json_t *env, const char *name, const char *value)
{
        return json_object_set_new(env, name, json_string(value));
}

static int set_defaults(json_t *env, const struct gw_account *account)
{
        if (set_text(env, "PATH", DEFAULT_PATH) || set_text(env, "LANG", DEFAULT_LANG))
                return -1;
        if (!account)
                return 0;
        return set_text(env, "HOME", account->home) || set_text(env, "USER", account->name) ||
                               set_text(env, "LOGNAME", account->name) ||
                               set_text(env, "SHELL", account->shell)
                       ? -1
                       : 0;
}

static int set_own(json_t *env, const struct gw_submission *s, const char *url)
{
        char id[GW_ID_TEXT], attempt[16];
        gw_id_format(s->mark.job, id);
        snprintf(attempt, sizeof attempt, "%" PRIu32, s->attempt);
        if (url && set_text(env, "JOBGATE_URL", url))
                return -1;
        return set_text(env, "JOBGATE_JOB_ID", id) || set_text(env, "JOBGATE_ATTEMPT", attempt) ? -1
                                                                                                : 0;
}

/* Those of the spec, and JOBGATE_… over them. */
static int set_given(json_t *env, const json_t *spec, const struct gw_submission *s,
                     const char *url)
{
        json_t *given = json_object_get(spec, "environment");
        return (given && json_object_update(env, given)) || set_own(env, s, url) ? -1 : 0;
}

json_t *gw_task_variables(const json_t *spec, const struct gw_submission *s, const char *url)
{
        json_t *env = json_object();
        if (env && set_given(env, spec, s, url) == 0)
                return env;
        json_decref(env);
        return NULL;
}

json_t *gw_task_environment(const json_t *spec, const struct gw_submission *s, const char *url,
                            const struct gw_account *account)
{
        json_t *env = json_object();
        if (env && set_defaults(env, account) == 0 && set_given(env, spec, s, url) == 0)
                return env;
        json_decref(env);
        return NULL;
}
