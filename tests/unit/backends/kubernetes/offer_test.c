/* What a cluster offers: nodes and pods to sums, and what is left out where nothing is known. */
#include "backends/kubernetes/offer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"

static json_t *read_json(const char *text)
{
        json_error_t error;
        json_t *json = json_loads(text, 0, &error);
        if (!json)
                fail_msg("%s: %s", error.text, text);
        return json;
}

#define READY "\"conditions\": [{\"type\": \"Ready\", \"status\": \"True\"}]"
#define NODE(name, labels, spec, allocatable, more)                                                \
        "{\"metadata\": {\"name\": \"" name "\", \"labels\": {" labels "}}, \"spec\": {" spec      \
        "}, \"status\": {\"allocatable\": {" allocatable "}, " more "}}"
#define A100 "\"nvidia.com/gpu.product\": \"A100\""

static const char *const nodes[] = {
        NODE("a", A100, "", "\"cpu\": \"7500m\", \"memory\": \"8Gi\", \"nvidia.com/gpu\": \"4\"",
             READY),
        NODE("b", A100 ", \"size\": \"big\"", "",
             "\"cpu\": 16, \"memory\": \"16Gi\", \"nvidia.com/gpu\": 8", READY),
        /* They take none: cordoned, not ready, tainted. */
        NODE("c", "", "\"unschedulable\": true", "\"cpu\": \"1\"", READY),
        NODE("d", "", "", "\"cpu\": \"1\"", "\"conditions\": []"),
        NODE("e", "", "\"taints\": [{\"key\": \"spot\", \"effect\": \"NoSchedule\"}]",
             "\"cpu\": \"1\", \"nvidia.com/gpu\": \"1\"", READY),
        /* These do. */
        NODE("f", "", "\"taints\": [{\"key\": \"spot\", \"effect\": \"PreferNoSchedule\"}]",
             "\"cpu\": \"1\"", READY),
        NODE("g", "", "\"taints\": [{\"key\": \"ours\", \"effect\": \"NoExecute\"}]",
             "\"cpu\": \"1\"", READY),
};

#define WANTS(amounts) "{\"resources\": {\"requests\": {" amounts "}}}"
#define POD(node, containers, first)                                                               \
        "{\"spec\": {" node "\"containers\": [" containers "], \"initContainers\": [" first "]}}"

static const char *const pods[] = {
        POD("\"nodeName\": \"a\", ",
            WANTS("\"cpu\": \"1\", \"memory\": \"1Gi\", \"nvidia.com/gpu\": \"1\"") ", " WANTS(
                    "\"cpu\": \"500m\""),
            WANTS("\"cpu\": \"3\"")),
        POD("\"nodeName\": \"a\", ", WANTS("\"cpu\": \"20\", \"nvidia.com/gpu\": 2"), ""),
        POD("", WANTS("\"cpu\": \"1\""), ""), /* on no node yet */
        POD("\"nodeName\": \"b\", ", "{}", ""),
};

static struct gw_k8s_site site_of(json_t *tolerations, json_t *types)
{
        struct gw_k8s_site site = gw_k8s_site_default();
        site.tolerations = tolerations;
        site.gpu_types = types;
        return site;
}

static void check(json_t *offer, const char *expected)
{
        json_auto_t *wanted = read_json(expected);
        gw_autofree char *text = json_dumps(offer, JSON_SORT_KEYS);
        if (!json_equal(offer, wanted))
                fail_msg("%s", text);
}

static void nodes_and_what_is_free_on_them(void **state)
{
        json_auto_t *tolerations = read_json("[{\"key\": \"ours\"}]");
        json_auto_t *types = read_json("{\"large\": {\"size\": \"big\"}}");
        json_auto_t *seen = read_json("{\"nodes\": [], \"used\": {}}");
        struct gw_k8s_site site = site_of(tolerations, types);
        (void)state;
        for (size_t i = 0; i < GW_COUNT(nodes); i++) {
                json_auto_t *node = read_json(nodes[i]);
                assert_int_equal(gw_k8s_offer_node(json_object_get(seen, "nodes"), node, &site), 0);
        }
        for (size_t i = 0; i < GW_COUNT(pods); i++) {
                json_auto_t *pod = read_json(pods[i]);
                assert_int_equal(gw_k8s_offer_pod(json_object_get(seen, "used"), pod, &site), 0);
        }
        json_auto_t *offer = gw_k8s_offer(seen);
        check(offer,
              "{\"nodes\": 7, \"nodes_available\": 4,"
              " \"total\": {\"cpus\": 28.5, \"memory\": 25769803776, \"gpus\": 13},"
              " \"free\": {\"cpus\": 18.0, \"memory\": 24696061952, \"gpus\": 9},"
              " \"largest_free\": {\"cpus\": 16.0, \"memory\": 17179869184, \"gpus\": 8},"
              " \"gpu_types\": [{\"type\": \"A100\", \"total\": 12, \"free\": 9},"
              "  {\"type\": \"large\", \"total\": 8, \"free\": 8}, {\"total\": 1, \"free\": 0}]}");
}

static void without_pods_nothing_is_free_nor_taken(void **state)
{
        json_auto_t *seen = read_json(
                "{\"nodes\": [], \"refused\": [{\"what\": \"pods\", \"detail\": \"no\"}]}");
        json_auto_t *node = read_json(nodes[0]);
        struct gw_k8s_site site = site_of(NULL, NULL);
        (void)state;
        assert_int_equal(gw_k8s_offer_node(json_object_get(seen, "nodes"), node, &site), 0);
        json_auto_t *offer = gw_k8s_offer(seen);
        check(offer, "{\"nodes\": 1, \"nodes_available\": 1,"
                     " \"total\": {\"cpus\": 7.5, \"memory\": 8589934592, \"gpus\": 4},"
                     " \"gpu_types\": [{\"type\": \"A100\", \"total\": 4}],"
                     " \"not_permitted\": [{\"what\": \"pods\", \"detail\": \"no\"}]}");
}

static void classes_quotas_and_the_version(void **state)
{
        json_auto_t *seen = read_json("{\"version\": \"v1.37.2\", \"classes\": [],"
                                      " \"namespaces\": {\"team\": []}}");
        json_auto_t *high = read_json("{\"metadata\": {\"name\": \"high\"}, \"value\": 1000}");
        json_auto_t *low = read_json("{\"metadata\": {\"name\": \"low\"}, \"value\": -5,"
                                     " \"globalDefault\": true, \"preemptionPolicy\": \"Never\"}");
        json_auto_t *quota = read_json(
                "{\"metadata\": {\"name\": \"few\"}, \"spec\": {\"hard\": {\"pods\": \"10\","
                " \"requests.cpu\": \"2\"}}, \"status\": {\"used\": {\"pods\": \"3\"}}}");
        json_t *classes = json_object_get(seen, "classes");
        json_t *team = json_object_get(json_object_get(seen, "namespaces"), "team");
        (void)state;
        assert_int_equal(gw_k8s_offer_class(classes, high, NULL), 0);
        assert_int_equal(gw_k8s_offer_class(classes, low, NULL), 0);
        assert_int_equal(gw_k8s_offer_quota(team, quota, NULL), 0);
        json_auto_t *offer = gw_k8s_offer(seen);
        check(offer,
              "{\"controller\": {\"version\": \"v1.37.2\"}, \"priority_classes\": ["
              "{\"name\": \"high\", \"value\": 1000, \"default\": false, \"preempts\": true},"
              "{\"name\": \"low\", \"value\": -5, \"default\": true, \"preempts\": false}],"
              " \"namespaces\": {\"team\": [{\"name\": \"few\", \"limits\": ["
              "{\"resource\": \"pods\", \"limit\": \"10\", \"used\": \"3\"},"
              "{\"resource\": \"requests.cpu\", \"limit\": \"2\"}]}]}}");
}

static void nothing_is_known(void **state)
{
        json_auto_t *seen = json_object();
        json_auto_t *offer = gw_k8s_offer(seen);
        (void)state;
        check(offer, "{}");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nodes_and_what_is_free_on_them),
                cmocka_unit_test(without_pods_nothing_is_free_nor_taken),
                cmocka_unit_test(classes_quotas_and_the_version),
                cmocka_unit_test(nothing_is_known),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
