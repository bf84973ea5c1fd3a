/*
 * The table of places. Any thread: it also serves dry runs.
 *
 * A row makes the value of one place of the Job, or nothing: the place stays empty. A maker that
 * fails returns NULL with the error filled.
 */
#include "backends/kubernetes/places.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backends/environment.h"
#include "backends/kubernetes/name.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"
#include "server/model/pointer.h"
#include "server/model/quantity.h"

#define MOST_PRIORITY 1000
#define INDEX_FIELD "metadata.annotations['batch.kubernetes.io/job-completion-index']"

static const char *text_of(const json_t *object, const char *name)
{
        return json_string_value(json_object_get(object, name));
}

const json_t *gw_k8s_spec_member(const struct gw_k8s_work *w, const char *name)
{
        return json_object_get(w->m->spec.json, name);
}

bool gw_k8s_has_service(const struct gw_k8s_work *w)
{
        return !w->m->tasks.is_array && w->m->tasks.count > 1;
}

static bool is_indexed(const struct gw_k8s_work *w)
{
        return w->m->tasks.is_array || gw_k8s_has_service(w);
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

static json_t *make_completion_mode(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)err;
        return is_indexed(w) ? json_string("Indexed") : NULL;
}

static json_t *make_completions(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)err;
        return json_integer(w->m->tasks.count);
}

static json_t *make_parallelism(const struct gw_k8s_work *w, struct gw_error *err)
{
        uint32_t most = w->s->max_parallel, count = w->m->tasks.count;
        (void)err;
        return json_integer(w->m->tasks.is_array && most > 0 && most < count ? most : count);
}

static json_t *make_backoff(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)err;
        return w->m->tasks.is_array ? NULL : json_integer(0);
}

static json_t *make_backoff_per_index(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)err;
        return w->m->tasks.is_array ? json_integer(0) : NULL;
}

static json_t *make_replacement(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)w, (void)err;
        return json_string("Failed");
}

/* Nothing is left out of the count: what was disturbed has failed, and is told apart from what
 * failed by itself. */
static json_t *make_failure_policy(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)err;
        return json_pack("{s:[{s:s, s:[{s:s, s:s}]}]}", "rules", "action",
                         w->m->tasks.is_array ? "FailIndex" : "FailJob", "onPodConditions", "type",
                         "DisruptionTarget", "status", "True");
}

static json_t *make_ttl(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)err;
        return json_integer(w->site->keep_s);
}

static json_t *make_suspend(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)err;
        return w->s->held ? json_true() : NULL;
}

/* ---- the pod -------------------------------------------------------------------------------- */

static json_t *make_restart(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)w, (void)err;
        return json_string("Never");
}

static json_t *make_false(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)w, (void)err;
        return json_false();
}

static json_t *make_time_limit(const struct gw_k8s_work *w, struct gw_error *err)
{
        int64_t s = w->m->spec.time_limit_s;
        (void)err;
        return s > 0 ? json_integer(s) : NULL;
}

static json_t *make_grace(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)err;
        return json_integer(w->site->grace_s);
}

static json_t *make_service_account(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)err;
        const char *account = w->identity ? w->identity->service_account : NULL;
        return account ? json_string(account) : NULL;
}

static json_t *make_subdomain(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)err;
        return gw_k8s_has_service(w) ? json_string(w->m->name) : NULL;
}

static json_t *make_pod_security(const struct gw_k8s_work *w, struct gw_error *err)
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

static json_t *make_tolerations(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)err;
        return json_array_size(w->site->tolerations) > 0 ? shared(w->site->tolerations) : NULL;
}

static json_t *make_pull_secrets(const struct gw_k8s_work *w, struct gw_error *err)
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
static json_t *make_priority(const struct gw_k8s_work *w, struct gw_error *err)
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

static json_t *make_volumes(const struct gw_k8s_work *w, struct gw_error *err)
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

static int select_gpus(const struct gw_k8s_work *w, json_t *to, struct gw_error *err)
{
        const char *type = text_of(gw_k8s_spec_member(w, "resources"), "gpu_type");
        const json_t *labels = type ? json_object_get(w->site->gpu_types, type) : NULL;
        if (labels)
                return select_all(to, "/resources/gpu_type", labels, err);
        if (type && !gw_k8s_is_label_value(type)) {
                refuse(err, "/resources/gpu_type", NULL, "is no type of GPU on this cluster");
                return -1;
        }
        return type ? json_object_set_new(to, w->site->gpu_label, json_string(type)) : 0;
}

static json_t *make_node_selector(const struct gw_k8s_work *w, struct gw_error *err)
{
        json_t *to = json_object();
        if (!to || select_gpus(w, to, err) ||
            select_all(to, "/node_selector", gw_k8s_spec_member(w, "node_selector"), err)) {
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

static json_t *make_name(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)w, (void)err;
        return json_string("main");
}

static json_t *make_image(const struct gw_k8s_work *w, struct gw_error *err)
{
        const char *image = json_string_value(gw_k8s_spec_member(w, "image"));
        image = image ? image : w->site->image;
        if (!image)
                return refuse(err, "/image", NULL,
                              "is missing: on Kubernetes a job runs in a container");
        if (image[0] == '/' || strstr(image, "://"))
                return refuse(err, "/image", NULL,
                              "must be the name of an image in a registry, as python:3.12");
        return json_string(image);
}

static json_t *make_pull_policy(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)err;
        return w->site->pull_policy ? json_string(w->site->pull_policy) : NULL;
}

static json_t *make_command(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)err;
        return json_incref(w->program.command); /* NULL of a Job that was imported */
}

static json_t *make_directory(const struct gw_k8s_work *w, struct gw_error *err)
{
        const char *folder = json_string_value(gw_k8s_spec_member(w, "working_directory"));
        (void)err;
        return folder ? json_string(folder) : NULL;
}

static json_t *make_mounts(const struct gw_k8s_work *w, struct gw_error *err)
{
        (void)err;
        return json_array_size(w->mounts) > 0 ? json_incref(w->mounts) : NULL;
}

/* Requests, which are limits too. A container's own files, and what it prints, are on the node's
 * disk as well: for the scratch space a limit would be too tight, and the volume has one. */
static json_t *make_resources(const struct gw_k8s_work *w, struct gw_error *err)
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

static int add_variables(const struct gw_k8s_work *w, json_t *env)
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

static int add_secrets(const struct gw_k8s_work *w, json_t *env, struct gw_error *err)
{
        const char *name;
        json_t *from;
        json_object_foreach((json_t *)(uintptr_t)gw_k8s_spec_member(w, "secrets"), name, from)
        {
                if (strncmp(name, "JOBGATE_", strlen("JOBGATE_")) == 0 ||
                    json_object_get(gw_k8s_spec_member(w, "environment"), name)) {
                        refuse(err, "/secrets", name, "is set otherwise: a variable has one value");
                        return -1;
                }
                if (add_secret(env, name, from, err))
                        return -1;
        }
        return 0;
}

/* The job's own variables win, as everywhere. */
static int add_unless_given(const struct gw_k8s_work *w, json_t *env, const char *name,
                            const char *value)
{
        return json_object_get(gw_k8s_spec_member(w, "environment"), name)
                       ? 0
                       : add_variable(env, name, value);
}

static int add_rendezvous(const struct gw_k8s_work *w, json_t *env)
{
        char first[2 * GW_K8S_NAME + 4], port[16], count[16];
        if (!gw_k8s_has_service(w))
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

/* The only task of an imported Job that is tried again: its program asks for its index as before,
 * and the Job controller lets be what is set. */
static int add_only_index(const struct gw_k8s_work *w, json_t *env)
{
        char text[16];
        uint32_t index = 0;
        gw_indexset_index(&w->m->tasks.indices, w->m->tasks.ordinals.items[0].first, &index);
        snprintf(text, sizeof text, "%" PRIu32, index);
        return add_variable(env, "JOBGATE_TASK_INDEX", text) ||
                               add_variable(env, "JOB_COMPLETION_INDEX", text)
                       ? -1
                       : 0;
}

/* What the shell does not find out (program.c). */
static int add_task_index(const struct gw_k8s_work *w, json_t *env)
{
        if (!w->m->tasks.is_array)
                return add_variable(env, "JOBGATE_TASK_INDEX", "0");
        if (gw_k8s_tasks_are_plain(&w->m->tasks))
                return add_index(env, "JOBGATE_TASK_INDEX");
        return w->given ? add_only_index(w, env) : 0;
}

static json_t *make_environment(const struct gw_k8s_work *w, struct gw_error *err)
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

/* What becomes of a place in a Job that was imported. */
enum given {
        OVER,   /* it is ours */
        BESIDE, /* it is the Job's own, and what it leaves open is ours */
        KEEP,   /* it is the Job's own */
};

static const struct place {
        enum home home;
        const char *name;
        json_t *(*make)(const struct gw_k8s_work *w, struct gw_error *err);
        enum given given;
} places[] = {
        {JOB, "completionMode", make_completion_mode, OVER},
        {JOB, "completions", make_completions, OVER},
        {JOB, "parallelism", make_parallelism, OVER},
        {JOB, "backoffLimit", make_backoff, OVER},
        {JOB, "backoffLimitPerIndex", make_backoff_per_index, OVER},
        {JOB, "podReplacementPolicy", make_replacement, OVER},
        {JOB, "podFailurePolicy", make_failure_policy, OVER},
        {JOB, "ttlSecondsAfterFinished", make_ttl, OVER},
        {JOB, "suspend", make_suspend, OVER},
        {POD, "restartPolicy", make_restart, OVER},
        {POD, "activeDeadlineSeconds", make_time_limit, OVER},
        {POD, "terminationGracePeriodSeconds", make_grace, BESIDE},
        {POD, "serviceAccountName", make_service_account, BESIDE},
        {POD, "automountServiceAccountToken", make_false, BESIDE},
        {POD, "enableServiceLinks", make_false, BESIDE},
        {POD, "subdomain", make_subdomain, KEEP},
        {POD, "securityContext", make_pod_security, BESIDE},
        {POD, "nodeSelector", make_node_selector, BESIDE},
        {POD, "tolerations", make_tolerations, BESIDE},
        {POD, "priorityClassName", make_priority, BESIDE},
        {POD, "imagePullSecrets", make_pull_secrets, BESIDE},
        {POD, "volumes", make_volumes, KEEP},
        {CONTAINER, "name", make_name, KEEP},
        {CONTAINER, "image", make_image, KEEP},
        {CONTAINER, "imagePullPolicy", make_pull_policy, BESIDE},
        {CONTAINER, "command", make_command, KEEP},
        {CONTAINER, "workingDir", make_directory, KEEP},
        {CONTAINER, "env", make_environment, BESIDE},
        {CONTAINER, "resources", make_resources, KEEP},
        {CONTAINER, "volumeMounts", make_mounts, KEEP},
};

static const char *name_of(const json_t *item)
{
        const char *name = text_of(item, "name");
        return name ? name : "";
}

/* Adds to a list what has a name that nothing in it has. */
static int add_missing(json_t *list, const json_t *more)
{
        size_t i, j;
        const json_t *item, *own;
        json_array_foreach(more, i, item)
        {
                bool is_there = false;
                json_array_foreach(list, j, own) is_there =
                        is_there || strcmp(name_of(own), name_of(item)) == 0;
                if (!is_there && json_array_append(list, (json_t *)(uintptr_t)item))
                        return -1;
        }
        return 0;
}

/* Takes value, a reference. */
static int put_beside(json_t *home, const char *name, json_t *value)
{
        json_t *own = json_object_get(home, name);
        int rc = 0;
        if (!own)
                return json_object_set_new(home, name, value);
        if (json_is_object(own))
                rc = json_object_update_missing(own, value);
        else if (json_is_array(own))
                rc = add_missing(own, value);
        json_decref(value);
        return rc;
}

/* Likewise. */
static int put(const struct gw_k8s_work *w, const struct place *place, json_t *home, json_t *value)
{
        if (!w->given || place->given == OVER)
                return json_object_set_new(home, place->name, value);
        if (place->given == BESIDE)
                return put_beside(home, place->name, value);
        json_decref(value);
        return 0;
}

int gw_k8s_fill_places(const struct gw_k8s_work *w, json_t *job, json_t *pod, json_t *container,
                       struct gw_error *err)
{
        json_t *const homes[] = {[JOB] = job, [POD] = pod, [CONTAINER] = container};
        struct gw_error why = {0};
        for (size_t i = 0; i < GW_COUNT(places); i++) {
                json_t *value = places[i].make(w, &why);
                if (why.code != GW_OK) {
                        json_decref(value);
                        return gw_fail_at(err, why.code, why.pointer, "%s", why.message);
                }
                if (value && put(w, &places[i], homes[places[i].home], value))
                        return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        }
        return 0;
}
