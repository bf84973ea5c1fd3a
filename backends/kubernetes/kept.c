/* Objects cut down to what is read of them. Any thread; keeps nothing. */
#include "backends/kubernetes/kept.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/kubernetes/name.h"
#include "backends/kubernetes/record.h"
#include "server/base/cleanup.h"

/* Members to keep, below one that is an object itself; a table ends with NULL. */
struct part {
        const char *home;
        const char *const *names;
};

static const char *const metadata_names[] = {
        "name", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", NULL,
};

static const char *const job_spec_names[] = {
        "completionMode", "parallelism", "suspend", "managedBy", NULL,
};
static const char *const job_status_names[] = {
        "conditions",       "active",        "startTime", "completionTime",
        "completedIndexes", "failedIndexes", NULL,
};
static const struct part job_parts[] = {
        {"metadata", metadata_names},
        {"spec", job_spec_names},
        {"status", job_status_names},
};

static const char *const pod_spec_names[] = {"nodeName", NULL};
static const char *const pod_status_names[] = {
        "phase", "reason", "message", "conditions", "containerStatuses", "initContainerStatuses",
        NULL,
};
static const struct part pod_parts[] = {
        {"metadata", metadata_names},
        {"spec", pod_spec_names},
        {"status", pod_status_names},
};

static const char *const annotations[] = {
        "batch.kubernetes.io/job-completion-index",
        GW_K8S_ANNOTATION_BESIDE,
        GW_K8S_ANNOTATION_GIVEN_UP,
};

static json_t *keep_members(const json_t *from, const char *const *names)
{
        json_t *to = json_object();
        for (; to && *names; names++) {
                json_t *value = json_object_get(from, *names);
                if (value && json_object_set(to, *names, value)) {
                        json_decref(to);
                        return NULL;
                }
        }
        return to;
}

static json_t *keep_parts(const json_t *from, const struct part *parts, size_t count)
{
        json_t *to = json_object();
        for (size_t i = 0; to && i < count; i++) {
                const json_t *home = json_object_get(from, parts[i].home);
                if (home &&
                    json_object_set_new(to, parts[i].home, keep_members(home, parts[i].names))) {
                        json_decref(to);
                        return NULL;
                }
        }
        return to;
}

static int keep_annotations(json_t *to, const json_t *from)
{
        const json_t *given = json_object_get(json_object_get(from, "metadata"), "annotations");
        json_t *metadata = json_object_get(to, "metadata"), *kept = NULL;
        for (size_t i = 0; i < GW_COUNT(annotations); i++) {
                json_t *value = json_object_get(given, annotations[i]);
                if (!value)
                        continue;
                kept = kept ? kept : json_object();
                if (json_object_set(kept, annotations[i], value)) {
                        json_decref(kept);
                        return -1;
                }
        }
        return kept ? json_object_set_new(metadata, "annotations", kept) : 0;
}

/* Returns the object, or NULL and ends it. */
static json_t *checked(json_t *object, int rc)
{
        if (object && rc == 0)
                return object;
        json_decref(object);
        return NULL;
}

json_t *gw_k8s_kept_job(const json_t *job)
{
        json_t *kept = keep_parts(job, job_parts, GW_COUNT(job_parts));
        return checked(kept, kept ? keep_annotations(kept, job) : -1);
}

/* Of containers their names, and of those before them whether they are sidecars. */
static int keep_containers(json_t *to, const json_t *from)
{
        static const char *const names[] = {"name", "restartPolicy", NULL};
        static const char *const lists[] = {"containers", "initContainers"};
        const json_t *given = json_object_get(from, "spec");
        json_t *spec = json_object_get(to, "spec");
        for (size_t l = 0; l < GW_COUNT(lists); l++) {
                const json_t *list = json_object_get(given, lists[l]), *container;
                json_t *kept = list ? json_array() : NULL;
                size_t i;
                json_array_foreach(list, i, container)
                {
                        if (json_array_append_new(kept, keep_members(container, names))) {
                                json_decref(kept);
                                return -1;
                        }
                }
                if (list && json_object_set_new(spec, lists[l], kept))
                        return -1;
        }
        return 0;
}

static int keep_deletion(json_t *to, const json_t *before)
{
        static const char *const names[] = {"deletionTimestamp", "deletionGracePeriodSeconds"};
        const json_t *was = json_object_get(before, "metadata");
        json_t *metadata = json_object_get(to, "metadata");
        if (!json_object_get(was, names[0]))
                return 0;
        for (size_t i = 0; i < GW_COUNT(names); i++) {
                json_t *value = json_object_get(was, names[i]);
                if (value && json_object_set(metadata, names[i], value))
                        return -1;
        }
        return 0;
}

json_t *gw_k8s_kept_pod(const json_t *pod, const json_t *before)
{
        json_t *kept = keep_parts(pod, pod_parts, GW_COUNT(pod_parts));
        if (!kept)
                return NULL;
        return checked(kept, keep_annotations(kept, pod) || keep_containers(kept, pod) ||
                                             keep_deletion(kept, before)
                                     ? -1
                                     : 0);
}

int64_t gw_k8s_event_time(const json_t *event)
{
        static const char *const places[] = {"series.lastObservedTime", "lastTimestamp",
                                             "eventTime", "metadata.creationTimestamp"};
        for (size_t i = 0; i < GW_COUNT(places); i++) {
                int64_t us = gw_k8s_time(event, places[i]);
                if (us)
                        return us;
        }
        return 0;
}

static int by_time(const void *a, const void *b)
{
        int64_t x = gw_k8s_event_time(*(const json_t *const *)a);
        int64_t y = gw_k8s_event_time(*(const json_t *const *)b);
        return (x > y) - (x < y);
}

json_t *gw_k8s_kept_events(const json_t *events)
{
        static const char *const names[] = {"reason", "message", "involvedObject", NULL};
        size_t count = json_array_size(events), i;
        gw_autofree const json_t **sorted = calloc(count + 1, sizeof *sorted);
        json_t *kept = sorted ? json_array() : NULL;
        json_t *event;
        json_array_foreach(events, i, event)
        {
                if (sorted)
                        sorted[i] = event;
        }
        if (kept && count > 1)
                qsort(sorted, count, sizeof *sorted, by_time);
        for (i = 0; kept && i < count; i++) {
                if (json_array_append_new(kept, keep_members(sorted[i], names))) {
                        json_decref(kept);
                        return NULL;
                }
        }
        return kept;
}

json_t *gw_k8s_gone_job(const json_t *kept, const char *name, const char *reason,
                        const char *message)
{
        json_t *job =
                kept ? json_deep_copy(kept) : json_pack("{s:{s:s}}", "metadata", "name", name);
        json_t *status = json_object_get(job, "status");
        if (job && !status) {
                status = json_object();
                json_object_set_new(job, "status", status);
        }
        json_t *conditions = json_pack("[{s:s, s:s, s:s, s:s}]", "type", "Failed", "status", "True",
                                       "reason", reason, "message", message);
        return checked(job, json_object_set_new(status, "conditions", conditions));
}
