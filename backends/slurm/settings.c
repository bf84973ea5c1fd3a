/* The settings table, and what is made of it at open. */
#include "backends/slurm/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/settings.h"
#include "backends/slurm/client_conf.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

#define DEFAULT_CONF "/etc/slurm/slurm.conf"
#define DEFAULT_MESSAGE_TIMEOUT_S 5
#define DEFAULT_TOKEN_LIFE_S 60
#define MUNGE_LIFE_S 300 /* of its credentials, unless a site changes it */
#define DEFAULT_WORKERS 2
#define DEFAULT_MIN_UID 1000
#define PASSWD_BYTES 65536

#define AT(member) offsetof(struct gw_slurm_settings, member)

/* One NAME=VALUE of a node selector, and a feature that is no expression. */
static bool is_selector(const char *name, const json_t *feature)
{
        const char *equals = strchr(name, '=');
        return equals && equals != name && json_is_string(feature) &&
               gw_slurm_is_feature(json_string_value(feature));
}

static int read_features(const struct gw_setting *row, const json_t *value, void *place,
                         struct gw_error *err)
{
        const char *name;
        json_t *feature;
        (void)row;
        if (!json_is_object(value))
                return gw_fail(err, GW_ERR_INVALID, "must be a map of NAME=VALUE to features");
        json_object_foreach((json_t *)(uintptr_t)value, name, feature)
        {
                if (!is_selector(name, feature))
                        return gw_fail(err, GW_ERR_INVALID,
                                       "%.64s: must be NAME=VALUE and the name of one feature",
                                       name);
        }
        return gw_setting_keep(value, place, err);
}

static int read_priorities(const struct gw_setting *row, const json_t *value, void *place,
                           struct gw_error *err)
{
        const char *least;
        json_t *qos;
        int64_t n;
        (void)row;
        if (!json_is_object(value))
                return gw_fail(err, GW_ERR_INVALID, "must be a map of priorities to QOS");
        json_object_foreach((json_t *)(uintptr_t)value, least, qos)
        {
                if (gw_str_int64(least, 1, GW_SLURM_PRIORITY_MOST, &n) ||
                    json_string_length(qos) == 0)
                        return gw_fail(err, GW_ERR_INVALID,
                                       "%.64s: must be from 1 to %d, and the name of a QOS", least,
                                       GW_SLURM_PRIORITY_MOST);
        }
        return gw_setting_keep(value, place, err);
}

static int read_runtime(const struct gw_setting *row, const json_t *value, void *place,
                        struct gw_error *err)
{
        const char *name = json_string_value(value);
        (void)row;
        if (name && gw_slurm_runtime_parse(name, place) == 0)
                return 0;
        return gw_fail(err, GW_ERR_INVALID, "must be apptainer, pyxis or slurm");
}

static const struct gw_setting settings[] = {
        {.about = {"conf", "an absolute path", "`" DEFAULT_CONF "`", "The cluster's `slurm.conf`."},
         .read = gw_setting_path,
         .offset = AT(conf)},
        {.about = {"directory", "an absolute path", NULL,
                   "A folder of the gateway's own, for what it gives its agents. Nobody else may "
                   "write there."},
         .read = gw_setting_path,
         .offset = AT(directory)},
        {.about = {"jwt_key", "an absolute path", "none",
                   "The key of the cluster's `auth/jwt`, readable by the gateway and nobody else. "
                   "With it the gateway submits as each project's own user; whoever can read it "
                   "can be anybody in the cluster. Without it the gateway's user must be the "
                   "cluster's `SlurmUser`, who submits for all: for a small site."},
         .read = gw_setting_path,
         .offset = AT(jwt_key)},
        {.about = {"user", "the name of a user", "the gateway's own",
                   "Whom the cluster's table of jobs is read as. Where jobs are private it must be "
                   "an operator."},
         .read = gw_setting_text,
         .offset = AT(user)},
        {.about = {"min_uid", "a whole number from 1 to 2147483647", "`1000`",
                   "Nobody with a lower user or group id submits."},
         .read = gw_setting_count,
         .offset = AT(min_uid),
         .least = 1,
         .most = INT32_MAX},
        {.about = {"users", "a list of names of users", "all",
                   "The only users that submit; others are refused."},
         .read = gw_setting_names,
         .offset = AT(users)},
        {.about = {"workers", "a whole number from 1 to 32", "`2`",
                   "How many submissions of one user may be under way at a time."},
         .read = gw_setting_count,
         .offset = AT(workers),
         .least = 1,
         .most = 32},
        {.about = {"message_timeout", "a duration from 1s to 60s", "`5s`",
                   "How long a question to slurmctld may take."},
         .read = gw_setting_seconds,
         .offset = AT(message_timeout_s),
         .least = 1,
         .most = 60},
        {.about =
                 {"token_life", "a duration from 10s to 1h", "`60s`, and `300s` without `jwt_key`",
                  "How long a token is good, or a credential of munge's. A submission whose outcome is unknown cannot be "
                  "given up earlier."},
         .read = gw_setting_seconds,
         .offset = AT(token_life_s),
         .least = 10,
         .most = 3600},
        {.about = {"features", "names and features, as in `{zone=a: rack1, gpu=big: a100}`", "none",
                   "What a job's `node_selector` means: `NAME=VALUE`, and the feature of Slurm's "
                   "nodes that it stands for."},
         .read = read_features,
         .offset = AT(site.features)},
        {.about = {"priorities", "priorities and QOS, as in `{1: high, 500: urgent}`", "none",
                   "The QOS of a job with at least this `priority`. Without it one above 0 counts "
                   "in jobgate's own queue only."},
         .read = read_priorities,
         .offset = AT(site.priorities)},
        {.about = {"container", "`apptainer`, `pyxis` or `slurm`", "none",
                   "What a job's `image` is run with: the command apptainer or one like it; the "
                   "plugin pyxis; or Slurm's own `--container`, whose images are paths of OCI "
                   "bundles. Without it such jobs are refused."},
         .read = read_runtime,
         .offset = AT(site.runtime)},
        {.about = {"container_command", "a list of words", "`[apptainer, exec]`",
                   "With `apptainer`: the command that has the image and the job's program "
                   "behind it, as in `[/opt/bin/apptainer, exec, --bind, /data]`."},
         .read = gw_setting_names,
         .offset = AT(site.container_command)},
        {.about = {"container_gpu_arguments", "a list of words", "`[--nv]`",
                   "With `apptainer`: what follows the command for a job with GPUs."},
         .read = gw_setting_names,
         .offset = AT(site.container_gpu_arguments)},
        {.about = {"url", "a URL", "the gateway's `url`", "What its jobs find in `JOBGATE_URL`."},
         .read = gw_setting_text,
         .offset = AT(url)},
        {.about =
                 {"as_user", "an absolute path", "none",
                  "The socket of `jobgate-slurm-as-user`, a service that an administrator starts "
                  "as root on the gateway's machine: it reads the output of jobs as their users, and "
                  "gives scripts with `#SBATCH` lines to the site's `sbatch`. Where it is missing, "
                  "output stays in files in the users' homes, and such scripts are refused."},
         .read = gw_setting_path,
         .offset = AT(as_user)},
        {.about =
                 {"munge_life", "a duration from 10s to 1h", "`300s`",
                  "How long a credential of munge is good for that `sbatch`: the `ttl` in `AuthInfo` "
                  "of its slurm.conf, and 300s where there is none. A script whose outcome is unknown "
                  "cannot be given up earlier; one whose credential outlives `MinJobAge` is lost then."},
         .read = gw_setting_seconds,
         .offset = AT(munge_life_s),
         .least = 10,
         .most = 3600},
        {.about = {"agent", "an absolute path",
                   "`jobgate-slurm-agent` beside the program `jobgate`",
                   "The program that speaks to the cluster."},
         .read = gw_setting_path,
         .offset = AT(agent)},
};

bool gw_slurm_setting(size_t i, struct gw_backend_setting *ret)
{
        if (i < GW_COUNT(settings))
                *ret = settings[i].about;
        return i < GW_COUNT(settings);
}

static char *own_name(void)
{
        struct passwd pw, *found = NULL;
        gw_autofree char *text = malloc(PASSWD_BYTES);
        if (!text || getpwuid_r(geteuid(), &pw, text, PASSWD_BYTES, &found) || !found)
                return NULL;
        return strdup(pw.pw_name);
}

static int set_defaults(struct gw_slurm_settings *s, struct gw_error *err)
{
        if (!s->directory)
                return gw_fail(err, GW_ERR_INVALID, "directory: is needed");
        if (!s->conf && !(s->conf = strdup(DEFAULT_CONF)))
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        if (!s->agent && !(s->agent = gw_settings_beside("jobgate-slurm-agent")))
                return gw_fail(err, GW_ERR_NOMEM, "agent: no default can be found");
        if (s->user && !s->jwt_key)
                return gw_fail(err, GW_ERR_INVALID,
                               "user: without jwt_key it is always the gateway's own");
        if (s->token_life_s == 0)
                s->token_life_s = s->jwt_key ? DEFAULT_TOKEN_LIFE_S : MUNGE_LIFE_S;
        if (!s->user && !(s->user = own_name()))
                return gw_fail(err, GW_ERR_INVALID, "user: the gateway's own has no name");
        return 0;
}

static int read_key(struct gw_slurm_settings *s, struct gw_error *err)
{
        gw_autoclose int fd = open(s->jwt_key, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, s->key, sizeof s->key);
        if (n < 0)
                return gw_fail(err, GW_ERR_INVALID, "jwt_key: %.200s cannot be read: %s",
                               s->jwt_key, strerrordesc_np(errno));
        if (n == 0 || n == sizeof s->key)
                return gw_fail(err, GW_ERR_INVALID, "jwt_key: %.200s is no key", s->jwt_key);
        s->key_len = (size_t)n;
        return 0;
}

static int complete(struct gw_slurm_settings *s, const char *name, struct gw_error *err)
{
        if (set_defaults(s, err))
                return -1;
        if (access(s->agent, X_OK))
                return gw_fail(err, GW_ERR_INVALID, "agent: %.200s cannot be run", s->agent);
        if (access(s->conf, R_OK))
                return gw_fail(err, GW_ERR_INVALID, "conf: %.200s cannot be read", s->conf);
        if (s->jwt_key && read_key(s, err))
                return -1;
        s->site.has_sbatch = s->as_user != NULL;
        s->client_conf = gw_slurm_client_conf(s->directory, name, s->conf, s->message_timeout_s,
                                              s->jwt_key != NULL, err);
        return s->client_conf ? 0 : -1;
}

int gw_slurm_settings_init(struct gw_slurm_settings *s, const char *name, const json_t *section,
                           struct gw_error *err)
{
        *s = (struct gw_slurm_settings){.message_timeout_s = DEFAULT_MESSAGE_TIMEOUT_S,
                                        .workers = DEFAULT_WORKERS,
                                        .munge_life_s = MUNGE_LIFE_S,
                                        .min_uid = DEFAULT_MIN_UID};
        if (gw_settings_read(settings, GW_COUNT(settings), section, s, err) ||
            complete(s, name, err)) {
                gw_slurm_settings_done(s);
                return -1;
        }
        return 0;
}

struct gw_slurm_credential gw_slurm_settings_credential(const struct gw_slurm_settings *s)
{
        return (struct gw_slurm_credential){
                .program = s->agent, .conf = s->client_conf, .key = s->key, .key_len = s->key_len};
}

void gw_slurm_settings_done(struct gw_slurm_settings *s)
{
        free(s->conf);
        free(s->directory);
        free(s->agent);
        free(s->jwt_key);
        free(s->user);
        json_decref(s->users);
        free(s->url);
        free(s->as_user);
        free(s->client_conf);
        json_decref(s->site.features);
        json_decref(s->site.priorities);
        json_decref(s->site.container_command);
        json_decref(s->site.container_gpu_arguments);
        explicit_bzero(s, sizeof *s);
}
