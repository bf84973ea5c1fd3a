/*
 * The tables of what Jobs, Pods and Events mean. Any thread; keeps nothing.
 *
 * In every table the first row that fits decides. A row's message fits what contains it, a reason
 * of an end what begins with it; so "" fits everything.
 */
#include "backends/kubernetes/state.h"

#include <stdio.h>
#include <string.h>

#include "backends/kubernetes/kept.h"
#include "backends/kubernetes/name.h"
#include "backends/kubernetes/record.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

/* ---- how a pod ends ------------------------------------------------------------------------- */

struct end {
        const char *reason; /* of the record; "" fits any */
        enum gw_reason means;
};

/* Of the condition DisruptionTarget: not the pod's own fault. */
static const struct end disruptions[] = {
        {"PreemptionByScheduler", GW_REASON_PREEMPTED},
        {"EvictionByEvictionAPI", GW_REASON_EVICTED},
        {"DeletionByTaintManager", GW_REASON_EVICTED},
        {"DeletionByPodGC", GW_REASON_NODE_FAILURE}, /* its node was deleted */
        {"TerminationByKubelet", GW_REASON_EVICTED}, /* the node is short of something */
        {"", GW_REASON_EVICTED},
};

/* Of the pod's own status: by its kubelet. */
static const struct end pod_ends[] = {
        {"DeadlineExceeded", GW_REASON_TIME_LIMIT}, /* activeDeadlineSeconds of the pod */
        {"Evicted", GW_REASON_EVICTED},
        {"Preempting", GW_REASON_PREEMPTED}, /* for a pod that the node itself needs */
        {"NodeShutdown", GW_REASON_NODE_FAILURE},
        {"Shutdown", GW_REASON_NODE_FAILURE},
        {"Terminated", GW_REASON_NODE_FAILURE}, /* "in response to imminent node shutdown" */
        {"NodeLost", GW_REASON_NODE_FAILURE},
        /* The kubelet would not have what the scheduler sent it. */
        {"UnexpectedAdmissionError", GW_REASON_LAUNCH_FAILED},
        {"OutOf", GW_REASON_LAUNCH_FAILED},
        {"NodeAffinity", GW_REASON_LAUNCH_FAILED},
        {"TopologyAffinityError", GW_REASON_LAUNCH_FAILED},
};

/* Of the container that failed. GW_REASON_COUNT: what its exit code says. */
static const struct end container_ends[] = {
        {"OOMKilled", GW_REASON_OUT_OF_MEMORY}, /* also where a child was, and it failed of that */
        {"StartError", GW_REASON_LAUNCH_FAILED},
        {"ContainerCannotRun", GW_REASON_LAUNCH_FAILED},
        {"ContainerStatusUnknown", GW_REASON_NODE_FAILURE}, /* it was not there any more */
        {"", GW_REASON_COUNT},
};

/* Of the Job, where no container tells. over: it made the pods end, whatever they say. */
static const struct job_end {
        const char *reason, *message;
        enum gw_reason means;
        bool over;
        bool own; /* the reason is our own, and its message says it all */
} job_ends[] = {
        {"DeadlineExceeded", "", GW_REASON_DEADLINE, true, false},
        {"PodFailurePolicy", "DisruptionTarget", GW_REASON_EVICTED, false, false},
        /* Of a Job that is gone (kept.h). */
        {GW_K8S_WAS_DELETED, "", GW_REASON_CANCELLED_EXTERNALLY, false, true},
        {GW_K8S_WAS_LOST, "", GW_REASON_LOST, false, true},
        {"", "", GW_REASON_BACKEND_ERROR, false, false},
};

/* What Events tell of a pod that is gone. */
static const struct event {
        const char *reason, *message;
        enum gw_reason means;
} last_events[] = {
        {"Preempted", "", GW_REASON_PREEMPTED},
        {"Evicted", "", GW_REASON_EVICTED},
        {"TaintManagerEviction", "Marking for deletion", GW_REASON_EVICTED},
        /* By the Job controller, which says why in the Job only. */
        {"SuccessfulDelete", "", GW_REASON_BACKEND_ERROR},
        {"Killing", "", GW_REASON_CANCELLED_EXTERNALLY},
};

/* ---- why it waits --------------------------------------------------------------------------- */

struct wait {
        const char *reason, *message;
        enum gw_reason means, doom;
        bool hopeless;
};

/* Of a container. GW_REASON_COUNT: Events may tell. */
static const struct wait container_waits[] = {
        {"InvalidImageName", "", GW_REASON_IMAGE_PULL, GW_REASON_REJECTED, true},
        {"ErrImagePull", "", GW_REASON_IMAGE_PULL, GW_REASON_IMAGE_PULL, false},
        {"ImagePullBackOff", "", GW_REASON_IMAGE_PULL, GW_REASON_IMAGE_PULL, false},
        {"ErrImageNeverPull", "", GW_REASON_IMAGE_PULL, GW_REASON_IMAGE_PULL, false},
        {"ImageInspectError", "", GW_REASON_IMAGE_PULL, GW_REASON_IMAGE_PULL, false},
        {"RegistryUnavailable", "", GW_REASON_IMAGE_PULL, GW_REASON_IMAGE_PULL, false},
        {"SignatureValidationFailed", "", GW_REASON_IMAGE_PULL, GW_REASON_IMAGE_PULL, false},
        /* A ConfigMap or Secret that is not there, an image that would run as root. */
        {"CreateContainerConfigError", "", GW_REASON_UNSCHEDULABLE, GW_REASON_LAUNCH_FAILED, false},
        {"CreateContainerError", "", GW_REASON_UNSCHEDULABLE, GW_REASON_LAUNCH_FAILED, false},
        {"RunContainerError", "", GW_REASON_UNSCHEDULABLE, GW_REASON_LAUNCH_FAILED, false},
        {"ContainerCreating", "", GW_REASON_COUNT, GW_REASON_NONE, false},
        {"PodInitializing", "", GW_REASON_COUNT, GW_REASON_NONE, false},
};

/* Of the pod, while its containers are made: what no status tells. */
static const struct wait pod_events[] = {
        {"FailedMount", "", GW_REASON_UNSCHEDULABLE, GW_REASON_LAUNCH_FAILED, false},
        {"FailedAttachVolume", "", GW_REASON_UNSCHEDULABLE, GW_REASON_LAUNCH_FAILED, false},
        {"FailedMapVolume", "", GW_REASON_UNSCHEDULABLE, GW_REASON_LAUNCH_FAILED, false},
        {"FailedCreatePodSandBox", "", GW_REASON_NODE_UNAVAILABLE, GW_REASON_LAUNCH_FAILED, false},
        {"NodeNotReady", "", GW_REASON_NODE_UNAVAILABLE, GW_REASON_NONE, false},
};

/* Of the Job, while it has no pod: why none can be made. */
static const struct wait job_events[] = {
        {"SuccessfulCreate", "", GW_REASON_NONE, GW_REASON_NONE, false}, /* it can, again */
        {"FailedCreate", "exceeded quota", GW_REASON_QUOTA, GW_REASON_NONE, false},
        {"FailedCreate", "failed quota", GW_REASON_QUOTA, GW_REASON_REJECTED, true},
        {"FailedCreate", "violates PodSecurity", GW_REASON_UNSCHEDULABLE, GW_REASON_REJECTED, true},
        {"FailedCreate", "is invalid", GW_REASON_UNSCHEDULABLE, GW_REASON_REJECTED, true},
        {"FailedCreate", "is forbidden", GW_REASON_UNSCHEDULABLE, GW_REASON_REJECTED, false},
        {"FailedCreate", "denied the request", GW_REASON_UNSCHEDULABLE, GW_REASON_REJECTED, false},
        {"FailedCreate", "", GW_REASON_UNSCHEDULABLE, GW_REASON_NONE, false},
};

/* Of the condition PodScheduled that is not true. */
static const struct wait scheduling[] = {
        {"SchedulingGated", "", GW_REASON_HELD, GW_REASON_NONE, false},
        /* Others are moved away for it. */
        {"Unschedulable", "preempting", GW_REASON_RESOURCES, GW_REASON_NONE, false},
        {"Unschedulable", "", GW_REASON_UNSCHEDULABLE, GW_REASON_NONE, false},
        {"SchedulerError", "", GW_REASON_UNSCHEDULABLE, GW_REASON_NONE, false},
};

/* ---- looking up ----------------------------------------------------------------------------- */

static bool contains(const char *text, const char *part)
{
        return strstr(text, part) != NULL;
}

static bool begins(const char *text, const char *part)
{
        return strncmp(text, part, strlen(part)) == 0;
}

static const struct end *find_end(const struct end *rows, size_t count, const char *reason)
{
        for (size_t i = 0; i < count; i++)
                if (begins(reason, rows[i].reason))
                        return &rows[i];
        return NULL;
}

static const struct job_end *find_job_end(const struct gw_k8s_job *job)
{
        for (size_t i = 0; i < GW_COUNT(job_ends) - 1; i++)
                if (strcmp(job->reason, job_ends[i].reason) == 0 &&
                    contains(job->message, job_ends[i].message))
                        return &job_ends[i];
        return &job_ends[GW_COUNT(job_ends) - 1];
}

static const struct wait *find_wait(const struct wait *rows, size_t count, const char *reason,
                                    const char *message)
{
        for (size_t i = 0; i < count; i++)
                if (strcmp(reason, rows[i].reason) == 0 && contains(message, rows[i].message))
                        return &rows[i];
        return NULL;
}

/* ---- saying --------------------------------------------------------------------------------- */

static void say(struct gw_k8s_meaning *m, const char *words)
{
        size_t len;
        if (!words[0] || m->words[0])
                return;
        gw_str_copy(m->words, sizeof m->words, words);
        gw_str_clean(m->words);
        for (len = strlen(m->words); len > 0 && strchr(" \n", m->words[len - 1]); len--)
                m->words[len - 1] = '\0';
}

static void say_both(struct gw_k8s_meaning *m, const char *reason, const char *message)
{
        char words[GW_K8S_WORDS];
        snprintf(words, sizeof words, "%s%s%s", reason, *reason && *message ? ": " : "", message);
        say(m, words);
}

static void wait_for(struct gw_k8s_meaning *m, const struct wait *row)
{
        m->reason = row->means;
        m->doom = row->doom;
        m->hopeless = row->hopeless;
}

/* ---- exits ---------------------------------------------------------------------------------- */

/* Those by which programs usually end; a bit each. */
#define FATAL_SIGNALS UINT32_C(0x8300FFFE) /* 1–15, 24, 25 and 31 */

static void tell_exit(struct gw_k8s_meaning *m, const json_t *terminated)
{
        const json_t *code = json_object_get(terminated, "exitCode");
        int64_t n = json_integer_value(code), signal = n - 128;
        if (!json_is_integer(code) || n < 0 || n > 255)
                return;
        if (signal > 0 && signal < 32 && FATAL_SIGNALS >> signal & 1)
                m->signal = (int)signal;
        else
                m->exit_code = (int)n;
}

static enum gw_reason exit_reason(const struct gw_k8s_meaning *m)
{
        if (m->signal)
                return GW_REASON_SIGNAL;
        return m->exit_code > 0 ? GW_REASON_EXIT_CODE : GW_REASON_BACKEND_ERROR;
}

/* ---- one pod -------------------------------------------------------------------------------- */

static void add_node(struct gw_k8s_meaning *m, const char *node)
{
        size_t len = strlen(m->node), more = strlen(node);
        if (more == 0 || len + more + 2 > sizeof m->node)
                return;
        snprintf(m->node + len, sizeof m->node - len, "%s%s", len ? "," : "", node);
}

static void tell_times(struct gw_k8s_meaning *m, const struct gw_k8s_pod *pod)
{
        m->started_us = gw_k8s_time(pod->running ? pod->running : pod->terminated, "startedAt");
        if (pod->has_ended)
                m->ended_us = gw_k8s_pod_finished(pod);
}

/* Its containers were ended because the pod was to go, and not before. */
static bool ended_by_deletion(const struct gw_k8s_pod *pod)
{
        int64_t finished = gw_k8s_pod_finished(pod);
        return pod->deleted && (finished == 0 || finished >= pod->deleted_us);
}

static void fail_by_container(struct gw_k8s_meaning *m, const struct gw_k8s_pod *pod)
{
        const json_t *terminated = gw_k8s_member(pod->failed, "state.terminated");
        const char *reason = gw_k8s_text(terminated, "reason");
        const struct end *row = find_end(container_ends, GW_COUNT(container_ends), reason);
        char words[GW_K8S_WORDS];
        if (pod->failed_early) {
                m->reason = GW_REASON_LAUNCH_FAILED;
                snprintf(words, sizeof words, "init container %s ended with exit code %d",
                         gw_k8s_text(pod->failed, "name"),
                         (int)json_integer_value(json_object_get(terminated, "exitCode")));
                say(m, words);
                return;
        }
        m->reason = row->means;
        say(m, gw_k8s_text(terminated, "message"));
        if (row->means == GW_REASON_COUNT || row->means == GW_REASON_OUT_OF_MEMORY)
                tell_exit(m, terminated);
        if (row->means == GW_REASON_COUNT)
                m->reason = exit_reason(m);
        if (m->reason != GW_REASON_EXIT_CODE && m->reason != GW_REASON_SIGNAL)
                say(m, reason);
}

static void mean_failed(struct gw_k8s_meaning *m, const struct gw_k8s_pod *pod)
{
        const struct end *row =
                pod->disruption ? find_end(disruptions, GW_COUNT(disruptions), pod->disruption)
                                : find_end(pod_ends, GW_COUNT(pod_ends), pod->reason);
        if (row) {
                m->reason = row->means;
                say(m, gw_k8s_text(gw_k8s_condition(pod->json, "DisruptionTarget"), "message"));
                say_both(m, pod->reason, pod->message);
        } else if (ended_by_deletion(pod)) {
                m->reason = GW_REASON_CANCELLED_EXTERNALLY;
                m->by_somebody = true;
                say(m, "the pod was deleted");
        } else if (pod->failed) {
                fail_by_container(m, pod);
        } else {
                m->reason = GW_REASON_BACKEND_ERROR;
                say_both(m, pod->reason[0] ? pod->reason : "the pod failed", pod->message);
        }
}

static void mean_succeeded(struct gw_k8s_meaning *m, const struct gw_k8s_pod *pod)
{
        m->reason = GW_REASON_COMPLETED;
        m->exit_code = 0;
        /* Of a child: it is told, and no failure. */
        if (strcmp(gw_k8s_text(pod->terminated, "reason"), "OOMKilled") == 0)
                say(m, "OOMKilled");
}

/* Whether the node has fallen silent: its controller takes Ready away, and the pod's own word for
 * it (ContainersReady) stays. */
static bool is_silent(const struct gw_k8s_pod *pod)
{
        const json_t *ready = gw_k8s_condition(pod->json, "Ready");
        return strcmp(pod->phase, "Unknown") == 0 ||
               (ready && !gw_k8s_is_true(ready) &&
                gw_k8s_is_true(gw_k8s_condition(pod->json, "ContainersReady")));
}

/* Somebody wants it away, and it may still run. */
static void mean_going_away(struct gw_k8s_meaning *m, const struct gw_k8s_pod *pod)
{
        m->phase = GW_PHASE_ENDING;
        mean_failed(m, pod);
}

/* The last Event of a table about this object; borrowed. */
static const struct wait *last_wait(const json_t *events, const struct wait *rows, size_t count,
                                    const char *kind, const char *name, const char **ret_message)
{
        for (size_t i = json_array_size(events); i > 0; i--) {
                const json_t *event = json_array_get(events, i - 1);
                const char *message = gw_k8s_text(event, "message");
                if (strcmp(gw_k8s_text(event, "involvedObject.kind"), kind) != 0 ||
                    strcmp(gw_k8s_text(event, "involvedObject.name"), name) != 0)
                        continue;
                const struct wait *row =
                        find_wait(rows, count, gw_k8s_text(event, "reason"), message);
                if (row) {
                        *ret_message = message;
                        return row;
                }
        }
        return NULL;
}

/* Why a pod waits, and in whose words. */
struct why {
        const struct wait *row; /* NULL: none is about it */
        const char *reason, *message;
};

static struct why why_of(const struct wait *rows, size_t count, const json_t *teller)
{
        struct why why = {.reason = gw_k8s_text(teller, "reason"),
                          .message = gw_k8s_text(teller, "message")};
        why.row = find_wait(rows, count, why.reason, why.message);
        return why;
}

/* The first container that waits for something tells more than one that waits for its turn. */
static struct why why_of_containers(const struct gw_k8s_pod *pod)
{
        static const char *const lists[] = {"status.initContainerStatuses",
                                            "status.containerStatuses"};
        for (size_t l = 0; l < GW_COUNT(lists); l++) {
                size_t i;
                const json_t *status;
                json_array_foreach(gw_k8s_member(pod->json, lists[l]), i, status)
                {
                        struct why why = why_of(container_waits, GW_COUNT(container_waits),
                                                gw_k8s_member(status, "state.waiting"));
                        if (why.row && why.row->means != GW_REASON_COUNT)
                                return why;
                }
        }
        return why_of(container_waits, GW_COUNT(container_waits), pod->waiting);
}

/* Its containers only wait for their turn; or its node has not said a word of it. */
static bool is_silent_wait(const struct gw_k8s_pod *pod, const json_t *scheduled,
                           const struct why *why)
{
        if (why->row)
                return why->row->means == GW_REASON_COUNT;
        return gw_k8s_is_true(scheduled) && !pod->waiting;
}

static void mean_pending(struct gw_k8s_meaning *m, const struct gw_k8s_pod *pod,
                         const json_t *events)
{
        const json_t *scheduled = gw_k8s_condition(pod->json, "PodScheduled");
        struct why why = scheduled && !gw_k8s_is_true(scheduled)
                                 ? why_of(scheduling, GW_COUNT(scheduling), scheduled)
                                 : why_of_containers(pod);
        m->phase = GW_PHASE_PENDING;
        m->asks_events = is_silent_wait(pod, scheduled, &why);
        if (m->asks_events)
                why.row = last_wait(events, pod_events, GW_COUNT(pod_events), "Pod", pod->name,
                                    &why.message);
        if (why.row)
                wait_for(m, why.row);
        say(m, why.message);
        say(m, why.reason);
}

/* Nothing of it has run, and nothing of it is to. */
static void mean_taken_back(struct gw_k8s_meaning *m, const struct gw_k8s_job *job)
{
        m->phase = GW_PHASE_PENDING;
        m->reason = job->suspended ? GW_REASON_SUSPENDED : GW_REASON_NONE;
        say(m, "the pod is being deleted");
}

static void mean_pod(struct gw_k8s_meaning *m, const struct gw_k8s_pod *pod,
                     const struct gw_k8s_job *job, const json_t *events)
{
        bool waits = strcmp(pod->phase, "Pending") == 0 && !pod->running && !pod->terminated;
        tell_times(m, pod);
        if (strcmp(pod->phase, "Succeeded") == 0) {
                m->phase = GW_PHASE_ENDING;
                mean_succeeded(m, pod);
        } else if (pod->has_ended) {
                m->phase = GW_PHASE_ENDING;
                mean_failed(m, pod);
        } else if (waits && pod->deleted) {
                mean_taken_back(m, job);
        } else if (pod->deleted && job->suspended) {
                m->phase = GW_PHASE_RUNNING;
                m->reason = GW_REASON_SUSPENDED;
                say(m, "the pod is being ended");
        } else if (pod->deleted || pod->disruption) {
                mean_going_away(m, pod);
        } else if (waits) {
                mean_pending(m, pod, events);
        } else {
                m->phase = GW_PHASE_RUNNING;
                if (is_silent(pod)) {
                        m->reason = GW_REASON_NODE_UNAVAILABLE;
                        say(m, "the node does not answer");
                }
        }
}

/* ---- several pods --------------------------------------------------------------------------- */

/* How much a pod may still do. */
static int liveliness(const struct gw_k8s_pod *pod)
{
        if (pod->has_ended)
                return 0;
        if (strcmp(pod->phase, "Pending") == 0)
                return 1;
        return pod->deleted ? 2 : 3;
}

/* Whether a tells more than b of why a Job failed: one that was not made to end by another's
 * failure; where the pods are one task's the first, where they are tries of one the last. */
static bool is_more_to_blame(const struct gw_k8s_pod *a, const struct gw_k8s_pod *b,
                             const struct gw_k8s_job *job)
{
        bool a_failed = a->failed || a->disruption || a->reason[0];
        bool b_failed = b->failed || b->disruption || b->reason[0];
        if (a_failed != b_failed)
                return a_failed;
        if (ended_by_deletion(a) != ended_by_deletion(b))
                return ended_by_deletion(b);
        int64_t later = gw_k8s_pod_finished(a) - gw_k8s_pod_finished(b);
        return job->is_indexed ? later < 0 : later > 0;
}

static bool tells_more(const struct gw_k8s_pod *a, const struct gw_k8s_pod *b,
                       const struct gw_k8s_job *job)
{
        if (liveliness(a) != liveliness(b))
                return liveliness(a) > liveliness(b);
        if (a->has_ended && b->has_ended)
                return is_more_to_blame(a, b, job);
        return a->created_us > b->created_us;
}

/* The pod that the others are told by. Returns how many there are. */
static size_t choose(const struct gw_k8s_view *view, const struct gw_k8s_job *job,
                     struct gw_k8s_pod *ret)
{
        size_t i, count = json_array_size(view->pods);
        const json_t *json;
        json_array_foreach(view->pods, i, json)
        {
                struct gw_k8s_pod pod;
                gw_k8s_pod_read(json, &pod);
                if (i == 0 || tells_more(&pod, ret, job))
                        *ret = pod;
        }
        return count;
}

static void tell_nodes(struct gw_k8s_meaning *m, const json_t *pods)
{
        size_t i;
        const json_t *pod;
        json_array_foreach(pods, i, pod)
        {
                const char *node = gw_k8s_text(pod, "spec.nodeName");
                if (!contains(m->node, node))
                        add_node(m, node);
        }
}

/* ---- without a pod -------------------------------------------------------------------------- */

/* Whether as many of an array's tasks run as may. */
static bool is_full(const struct gw_k8s_job *job)
{
        int64_t most = json_integer_value(gw_k8s_member(job->json, "spec.parallelism"));
        return most > 0 && json_integer_value(gw_k8s_member(job->json, "status.active")) >= most;
}

static void mean_waiting(struct gw_k8s_meaning *m, const struct gw_k8s_job *job, bool is_task,
                         const json_t *events)
{
        const char *manager = gw_k8s_text(job->json, "spec.managedBy"), *message = "";
        const struct wait *row = last_wait(events, job_events, GW_COUNT(job_events), "Job",
                                           gw_k8s_text(job->json, "metadata.name"), &message);
        char words[GW_K8S_WORDS];
        m->phase = GW_PHASE_PENDING;
        m->asks_events = !job->deleted && !job->suspended && !(is_task && is_full(job));
        if (job->deleted) {
                say(m, "the Job is being deleted");
        } else if (job->suspended) {
                m->reason = GW_REASON_SUSPENDED;
                say(m, gw_k8s_text(gw_k8s_condition(job->json, "Suspended"), "message"));
        } else if (is_task && is_full(job)) {
                m->reason = GW_REASON_LIMIT;
        } else if (row && row->means != GW_REASON_NONE) {
                wait_for(m, row);
                say(m, message);
        } else if (manager[0] && strcmp(manager, "kubernetes.io/job-controller") != 0) {
                snprintf(words, sizeof words, "managed by %s", manager);
                say(m, words);
        }
}

/* The first row that any Event fits. */
static const struct event *find_last_event(const json_t *events)
{
        for (size_t r = 0; r < GW_COUNT(last_events); r++) {
                size_t i;
                const json_t *event;
                json_array_foreach(events, i, event)
                {
                        if (strcmp(gw_k8s_text(event, "reason"), last_events[r].reason) == 0 &&
                            contains(gw_k8s_text(event, "message"), last_events[r].message))
                                return &last_events[r];
                }
        }
        return NULL;
}

static void say_job(struct gw_k8s_meaning *m, const struct gw_k8s_job *job)
{
        say_both(m, find_job_end(job)->own ? "" : job->reason, job->message);
}

/* It ended by a deadline that is ours (doomed.c), and this is why: a reason, a space and words. */
static bool mean_given_up(struct gw_k8s_meaning *m, const struct gw_k8s_job *job)
{
        const json_t *annotations = gw_k8s_member(job->json, "metadata.annotations");
        const char *why =
                json_string_value(json_object_get(annotations, GW_K8S_ANNOTATION_GIVEN_UP));
        char name[32];
        size_t len = why ? strcspn(why, " ") : 0;
        if (len == 0 || len >= sizeof name || strcmp(job->reason, "DeadlineExceeded") != 0)
                return false;
        snprintf(name, sizeof name, "%.*s", (int)len, why);
        if (gw_reason_parse(name, &m->reason) || gw_reason_outcome(m->reason) != GW_FAILED)
                return false;
        say(m, why[len] ? why + len + 1 : "");
        return true;
}

static void mean_job_failed(struct gw_k8s_meaning *m, const struct gw_k8s_job *job,
                            const json_t *events)
{
        const struct job_end *row = find_job_end(job);
        if (mean_given_up(m, job))
                return;
        const struct event *event = row->over ? NULL : find_last_event(events);
        m->reason = event && event->means != GW_REASON_BACKEND_ERROR ? event->means : row->means;
        m->by_somebody = m->reason == GW_REASON_CANCELLED_EXTERNALLY;
        say_job(m, job);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void forget_outcome(struct gw_k8s_meaning *m)
{
        m->reason = GW_REASON_NONE;
        m->exit_code = -1;
        m->signal = 0;
        m->doom = GW_REASON_NONE;
        m->hopeless = m->by_somebody = m->asks_events = false;
        m->words[0] = '\0';
}

/* It has failed, and this is the pod that tells why, if there is one. */
static void mean_failure(struct gw_k8s_meaning *m, const struct gw_k8s_job *job,
                         const struct gw_k8s_pod *pod, const json_t *events)
{
        bool over = job->stage != GW_K8S_GOING && find_job_end(job)->over;
        if (pod && !pod->has_ended && !over) {
                m->pod_behind = true;
        } else if (pod && pod->has_ended && m->reason != GW_REASON_COMPLETED && !over) {
                return; /* as the pod says */
        } else if (pod && m->reason == GW_REASON_COMPLETED && !over) {
                /* It ended well, and was deleted before that was counted. */
                forget_outcome(m);
                m->reason = pod->deleted ? GW_REASON_CANCELLED_EXTERNALLY : GW_REASON_BACKEND_ERROR;
                m->by_somebody = pod->deleted;
                say_job(m, job);
                return;
        }
        forget_outcome(m);
        mean_job_failed(m, job, events);
}

static void mean_success(struct gw_k8s_meaning *m, const struct gw_k8s_pod *pod)
{
        bool same = pod && m->reason == GW_REASON_COMPLETED;
        if (!same)
                forget_outcome(m);
        m->reason = GW_REASON_COMPLETED;
        m->exit_code = 0;
}

struct outcome {
        bool known, success, final;
};

static struct outcome outcome_of(const struct gw_k8s_job *job, bool is_task,
                                 enum gw_k8s_counted counted)
{
        if (counted != GW_K8S_NOT_COUNTED)
                return (struct outcome){true, counted == GW_K8S_COMPLETED, true};
        /* A task that was not counted did not succeed, however the Job did. */
        return (struct outcome){job->stage != GW_K8S_GOING, job->success && !is_task,
                                job->stage == GW_K8S_ENDED};
}

/* A pod that never ran, and was taken away, has waited until its Job has ended. */
static void wait_until_counted(struct gw_k8s_meaning *m, const struct gw_k8s_pod *pod)
{
        if (m->phase != GW_PHASE_ENDING || !pod || !pod->has_ended || m->started_us != 0)
                return;
        forget_outcome(m);
        m->phase = GW_PHASE_PENDING;
}

static struct gw_k8s_meaning mean(const struct gw_k8s_view *view, bool is_task,
                                  enum gw_k8s_counted counted)
{
        struct gw_k8s_meaning m = {.exit_code = -1};
        struct gw_k8s_job job;
        struct gw_k8s_pod chosen;
        gw_k8s_job_read(view->job, &job);
        const struct gw_k8s_pod *pod = choose(view, &job, &chosen) > 0 ? &chosen : NULL;
        struct outcome outcome = outcome_of(&job, is_task, counted);

        m.pending_us = job.created_us;
        m.has_pod = pod != NULL;
        if (pod)
                mean_pod(&m, pod, &job, view->events);
        else
                mean_waiting(&m, &job, is_task, view->events);
        tell_nodes(&m, view->pods);
        /* While others of the Job may still run, one index of it may not. */
        if (!outcome.known || (is_task && !outcome.final && (!pod || !pod->has_ended))) {
                wait_until_counted(&m, pod);
                return m;
        }
        /* Nothing of it has run, and what waits is being taken away. */
        if (!outcome.final && !outcome.success && m.phase == GW_PHASE_PENDING)
                return m;

        m.phase = outcome.final ? GW_PHASE_ENDED : GW_PHASE_ENDING;
        if (outcome.success)
                mean_success(&m, pod);
        else
                mean_failure(&m, &job, pod, view->events);
        if (m.pod_behind)
                m.phase = GW_PHASE_ENDING;
        wait_until_counted(&m, pod);
        if (m.ended_us == 0 && job.stage != GW_K8S_GOING)
                m.ended_us = job.ended_us;
        return m;
}

struct gw_k8s_meaning gw_k8s_meaning(const struct gw_k8s_view *view)
{
        return mean(view, false, GW_K8S_NOT_COUNTED);
}

struct gw_k8s_meaning gw_k8s_meaning_of_task(const struct gw_k8s_view *view,
                                             enum gw_k8s_counted counted)
{
        return mean(view, true, counted);
}
