/* Reading Jobs and Pods. Any thread; keeps nothing. */
#include "backends/kubernetes/record.h"

#include <string.h>

#include "server/base/clock.h"
#include "server/base/str.h"

#define MOST_INDEX 1000000000
#define DAY_US (INT64_C(86400) * GW_SECOND)

/* ---- members -------------------------------------------------------------------------------- */

const json_t *gw_k8s_member(const json_t *object, const char *path)
{
        while (object && *path) {
                size_t len = strcspn(path, ".");
                object = json_object_getn(object, path, len);
                path += len + (path[len] == '.');
        }
        return object;
}

const char *gw_k8s_text(const json_t *object, const char *path)
{
        const char *text = json_string_value(gw_k8s_member(object, path));
        return text ? text : "";
}

int64_t gw_k8s_time(const json_t *object, const char *path)
{
        int64_t us = 0;
        if (gw_time_parse(gw_k8s_text(object, path), &us) || us < DAY_US)
                return 0;
        return us;
}

const json_t *gw_k8s_condition(const json_t *object, const char *type)
{
        size_t i;
        const json_t *condition;
        json_array_foreach(gw_k8s_member(object, "status.conditions"), i, condition)
        {
                if (strcmp(gw_k8s_text(condition, "type"), type) == 0)
                        return condition;
        }
        return NULL;
}

bool gw_k8s_is_true(const json_t *condition)
{
        return strcmp(gw_k8s_text(condition, "status"), "True") == 0;
}

/* ---- a Job ---------------------------------------------------------------------------------- */

static const struct end {
        const char *condition;
        enum gw_k8s_stage stage;
        bool success;
} ends[] = {
        /* The last word first. */
        {"Complete", GW_K8S_ENDED, true},
        {"Failed", GW_K8S_ENDED, false},
        {"FailureTarget", GW_K8S_ENDING, false},
        {"SuccessCriteriaMet", GW_K8S_ENDING, true},
};

static void read_end(struct gw_k8s_job *job)
{
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
                const json_t *condition = gw_k8s_condition(job->json, ends[i].condition);
                if (!gw_k8s_is_true(condition))
                        continue;
                job->stage = ends[i].stage;
                job->success = ends[i].success;
                job->reason = gw_k8s_text(condition, "reason");
                job->message = gw_k8s_text(condition, "message");
                job->ended_us = gw_k8s_time(job->json, "status.completionTime");
                if (!job->ended_us)
                        job->ended_us = gw_k8s_time(condition, "lastTransitionTime");
                return;
        }
}

void gw_k8s_job_read(const json_t *json, struct gw_k8s_job *ret)
{
        *ret = (struct gw_k8s_job){
                .json = json,
                .stage = GW_K8S_GOING,
                .reason = "",
                .message = "",
                .created_us = gw_k8s_time(json, "metadata.creationTimestamp"),
                .is_indexed = strcmp(gw_k8s_text(json, "spec.completionMode"), "Indexed") == 0,
                .suspended = gw_k8s_is_true(gw_k8s_condition(json, "Suspended")),
                .deleted = gw_k8s_text(json, "metadata.deletionTimestamp")[0],
        };
        read_end(ret);
}

/* ---- a Pod ---------------------------------------------------------------------------------- */

static const json_t *by_name(const json_t *list, const char *name)
{
        size_t i;
        const json_t *item;
        json_array_foreach(list, i, item)
        {
                if (strcmp(gw_k8s_text(item, "name"), name) == 0)
                        return item;
        }
        return NULL;
}

static const char *main_name(const json_t *pod)
{
        return gw_k8s_text(json_array_get(gw_k8s_member(pod, "spec.containers"), 0), "name");
}

static bool has_failed(const json_t *container)
{
        const json_t *terminated = gw_k8s_member(container, "state.terminated");
        return terminated && json_integer_value(json_object_get(terminated, "exitCode")) != 0;
}

/* A sidecar is an init container that is started again; how it ends means nothing. */
static const json_t *failed_early(const json_t *pod)
{
        size_t i;
        const json_t *status;
        json_array_foreach(gw_k8s_member(pod, "status.initContainerStatuses"), i, status)
        {
                const json_t *spec = by_name(gw_k8s_member(pod, "spec.initContainers"),
                                             gw_k8s_text(status, "name"));
                if (has_failed(status) && strcmp(gw_k8s_text(spec, "restartPolicy"), "Always") != 0)
                        return status;
        }
        return NULL;
}

static const json_t *failed_beside(const json_t *pod)
{
        size_t i;
        const json_t *status;
        json_array_foreach(gw_k8s_member(pod, "status.containerStatuses"), i, status)
        {
                if (has_failed(status))
                        return status;
        }
        return NULL;
}

static void read_containers(struct gw_k8s_pod *pod)
{
        const json_t *statuses = gw_k8s_member(pod->json, "status.containerStatuses");
        pod->main = by_name(statuses, main_name(pod->json));
        pod->running = gw_k8s_member(pod->main, "state.running");
        pod->waiting = gw_k8s_member(pod->main, "state.waiting");
        pod->terminated = gw_k8s_member(pod->main, "state.terminated");
        if (!pod->has_ended)
                return;
        const json_t *early = failed_early(pod->json);
        pod->failed_early = early != NULL;
        pod->failed = early ? early : has_failed(pod->main) ? pod->main : failed_beside(pod->json);
}

/* deletionTimestamp is when the grace is over. */
static int64_t deletion_of(const json_t *json)
{
        int64_t by = gw_k8s_time(json, "metadata.deletionTimestamp");
        return by - GW_SECOND * json_integer_value(
                                        gw_k8s_member(json, "metadata.deletionGracePeriodSeconds"));
}

void gw_k8s_pod_read(const json_t *json, struct gw_k8s_pod *ret)
{
        const json_t *target = gw_k8s_condition(json, "DisruptionTarget");
        const char *phase = gw_k8s_text(json, "status.phase");
        *ret = (struct gw_k8s_pod){
                .json = json,
                .name = gw_k8s_text(json, "metadata.name"),
                .node = gw_k8s_text(json, "spec.nodeName"),
                .phase = phase,
                .reason = gw_k8s_text(json, "status.reason"),
                .message = gw_k8s_text(json, "status.message"),
                .disruption = gw_k8s_is_true(target) ? gw_k8s_text(target, "reason") : NULL,
                .has_ended = strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0,
                .deleted = gw_k8s_text(json, "metadata.deletionTimestamp")[0],
                .created_us = gw_k8s_time(json, "metadata.creationTimestamp"),
        };
        if (ret->deleted)
                ret->deleted_us = deletion_of(json);
        read_containers(ret);
}

int64_t gw_k8s_pod_index(const json_t *json)
{
        const json_t *annotations = gw_k8s_member(json, "metadata.annotations");
        const char *text = json_string_value(
                json_object_get(annotations, "batch.kubernetes.io/job-completion-index"));
        int64_t index;
        return text && gw_str_int64(text, 0, MOST_INDEX, &index) == 0 ? index : -1;
}

int64_t gw_k8s_pod_finished(const struct gw_k8s_pod *pod)
{
        static const char *const lists[] = {"status.initContainerStatuses",
                                            "status.containerStatuses"};
        int64_t last = 0;
        for (size_t l = 0; l < sizeof lists / sizeof *lists; l++) {
                size_t i;
                const json_t *status;
                json_array_foreach(gw_k8s_member(pod->json, lists[l]), i, status)
                {
                        int64_t us = gw_k8s_time(status, "state.terminated.finishedAt");
                        last = us > last ? us : last;
                }
        }
        return last;
}
