/*
 * A manifest to a spec, as a table of what is taken over. Any thread; pure but for memory.
 *
 * A row takes its place out of the Job, so that what is left is what nobody here has an opinion of.
 */
#include "backends/kubernetes/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backends/kubernetes/name.h"
#include "backends/kubernetes/tasks.h"
#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/base/yaml.h"
#include "server/model/decode_formats.h"
#include "server/model/quantity.h"
#include "server/model/retry.h"

#define POD "/spec/template/spec"
#define DEFAULT_BACKOFF 6 /* of Kubernetes, where a Job says nothing */
#define QUEUE "kueue.x-k8s.io/queue-name"
#define RESERVED "JOBGATE_"
#define MOST_SECONDS (INT64_C(366) * 86400)

struct work {
        json_t *job, *spec; /* what is left, and what was taken over */
        struct gw_warnings *warnings;
        struct gw_error *err;
};

static int fail_at(const struct work *w, const char *pointer, const char *words)
{
        return gw_fail_at(w->err, GW_ERR_UNPROCESSABLE, pointer, "%s", words);
}

static int no_memory(struct gw_error *err)
{
        return gw_fail(err, GW_ERR_NOMEM, "out of memory");
}

static void warn(const struct work *w, const char *pointer, const char *words)
{
        if (w->warnings)
                gw_warnings_add(w->warnings, "taken_over", pointer, "%s", words);
}

static int set(const struct work *w, const char *name, json_t *value)
{
        return json_object_set_new(w->spec, name, value) ? no_memory(w->err) : 0;
}

/* ---- the documents -------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *name)
{
        const char *text = json_string_value(json_object_get(object, name));
        return text ? text : "";
}

static const char *text_or_empty(const json_t *value)
{
        return json_is_string(value) ? json_string_value(value) : "";
}

static bool is_kind(const json_t *document, const char *version, const char *kind)
{
        return strcmp(text_of(document, "apiVersion"), version) == 0 &&
               strcmp(text_of(document, "kind"), kind) == 0;
}

struct found {
        json_t *job;         /* borrowed */
        json_t *config_maps; /* an array */
};

static int refuse_kind(const json_t *document, struct gw_error *err)
{
        const char *kind = text_of(document, "kind"), *version = text_of(document, "apiVersion");
        if (!kind[0])
                return gw_fail(err, GW_ERR_INVALID, "this is no manifest: a document has no kind");
        return gw_fail(err, GW_ERR_INVALID,
                       "%.60s of %.60s is not run here: one Job of batch/v1 is, with the "
                       "ConfigMaps of v1 that it needs",
                       kind, version[0] ? version : "no apiVersion");
}

static int sort_document(struct found *found, json_t *document, struct gw_error *err)
{
        if (json_is_null(document))
                return 0;
        if (is_kind(document, "v1", "ConfigMap"))
                return json_array_append(found->config_maps, document) ? no_memory(err) : 0;
        if (!is_kind(document, "batch/v1", "Job"))
                return refuse_kind(document, err);
        if (found->job)
                return gw_fail(err, GW_ERR_INVALID,
                               "there are several Jobs: each is a request of its own");
        found->job = document;
        return 0;
}

static int sort_documents(struct found *found, const json_t *documents, bool in_list,
                          struct gw_error *err)
{
        size_t i;
        json_t *document;
        json_array_foreach(documents, i, document)
        {
                bool is_list = !in_list && is_kind(document, "v1", "List");
                if (is_list ? sort_documents(found, json_object_get(document, "items"), true, err)
                            : sort_document(found, document, err))
                        return -1;
        }
        return 0;
}

/* ---- taking out ----------------------------------------------------------------------------- */

/* The object that holds a pointer's last step; NULL: there is none. */
static json_t *home_of(json_t *job, const char *pointer, const char **ret_name)
{
        json_t *home = job;
        for (pointer++;; pointer += strcspn(pointer, "/") + 1) {
                size_t len = strcspn(pointer, "/");
                if (pointer[len] == '\0') {
                        *ret_name = pointer;
                        return json_is_object(home) ? home : NULL;
                }
                home = json_object_getn(home, pointer, len);
        }
}

/* A reference of its own; NULL: there is none, or it is null. */
static json_t *take(const struct work *w, const char *pointer)
{
        const char *name;
        json_t *home = home_of(w->job, pointer, &name);
        json_t *value = json_incref(json_object_get(home, name));
        json_object_del(home, name);
        if (!json_is_null(value))
                return value;
        json_decref(value);
        return NULL;
}

/* A whole number that may be missing: *ret is as it was. */
static int take_integer(const struct work *w, const char *pointer, int64_t lo, int64_t hi,
                        int64_t *ret)
{
        json_auto_t *value = take(w, pointer);
        int64_t n = json_integer_value(value);
        if (!value)
                return 0;
        if (!json_is_integer(value) || n < lo || n > hi)
                return gw_fail_at(w->err, GW_ERR_UNPROCESSABLE, pointer,
                                  "must be a whole number from %" PRId64 " to %" PRId64, lo, hi);
        *ret = n;
        return 0;
}

/* ---- what is taken over --------------------------------------------------------------------- */

static bool is_name(const char *text)
{
        size_t len = strlen(text);
        return len > 0 && len <= GW_MAX_NAME && gw_format_check(GW_FORMAT_NAME, text, len);
}

static int take_name(const struct work *w)
{
        json_auto_t *name = take(w, "/metadata/name");
        json_auto_t *generate = take(w, "/metadata/generateName");
        const char *text = json_string_value(name ? name : generate);
        size_t len = text ? strlen(text) : 0;
        char own[GW_MAX_NAME + 1];
        while (!name && len > 0 && text[len - 1] == '-')
                len--;
        if (!text)
                return 0;
        if (len > GW_MAX_NAME) {
                warn(w, "/metadata/name", "is too long for a name here: the job is called job");
                return 0;
        }
        memcpy(own, text, len);
        own[len] = '\0';
        if (!is_name(own))
                return fail_at(w, "/metadata/name", "is no name");
        warn(w, "/metadata/name",
             "is the job's name; the Job's follows from the job's id: find it by the label "
             "jobgate.dev/job");
        return set(w, "name", json_string(own));
}

static int take_namespace(const struct work *w)
{
        json_auto_t *namespace = take(w, "/metadata/namespace");
        if (namespace)
                warn(w, "/metadata/namespace", "is the project's, whatever it says here");
        return 0;
}

static bool is_label(const char *key, const json_t *value)
{
        return json_is_string(value) && strlen(key) <= GW_MAX_NAME &&
               !gw_k8s_is_reserved_key(key) && gw_k8s_is_key(key) &&
               gw_k8s_is_label_value(json_string_value(value));
}

/* Labels that a job can have; others stay. */
static int take_labels(const struct work *w)
{
        json_t *home = json_object_get(w->job, "metadata"), *value;
        json_t *from = json_object_get(home, "labels");
        json_auto_t *labels = json_object();
        const char *key;
        void *next;
        json_object_foreach_safe(from, next, key, value)
        {
                if (strcmp(key, QUEUE) == 0 && is_name(text_or_empty(value))) {
                        if (json_object_set(w->spec, "queue", value))
                                return no_memory(w->err);
                } else if (!is_label(key, value) || json_object_size(labels) >= GW_MAX_LABELS) {
                        continue;
                } else if (json_object_set(labels, key, value)) {
                        return no_memory(w->err);
                }
                json_object_del(from, key);
        }
        return json_object_size(labels) > 0 ? set(w, "labels", json_incref(labels)) : 0;
}

static int take_deadlines(const struct work *w)
{
        int64_t deadline = 0, limit = 0;
        if (take_integer(w, "/spec/activeDeadlineSeconds", 1, MOST_SECONDS, &deadline) ||
            take_integer(w, POD "/activeDeadlineSeconds", 1, MOST_SECONDS, &limit))
                return -1;
        if (deadline > 0) {
                warn(w, "/spec/activeDeadlineSeconds",
                     "is the job's deadline, from its submission and over all its attempts; give "
                     "the pod one, which is time_limit, to bound each attempt");
                if (set(w, "deadline", json_integer(deadline)))
                        return -1;
        }
        return limit > 0 ? set(w, "time_limit", json_integer(limit)) : 0;
}

static int take_suspend(const struct work *w)
{
        json_auto_t *suspend = take(w, "/spec/suspend");
        return json_is_true(suspend) ? set(w, "hold", json_true()) : 0;
}

/* Kubernetes makes a pod again whatever ended it. */
static json_t *retry_of(int64_t limit)
{
        return json_pack("{s:I, s:i, s:i, s:i, s:[s, s, s, s, s, s, s, s]}", "limit",
                         (json_int_t)limit, "delay", 10, "backoff", 2, "max_delay", 360, "on",
                         "exit_code", "signal", "out_of_memory", "time_limit", "node_failure",
                         "preempted", "evicted", "launch_failed");
}

static int take_retry(const struct work *w)
{
        int64_t limit = DEFAULT_BACKOFF, each = -1;
        json_auto_t *policy = take(w, POD "/restartPolicy");
        const char *restart = json_string_value(policy);
        if (take_integer(w, "/spec/backoffLimit", 0, INT32_MAX, &limit) ||
            take_integer(w, "/spec/backoffLimitPerIndex", 0, INT32_MAX, &each))
                return -1;
        if (!restart || (strcmp(restart, "Never") != 0 && strcmp(restart, "OnFailure") != 0))
                return fail_at(w, POD "/restartPolicy", "must be Never or OnFailure");
        if (each >= 0)
                limit = each;
        if (limit > GW_MAX_RETRIES) {
                warn(w, "/spec/backoffLimit", "is more than the 100 retries that a job may have");
                limit = GW_MAX_RETRIES;
        }
        if (strcmp(restart, "OnFailure") == 0)
                warn(w, POD "/restartPolicy",
                     "is Never here: each attempt has a pod of its own, and keeps its log");
        else if (limit > 0)
                warn(w, "/spec/backoffLimit",
                     "is the job's retry.limit: each attempt is a Job of its own");
        json_t *retry = limit > 0 ? retry_of(limit) : json_pack("{s:i}", "limit", 0);
        return set(w, "retry", retry);
}

/* ---- how many ------------------------------------------------------------------------------- */

static int set_array(const struct work *w, int64_t count, int64_t parallel)
{
        char indices[32];
        snprintf(indices, sizeof indices, "0-%" PRId64, count - 1);
        json_t *array = json_pack("{s:s}", "indices", count > 1 ? indices : "0");
        if (array && parallel < count &&
            json_object_set_new(array, "max_parallel", json_integer(parallel))) {
                json_decref(array);
                return no_memory(w->err);
        }
        return set(w, "array", array);
}

static int take_counts(const struct work *w)
{
        int64_t completions = 0, parallel = 1;
        json_auto_t *mode = take(w, "/spec/completionMode");
        bool indexed = strcmp(text_or_empty(mode), "Indexed") == 0;
        if (take_integer(w, "/spec/completions", 1, GW_K8S_MOST_TASKS, &completions) ||
            take_integer(w, "/spec/parallelism", 1, GW_K8S_MOST_TASKS, &parallel))
                return -1;
        if (completions == 0 && (indexed || parallel > 1))
                return fail_at(w, "/spec/completions",
                               "is missing: a job here has a number of tasks that is known");
        if (!indexed && completions <= 1)
                return 0;
        if (!indexed)
                warn(w, "/spec/completions",
                     "are the tasks of an array: each succeeds once, and has its own index and "
                     "retries");
        return set_array(w, completions, parallel);
}

/* ---- what it asks for ----------------------------------------------------------------------- */

static json_t *first_container(const json_t *job)
{
        json_t *pod =
                json_object_get(json_object_get(json_object_get(job, "spec"), "template"), "spec");
        return json_array_get(json_object_get(pod, "containers"), 0);
}

/* Limits, or where there are none requests. */
static const json_t *amount_of(const json_t *resources, const char *name)
{
        const json_t *limit = json_object_get(json_object_get(resources, "limits"), name);
        return limit ? limit : json_object_get(json_object_get(resources, "requests"), name);
}

/* An amount in the spec's words, if it is one. */
static json_t *amount(const json_t *value, int (*parse)(const char *, int64_t *, struct gw_error *))
{
        int64_t n;
        if (json_is_number(value))
                return json_number_value(value) > 0 ? json_deep_copy(value) : NULL;
        const char *text = json_string_value(value);
        return text && parse(text, &n, NULL) == 0 && n > 0 ? json_string(text) : NULL;
}

/* Of any vendor: nvidia.com/gpu, amd.com/gpu. */
static int64_t gpus_of(const json_t *resources)
{
        const char *name;
        json_t *value;
        int64_t n = 0;
        json_object_foreach(json_object_get(resources, "limits"), name, value)
        {
                const char *slash = strchr(name, '/');
                if (!slash || strcmp(slash, "/gpu") != 0)
                        continue;
                if (json_is_integer(value))
                        n = json_integer_value(value);
                else if (gw_quantity_parse(text_or_empty(value), &n, NULL))
                        n = 0;
                return n >= 0 && n <= 4096 ? n : 0;
        }
        return 0;
}

/* For the gateway's own counts; what the pod has is what its manifest says. NULL without memory. */
static json_t *resources_of(const json_t *container)
{
        const json_t *asked = json_object_get(container, "resources");
        json_t *cpus = amount(amount_of(asked, "cpu"), gw_cpus_parse);
        json_t *memory = amount(amount_of(asked, "memory"), gw_quantity_parse);
        json_t *resources = json_pack("{s:I}", "gpus", (json_int_t)gpus_of(asked));
        if ((!cpus || json_object_set_new(resources, "cpus", cpus) == 0) &&
            (!memory || json_object_set_new(resources, "memory", memory) == 0))
                return resources;
        json_decref(resources);
        return NULL;
}

/* Variables that are the gateway's to set, as of a Job of ours that was read back. */
static void drop_own_variables(json_t *env)
{
        for (size_t i = json_array_size(env); i > 0; i--)
                if (strncmp(text_of(json_array_get(env, i - 1), "name"), RESERVED,
                            strlen(RESERVED)) == 0)
                        json_array_remove(env, i - 1);
}

static int read_container(const struct work *w)
{
        const json_t *container = first_container(w->job);
        const json_t *image = json_object_get(container, "image");
        if (!json_is_object(container))
                return fail_at(w, POD "/containers", "is missing: a Job runs a container");
        if (!json_is_string(image) || !json_string_length(image))
                return fail_at(w, POD "/containers/0/image", "is missing");
        if (json_object_set(w->spec, "image", (json_t *)(uintptr_t)image))
                return no_memory(w->err);
        drop_own_variables(json_object_get(container, "env"));
        return set(w, "resources", resources_of(container));
}

json_t *gw_k8s_import_asked(const json_t *job)
{
        const json_t *container = first_container(job);
        json_t *asked = json_object(), *resources = resources_of(container);
        json_t *image = json_object_get(container, "image");
        if (json_object_set_new(asked, "resources", resources) == 0 &&
            (!image || json_object_set(asked, "image", image) == 0))
                return asked;
        json_decref(asked);
        return NULL;
}

/* ---- what goes ------------------------------------------------------------------------------ */

static const struct gone {
        const char *pointer;
        const char *words; /* NULL: nobody misses it */
} gone[] = {
        {"/apiVersion", NULL},
        {"/kind", NULL},
        {"/status", NULL},
        {"/metadata/creationTimestamp", NULL},
        {"/metadata/finalizers", NULL},
        {"/metadata/generation", NULL},
        {"/metadata/managedFields", NULL},
        {"/metadata/ownerReferences", NULL},
        {"/metadata/resourceVersion", NULL},
        {"/metadata/selfLink", NULL},
        {"/metadata/uid", NULL},
        {"/spec/selector", NULL},
        {"/spec/manualSelector", NULL},
        {"/spec/podReplacementPolicy", NULL},
        {"/spec/template/metadata/creationTimestamp", NULL},
        {"/spec/template/metadata/name", NULL},
        {"/spec/template/metadata/namespace", NULL},
        {"/spec/ttlSecondsAfterFinished",
         "is the gateway's to say: a Job is removed when its outcome and output are recorded"},
        {"/spec/podFailurePolicy",
         "is the gateway's to say: what is followed by another attempt is in retry.on"},
        {"/spec/maxFailedIndexes", "is not kept: each task has its own retries"},
};

/* Of a Job that would mean something else without them. */
static const struct gone refused[] = {
        {"/spec/successPolicy", "is not known here: a job succeeds when all its tasks have"},
        {"/spec/managedBy", "is not known here: Kubernetes' own controller runs Jobs"},
};

static int drop(const struct work *w)
{
        for (size_t i = 0; i < GW_COUNT(refused); i++) {
                json_auto_t *value = take(w, refused[i].pointer);
                if (value)
                        return fail_at(w, refused[i].pointer, refused[i].words);
        }
        for (size_t i = 0; i < GW_COUNT(gone); i++) {
                json_auto_t *value = take(w, gone[i].pointer);
                if (value && gone[i].words)
                        warn(w, gone[i].pointer, gone[i].words);
        }
        return 0;
}

/* What kubectl keeps of a Job for itself: its text. */
#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

/* What a Job that was read back has of the controller and of kubectl. */
static int drop_own_keys(const struct work *w)
{
        static const char *const maps[] = {"/metadata/labels", "/metadata/annotations",
                                           "/spec/template/metadata/labels",
                                           "/spec/template/metadata/annotations"};
        for (size_t i = 0; i < GW_COUNT(maps); i++) {
                const char *name = NULL, *key;
                json_t *home = home_of(w->job, maps[i], &name), *value;
                json_t *map = json_object_get(home, name);
                void *next;
                json_object_foreach_safe(map, next, key, value)
                {
                        if (gw_k8s_is_own_key(key) || strcmp(key, LAST_APPLIED) == 0)
                                json_object_del(map, key);
                }
        }
        return 0;
}

/* ---- all together --------------------------------------------------------------------------- */

static int take_over(const struct work *w)
{
        static int (*const rows[])(const struct work *w) = {
                drop,         drop_own_keys, take_name,  take_namespace, take_labels,
                take_suspend, take_counts,   take_retry, take_deadlines, read_container,
        };
        for (size_t i = 0; i < GW_COUNT(rows); i++)
                if (rows[i](w))
                        return -1;
        return 0;
}

static int import(const struct found *found, json_t *spec, struct gw_warnings *warnings,
                  struct gw_error *err)
{
        if (!found->job)
                return gw_fail(err, GW_ERR_INVALID,
                               "there is no Job: a manifest has one of batch/v1");
        json_t *job = json_deep_copy(found->job);
        const struct work w = {job, spec, warnings, err};
        json_t *manifest = json_pack("{s:o, s:O}", "job", job, "config_maps", found->config_maps);
        if (!spec || !manifest || json_object_set_new(spec, GW_K8S_MANIFEST, manifest))
                return no_memory(err);
        return take_over(&w);
}

json_t *gw_k8s_import(const char *text, size_t len, struct gw_warnings *warnings,
                      struct gw_error *err)
{
        json_auto_t *documents =
                gw_yaml_parse_all("manifest", text, len, GW_K8S_MOST_DOCUMENTS, err);
        if (!documents)
                return NULL;
        json_auto_t *config_maps = json_array();
        struct found found = {.config_maps = config_maps};
        json_auto_t *spec = json_object();
        if (sort_documents(&found, documents, false, err) || import(&found, spec, warnings, err))
                return NULL;
        return GW_TAKE(spec);
}
