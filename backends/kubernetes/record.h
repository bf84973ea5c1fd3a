/*
 * Jobs and Pods as the API server shows them, read as far as their state needs. Total: what is
 * missing or of another type reads as absent. Texts are borrowed from the JSON. Pure; any thread.
 */
#ifndef GW_BACKENDS_KUBERNETES_RECORD_H
#define GW_BACKENDS_KUBERNETES_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Members by a path of names with dots between them ("status.phase"); NULL, "" and 0 (also for the
 * year 1970, by which Kubernetes means none) where there is none. Times are wall µs. */
const json_t *gw_k8s_member(const json_t *object, const char *path);
const char *gw_k8s_text(const json_t *object, const char *path);
int64_t gw_k8s_time(const json_t *object, const char *path);

/* The condition of an object's status with this type; NULL: none. And whether it is "True". */
const json_t *gw_k8s_condition(const json_t *object, const char *type);
bool gw_k8s_is_true(const json_t *condition);

/* What the Job controller says of a Job as a whole. */
enum gw_k8s_stage {
        GW_K8S_GOING,
        GW_K8S_ENDING, /* it knows the end (FailureTarget, SuccessCriteriaMet); pods may run on */
        GW_K8S_ENDED,  /* Failed or Complete: none of its pods can run any more */
};

struct gw_k8s_job {
        const json_t *json;
        enum gw_k8s_stage stage;
        bool success;                 /* of an end */
        const char *reason, *message; /* of an end: the condition's */
        int64_t ended_us;             /* the condition's, or completionTime */
        int64_t created_us;
        bool is_indexed, suspended, deleted;
};

void gw_k8s_job_read(const json_t *json, struct gw_k8s_job *ret);

struct gw_k8s_pod {
        const json_t *json;
        const char *name, *node, *phase, *reason, *message;
        const char *disruption; /* reason of a condition DisruptionTarget that is true; or NULL */
        bool has_ended;         /* phase Succeeded or Failed */
        bool deleted;           /* its deletion was asked for, */
        int64_t deleted_us;     /* then */
        int64_t created_us;
        /* The first of its containers; NULL where it has no status yet, or where it is not so. */
        const json_t *main, *running, *waiting, *terminated;
        /* Of a pod that has ended, the container that made it fail (terminated, not with 0, and no
         * sidecar): the main one before others; and whether it is an init container. Else NULL. */
        const json_t *failed;
        bool failed_early;
};

void gw_k8s_pod_read(const json_t *json, struct gw_k8s_pod *ret);

/* The pod's place in an Indexed Job, or -1. */
int64_t gw_k8s_pod_index(const json_t *json);

/* When the last of its containers ended; 0: not known. */
int64_t gw_k8s_pod_finished(const struct gw_k8s_pod *pod);

#endif
