/*
 * The settings table: a row has what the reference says of the setting, how it is read and where
 * it goes. Read at open only.
 */
#include "backends/local/settings.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/local/format.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"
#include "server/model/duration.h"
#include "server/model/quantity.h"

#define DEFAULT_GRACE_S 10
#define MAX_GRACE_S 3600
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

typedef int (*reader)(const json_t *value, void *place, struct gw_error *err);

static int read_text(const json_t *value, void *place, struct gw_error *err)
{
        const char *s = json_string_value(value);
        if (!s || !s[0])
                return gw_fail(err, GW_ERR_INVALID, "must be a text that is not empty");
        *(char **)place = strdup(s);
        return *(char **)place ? 0 : gw_fail(err, GW_ERR_NOMEM, "out of memory");
}

static int read_path(const json_t *value, void *place, struct gw_error *err)
{
        const char *s = json_string_value(value);
        if (!s || s[0] != '/')
                return gw_fail(err, GW_ERR_INVALID, "must be an absolute path");
        return read_text(value, place, err);
}

static int read_cpus(const json_t *value, void *place, struct gw_error *err)
{
        if (json_is_number(value))
                return gw_cpus_from_number(json_number_value(value), place, err);
        if (json_is_string(value))
                return gw_cpus_parse(json_string_value(value), place, err);
        return gw_fail(err, GW_ERR_INVALID, "must be a number of cores");
}

static int read_size(const json_t *value, void *place, struct gw_error *err)
{
        if (json_is_string(value))
                return gw_quantity_parse(json_string_value(value), place, err);
        if (!json_is_integer(value) || json_integer_value(value) < 0)
                return gw_fail(err, GW_ERR_INVALID, "must be a size such as 64Gi");
        *(int64_t *)place = json_integer_value(value);
        return 0;
}

static int read_gpus(const json_t *value, void *place, struct gw_error *err)
{
        json_int_t n = json_integer_value(value);
        if (!json_is_integer(value) || n < 0 || n > GW_LOCAL_MAX_GPUS)
                return gw_fail(err, GW_ERR_INVALID, "must be a whole number from 0 to %d",
                               GW_LOCAL_MAX_GPUS);
        *(int64_t *)place = n;
        return 0;
}

static int read_grace(const json_t *value, void *place, struct gw_error *err)
{
        int64_t seconds = json_integer_value(value);
        if (json_is_string(value)) {
                if (gw_duration_parse(json_string_value(value), &seconds, err))
                        return -1;
        } else if (!json_is_integer(value)) {
                return gw_fail(err, GW_ERR_INVALID, "must be a duration such as 10s");
        }
        if (seconds < 0 || seconds > MAX_GRACE_S)
                return gw_fail(err, GW_ERR_INVALID, "must be between 0 and %d seconds",
                               MAX_GRACE_S);
        *(int64_t *)place = seconds;
        return 0;
}

#define AT(member) offsetof(struct gw_local_settings, member)

static const struct setting {
        struct gw_backend_setting about;
        reader read;
        size_t offset;
} settings[] = {
        {{"directory", "an absolute path", NULL,
          "The spool: the records and the output of its jobs. On a disk of this machine, and of no "
          "other gateway or backend."},
         read_path,
         AT(directory)},
        {{"cpus", "a number of cores, `4` or `1500m`", "all of this machine's",
          "What its jobs may have together; the others wait."},
         read_cpus,
         AT(cpus_milli)},
        {{"memory", "a size such as `64Gi`", "all of this machine's",
          "What its jobs may have together."},
         read_size,
         AT(memory)},
        {{"gpus", "a whole number from 0 to " TEXT(GW_LOCAL_MAX_GPUS), "`0`",
          "How many GPUs its jobs may have together. They are counted, and each job finds its own "
          "in `CUDA_VISIBLE_DEVICES`."},
         read_gpus,
         AT(gpus)},
        {{"user", "the name of a user, not root", "the gateway's own; required when that is root",
          "Whom jobs run as. Only a gateway that is root can run them as another user."},
         read_text,
         AT(user)},
        {{"grace", "a duration from 0s to 1h", "`10s`",
          "How long a job that is to end has between SIGTERM and SIGKILL."},
         read_grace,
         AT(grace_s)},
        {{"url", "a URL", "the gateway's `url`", "What its jobs find in `JOBGATE_URL`."},
         read_text,
         AT(url)},
        {{"shim", "an absolute path", "`jobgate-shim` beside the program `jobgate`",
          "The supervisor of its jobs."},
         read_path,
         AT(shim)},
};

bool gw_local_setting(size_t i, struct gw_backend_setting *ret)
{
        if (i < GW_COUNT(settings))
                *ret = settings[i].about;
        return i < GW_COUNT(settings);
}

static const char *candidate(const void *list, size_t i)
{
        (void)list;
        return i < GW_COUNT(settings) ? settings[i].about.name : NULL;
}

static int read_setting(struct gw_local_settings *s, const char *name, const json_t *value,
                        struct gw_error *err)
{
        for (size_t i = 0; i < GW_COUNT(settings); i++)
                if (strcmp(settings[i].about.name, name) == 0)
                        return settings[i].read(value, (char *)s + settings[i].offset, err)
                                       ? gw_fail_within(err, name)
                                       : 0;
        const char *nearest = gw_str_nearest(name, candidate, NULL);
        return gw_fail(err, GW_ERR_INVALID, "there is no setting %.64s%s%s%s", name,
                       nearest ? "; did you mean " : "", nearest ? nearest : "",
                       nearest ? "?" : "");
}

/* jobgate-shim beside the program that runs. */
static char *default_shim(void)
{
        char path[4096], *shim;
        ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
        if (n <= 0)
                return NULL;
        path[n] = '\0';
        *strrchr(path, '/') = '\0';
        return asprintf(&shim, "%s/jobgate-shim", path) < 0 ? NULL : shim;
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
        if (!s->shim && !(s->shim = default_shim()))
                return gw_fail(err, GW_ERR_NOMEM, "shim: no default can be found");
        if (access(s->shim, X_OK))
                return gw_fail(err, GW_ERR_INVALID, "shim: %.200s cannot be run", s->shim);
        if (gw_local_account_find(s->user, &s->account, err))
                return gw_fail_within(err, "user");
        return 0;
}

int gw_local_settings_init(struct gw_local_settings *s, const json_t *section, struct gw_error *err)
{
        const char *name;
        json_t *value;
        set_defaults(s);
        /* Only iterated over: jansson's iterator wants it writable. */
        json_object_foreach((json_t *)(uintptr_t)section, name, value)
        {
                if (read_setting(s, name, value, err)) {
                        gw_local_settings_done(s);
                        return -1;
                }
        }
        if (complete(s, err)) {
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
