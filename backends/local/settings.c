/* The settings table. Read at open only. */
#include "backends/local/settings.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/local/format.h"
#include "backends/settings.h"
#include "server/base/cleanup.h"

#define DEFAULT_GRACE_S 10
#define MAX_GRACE_S 3600
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

#define AT(member) offsetof(struct gw_local_settings, member)

static const struct gw_setting settings[] = {
        {.about =
                 {"directory", "an absolute path", NULL,
                  "The spool: the records and the output of its jobs. On a disk of this machine, and of no "
                  "other gateway or backend."},
         .read = gw_setting_path,
         .offset = AT(directory)},
        {.about = {"cpus", "a number of cores, `4` or `1500m`", "all of this machine's",
                   "What its jobs may have together; the others wait."},
         .read = gw_setting_cpus,
         .offset = AT(cpus_milli)},
        {.about = {"memory", "a size such as `64Gi`", "all of this machine's",
                   "What its jobs may have together."},
         .read = gw_setting_size,
         .offset = AT(memory)},
        {.about =
                 {"gpus", "a whole number from 0 to " TEXT(GW_LOCAL_MAX_GPUS), "`0`",
                  "How many GPUs its jobs may have together. They are counted, and each job finds its own "
                  "in `CUDA_VISIBLE_DEVICES`."},
         .read = gw_setting_count,
         .offset = AT(gpus),
         .most = GW_LOCAL_MAX_GPUS},
        {.about = {"user", "the name of a user, not root",
                   "the gateway's own; required when that is root",
                   "Whom jobs run as. Only a gateway that is root can run them as another user."},
         .read = gw_setting_text,
         .offset = AT(user)},
        {.about = {"grace", "a duration from 0s to 1h", "`10s`",
                   "How long a job that is to end has between SIGTERM and SIGKILL."},
         .read = gw_setting_seconds,
         .offset = AT(grace_s),
         .most = MAX_GRACE_S},
        {.about = {"url", "a URL", "the gateway's `url`", "What its jobs find in `JOBGATE_URL`."},
         .read = gw_setting_text,
         .offset = AT(url)},
        {.about = {"shim", "an absolute path", "`jobgate-shim` beside the program `jobgate`",
                   "The supervisor of its jobs."},
         .read = gw_setting_path,
         .offset = AT(shim)},
};

bool gw_local_setting(size_t i, struct gw_backend_setting *ret)
{
        if (i < GW_COUNT(settings))
                *ret = settings[i].about;
        return i < GW_COUNT(settings);
}

static void set_defaults(struct gw_local_settings *s)
{
        *s = (struct gw_local_settings){.grace_s = DEFAULT_GRACE_S};
        s->cpus_milli = sysconf(_SC_NPROCESSORS_ONLN) * 1000;
        s->memory = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
        gethostname(s->node, sizeof s->node - 1);
}

int gw_local_account_find(const char *user, struct gw_account *ret, struct gw_error *err)
{
        if (!user && geteuid() == 0)
                return gw_fail(
                        err, GW_ERR_INVALID,
                        "a user is needed, because the gateway runs as root and jobs never do");
        if (gw_account_find(user, ret, err))
                return -1;
        if (geteuid() == 0 || ret->uid == geteuid())
                return 0;
        gw_account_done(ret);
        return gw_fail(err, GW_ERR_INVALID,
                       "jobs of another user need a gateway that runs as root");
}

static int complete(struct gw_local_settings *s, struct gw_error *err)
{
        if (!s->directory)
                return gw_fail(err, GW_ERR_INVALID, "directory: is needed");
        if (!s->shim && !(s->shim = gw_settings_beside("jobgate-shim")))
                return gw_fail(err, GW_ERR_NOMEM, "shim: no default can be found");
        if (access(s->shim, X_OK))
                return gw_fail(err, GW_ERR_INVALID, "shim: %.200s cannot be run", s->shim);
        if (gw_local_account_find(s->user, &s->account, err))
                return gw_fail_within(err, "user");
        return 0;
}

int gw_local_settings_init(struct gw_local_settings *s, const json_t *section, struct gw_error *err)
{
        set_defaults(s);
        if (gw_settings_read(settings, GW_COUNT(settings), section, s, err) || complete(s, err)) {
                gw_local_settings_done(s);
                return -1;
        }
        return 0;
}

void gw_local_settings_done(struct gw_local_settings *s)
{
        gw_account_done(&s->account);
        free(s->directory);
        free(s->shim);
        free(s->url);
        free(s->user);
        *s = (struct gw_local_settings){0};
}
