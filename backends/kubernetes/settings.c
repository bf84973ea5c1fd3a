/* The settings table, and the site that is made of it at open. */
#include "backends/kubernetes/settings.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "backends/kubernetes/name.h"
#include "backends/kubernetes/tasks.h"
#include "backends/settings.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

#define MOST_PRIORITY 1000000
#define DAY_S INT64_C(86400)
#define MOST_KEPT_S (365 * DAY_S)

#define AT(member) offsetof(struct gw_k8s_settings, member)

static int read_pull_policy(const struct gw_setting *row, const json_t *value, void *place,
                            struct gw_error *err)
{
        static const char *const policies[] = {"Always", "IfNotPresent", "Never"};
        const char *text = json_string_value(value);
        for (size_t i = 0; text && i < GW_COUNT(policies); i++)
                if (strcmp(text, policies[i]) == 0)
                        return gw_setting_text(row, value, place, err);
        return gw_fail(err, GW_ERR_INVALID, "must be Always, IfNotPresent or Never");
}

static int read_priorities(const struct gw_setting *row, const json_t *value, void *place,
                           struct gw_error *err)
{
        const char *least;
        json_t *class;
        int64_t n;
        (void)row;
        if (!json_is_object(value))
                return gw_fail(err, GW_ERR_INVALID, "must be a map of priorities to classes");
        json_object_foreach((json_t *)(uintptr_t)value, least, class)
        {
                const char *name = json_string_value(class);
                if (gw_str_int64(least, -MOST_PRIORITY, MOST_PRIORITY, &n) || !name ||
                    !gw_k8s_is_object_name(name))
                        return gw_fail(err, GW_ERR_INVALID,
                                       "%.64s: must be from -%d to %d, and the name of a "
                                       "PriorityClass",
                                       least, MOST_PRIORITY, MOST_PRIORITY);
        }
        return gw_setting_keep(value, place, err);
}

/* Labels of nodes, by name and value. */
static bool are_labels(const json_t *labels)
{
        const char *name;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)labels, name, value)
        {
                const char *text = json_string_value(value);
                if (!gw_k8s_is_key(name) || !text || !gw_k8s_is_label_value(text))
                        return false;
        }
        return json_object_size(labels) > 0;
}

static int read_gpu_types(const struct gw_setting *row, const json_t *value, void *place,
                          struct gw_error *err)
{
        const char *type;
        json_t *labels;
        (void)row;
        if (!json_is_object(value))
                return gw_fail(err, GW_ERR_INVALID, "must be a map of types to labels of nodes");
        json_object_foreach((json_t *)(uintptr_t)value, type, labels)
        {
                if (!are_labels(labels))
                        return gw_fail(err, GW_ERR_INVALID, "%.64s: must be labels of nodes", type);
        }
        return gw_setting_keep(value, place, err);
}

/* What is wrong with one is told by the cluster, of each job. */
static int read_tolerations(const struct gw_setting *row, const json_t *value, void *place,
                            struct gw_error *err)
{
        size_t i;
        json_t *toleration;
        bool good = json_is_array(value);
        (void)row;
        json_array_foreach(value, i, toleration) good = good && json_is_object(toleration);
        return good ? gw_setting_keep(value, place, err)
                    : gw_fail(err, GW_ERR_INVALID, "must be a list of tolerations");
}

static int read_paths(const struct gw_setting *row, const json_t *value, void *place,
                      struct gw_error *err)
{
        size_t i;
        json_t *path;
        json_array_foreach(value, i, path)
        {
                const char *text = json_string_value(path);
                if (!text || text[0] != '/')
                        return gw_fail(err, GW_ERR_INVALID, "must be paths that begin with /");
        }
        return gw_setting_names(row, value, place, err);
}

static int read_key(const struct gw_setting *row, const json_t *value, void *place,
                    struct gw_error *err)
{
        const char *text = json_string_value(value);
        if (!text || !gw_k8s_is_key(text))
                return gw_fail(err, GW_ERR_INVALID, "must be a name such as example.org/thing");
        return gw_setting_text(row, value, place, err);
}

static const struct gw_setting settings[] = {
        {.about = {"kubeconfig", "an absolute path", "as a pod of the cluster finds it",
                   "How the cluster is reached and who jobgate is there: a kubeconfig with a token "
                   "or a client certificate, readable by the gateway and nobody else. It is read "
                   "again when it changes. `deploy/kubernetes/grant` makes one."},
         .read = gw_setting_path,
         .offset = AT(kubeconfig)},
        {.about = {"context", "the name of a context", "the current one of `kubeconfig`",
                   "Which of the kubeconfig's."},
         .read = gw_setting_text,
         .offset = AT(context)},
        {.about = {"whole_cluster", "`true` or `false`", "`false`",
                   "Whether jobs of all namespaces are watched by one list and one watch, which "
                   "needs the right to list and watch Jobs and Pods in the whole cluster. Else "
                   "there are two connections for each namespace that has jobs."},
         .read = gw_setting_flag,
         .offset = AT(whole_cluster)},
        {.about = {"array_size", "a whole number from 1 to 100000", "`10000`",
                   "How many tasks of an array one Job has, at most."},
         .read = gw_setting_count,
         .offset = AT(array_size),
         .least = 1,
         .most = GW_K8S_MOST_TASKS},
        {.about = {"image", "the name of an image", "none",
                   "What a job runs in that names no `image`. Without it such jobs are refused."},
         .read = gw_setting_text,
         .offset = AT(image)},
        {.about = {"pull_policy", "`Always`, `IfNotPresent` or `Never`", "Kubernetes' own",
                   "When images are pulled."},
         .read = read_pull_policy,
         .offset = AT(pull_policy)},
        {.about = {"pull_secrets", "a list of names of Secrets", "none",
                   "With what images are pulled; in each project's namespace."},
         .read = gw_setting_names,
         .offset = AT(pull_secrets)},
        {.about = {"gpu_resource", "the name of a resource", "`nvidia.com/gpu`",
                   "What `resources.gpus` counts."},
         .read = read_key,
         .offset = AT(gpu_resource)},
        {.about = {"gpu_label", "the name of a label", "`nvidia.com/gpu.product`",
                   "The label of nodes whose value is the `gpu_type`."},
         .read = read_key,
         .offset = AT(gpu_label)},
        {.about = {"gpu_types", "types and labels, as in `{big: {example.org/gpu: h100}}`", "none",
                   "What else a `gpu_type` may be, and the labels of its nodes."},
         .read = read_gpu_types,
         .offset = AT(gpu_types)},
        {.about = {"priorities", "priorities and classes, as in `{-1: low, 100: high}`", "none",
                   "The PriorityClass of a job with at least this `priority`, below 0 at most. "
                   "Without it one counts in jobgate's own queue only."},
         .read = read_priorities,
         .offset = AT(priorities)},
        {.about = {"tolerations", "a list, as Kubernetes writes them", "none",
                   "What all jobs tolerate."},
         .read = read_tolerations,
         .offset = AT(tolerations)},
        {.about = {"queue_label", "the name of a label", "`kueue.x-k8s.io/queue-name`",
                   "The label of a Job that names its `queue`."},
         .read = read_key,
         .offset = AT(queue_label)},
        {.about = {"user", "a whole number from 0 to 2147483647", "`1000`",
                   "The user id that containers run as; 0: the image's own, which must be a number "
                   "other than 0 unless `allow_root`."},
         .read = gw_setting_count,
         .offset = AT(user),
         .most = INT32_MAX},
        {.about = {"group", "a whole number from 0 to 2147483647", "`1000`",
                   "The group id that containers run as; 0: the image's own."},
         .read = gw_setting_count,
         .offset = AT(group),
         .most = INT32_MAX},
        {.about = {"allow_root", "`true` or `false`", "`false`",
                   "Whether the image's own user may be root."},
         .read = gw_setting_flag,
         .offset = AT(allow_root)},
        {.about = {"grace", "a duration from 1s to 1h", "`30s`",
                   "How long a job has from its SIGTERM to its SIGKILL."},
         .read = gw_setting_seconds,
         .offset = AT(grace_s),
         .least = 1,
         .most = 3600},
        {.about =
                 {"give_up", "a duration from 1s to 365d", "`10m`",
                  "How long a job waits for what it cannot start without and what may not come: an "
                  "image, a ConfigMap or Secret, a service account. Then it ends as failed. What "
                  "waiting cannot help, as an image whose name is none, ends at once."},
         .read = gw_setting_seconds,
         .offset = AT(give_up_s),
         .least = 1,
         .most = MOST_KEPT_S},
        {.about = {"keep", "a duration from 1h to 365d", "`7d`",
                   "How long after its end a Job stays in the cluster. Where the gateway does not "
                   "learn how a job ended within that time, it is lost."},
         .read = gw_setting_seconds,
         .offset = AT(keep_s),
         .least = 3600,
         .most = MOST_KEPT_S},
        {.about = {"master_port", "a whole number from 1 to 65535", "`29500`",
                   "`MASTER_PORT` of jobs on several nodes."},
         .read = gw_setting_count,
         .offset = AT(master_port),
         .least = 1,
         .most = 65535},
        {.about = {"host_paths", "a list of paths", "none",
                   "Folders of nodes that jobs may mount, with all that is in them."},
         .read = read_paths,
         .offset = AT(host_paths)},
        {.about =
                 {"patch_paths", "a list of paths in a Job, as in `[/spec/template/spec/hostname]`",
                  "none",
                  "What `options.kubernetes` may change besides what it may everywhere; `*` stands "
                  "for any step. Whoever may make a pod privileged is root on the nodes."},
         .read = read_paths,
         .offset = AT(patch_paths)},
        {.about = {"url", "a URL", "the gateway's `url`", "What its jobs find in `JOBGATE_URL`."},
         .read = gw_setting_text,
         .offset = AT(url)},
};

bool gw_k8s_setting(size_t i, struct gw_backend_setting *ret)
{
        if (i < GW_COUNT(settings))
                *ret = settings[i].about;
        return i < GW_COUNT(settings);
}

static void take_site(struct gw_k8s_settings *s)
{
        struct gw_k8s_site usual = gw_k8s_site_default();
        s->site = (struct gw_k8s_site){
                .image = s->image,
                .pull_policy = s->pull_policy,
                .pull_secrets = s->pull_secrets,
                .gpu_resource = s->gpu_resource ? s->gpu_resource : usual.gpu_resource,
                .gpu_label = s->gpu_label ? s->gpu_label : usual.gpu_label,
                .gpu_types = s->gpu_types,
                .priorities = s->priorities,
                .tolerations = s->tolerations,
                .queue_label = s->queue_label ? s->queue_label : usual.queue_label,
                .user = s->user,
                .group = s->group,
                .allow_root = s->allow_root != 0,
                .grace_s = s->grace_s,
                .keep_s = s->keep_s,
                .master_port = (int)s->master_port,
                .host_paths = s->host_paths,
                .patch_paths = s->patch_paths,
                .url = s->url,
        };
}

int gw_k8s_settings_init(struct gw_k8s_settings *s, const json_t *section, struct gw_error *err)
{
        struct gw_k8s_site usual = gw_k8s_site_default();
        *s = (struct gw_k8s_settings){
                .array_size = 10000,
                .give_up_s = 600,
                .user = usual.user,
                .group = usual.group,
                .grace_s = usual.grace_s,
                .keep_s = usual.keep_s,
                .master_port = usual.master_port,
        };
        int rc = gw_settings_read(settings, GW_COUNT(settings), section, s, err);
        if (rc == 0 && s->context && !s->kubeconfig)
                rc = gw_fail(err, GW_ERR_INVALID,
                             "context: is one of a kubeconfig, which is missing");
        if (rc) {
                gw_k8s_settings_done(s);
                return -1;
        }
        take_site(s);
        return 0;
}

void gw_k8s_settings_done(struct gw_k8s_settings *s)
{
        char *texts[] = {s->kubeconfig,   s->context,   s->image,       s->pull_policy,
                         s->gpu_resource, s->gpu_label, s->queue_label, s->url};
        json_t *values[] = {s->pull_secrets, s->gpu_types,  s->priorities,
                            s->tolerations,  s->host_paths, s->patch_paths};
        for (size_t i = 0; i < GW_COUNT(texts); i++)
                free(texts[i]);
        for (size_t i = 0; i < GW_COUNT(values); i++)
                json_decref(values[i]);
        *s = (struct gw_k8s_settings){0};
}
