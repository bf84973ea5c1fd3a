/* What dry runs look at besides the API server: images, quotas; and fields as members of a spec. */
#include "backends/kubernetes/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "server/base/cleanup.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void names_of_images(void **state)
{
        static const char *const good[] = {
                "busybox",
                "python:3.12",
                "docker.io/local/busybox:1",
                "localhost/x",
                "localhost:5000/a/b-c/d_e.f__g--h:V1.2_x-3",
                "registry.example.org:443/team/name@" DIGEST,
                "name:tag@" DIGEST,
                "10.0.0.1:5000/a",
                "EXAMPLE.org/a",
        };
        static const char *const bad[] = {
                "",
                ":",
                "a:",
                "a:-x",
                "a/",
                "/a",
                "a//b",
                "UPPER",
                "a/B",
                "a b",
                "a:b:c",
                "a@sha256:0",
                "a@",
                "@" DIGEST,
                "a..b",
                "a___b",
                "-a",
                "a-",
                "a/.b",
                "x.:1/a",
                "h.x:/a",
                "h.x:1y/a",
                "a@" DIGEST "z",
                "a:t/b",
                "\xc3\xa4",
                "a$b",
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(good); i++)
                if (!gw_k8s_is_image(good[i]))
                        fail_msg("%s", good[i]);
        for (size_t i = 0; i < GW_COUNT(bad); i++)
                if (gw_k8s_is_image(bad[i]))
                        fail_msg("%s", bad[i]);
}

static json_t *job_of(const char *containers)
{
        json_t *list = json_loads(containers, 0, NULL);
        assert_non_null(list);
        return json_pack("{s:{s:{s:{s:o}}}}", "spec", "template", "spec", "containers", list);
}

static void an_image_is_named(void **state)
{
        json_auto_t *job = job_of("[{\"image\": \"a\"}, {\"image\": \"B\"}]");
        struct gw_error err = {0};
        (void)state;
        assert_int_equal(gw_k8s_check_images(job, &err), -1);
        assert_int_equal(err.code, GW_ERR_UNPROCESSABLE);
        assert_string_equal(err.pointer, "/image");
}

#define CONTAINER                                                                                  \
        "{\"resources\": {\"requests\": {\"cpu\": \"1500m\", \"memory\": \"1Gi\", "                \
        "\"ephemeral-storage\": \"1G\", \"nvidia.com/gpu\": 1}, "                                  \
        "\"limits\": {\"cpu\": 2, \"memory\": \"2Gi\"}}}"

static void quotas(void **state)
{
        static const struct {
                const char *spec, *pointer; /* NULL: it is within it */
        } rows[] = {
                {"{\"hard\": {\"requests.cpu\": \"3\"}}", NULL},
                {"{\"hard\": {\"requests.cpu\": \"2999m\"}}", "/resources/cpus"},
                {"{\"hard\": {\"cpu\": 2}}", "/resources/cpus"},
                {"{\"hard\": {\"cpu\": 3}}", NULL},
                {"{\"hard\": {\"limits.cpu\": \"3\"}}", "/resources/cpus"},
                {"{\"hard\": {\"limits.cpu\": \"4\"}}", NULL},
                {"{\"hard\": {\"memory\": \"2047Mi\"}}", "/resources/memory"},
                {"{\"hard\": {\"requests.memory\": \"2Gi\"}}", NULL},
                {"{\"hard\": {\"limits.memory\": \"4095Mi\"}}", "/resources/memory"},
                {"{\"hard\": {\"requests.ephemeral-storage\": \"1Gi\"}}", "/resources/scratch"},
                {"{\"hard\": {\"requests.nvidia.com/gpu\": \"1\"}}", "/resources/gpus"},
                {"{\"hard\": {\"requests.nvidia.com/gpu\": \"2\"}}", NULL},
                {"{\"hard\": {\"requests.storage\": \"0\", \"count/jobs.batch\": \"0\"}}", NULL},
                {"{\"hard\": {\"pods\": \"0\"}}", ""},
                {"{\"hard\": {\"count/pods\": \"0\"}}", ""},
                {"{\"hard\": {\"pods\": \"1\"}}", NULL},
                {"{\"hard\": {\"cpu\": \"many\", \"memory\": null}}", NULL},
                {"{\"hard\": {\"cpu\": 2}, \"scopes\": [\"BestEffort\"]}", NULL},
                {"{\"hard\": {\"cpu\": 2}, \"scopeSelector\": {}}", NULL},
                {"{}", NULL},
        };
        json_auto_t *job = job_of("[" CONTAINER ", " CONTAINER "]");
        (void)state;
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                struct gw_error err = {0};
                json_auto_t *list = json_pack("[{s:{s:s}, s:o}]", "metadata", "name", "few", "spec",
                                              json_loads(rows[i].spec, 0, NULL));
                int rc = gw_k8s_check_quotas(job, list, &err);
                if (rc != (rows[i].pointer ? -1 : 0) ||
                    (rows[i].pointer && strcmp(err.pointer, rows[i].pointer) != 0))
                        fail_msg("%s: %s %s", rows[i].spec, err.pointer, err.message);
                if (rc)
                        assert_non_null(strstr(err.message, "few"));
        }
}

static void fields(void **state)
{
        (void)state;
        assert_string_equal(gw_k8s_member_of("spec.template.spec.containers[0].image"), "/image");
        assert_string_equal(
                gw_k8s_member_of("spec.template.spec.containers[0].resources.requests[cpu]"),
                "/resources/cpus");
        assert_string_equal(gw_k8s_member_of("spec.template.spec.containers[0].env[3].name"),
                            "/environment");
        assert_string_equal(gw_k8s_member_of("spec.template.spec.tolerations[0].operator"), "");
        assert_string_equal(gw_k8s_member_of(""), "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_of_images),
                cmocka_unit_test(an_image_is_named),
                cmocka_unit_test(quotas),
                cmocka_unit_test(fields),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
