/*
 * What Jobs mean: each record in records/ is a Job with its Pods and Events as a real cluster
 * (Kubernetes 1.37) showed them, and a row of the table. Then what the records have no case of.
 */
#include "backends/kubernetes/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "backends/kubernetes/facts.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define RECORDS GW_TEST_DATA "/backends/kubernetes/records"

static json_t *load(const char *name)
{
        char path[512];
        snprintf(path, sizeof path, RECORDS "/%s.json", name);
        json_t *record = json_load_file(path, 0, NULL);
        if (!record)
                fail_msg("%s cannot be read", path);
        return record;
}

static struct gw_k8s_view view_of(const json_t *record)
{
        return (struct gw_k8s_view){.job = json_object_get(record, "job"),
                                    .pods = json_object_get(record, "pods"),
                                    .events = json_object_get(record, "events")};
}

/* ---- the records ---------------------------------------------------------------------------- */

enum { P = GW_PHASE_PENDING, R = GW_PHASE_RUNNING, G = GW_PHASE_ENDING, E = GW_PHASE_ENDED };

#define NONE GW_REASON_NONE

struct row {
        const char *record;
        int phase;
        enum gw_reason reason;
        int exit_code, signal;
        const char *words; /* a part of them; "": there are none; NULL: not looked at */
        enum gw_reason doom;
        bool hopeless;
};

#define ENDED(record, reason, code, signal, words)                                                 \
        {                                                                                          \
                record, E, GW_REASON_##reason, code, signal, words, NONE, false                    \
        }
#define ENDING(record, reason, words)                                                              \
        {                                                                                          \
                record, G, GW_REASON_##reason, -1, 0, words, NONE, false                           \
        }
#define RUNS(record, reason, words)                                                                \
        {                                                                                          \
                record, R, GW_REASON_##reason, -1, 0, words, NONE, false                           \
        }
#define WAITS(record, reason, words, doom, hopeless)                                               \
        {                                                                                          \
                record, P, GW_REASON_##reason, -1, 0, words, doom, hopeless                        \
        }
#define DONE(record) ENDED(record, COMPLETED, 0, 0, "")

static const struct row rows[] = {
        DONE("ok"),
        DONE("gpu-ok"),
        DONE("volumes"),
        DONE("segv"), /* a shell whose child died of it */
        DONE("sidecar"),
        DONE("resumed-complete"),
        DONE("indexed-success"),
        DONE("job-across-apiserver-kill"),
        DONE("job-across-apiserver-restart"),
        DONE("job-across-partition"),
        DONE("kubelet-back"),
        DONE("preempt-winner"),
        DONE("preempt-victim-after"),
        DONE("pod-deleted-exited"),
        DONE("pod-deleted-succeeded"),
        DONE("pod-deleted-after-complete"),
        ENDED("oomchild0", COMPLETED, 0, 0, "OOMKilled"),

        ENDED("exit3", EXIT_CODE, 3, 0, "bad"),
        ENDED("term143", EXIT_CODE, 1, 0, ""),
        ENDED("retries", EXIT_CODE, 3, 0, ""),
        ENDED("failpolicy-failjob", EXIT_CODE, 42, 0, ""),
        ENDED("failpolicy-count-then-failjob", EXIT_CODE, 42, 0, ""),
        ENDED("indexed20", EXIT_CODE, 5, 0, ""),
        ENDED("indexed-failindex", EXIT_CODE, 42, 0, ""),
        ENDED("indexed-maxfailed", EXIT_CODE, 5, 0, ""),
        ENDED("signal-kill", SIGNAL, -1, 9, ""),
        ENDED("child-term-143", SIGNAL, -1, 15, ""),
        ENDED("oom", OUT_OF_MEMORY, -1, 9, "OOMKilled"),
        ENDED("oomchild", OUT_OF_MEMORY, 9, 0, "OOMKilled"),
        ENDED("nocmd", LAUNCH_FAILED, -1, 0, "exec: \"/no/such\": stat /no/such: no such file"),
        ENDED("init-fails", LAUNCH_FAILED, -1, 0, "init container i ended with exit code 4"),
        ENDED("poddeadline", TIME_LIMIT, -1, 0,
              "DeadlineExceeded: Pod was active on the node longer than"),
        ENDED("deadline", DEADLINE, -1, 0, "DeadlineExceeded: Job was active longer"),
        ENDED("deadline-term-ignored", DEADLINE, -1, 0, "Job was active longer"),
        ENDED("imagepull-deadline", DEADLINE, -1, 0, "Job was active longer"),
        ENDED("unsched-deadline", DEADLINE, -1, 0, "Job was active longer"),
        ENDED("evicted-emptydir-limit", EVICTED, -1, 0, "Evicted: Usage of EmptyDir volume \"e\""),
        ENDED("preempt-victim-backoff0", PREEMPTED, -1, 0, "BackoffLimitExceeded"),
        ENDED("pod-deleted-while-running", CANCELLED_EXTERNALLY, -1, 0, "BackoffLimitExceeded"),
        ENDED("pod-force-deleted", CANCELLED_EXTERNALLY, -1, 0, "BackoffLimitExceeded"),
        /* The pod is gone, and with it how it ended. */
        ENDED("pod-deleted-after-success", BACKEND_ERROR, -1, 0, "BackoffLimitExceeded"),
        ENDED("onfailure", BACKEND_ERROR, -1, 0, "BackoffLimitExceeded"),
        ENDED("node-deleted", BACKEND_ERROR, -1, 0, "BackoffLimitExceeded"),
        ENDED("node-deleted-end", BACKEND_ERROR, -1, 0, "BackoffLimitExceeded"),

        ENDING("evicted-api-terminating", EVICTED, "Eviction API"),
        ENDING("preempt-victim-terminating", PREEMPTED, "preempting"),
        ENDING("taint-evicted", EVICTED, "Taint manager"),
        ENDING("taint-evicted-policy", EVICTED, "Taint manager"),

        RUNS("resumed-running", NONE, ""),
        RUNS("signal-segv", NONE, ""), /* pid 1 does not hear it */
        RUNS("signal-term", NONE, ""),
        RUNS("evicted-api-replaced", NONE, ""),
        RUNS("taint-evicted-back", NONE, ""),
        RUNS("kubelet-stopped", NODE_UNAVAILABLE, "the node does not answer"),
        RUNS("suspending", SUSPENDED, ""),

        WAITS("suspended-at-create", SUSPENDED, "Job suspended", NONE, false),
        WAITS("suspended-again", SUSPENDED, "Job suspended", NONE, false),
        WAITS("scheduling-gated", HELD, "", NONE, false),
        WAITS("managed-by-other", NONE, "managed by ", NONE, false),
        WAITS("taint-evicted-policy-back", NONE, "", NONE, false),
        WAITS("unschedulable-gpu", UNSCHEDULABLE, "1 node(s) didn't match", NONE, false),
        WAITS("unschedulable-gpu-labelled", UNSCHEDULABLE, "1 Insufficient nvidia.com/gpu", NONE,
              false),
        WAITS("unschedulable-selector", UNSCHEDULABLE, "didn't match Pod's node", NONE, false),
        WAITS("pending-insufficient-cpu", UNSCHEDULABLE, "Insufficient cpu", NONE, false),
        WAITS("pending-node-unreachable", UNSCHEDULABLE, "untolerated taint", NONE, false),
        WAITS("missing-pvc", UNSCHEDULABLE, "persistentvolumeclaim \"nosuch\" not found", NONE,
              false),
        WAITS("unbound-pvc", UNSCHEDULABLE, "unbound immediate PersistentVolumeClaims", NONE,
              false),
        WAITS("preempt-winner-nominated", RESOURCES, "preempting 1 victims", NONE, false),
        WAITS("errimagepull", IMAGE_PULL, "failed to pull and unpack", GW_REASON_IMAGE_PULL, false),
        WAITS("imagepullbackoff", IMAGE_PULL, "Back-off pulling image", GW_REASON_IMAGE_PULL,
              false),
        WAITS("errimageneverpull", IMAGE_PULL, "not present with pull policy of Never",
              GW_REASON_IMAGE_PULL, false),
        WAITS("invalidimagename", IMAGE_PULL, "Failed to apply default image tag",
              GW_REASON_REJECTED, true),
        WAITS("missing-configmap-env", UNSCHEDULABLE, "configmap \"nosuch\" not found",
              GW_REASON_LAUNCH_FAILED, false),
        WAITS("missing-secret-volume", UNSCHEDULABLE, "secret \"nosuch\" not found",
              GW_REASON_LAUNCH_FAILED, false),
        WAITS("quota-exceeded", QUOTA, "exceeded quota: q", NONE, false),
        WAITS("quota-must-specify", QUOTA, "must specify requests.cpu", GW_REASON_REJECTED, true),
        WAITS("psa-forbidden", UNSCHEDULABLE, "violates PodSecurity", GW_REASON_REJECTED, true),
        WAITS("missing-serviceaccount", UNSCHEDULABLE, "serviceaccount \"ghost\" not found",
              GW_REASON_REJECTED, false),
};

static void check(const char *what, const struct gw_k8s_meaning *m, const struct row *row)
{
        if ((int)m->phase == row->phase && m->reason == row->reason &&
            m->exit_code == row->exit_code && m->signal == row->signal && m->doom == row->doom &&
            m->hopeless == row->hopeless &&
            (!row->words || (row->words[0] ? strstr(m->words, row->words) != NULL
                                           : m->words[0] == '\0' || row->phase != E)))
                return;
        fail_msg("%s: phase %d, %s, exit %d, signal %d, doom %s%s, \"%s\"", what, (int)m->phase,
                 m->reason ? gw_reason_name(m->reason) : "none", m->exit_code, m->signal,
                 m->doom ? gw_reason_name(m->doom) : "none", m->hopeless ? " at once" : "",
                 m->words);
}

static void every_record_means_what_its_row_says(void **state)
{
        (void)state;
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                json_auto_t *record = load(rows[i].record);
                const struct gw_k8s_view view = view_of(record);
                struct gw_k8s_meaning m = gw_k8s_meaning(&view);
                check(rows[i].record, &m, &rows[i]);
                assert_false(m.pod_behind);
                assert_true(m.pending_us > 0);
                assert_int_equal(m.by_somebody, m.reason == GW_REASON_CANCELLED_EXTERNALLY);
        }
}

/* Those alone that wait and say nothing of it themselves. */
static void whose_events_are_asked_for(void **state)
{
        (void)state;
        static const char *const silent[] = {
                "managed-by-other",         "missing-secret-volume", "quota-exceeded",
                "quota-must-specify",       "psa-forbidden",         "missing-serviceaccount",
                "taint-evicted-policy-back"};
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                json_auto_t *record = load(rows[i].record);
                struct gw_k8s_view view = view_of(record);
                bool expected = false;
                for (size_t s = 0; s < GW_COUNT(silent); s++)
                        expected = expected || strcmp(rows[i].record, silent[s]) == 0;
                view.events = NULL;
                if (gw_k8s_meaning(&view).asks_events != expected)
                        fail_msg("%s", rows[i].record);
        }
}

/* A pod that its node does not know of, for that is not there. */
static void a_node_that_is_silent_from_the_beginning(void **state)
{
        (void)state;
        json_auto_t *job = json_pack("{s:{s:s}}", "metadata", "name", "j");
        json_auto_t *pods =
                json_pack("[{s:{s:s}, s:{s:s}, s:{s:s, s:[{s:s, s:s}]}}]", "metadata", "name", "p",
                          "spec", "nodeName", "n", "status", "phase", "Pending", "conditions",
                          "type", "PodScheduled", "status", "True");
        json_auto_t *events =
                json_pack("[{s:s, s:s, s:{s:s, s:s}}]", "reason", "NodeNotReady", "message",
                          "Node is not ready", "involvedObject", "kind", "Pod", "name", "p");
        const struct gw_k8s_view view = {.job = job, .pods = pods, .events = events};
        struct gw_k8s_meaning m = gw_k8s_meaning(&view);
        assert_true(m.asks_events);
        assert_int_equal(m.reason, GW_REASON_NODE_UNAVAILABLE);
        assert_string_equal(m.words, "Node is not ready");
}

static void every_record_has_a_row(void **state)
{
        (void)state;
        size_t files = 0;
        DIR *folder = opendir(RECORDS);
        assert_non_null(folder);
        for (struct dirent *entry; (entry = readdir(folder));)
                files += strstr(entry->d_name, ".json") != NULL;
        closedir(folder);
        assert_int_equal(files, GW_COUNT(rows));
}

static void times_and_nodes(void **state)
{
        (void)state;
        json_auto_t *exit3 = load("exit3"), *nocmd = load("nocmd"), *deadline = load("deadline");
        struct gw_k8s_view view = view_of(exit3);
        struct gw_k8s_meaning m = gw_k8s_meaning(&view);
        int64_t us;
        assert_string_equal(m.node, "node1");
        assert_int_equal(gw_time_parse("2026-11-24T08:24:55Z", &us), 0);
        assert_int_equal(m.pending_us, us);
        assert_int_equal(m.started_us, us + GW_SECOND);
        assert_int_equal(m.ended_us, us + GW_SECOND);
        view = view_of(nocmd);
        m = gw_k8s_meaning(&view);
        assert_int_equal(m.started_us, 0); /* it says 1970 */
        assert_true(m.ended_us > 0);
        view = view_of(deadline);
        m = gw_k8s_meaning(&view);
        assert_true(m.ended_us > 0); /* the Job's */
        assert_string_equal(m.node, "");
}

/* ---- an array ------------------------------------------------------------------------------- */

struct seen {
        char text[1024];
        size_t len;
};

static void note(void *arg, const struct gw_fact *fact, const struct gw_k8s_meaning *m)
{
        struct seen *seen = arg;
        assert_int_equal(fact->mark.number, 9);
        assert_int_equal(fact->phase, m->phase);
        seen->len += (size_t)snprintf(
                seen->text + seen->len, sizeof seen->text - seen->len, "%u-%u:%d/%s/%d ",
                fact->span.first, fact->span.last, (int)fact->phase,
                fact->reason ? gw_reason_name(fact->reason) : "none", fact->exit_code);
}

static void check_facts(const struct gw_k8s_view *view, const char *ordinals, const char *expected)
{
        struct gw_spans spans;
        struct seen seen = {.len = 0};
        struct gw_error err = {0};
        assert_int_equal(gw_spans_parse(ordinals, &spans, NULL), 0);
        if (gw_k8s_facts(view, (struct gw_mark){.number = 9}, &spans, note, &seen, &err))
                fail_msg("%s", err.message);
        gw_spans_done(&spans);
        assert_string_equal(seen.text, expected);
}

static void each_task_has_its_own_end(void **state)
{
        (void)state;
        json_auto_t *failindex = load("indexed-failindex");
        json_auto_t *maxfailed = load("indexed-maxfailed");
        struct gw_k8s_view view = view_of(failindex);
        check_facts(&view, "0-2", "0-0:3/completed/0 1-1:3/exit_code/42 2-2:3/completed/0 ");
        /* The same of ordinals that are not the indices. */
        check_facts(&view, "4-5,9", "4-4:3/completed/0 5-5:3/exit_code/42 9-9:3/completed/0 ");
        view = view_of(maxfailed);
        check_facts(
                &view, "0-3",
                "0-0:3/exit_code/5 1-1:3/exit_code/5 2-2:3/exit_code/5 3-3:3/backend_error/-1 ");
}

/* The Job's success is not that of a task that it did not wait for. */
static void a_success_policy(void **state)
{
        (void)state;
        json_auto_t *record = load("indexed-success");
        struct gw_k8s_view view = view_of(record);
        check_facts(&view, "0-2", "0-0:3/completed/0 1-2:3/backend_error/-1 ");
}

static void tasks_without_pods_are_told_together(void **state)
{
        (void)state;
        json_auto_t *record = load("indexed20");
        json_t *job = json_object_get(record, "job");
        json_t *status = json_object_get(job, "status");
        struct gw_k8s_view view = {.job = job};
        check_facts(&view, "0-9,20-29",
                    "0-2:3/completed/0 3-3:3/backend_error/-1 4-6:3/completed/0 "
                    "7-7:3/backend_error/-1 8-9:3/completed/0 20-29:3/completed/0 ");
        /* While it goes on: what is not counted waits. */
        json_object_del(status, "conditions");
        json_object_set_new(status, "completedIndexes", json_string("0,1,4-6"));
        json_object_set_new(status, "failedIndexes", json_string("7"));
        check_facts(&view, "0-19",
                    "0-1:3/completed/0 2-3:0/none/-1 4-6:3/completed/0 7-7:3/backend_error/-1 "
                    "8-19:0/none/-1 ");
        json_object_del(status, "completedIndexes");
        json_object_del(status, "failedIndexes");
        check_facts(&view, "5-24", "5-24:0/none/-1 ");
        /* As many run as may. */
        json_object_set_new(status, "active", json_integer(5));
        check_facts(&view, "5-24", "5-24:0/limit/-1 ");
        json_object_set_new(status, "active", json_integer(4));
        check_facts(&view, "5-24", "5-24:0/none/-1 ");
}

/* What was in the way once is told until a pod could be made. */
static void pods_that_cannot_be_made(void **state)
{
        (void)state;
        json_auto_t *record = load("quota-exceeded");
        struct gw_k8s_view view = view_of(record);
        json_t *events = json_object_get(record, "events");
        check_facts(&view, "0-4", "0-4:0/quota/-1 ");
        json_array_append_new(events, json_pack("{s:s, s:{s:s, s:s}}", "reason", "SuccessfulCreate",
                                                "involvedObject", "kind", "Job", "name", "big"));
        check_facts(&view, "0-4", "0-4:0/none/-1 ");
}

static void a_pod_that_ended_is_not_counted_yet(void **state)
{
        (void)state;
        json_auto_t *record = load("indexed-failindex");
        json_t *status = json_object_get(json_object_get(record, "job"), "status");
        struct gw_k8s_view view = view_of(record);
        json_object_del(status, "conditions");
        json_object_del(status, "completedIndexes");
        json_object_del(status, "failedIndexes");
        check_facts(&view, "0-2", "0-0:2/completed/0 1-1:2/exit_code/42 2-2:2/completed/0 ");
}

static void lists_that_are_none(void **state)
{
        (void)state;
        static const char *const lists[] = {
                "x", "1-", "-1", "3-2", "1,,2x", "20", "5-20", "1 2", "99999999999999999999"};
        for (size_t i = 0; i < GW_COUNT(lists); i++) {
                json_auto_t *job = json_pack("{s:{s:s}}", "status", "failedIndexes", lists[i]);
                struct gw_k8s_counts counts;
                struct gw_error err = {0};
                if (gw_k8s_counts_read(job, 20, &counts, &err) != -1)
                        fail_msg("%s", lists[i]);
                assert_int_equal(err.code, GW_ERR_INVALID);
        }
}

/* ---- what no record shows ------------------------------------------------------------------- */

#define JOB(status) "{\"metadata\": {\"name\": \"j\"}, \"status\": {" status "}}"
#define FAILED(reason, message)                                                                    \
        JOB("\"conditions\": [{\"type\": \"Failed\", \"status\": \"True\", \"reason\": \"" reason  \
            "\", \"message\": \"" message "\"}]")
#define LIMIT FAILED("BackoffLimitExceeded", "m")
#define POD(meta, status)                                                                          \
        "{\"metadata\": {\"name\": \"p\"" meta                                                     \
        "}, \"spec\": {\"nodeName\": \"n\", \"containers\": "                                      \
        "[{\"name\": \"c\"}]}, \"status\": {" status "}}"
#define EXIT(code, reason)                                                                           \
        "\"containerStatuses\": [{\"name\": \"c\", \"state\": {\"terminated\": {\"exitCode\": " code \
        ", \"reason\": \"" reason "\", \"finishedAt\": \"2026-01-01T00:00:05Z\"}}}]"
#define TARGET(reason)                                                                                  \
        "\"conditions\": [{\"type\": \"DisruptionTarget\", \"status\": \"True\", \"reason\": \"" reason \
        "\", \"message\": \"" reason "!\"}]"
#define DELETED(when)                                                                              \
        ", \"deletionTimestamp\": \"2026-01-01T00:00:" when                                        \
        "Z\", \"deletionGracePeriodSeconds\": 30"

static const struct {
        const char *job, *pod;
        struct row row;
} cases[] = {
        {LIMIT,
         POD("", "\"phase\": \"Failed\", " EXIT("137", "Error") ", " TARGET("DeletionByPodGC")),
         ENDED("the pod collector", NODE_FAILURE, -1, 0, "DeletionByPodGC!")},
        {LIMIT,
         POD("",
             "\"phase\": \"Failed\", " EXIT("137", "Error") ", " TARGET("TerminationByKubelet")),
         ENDED("the node is short", EVICTED, -1, 0, "TerminationByKubelet!")},
        {LIMIT, POD("", "\"phase\": \"Failed\", " EXIT("143", "Error") ", " TARGET("Anything")),
         ENDED("a disruption nobody knows", EVICTED, -1, 0, "Anything!")},
        {LIMIT, POD("", "\"phase\": \"Failed\", \"reason\": \"OutOfcpu\", \"message\": \"w\""),
         ENDED("refused by the kubelet", LAUNCH_FAILED, -1, 0, "OutOfcpu: w")},
        {LIMIT, POD("", "\"phase\": \"Failed\", \"reason\": \"Terminated\", \"message\": \"w\""),
         ENDED("the node is shut down", NODE_FAILURE, -1, 0, "Terminated: w")},
        {LIMIT, POD("", "\"phase\": \"Failed\", " EXIT("137", "ContainerStatusUnknown")),
         ENDED("not found again", NODE_FAILURE, -1, 0, "ContainerStatusUnknown")},
        {LIMIT, POD("", "\"phase\": \"Failed\", " EXIT("0", "Completed")),
         ENDED("failed with 0", BACKEND_ERROR, -1, 0, "the pod failed")},
        {LIMIT, POD("", "\"phase\": \"Failed\""),
         ENDED("failed without a word", BACKEND_ERROR, -1, 0, "the pod failed")},
        {LIMIT, POD("", "\"phase\": \"Failed\", " EXIT("150", "Error")),
         ENDED("no signal ends so", EXIT_CODE, 150, 0, "")},
        {LIMIT, POD("", "\"phase\": \"Failed\", " EXIT("255", "Error")),
         ENDED("255", EXIT_CODE, 255, 0, "")},
        {LIMIT, POD("", "\"phase\": \"Failed\", " EXIT("300", "Error")),
         ENDED("no exit code", BACKEND_ERROR, -1, 0, NULL)},
        /* Deleted while it ran, and after it had failed. */
        {LIMIT, POD(DELETED("30"), "\"phase\": \"Failed\", " EXIT("143", "Error")),
         ENDED("deleted while it ran", CANCELLED_EXTERNALLY, -1, 0, "the pod was deleted")},
        {LIMIT, POD(DELETED("40"), "\"phase\": \"Failed\", " EXIT("3", "Error")),
         ENDED("deleted afterwards", EXIT_CODE, 3, 0, "")},
        {LIMIT, POD(DELETED("30"), "\"phase\": \"Succeeded\", " EXIT("0", "Completed")),
         ENDED("deleted before it was counted", CANCELLED_EXTERNALLY, -1, 0, "BackoffLimit")},
        {LIMIT, POD("", "\"phase\": \"Succeeded\", " EXIT("0", "Completed")),
         ENDED("Failed with a pod that succeeded", BACKEND_ERROR, -1, 0, "BackoffLimit")},
        {FAILED("PodFailurePolicy", "Pod t/p has condition DisruptionTarget matching FailJob rule"),
         NULL, ENDED("the policy's word", EVICTED, -1, 0, "DisruptionTarget")},
        {FAILED("PodFailurePolicy", "Container main failed with exit code 42"), NULL,
         ENDED("the policy's word of an exit", BACKEND_ERROR, -1, 0, "exit code 42")},
        {FAILED("SomethingNew", "m"), NULL,
         ENDED("an unknown end", BACKEND_ERROR, -1, 0, "SomethingNew: m")},
        {"{\"metadata\": {\"name\": \"j\", \"annotations\": {\"jobgate.dev/given-up\": "
         "\"image_pull no such image\"}}, \"status\": {\"conditions\": [{\"type\": \"Failed\", "
         "\"status\": \"True\", \"reason\": \"DeadlineExceeded\", \"message\": \"m\"}]}}",
         NULL, ENDED("given up", IMAGE_PULL, -1, 0, "no such image")},
        {"{\"metadata\": {\"name\": \"j\", \"annotations\": {\"jobgate.dev/given-up\": "
         "\"completed well\"}}, \"status\": {\"conditions\": [{\"type\": \"Failed\", "
         "\"status\": \"True\", \"reason\": \"DeadlineExceeded\", \"message\": \"m\"}]}}",
         NULL, ENDED("given up, and no failure", DEADLINE, -1, 0, "DeadlineExceeded: m")},
        {"{\"metadata\": {\"name\": \"j\", \"annotations\": {\"jobgate.dev/given-up\": "
         "\"image_pull no such image\"}}, \"status\": {\"conditions\": [{\"type\": \"Failed\", "
         "\"status\": \"True\", \"reason\": \"SomethingNew\", \"message\": \"m\"}]}}",
         NULL, ENDED("given up, and ended otherwise", BACKEND_ERROR, -1, 0, "SomethingNew: m")},
        {"{\"metadata\": {\"name\": \"j\"}, \"status\": {\"conditions\": [{\"type\": "
         "\"FailureTarget\", \"status\": \"True\", \"reason\": \"DeadlineExceeded\"}]}}",
         POD(DELETED("30"), "\"phase\": \"Pending\""),
         WAITS("what never ran is taken away", NONE, "the pod is being deleted", NONE, false)},
        {FAILED("DeadlineExceeded", "m"),
         POD(DELETED("30"), "\"phase\": \"Failed\", " EXIT("143", "Error")),
         ENDED("the Job's deadline", DEADLINE, -1, 0, "DeadlineExceeded: m")},
        {JOB(""), POD("", "\"phase\": \"Unknown\""),
         RUNS("no word of the kubelet", NODE_UNAVAILABLE, NULL)},
        {JOB(""),
         POD("", "\"phase\": \"Pending\", \"initContainerStatuses\": [{\"name\": \"i\", \"state\": "
                 "{\"waiting\": {\"reason\": \"ErrImagePull\", \"message\": \"w\"}}}], "
                 "\"containerStatuses\": [{\"name\": \"c\", \"state\": {\"waiting\": {\"reason\": "
                 "\"PodInitializing\"}}}]"),
         WAITS("the image of an init container", IMAGE_PULL, "w", GW_REASON_IMAGE_PULL, false)},
        {JOB(""), POD("", "\"phase\": \"Pending\""), WAITS("new", NONE, NULL, NONE, false)},
        {JOB(""), POD(DELETED("30"), "\"phase\": \"Running\""),
         ENDING("being deleted", CANCELLED_EXTERNALLY, NULL)},
        {"{\"metadata\": {\"deletionTimestamp\": \"2026-01-01T00:00:00Z\"}}", NULL,
         WAITS("the Job is being deleted", NONE, "the Job is being deleted", NONE, false)},
        {JOB(""), POD(DELETED("30"), "\"phase\": \"Pending\""),
         WAITS("deleted before it ran", NONE, "the pod is being deleted", NONE, false)},
        {JOB("\"conditions\": [{\"type\": \"Suspended\", \"status\": \"True\"}]"),
         POD(DELETED("30"), "\"phase\": \"Pending\""),
         WAITS("suspended before it ran", SUSPENDED, NULL, NONE, false)},
        {FAILED("JobDeleted", "the Job was deleted"), NULL,
         ENDED("a Job that was deleted", CANCELLED_EXTERNALLY, -1, 0, "the Job was deleted")},
        {FAILED("JobLost", "the Job is not there any more"), NULL,
         ENDED("a Job that is gone", LOST, -1, 0, "the Job is not there any more")},
        {"{}", NULL, WAITS("nothing at all", NONE, NULL, NONE, false)},
        {"{}", "[]", RUNS("what is no pod may run", NONE, NULL)},
        {JOB("\"conditions\": [{\"type\": \"SuccessCriteriaMet\", \"status\": \"True\"}]"),
         NULL,
         {"succeeds", G, GW_REASON_COMPLETED, 0, 0, NULL, NONE, false}},
        {JOB("\"conditions\": [{\"type\": \"Failed\", \"status\": \"False\"}]"), NULL,
         WAITS("a condition that is false", NONE, NULL, NONE, false)},
};

static void other_cases(void **state)
{
        (void)state;
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                json_auto_t *job = json_loads(cases[i].job, 0, NULL);
                json_auto_t *pods = json_array();
                if (!job)
                        fail_msg("%s", cases[i].job);
                if (cases[i].pod)
                        json_array_append_new(pods, json_loads(cases[i].pod, 0, NULL));
                const struct gw_k8s_view view = {.job = job, .pods = pods};
                struct gw_k8s_meaning m = gw_k8s_meaning(&view);
                check(cases[i].row.record, &m, &cases[i].row);
                assert_false(m.pod_behind);
        }
}

/* The two watches are not in step: the Job may be told to have failed before its pod is. */
static void a_pod_may_lag_behind(void **state)
{
        (void)state;
        json_auto_t *job = json_loads(LIMIT, 0, NULL);
        json_auto_t *pods = json_array();
        json_array_append_new(pods, json_loads(POD("", "\"phase\": \"Running\""), 0, NULL));
        const struct gw_k8s_view view = {.job = job, .pods = pods};
        struct gw_k8s_meaning m = gw_k8s_meaning(&view);
        assert_true(m.pod_behind);
        assert_int_equal(m.phase, GW_PHASE_ENDING);
        /* Of a success there is nothing more to know. */
        json_auto_t *ok = load("ok");
        const struct gw_k8s_view done = {.job = json_object_get(ok, "job"), .pods = pods};
        m = gw_k8s_meaning(&done);
        assert_false(m.pod_behind);
        assert_int_equal(m.phase, GW_PHASE_ENDED);
        assert_int_equal(m.reason, GW_REASON_COMPLETED);
        assert_int_equal(m.exit_code, 0);
}

/* Of several nodes the first failure is the job's, not what the others were ended with. */
static void the_first_failure_of_several_nodes_counts(void **state)
{
        (void)state;
        json_auto_t *job = json_loads(LIMIT, 0, NULL);
        json_auto_t *pods = json_array();
        json_object_set_new(job, "spec", json_pack("{s:s}", "completionMode", "Indexed"));
        json_array_append_new(
                pods, json_loads(POD(DELETED("30"), "\"phase\": \"Failed\", " EXIT("143", "Error")),
                                 0, NULL));
        json_array_append_new(
                pods,
                json_loads("{\"metadata\": {\"name\": \"q\"}, \"spec\": {\"nodeName\": \"m\", "
                           "\"containers\": [{\"name\": \"c\"}]}, \"status\": {\"phase\": "
                           "\"Failed\", " EXIT("9", "Error") "}}",
                           0, NULL));
        const struct gw_k8s_view view = {.job = job, .pods = pods};
        struct gw_k8s_meaning m = gw_k8s_meaning(&view);
        assert_int_equal(m.reason, GW_REASON_EXIT_CODE);
        assert_int_equal(m.exit_code, 9);
        assert_string_equal(m.node, "n,m");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_record_means_what_its_row_says),
                cmocka_unit_test(every_record_has_a_row),
                cmocka_unit_test(whose_events_are_asked_for),
                cmocka_unit_test(a_node_that_is_silent_from_the_beginning),
                cmocka_unit_test(times_and_nodes),
                cmocka_unit_test(each_task_has_its_own_end),
                cmocka_unit_test(a_success_policy),
                cmocka_unit_test(tasks_without_pods_are_told_together),
                cmocka_unit_test(pods_that_cannot_be_made),
                cmocka_unit_test(a_pod_that_ended_is_not_counted_yet),
                cmocka_unit_test(lists_that_are_none),
                cmocka_unit_test(other_cases),
                cmocka_unit_test(a_pod_may_lag_behind),
                cmocka_unit_test(the_first_failure_of_several_nodes_counts),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
