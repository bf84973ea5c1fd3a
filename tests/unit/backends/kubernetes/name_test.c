/* Names and labels of a submission's objects: always what Kubernetes takes, never another's. */
#include "backends/kubernetes/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "server/base/cleanup.h"

#define ID "01926a3b-7c4d-7e5f-8a6b-9c7d8e9f0a1b"

static struct gw_mark mark_of(uint32_t number)
{
        struct gw_mark mark = {.number = number};
        assert_int_equal(gw_id_parse(ID, &mark.job), 0);
        return mark;
}

static void a_name_follows_from_the_mark(void **state)
{
        (void)state;
        char name[GW_K8S_NAME], pod[128];
        gw_k8s_name(mark_of(1), name);
        assert_string_equal(name, "jg-" ID "-1");
        gw_k8s_name(mark_of(UINT32_MAX), name);
        assert_string_equal(name, "jg-" ID "-4294967295");
        /* The longest host of an Indexed Job of 100,000, and a pod's random letters behind it. */
        snprintf(pod, sizeof pod, "%s-99999-abcde", name);
        assert_true(strlen(pod) <= 63);
}

static void an_object_tells_its_mark(void **state)
{
        (void)state;
        struct gw_mark mark;
        json_auto_t *annotations = gw_k8s_annotations(mark_of(7), "a", NULL);
        json_auto_t *object = json_pack("{s:{s:O}}", "metadata", "annotations", annotations);
        assert_int_equal(gw_k8s_mark_of(object, &mark), 0);
        assert_int_equal(mark.number, 7);
        assert_true(gw_id_equal(mark.job, mark_of(7).job));
        json_object_set_new(annotations, GW_K8S_ANNOTATION_MARK, json_string(ID ".0"));
        assert_int_equal(gw_k8s_mark_of(object, &mark), -1);
        json_object_del(annotations, GW_K8S_ANNOTATION_MARK);
        assert_int_equal(gw_k8s_mark_of(object, &mark), -1);
}

static void keys_and_values(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                bool key, value, object;
        } rows[] = {
                {"team", true, true, true},      {"a_b.c-d", true, true, false},
                {"A", true, true, false},        {"", false, true, false},
                {"a-", false, false, false},     {"a.b/c", true, false, false},
                {"/c", false, false, false},     {"a/", false, false, false},
                {"A.b/c", false, false, false},  {"a..b/c", false, false, false},
                {"a/b/c", false, false, false},  {"a:b", false, false, false},
                {"a@b+c", false, false, false},  {"a..b", true, true, false},
                {"-a.b/c", false, false, false}, {"a.b.c", true, true, true},
        };
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                if (gw_k8s_is_key(rows[i].text) != rows[i].key ||
                    gw_k8s_is_label_value(rows[i].text) != rows[i].value ||
                    gw_k8s_is_object_name(rows[i].text) != rows[i].object)
                        fail_msg("\"%s\"", rows[i].text);
        }
        char most[65];
        memset(most, 'a', 64);
        most[64] = '\0';
        assert_false(gw_k8s_is_key(most));
        assert_false(gw_k8s_is_label_value(most));
        assert_true(gw_k8s_is_object_name(most));
        most[63] = '\0';
        assert_true(gw_k8s_is_key(most));
        assert_true(gw_k8s_is_label_value(most));
}

static void some_keys_are_not_for_users(void **state)
{
        (void)state;
        static const char *const ours[] = {
                "jobgate.dev/job",          "a.jobgate.dev/x",
                "kubernetes.io/arch",       "job-name",
                "controller-uid",           "batch.kubernetes.io/job-name",
                "kueue.x-k8s.io/queue-name"};
        static const char *const theirs[] = {"job",
                                             "team",
                                             "jobgate.dev",
                                             "notjobgate.dev/job",
                                             "app.kubernetes.io/name",
                                             "example.org/job-name"};
        for (size_t i = 0; i < GW_COUNT(ours); i++)
                if (!gw_k8s_is_reserved_key(ours[i]))
                        fail_msg("%s", ours[i]);
        for (size_t i = 0; i < GW_COUNT(theirs); i++)
                if (gw_k8s_is_reserved_key(theirs[i]))
                        fail_msg("%s", theirs[i]);
}

static void labels_are_kept_to_the_letter(void **state)
{
        (void)state;
        json_auto_t *own = json_pack("{s:s, s:s, s:s, s:s, s:s}", "team", "vision", "path", "a/b",
                                     "x/y/z", "1", "jobgate.dev/job", "stolen", "job-name", "n");
        json_auto_t *labels = gw_k8s_labels(mark_of(3), "train", "main", own);
        json_auto_t *wanted = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}",
                                        "app.kubernetes.io/managed-by", "jobgate", GW_K8S_LABEL_JOB,
                                        ID, GW_K8S_LABEL_SUBMISSION, "3", GW_K8S_LABEL_NAME,
                                        "train", GW_K8S_LABEL_PROJECT, "main", "team", "vision");
        assert_true(json_equal(labels, wanted));

        json_auto_t *annotations = gw_k8s_annotations(mark_of(3), "train", own);
        json_auto_t *kept = json_loads(
                json_string_value(json_object_get(annotations, GW_K8S_ANNOTATION_LABELS)), 0, NULL);
        assert_true(json_equal(kept, own));
}

/* A job's name may end as no label does. */
static void a_name_that_is_no_label(void **state)
{
        (void)state;
        json_auto_t *labels = gw_k8s_labels(mark_of(1), "a-", NULL, NULL);
        json_auto_t *annotations = gw_k8s_annotations(mark_of(1), "a-", NULL);
        assert_null(json_object_get(labels, GW_K8S_LABEL_NAME));
        assert_string_equal(json_string_value(json_object_get(annotations, GW_K8S_ANNOTATION_NAME)),
                            "a-");
        assert_null(json_object_get(annotations, GW_K8S_ANNOTATION_LABELS));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_name_follows_from_the_mark),
                cmocka_unit_test(an_object_tells_its_mark),
                cmocka_unit_test(keys_and_values),
                cmocka_unit_test(some_keys_are_not_for_users),
                cmocka_unit_test(labels_are_kept_to_the_letter),
                cmocka_unit_test(a_name_that_is_no_label),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
