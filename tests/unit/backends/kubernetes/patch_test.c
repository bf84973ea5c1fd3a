/* What a patch may change of a Job, what it may not, and what a site can open. */
#include "backends/kubernetes/patch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"

#define JOB                                                                                               \
        "{\"kind\": \"Job\", \"metadata\": {\"name\": \"n\", \"labels\": {\"jobgate.dev/job\": \"i\"}}, " \
        "\"spec\": {\"backoffLimit\": 0, \"template\": {\"metadata\": {}, \"spec\": {\"containers\": "    \
        "[{\"name\": \"main\", \"securityContext\": {}}], \"nodeSelector\": {\"a\": \"b\", \"c\": "       \
        "\"d\"}}}}}"
#define META(patch) "{\"metadata\": {" patch "}}"
#define POD(patch) "{\"spec\": {\"template\": {\"spec\": {" patch "}}}}"
#define POD_META(patch) "{\"spec\": {\"template\": {\"metadata\": {" patch "}}}}"

static int apply(const char *text, const char *paths, json_t **ret, struct gw_error *err)
{
        json_auto_t *patch = json_loads(text, JSON_DECODE_ANY, NULL);
        json_auto_t *own = paths ? json_loads(paths, 0, NULL) : NULL;
        struct gw_k8s_site site = gw_k8s_site_default();
        site.patch_paths = own;
        *ret = json_loads(JOB, 0, NULL);
        if (!patch || !*ret)
                fail_msg("%s", text);
        return gw_k8s_patch(*ret, patch, &site, err);
}

static void what_anybody_may_change(void **state)
{
        (void)state;
        static const char *const patches[] = {
                "{}",
                META("\"labels\": {\"team\": \"vision\"}"),
                META("\"labels\": {}"),
                META("\"annotations\": {\"example.org/a\": \"b\"}"),
                POD_META("\"labels\": {\"sidecar.istio.io/inject\": \"false\"}"),
                POD_META("\"annotations\": {\"cluster-autoscaler.kubernetes.io/safe-to-evict\": "
                         "\"false\"}"),
                POD("\"tolerations\": [{\"key\": \"gpu\", \"operator\": \"Exists\"}]"),
                POD("\"tolerations\": null"),
                POD("\"nodeSelector\": {\"a\": null, \"kubernetes.io/arch\": \"arm64\"}"),
                POD("\"affinity\": {\"nodeAffinity\": {}}"),
                POD("\"initContainers\": [{\"name\": \"i\", \"image\": \"x\", \"env\": []}]"),
                POD("\"hostNetwork\": false, \"automountServiceAccountToken\": false"),
                POD("\"securityContext\": {\"runAsNonRoot\": true}"),
                POD("\"initContainers\": [{\"name\": \"i\", \"securityContext\": {\"capabilities\": "
                    "{\"drop\": [\"ALL\"]}, \"privileged\": false}}]"),
        };
        for (size_t i = 0; i < GW_COUNT(patches); i++) {
                json_t *job;
                struct gw_error err = {0};
                if (apply(patches[i], NULL, &job, &err))
                        fail_msg("%s: %s %s", patches[i], err.pointer, err.message);
                json_decref(job);
        }
}

/* Never, whatever a site says. */
static void what_nobody_may_change(void **state)
{
        (void)state;
        static const struct {
                const char *patch, *pointer; /* below /options/kubernetes */
        } rows[] = {
                {META("\"name\": \"x\""), "/metadata/name"},
                {META("\"namespace\": \"kube-system\""), "/metadata/namespace"},
                {META("\"labels\": {\"jobgate.dev/job\": \"x\"}"),
                 "/metadata/labels/jobgate.dev~1job"},
                {META("\"labels\": {\"jobgate.dev/job\": null}"),
                 "/metadata/labels/jobgate.dev~1job"},
                {META("\"labels\": null"), "/metadata/labels"},
                {META("\"labels\": []"), "/metadata/labels"},
                {META("\"annotations\": {\"jobgate.dev/mark\": \"x\"}"),
                 "/metadata/annotations/jobgate.dev~1mark"},
                {POD_META("\"labels\": {\"job-name\": \"x\"}"),
                 "/spec/template/metadata/labels/job-name"},
                {META("\"ownerReferences\": [{\"uid\": \"x\"}]"),
                 "/metadata/ownerReferences/0/uid"},
                {"{\"metadata\": null}", "/metadata"},
                {"{\"spec\": null}", "/spec"},
                {"{\"spec\": {\"template\": 7}}", "/spec/template"},
                {"{\"kind\": \"Pod\"}", "/kind"},
                {"{\"spec\": {\"backoffLimit\": 6}}", "/spec/backoffLimit"},
                {"{\"spec\": {\"suspend\": true}}", "/spec/suspend"},
                {"{\"spec\": {\"podFailurePolicy\": {\"rules\": []}}}",
                 "/spec/podFailurePolicy/rules"},
                {POD("\"restartPolicy\": \"OnFailure\""), "/spec/template/spec/restartPolicy"},
        };
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                json_t *job;
                json_auto_t *before = json_loads(JOB, 0, NULL);
                struct gw_error err = {0};
                if (apply(rows[i].patch,
                          "[\"/metadata\", \"/spec\", \"/kind\", \"/metadata/labels/jobgate.dev~1job\"]",
                          &job, &err) != -1)
                        fail_msg("%s passes", rows[i].patch);
                assert_int_equal(err.code, GW_ERR_UNPROCESSABLE);
                assert_memory_equal(err.pointer, "/options/kubernetes", 19);
                assert_string_equal(err.pointer + 19, rows[i].pointer);
                assert_true(json_equal(job, before));
                json_decref(job);
        }
}

/* A site opens these only by naming them; the path of what they are in is not enough. */
static void what_a_site_may_open(void **state)
{
        (void)state;
        static const struct {
                const char *patch, *opened_by, *not_by;
        } rows[] = {
                {POD("\"hostNetwork\": true"), "/spec/template/spec/hostNetwork",
                 "/spec/template/spec"},
                {POD("\"hostPID\": true"), "/spec/template/spec/hostPID", "/spec"},
                {POD("\"hostIPC\": true"), "/spec/template/spec/hostIPC", "/spec"},
                {POD("\"serviceAccountName\": \"admin\""), "/spec/template/spec/serviceAccountName",
                 "/spec/template"},
                {POD("\"serviceAccount\": \"admin\""), "/spec/template/spec/serviceAccount",
                 "/spec"},
                {POD("\"automountServiceAccountToken\": true"),
                 "/spec/template/spec/automountServiceAccountToken", "/spec/template/spec"},
                {POD("\"priorityClassName\": \"x\""), "/spec/template/spec/priorityClassName",
                 "/spec/template/spec"},
                {POD("\"volumes\": [{\"name\": \"v\", \"hostPath\": {\"path\": \"/\"}}]"),
                 "/spec/template/spec/volumes/*/hostPath", "/spec/template/spec/volumes"},
                {POD("\"containers\": [{\"name\": \"main\", \"securityContext\": {\"privileged\": "
                     "true}}]"),
                 "/spec/template/spec/containers/*/securityContext/privileged",
                 "/spec/template/spec/containers"},
                {POD("\"initContainers\": [{\"securityContext\": {\"capabilities\": {\"add\": "
                     "[\"SYS_ADMIN\"]}}}]"),
                 "/spec/template/spec/initContainers/*/securityContext/capabilities/add",
                 "/spec/template/spec/initContainers"},
                {POD("\"initContainers\": [{\"securityContext\": {\"allowPrivilegeEscalation\": "
                     "true}}]"),
                 "/spec/template/spec/initContainers/*/securityContext", "/spec"},
                {POD("\"initContainers\": [{\"ports\": [{\"hostPort\": 1}]}]"),
                 "/spec/template/spec/initContainers/*/ports/*/hostPort", "/spec"},
                {POD("\"securityContext\": {\"runAsUser\": 0}"),
                 "/spec/template/spec/securityContext/runAsUser", "/spec/template/spec"},
                {POD("\"securityContext\": null"), "/spec/template/spec/securityContext",
                 "/spec/template/spec"},
                {POD("\"securityContext\": {\"runAsNonRoot\": false}"),
                 "/spec/template/spec/securityContext", "/spec/template/spec"},
                {"{\"spec\": {\"ttlSecondsAfterFinished\": 1}}", "/spec/ttlSecondsAfterFinished",
                 "/metadata"},
                {POD("\"containers\": []"), "/spec/template/spec/containers/*/securityContext",
                 "/spec/template/spec/containers"},
                {META("\"labels\": {\"kueue.x-k8s.io/queue-name\": \"q\"}"),
                 "/metadata/labels/kueue.x-k8s.io~1queue-name", "/metadata/labels"},
                {POD_META(
                         "\"annotations\": {\"container.apparmor.security.beta.kubernetes.io/main\": "
                         "\"unconfined\"}"),
                 "/spec/template/metadata/annotations/"
                 "container.apparmor.security.beta.kubernetes.io~1main",
                 "/spec"},
        };
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                gw_autofree char *open = NULL, *closed = NULL;
                json_auto_t *opening = json_pack("[s]", rows[i].opened_by);
                json_auto_t *not = json_pack("[s]", rows[i].not_by);
                json_t *job;
                struct gw_error err = {0};
                open = json_dumps(opening, 0);
                closed = json_dumps(not, 0);
                if (apply(rows[i].patch, NULL, &job, &err) != -1)
                        fail_msg("%s passes", rows[i].patch);
                json_decref(job);
                if (apply(rows[i].patch, closed, &job, &err) != -1)
                        fail_msg("%s passes with %s", rows[i].patch, closed);
                json_decref(job);
                err = (struct gw_error){0};
                /* An empty list of containers replaces more than what is opened. */
                bool opens = strcmp(rows[i].patch, POD("\"containers\": []")) != 0 &&
                             !strstr(rows[i].patch, "\"name\": \"v\"") &&
                             !strstr(rows[i].patch, "\"name\": \"main\"");
                if ((apply(rows[i].patch, open, &job, &err) == 0) != opens)
                        fail_msg("%s with %s: %s %s", rows[i].patch, open, err.pointer,
                                 err.message);
                json_decref(job);
        }
}

/* A name that a user chose is no pattern. */
static void a_star_is_a_name(void **state)
{
        (void)state;
        json_t *job;
        struct gw_error err = {0};
        assert_int_equal(apply(POD("\"*\": {\"a\": 1}"), NULL, &job, &err), -1);
        json_decref(job);
        assert_int_equal(apply("{\"*\": {\"labels\": {\"a\": \"b\"}}}", NULL, &job, &err), -1);
        json_decref(job);
}

static void it_is_a_merge_patch(void **state)
{
        (void)state;
        json_t *job;
        assert_int_equal(apply(POD("\"nodeSelector\": {\"a\": null, \"e\": \"f\"}, \"dnsConfig\": "
                                   "{\"options\": null, \"searches\": [\"x\"]}"),
                               NULL, &job, NULL),
                         0);
        json_t *pod =
                json_object_get(json_object_get(json_object_get(job, "spec"), "template"), "spec");
        json_auto_t *nodes = json_pack("{s:s, s:s}", "c", "d", "e", "f");
        json_auto_t *dns = json_pack("{s:[s]}", "searches", "x");
        assert_true(json_equal(json_object_get(pod, "nodeSelector"), nodes));
        assert_true(json_equal(json_object_get(pod, "dnsConfig"), dns));
        json_decref(job);
}

/* However a container came into the list. */
static void containers_have_no_privileges(void **state)
{
        (void)state;
        json_t *job;
        json_auto_t *wanted = json_pack("{s:b, s:{s:[s]}}", "allowPrivilegeEscalation", 0,
                                        "capabilities", "drop", "ALL");
        assert_int_equal(apply(POD("\"initContainers\": [{\"name\": \"i\", \"image\": \"x\"}]"),
                               NULL, &job, NULL),
                         0);
        json_t *pod =
                json_object_get(json_object_get(json_object_get(job, "spec"), "template"), "spec");
        json_t *container = json_array_get(json_object_get(pod, "initContainers"), 0);
        assert_true(json_equal(json_object_get(container, "securityContext"), wanted));
        json_decref(job);
}

static void no_object_and_too_deep(void **state)
{
        (void)state;
        static const char *const patches[] = {"[]", "null", "7", "\"x\""};
        json_t *job;
        struct gw_error err = {0};
        for (size_t i = 0; i < GW_COUNT(patches); i++) {
                err = (struct gw_error){0};
                assert_int_equal(apply(patches[i], NULL, &job, &err), -1);
                assert_string_equal(err.pointer, "/options/kubernetes");
                json_decref(job);
        }
        char name[300];
        memset(name, 'a', sizeof name - 1);
        name[sizeof name - 1] = '\0';
        json_auto_t *patch = json_pack("{s:{s:{s:s}}}", "metadata", "labels", name, "b");
        gw_autofree char *text = json_dumps(patch, 0);
        assert_int_equal(apply(text, NULL, &job, NULL), -1);
        json_decref(job);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_anybody_may_change),
                cmocka_unit_test(what_nobody_may_change),
                cmocka_unit_test(what_a_site_may_open),
                cmocka_unit_test(a_star_is_a_name),
                cmocka_unit_test(it_is_a_merge_patch),
                cmocka_unit_test(containers_have_no_privileges),
                cmocka_unit_test(no_object_and_too_deep),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
