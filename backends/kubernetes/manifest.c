/*
 * Spec to manifest, as a table of places. Any thread: it also serves dry runs.
 *
 * A row makes the value of one place of the Job, or nothing: the place stays empty. A maker that
 * fails returns NULL with the error filled.
 */
#include "backends/kubernetes/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backends/advice.h"
#include "backends/environment.h"
#include "backends/kubernetes/patch.h"
#include "backends/kubernetes/program.h"
#include "backends/kubernetes/volumes.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"
#include "server/model/pointer.h"
#include "server/model/quantity.h"

#define MOST_PRIORITY 1000
#define INDEX_FIELD "metadata.annotations['batch.kubernetes.io/job-completion-index']"

struct work {
        struct gw_k8s_manifest *m;
        const struct gw_submission *s;
        const struct gw_k8s_identity *identity;
        const struct gw_k8s_site *site;
        struct gw_k8s_program program;
        json_t *volumes, *mounts;
};

static const char *text_of(const json_t *object, const char *name)
{
        return json_string_value(json_object_get(object, name));
}

static const json_t *member(const struct work *w, const char *name)
{
        return json_object_get(w->m->spec.json, name);
}

static bool is_indexed(const struct work *w)
{
        return w->m->tasks.is_array || w->m->tasks.count > 1;
}

static json_t *refuse(struct gw_error *err, const char *home, const char *name, const char *words)
{
        struct gw_pointer at;
        gw_pointer_init(&at, home);
        if (name)
                gw_pointer_enter(&at, name, strlen(name));
        gw_fail_at(err, GW_ERR_UNPROCESSABLE, at.text, "%s", words);
        return NULL;
}

/* A reference of its own to what a site has said; NULL: nothing. */
static json_t *shared(const json_t *value)
{
        return json_incref((json_t *)(uintptr_t)value);
}

/* ---- the Job -------------------------------------------------------------------------------- */

static json_t *make_completion_mode(const struct work *w, struct gw_error *err)
{
        (void)err;
        return is_indexed(w) ? json_string("Indexed") : NULL;
}

static json_t *make_completions(const struct work *w, struct gw_error *err)
{
        (void)err;
        return json_integer(w->m->tasks.count);
}

static json_t *make_parallelism(const struct work *w, struct gw_error *err)
{
        uint32_t most = w->s->max_parallel, count = w->m->tasks.count;
        (void)err;
        return json_integer(w->m->tasks.is_array && most > 0 && most < count ? most : count);
}

static json_t *make_backoff(const struct work *w, struct gw_error *err)
{
        (void)err;
        return w->m->tasks.is_array ? NULL : json_integer(0);
}

static json_t *make_backoff_per_index(const struct work *w, struct gw_error *err)
{
        (void)err;
        return w->m->tasks.is_array ? json_integer(0) : NULL;
}

static json_t *make_replacement(const struct work *w, struct gw_error *err)
{
        (void)w, (void)err;
        return json_string("Failed");
}

/* Nothing is left out of the count: what was disturbed has failed, and is told apart from what
 * failed by itself. */
static json_t *make_failure_policy(const struct work *w, struct gw_error *err)
{
        (void)err;
        return json_pack("{s:[{s:s, s:[{s:s, s:s}]}]}", "rules", "action",
                         w->m->tasks.is_array ? "FailIndex" : "FailJob", "onPodConditions", "type",
                         "DisruptionTarget", "status", "True");
}

static json_t *make_ttl(const struct work *w, struct gw_error *err)
{
        (void)err;
        return json_integer(w->site->keep_s);
}

static json_t *make_suspend(const struct work *w, struct gw_error *err)
{
        (void)err;
        return w->s->held ? json_true() : NULL;
}

/* ---- the pod -------------------------------------------------------------------------------- */

static json_t *make_restart(const struct work *w, struct gw_error *err)
{
        (void)w, (void)err;
        return json_string("Never");
}

static json_t *make_false(const struct work *w, struct gw_error *err)
{
        (void)w, (void)err;
        return json_false();
}

static json_t *make_time_limit(const struct work *w, struct gw_error *err)
{
        int64_t s = w->m->spec.time_limit_s;
        (void)err;
        return s > 0 ? json_integer(s) : NULL;
}

static json_t *make_grace(const struct work *w, struct gw_error *err)
{
        (void)err;
        return json_integer(w->site->grace_s);
}

static json_t *make_service_account(const struct work *w, struct gw_error *err)
{
        (void)err;
        const char *account = w->identity ? w->identity->service_account : NULL;
        return account ? json_string(account) : NULL;
}

static json_t *make_subdomain(const struct work *w, struct gw_error *err)
{
        (void)err;
        return w->m->service ? json_string(w->m->name) : NULL;
}

static json_t *make_pod_security(const struct work *w, struct gw_error *err)
{
        json_t *context = json_pack("{s:{s:s}}", "seccompProfile", "type", "RuntimeDefault");
        int64_t user = w->site->user, group = w->site->group;
        int rc = context ? 0 : -1;
        if (rc == 0 && !w->site->allow_root)
                rc = json_object_set_new(context, "runAsNonRoot", json_true());
        if (rc == 0 && user > 0)
                rc = json_object_set_new(context, "runAsUser", json_integer(user));
        if (rc == 0 && group > 0)
                rc = json_object_set_new(context, "runAsGroup", json_integer(group)) ||
                     json_object_set_new(context, "fsGroup", json_integer(group));
        if (rc == 0)
                return context;
        json_decref(context);
        gw_fail(err, GW_ERR_NOMEM, "out of memory");
        return NULL;
}

static json_t *make_tolerations(const struct work *w, struct gw_error *err)
{
        (void)err;
        return json_array_size(w->site->tolerations) > 0 ? shared(w->site->tolerations) : NULL;
}

static json_t *make_pull_secrets(const struct work *w, struct gw_error *err)
{
        size_t i;
        const json_t *name;
        (void)err;
        if (json_array_size(w->site->pull_secrets) == 0)
                return NULL;
        json_t *list = json_array();
        json_array_foreach(w->site->pull_secrets, i, name)
                json_array_append_new(list, json_pack("{s:s}", "name", json_string_value(name)));
        return list;
}

/* The class of the highest priority that the job reaches; below 0 of the lowest. */
static json_t *make_priority(const struct work *w, struct gw_error *err)
{
        const char *name, *found = NULL;
        json_t *class;
        int64_t n, best = 0, priority = w->m->spec.priority;
        (void)err;
        json_object_foreach((json_t *)(uintptr_t)w->site->priorities, name, class)
        {
                if (gw_str_int64(name, -MOST_PRIORITY, MOST_PRIORITY, &n))
                        continue;
                bool reached = priority > 0 ? n > best && n <= priority : n < best && n >= priority;
                if (!reached)
                        continue;
                best = n;
                found = json_string_value(class);
        }
        return found ? json_string(found) : NULL;
}

static json_t *make_volumes(const struct work *w, struct gw_error *err)
{
        (void)err;
        return json_array_size(w->volumes) > 0 ? json_incref(w->volumes) : NULL;
}

/* ---- which machines ------------------------------------------------------------------------- */

static int select_node(json_t *to, const char *home, const char *name, const char *value,
                       struct gw_error *err)
{
        const char *before = text_of(to, name);
        if (!value || !gw_k8s_is_key(name) || !gw_k8s_is_label_value(value)) {
                refuse(err, home, name, "is no label that a node of Kubernetes can have");
                return -1;
        }
        if (before && strcmp(before, value) != 0) {
                refuse(err, home, name, "is what the type of the GPUs says otherwise");
                return -1;
        }
        return json_object_set_new(to, name, json_string(value));
}

static int select_all(json_t *to, const char *home, const json_t *labels, struct gw_error *err)
{
        const char *name;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)labels, name, value)
        {
                if (select_node(to, home, name, json_string_value(value), err))
                        return -1;
        }
        return 0;
}

static int select_gpus(const struct work *w, json_t *to, struct gw_error *err)
{
        const char *type = text_of(member(w, "resources"), "gpu_type");
        const json_t *labels = type ? json_object_get(w->site->gpu_types, type) : NULL;
        if (labels)
                return select_all(to, "/resources/gpu_type", labels, err);
        if (type && !gw_k8s_is_label_value(type)) {
                refuse(err, "/resources/gpu_type", NULL, "is no type of GPU on this cluster");
                return -1;
        }
        return type ? json_object_set_new(to, w->site->gpu_label, json_string(type)) : 0;
}

static json_t *make_node_selector(const struct work *w, struct gw_error *err)
{
        json_t *to = json_object();
        if (!to || select_gpus(w, to, err) ||
            select_all(to, "/node_selector", member(w, "node_selector"), err)) {
                json_decref(to);
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        if (json_object_size(to) > 0)
                return to;
        json_decref(to);
        return NULL;
}

/* ---- the container -------------------------------------------------------------------------- */

static json_t *make_name(const struct work *w, struct gw_error *err)
{
        (void)w, (void)err;
        return json_string("main");
}

static json_t *make_image(const struct work *w, struct gw_error *err)
{
        const char *image = json_string_value(member(w, "image"));
        image = image ? image : w->site->image;
        if (!image)
                return refuse(err, "/image", NULL,
                              "is missing: on Kubernetes a job runs in a container");
        if (image[0] == '/' || strstr(image, "://"))
                return refuse(err, "/image", NULL,
                              "must be the name of an image in a registry, as python:3.12");
        return json_string(image);
}

static json_t *make_pull_policy(const struct work *w, struct gw_error *err)
{
        (void)err;
        return w->site->pull_policy ? json_string(w->site->pull_policy) : NULL;
}

static json_t *make_command(const struct work *w, struct gw_error *err)
{
        (void)err;
        return json_incref(w->program.command);
}

static json_t *make_directory(const struct work *w, struct gw_error *err)
{
        const char *folder = json_string_value(member(w, "working_directory"));
        (void)err;
        return folder ? json_string(folder) : NULL;
}

static json_t *make_container_security(const struct work *w, struct gw_error *err)
{
        (void)w, (void)err;
        return gw_k8s_container_security();
}

static json_t *make_mounts(const struct work *w, struct gw_error *err)
{
        (void)err;
        return json_array_size(w->mounts) > 0 ? json_incref(w->mounts) : NULL;
}

/* Requests, which are limits too. A container's own files, and what it prints, are on the node's
 * disk as well: for the scratch space a limit would be too tight, and the volume has one. */
static json_t *make_resources(const struct work *w, struct gw_error *err)
{
        const struct gw_spec *spec = &w->m->spec;
        char cpus[GW_QUANTITY_TEXT], memory[GW_QUANTITY_TEXT], scratch[GW_QUANTITY_TEXT];
        gw_cpus_format(spec->cpus_milli * spec->tasks_per_node, cpus);
        gw_quantity_format(spec->memory_bytes, memory);
        gw_quantity_format(spec->scratch_bytes, scratch);
        json_t *limits = json_pack("{s:s, s:s}", "cpu", cpus, "memory", memory);
        if (limits && spec->gpus > 0)
                json_object_set_new(limits, w->site->gpu_resource, json_integer(spec->gpus));
        json_t *requests = json_copy(limits);
        if (requests && spec->scratch_bytes > 0)
                json_object_set_new(requests, "ephemeral-storage", json_string(scratch));
        json_t *both = json_pack("{s:o, s:o}", "limits", limits, "requests", requests);
        if (!both)
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
        return both;
}

/* ---- its environment ------------------------------------------------------------------------ */

static int add_variable(json_t *env, const char *name, const char *value)
{
        return json_array_append_new(
                env, json_pack("{s:s, s:o}", "name", name, "value", gw_k8s_literal(value)));
}

/* Its value is the pod's place in an Indexed Job. */
static int add_index(json_t *env, const char *name)
{
        return json_array_append_new(env, json_pack("{s:s, s:{s:{s:s}}}", "name", name, "valueFrom",
                                                    "fieldRef", "fieldPath", INDEX_FIELD));
}

static int add_variables(const struct work *w, json_t *env)
{
        const char *name;
        json_t *value;
        json_auto_t *all = gw_task_variables(w->m->spec.json, w->s, w->site->url);
        if (!all)
                return -1;
        json_object_foreach(all, name, value)
        {
                if (add_variable(env, name, json_string_value(value)))
                        return -1;
        }
        return 0;
}

static int add_secret(json_t *env, const char *name, const json_t *from, struct gw_error *err)
{
        const char *secret = text_of(from, "secret"), *key = text_of(from, "key");
        if (!secret || !gw_k8s_is_object_name(secret) || !key || !key[0]) {
                refuse(err, "/secrets", name, "must name a secret and a key of it");
                return -1;
        }
        return json_array_append_new(env,
                                     json_pack("{s:s, s:{s:{s:s, s:s}}}", "name", name, "valueFrom",
                                               "secretKeyRef", "name", secret, "key", key));
}

static int add_secrets(const struct work *w, json_t *env, struct gw_error *err)
{
        const char *name;
        json_t *from;
        json_object_foreach((json_t *)(uintptr_t)member(w, "secrets"), name, from)
        {
                if (strncmp(name, "JOBGATE_", strlen("JOBGATE_")) == 0 ||
                    json_object_get(member(w, "environment"), name)) {
                        refuse(err, "/secrets", name, "is set otherwise: a variable has one value");
                        return -1;
                }
                if (add_secret(env, name, from, err))
                        return -1;
        }
        return 0;
}

/* The job's own variables win, as everywhere. */
static int add_unless_given(const struct work *w, json_t *env, const char *name, const char *value)
{
        return json_object_get(member(w, "environment"), name) ? 0 : add_variable(env, name, value);
}

static int add_rendezvous(const struct work *w, json_t *env)
{
        char first[2 * GW_K8S_NAME + 4], port[16], count[16];
        if (!w->m->service)
                return 0;
        snprintf(first, sizeof first, "%s-0.%s", w->m->name, w->m->name);
        snprintf(port, sizeof port, "%d", w->site->master_port);
        snprintf(count, sizeof count, "%" PRIu32, w->m->tasks.count);
        return add_unless_given(w, env, "MASTER_ADDR", first) ||
                               add_unless_given(w, env, "MASTER_PORT", port) ||
                               add_unless_given(w, env, "WORLD_SIZE", count) ||
                               add_index(env, "RANK") || add_index(env, "NODE_RANK")
                       ? -1
                       : 0;
}

/* What the shell does not find out (program.c). */
static int add_task_index(const struct work *w, json_t *env)
{
        if (!w->m->tasks.is_array)
                return add_variable(env, "JOBGATE_TASK_INDEX", "0");
        return gw_k8s_tasks_are_plain(&w->m->tasks) ? add_index(env, "JOBGATE_TASK_INDEX") : 0;
}

static json_t *make_environment(const struct work *w, struct gw_error *err)
{
        json_t *env = json_array();
        if (env && add_variables(w, env) == 0 && add_secrets(w, env, err) == 0 &&
            add_rendezvous(w, env) == 0 && add_task_index(w, env) == 0)
                return env;
        json_decref(env);
        gw_fail(err, GW_ERR_NOMEM, "out of memory");
        return NULL;
}

/* ---- the table ------------------------------------------------------------------------------ */

enum home { JOB, POD, CONTAINER };

static const struct place {
        enum home home;
        const char *name;
        json_t *(*make)(const struct work *w, struct gw_error *err);
} places[] = {
        {JOB, "completionMode", make_completion_mode},
        {JOB, "completions", make_completions},
        {JOB, "parallelism", make_parallelism},
        {JOB, "backoffLimit", make_backoff},
        {JOB, "backoffLimitPerIndex", make_backoff_per_index},
        {JOB, "podReplacementPolicy", make_replacement},
        {JOB, "podFailurePolicy", make_failure_policy},
        {JOB, "ttlSecondsAfterFinished", make_ttl},
        {JOB, "suspend", make_suspend},
        {POD, "restartPolicy", make_restart},
        {POD, "activeDeadlineSeconds", make_time_limit},
        {POD, "terminationGracePeriodSeconds", make_grace},
        {POD, "serviceAccountName", make_service_account},
        {POD, "automountServiceAccountToken", make_false},
        {POD, "enableServiceLinks", make_false},
        {POD, "subdomain", make_subdomain},
        {POD, "securityContext", make_pod_security},
        {POD, "nodeSelector", make_node_selector},
        {POD, "tolerations", make_tolerations},
        {POD, "priorityClassName", make_priority},
        {POD, "imagePullSecrets", make_pull_secrets},
        {POD, "volumes", make_volumes},
        {CONTAINER, "name", make_name},
        {CONTAINER, "image", make_image},
        {CONTAINER, "imagePullPolicy", make_pull_policy},
        {CONTAINER, "command", make_command},
        {CONTAINER, "workingDir", make_directory},
        {CONTAINER, "env", make_environment},
        {CONTAINER, "resources", make_resources},
        {CONTAINER, "volumeMounts", make_mounts},
        {CONTAINER, "securityContext", make_container_security},
};

static int fill_places(const struct work *w, json_t *const homes[], struct gw_error *err)
{
        struct gw_error why = {0};
        for (size_t i = 0; i < GW_COUNT(places); i++) {
                json_t *value = places[i].make(w, &why);
                if (why.code != GW_OK) {
                        json_decref(value);
                        return gw_fail_at(err, why.code, why.pointer, "%s", why.message);
                }
                if (value && json_object_set_new(homes[places[i].home], places[i].name, value))
                        return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        }
        return 0;
}

/* ---- the objects ---------------------------------------------------------------------------- */

static json_t *make_metadata(const struct work *w)
{
        const json_t *labels = member(w, "labels");
        json_t *metadata =
                json_pack("{s:s, s:o, s:o}", "name", w->m->name, "labels",
                          gw_k8s_labels(w->s->mark, w->s->name, w->s->project, labels),
                          "annotations", gw_k8s_annotations(w->s->mark, w->s->name, labels));
        if (metadata && w->identity)
                json_object_set_new(metadata, "namespace", json_string(w->identity->namespace));
        return metadata;
}

static json_t *make_object(const struct work *w, const char *version, const char *kind)
{
        return json_pack("{s:s, s:s, s:o}", "apiVersion", version, "kind", kind, "metadata",
                         make_metadata(w));
}

/* Pods have the Job's labels and annotations, but for its name and namespace, and the files. */
static json_t *make_pod_metadata(const struct work *w)
{
        json_t *metadata = make_metadata(w), *annotations;
        const char *name;
        json_t *text;
        json_object_del(metadata, "name");
        json_object_del(metadata, "namespace");
        annotations = json_object_get(metadata, "annotations");
        if (w->program.carrier != GW_K8S_ANNOTATIONS)
                return metadata;
        json_object_foreach(w->program.files, name, text)
        {
                char key[64];
                snprintf(key, sizeof key, GW_K8S_DOMAIN "/%s", name);
                if (json_object_set(annotations, key, text)) {
                        json_decref(metadata);
                        return NULL;
                }
        }
        return metadata;
}

static int make_config_map(struct work *w)
{
        if (w->program.carrier != GW_K8S_CONFIG_MAP)
                return 0;
        w->m->config_map = make_object(w, "v1", "ConfigMap");
        return w->m->config_map ? json_object_set(w->m->config_map, "data", w->program.files) : -1;
}

/* Pods find each other before they are ready. */
static int make_service(struct work *w)
{
        char id[GW_ID_TEXT], number[16];
        if (w->m->tasks.is_array || w->m->tasks.count == 1)
                return 0;
        gw_id_format(w->s->mark.job, id);
        snprintf(number, sizeof number, "%" PRIu32, w->s->mark.number);
        w->m->service = make_object(w, "v1", "Service");
        return w->m->service
                       ? json_object_set_new(w->m->service, "spec",
                                             json_pack("{s:s, s:b, s:{s:s, s:s}}", "clusterIP",
                                                       "None", "publishNotReadyAddresses", 1,
                                                       "selector", GW_K8S_LABEL_JOB, id,
                                                       GW_K8S_LABEL_SUBMISSION, number))
                       : -1;
}

static int set_queue(const struct work *w, struct gw_error *err)
{
        const char *queue = json_string_value(member(w, "queue"));
        json_t *labels = json_object_get(json_object_get(w->m->job, "metadata"), "labels");
        if (!queue)
                return 0;
        if (!gw_k8s_is_label_value(queue)) {
                refuse(err, "/queue", NULL, "is no name that a queue of Kubernetes can have");
                return -1;
        }
        return json_object_set_new(labels, w->site->queue_label, json_string(queue))
                       ? gw_fail(err, GW_ERR_NOMEM, "out of memory")
                       : 0;
}

static int make_job(struct work *w, struct gw_error *err)
{
        json_t *container = json_object();
        json_t *pod = json_pack("{s:[o]}", "containers", container);
        json_t *spec = json_pack("{s:{s:o, s:o}}", "template", "metadata", make_pod_metadata(w),
                                 "spec", pod);
        w->m->job = make_object(w, "batch/v1", "Job");
        if (!spec || json_object_set_new(w->m->job, "spec", spec))
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        json_t *const homes[] = {[JOB] = spec, [POD] = pod, [CONTAINER] = container};
        return fill_places(w, homes, err) || set_queue(w, err) ? -1 : 0;
}

static const json_t *patch_of(const struct work *w)
{
        return json_object_get(member(w, "options"), "kubernetes");
}

static int fill(struct work *w, struct gw_error *err)
{
        struct gw_spec *spec = &w->m->spec;
        w->volumes = json_array();
        w->mounts = json_array();
        if (!w->volumes || !w->mounts)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        gw_k8s_name(w->s->mark, w->m->name);
        if (gw_spec_load(w->s->spec, w->s->spec_len, spec, err) ||
            gw_k8s_tasks_init(&w->m->tasks, w->s, spec->nodes, err) ||
            gw_k8s_program_init(&w->program, spec, &w->m->tasks, err) ||
            gw_k8s_volumes(spec, w->site, &w->program, w->m->name, w->volumes, w->mounts, err))
                return -1;
        if (make_config_map(w) || make_service(w))
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        if (make_job(w, err))
                return -1;
        return patch_of(w) ? gw_k8s_patch(w->m->job, patch_of(w), w->site, err) : 0;
}

int gw_k8s_manifest_init(struct gw_k8s_manifest *manifest, const struct gw_submission *s,
                         const struct gw_k8s_identity *identity, const struct gw_k8s_site *site,
                         struct gw_error *err)
{
        struct work w = {.m = manifest, .s = s, .identity = identity, .site = site};
        *manifest = (struct gw_k8s_manifest){0};
        int rc = fill(&w, err);
        gw_k8s_program_done(&w.program);
        json_decref(w.volumes);
        json_decref(w.mounts);
        if (rc)
                gw_k8s_manifest_done(manifest);
        return rc;
}

void gw_k8s_manifest_done(struct gw_k8s_manifest *manifest)
{
        gw_spec_done(&manifest->spec);
        gw_k8s_tasks_done(&manifest->tasks);
        json_decref(manifest->job);
        json_decref(manifest->config_map);
        json_decref(manifest->service);
        *manifest = (struct gw_k8s_manifest){0};
}

void gw_k8s_manifest_write(const struct gw_k8s_manifest *manifest, struct gw_buf *out)
{
        const json_t *const objects[] = {manifest->config_map, manifest->service, manifest->job};
        for (size_t i = 0; i < GW_COUNT(objects); i++) {
                gw_autofree char *text = objects[i] ? json_dumps(objects[i], JSON_INDENT(2)) : NULL;
                if (!objects[i])
                        continue;
                gw_buf_str(out, out->len > 0 ? "---\n" : "");
                gw_buf_str(out, text ? text : "");
                gw_buf_char(out, '\n');
                out->failed |= !text;
        }
}

/* ---- advice --------------------------------------------------------------------------------- */

void gw_k8s_advise(const struct gw_spec *spec, struct gw_warnings *warnings)
{
        gw_advise_ignored(NULL, 0, "kubernetes", spec->json, warnings);
        if (spec->tasks_per_node > 1 && !gw_spec_has_launcher(spec->json))
                gw_warnings_add(warnings, "one_process", "/resources/tasks_per_node",
                                "%d processes for a container that starts one: start them with "
                                "torchrun or its like",
                                spec->tasks_per_node);
}
