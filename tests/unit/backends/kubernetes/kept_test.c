/* What is kept of objects means the same as the whole. */
#include "backends/kubernetes/kept.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "backends/kubernetes/record.h"
#include "backends/kubernetes/state.h"

#define RECORDS GW_TEST_DATA "/backends/kubernetes/records"

static json_t *kept_pods(const json_t *pods)
{
        json_t *kept = json_array();
        size_t i;
        const json_t *pod;
        json_array_foreach(pods, i, pod)
        {
                json_array_append_new(kept, gw_k8s_kept_pod(pod, NULL));
        }
        return kept;
}

static void compare(const char *name, const json_t *record)
{
        json_auto_t *job = gw_k8s_kept_job(json_object_get(record, "job"));
        json_auto_t *pods = kept_pods(json_object_get(record, "pods"));
        json_auto_t *events = gw_k8s_kept_events(json_object_get(record, "events"));
        const struct gw_k8s_view whole = {json_object_get(record, "job"),
                                          json_object_get(record, "pods"),
                                          json_object_get(record, "events")};
        const struct gw_k8s_view kept = {job, pods, events};
        struct gw_k8s_meaning a = gw_k8s_meaning(&whole), b = gw_k8s_meaning(&kept);
        if (a.phase != b.phase || a.reason != b.reason || a.exit_code != b.exit_code ||
            a.signal != b.signal || a.doom != b.doom || a.started_us != b.started_us ||
            a.ended_us != b.ended_us || a.pending_us != b.pending_us ||
            strcmp(a.words, b.words) != 0 || strcmp(a.node, b.node) != 0)
                fail_msg("%s means something else when it is kept: %s, %s", name, a.words, b.words);
}

static void what_is_kept_means_the_same(void **state)
{
        (void)state;
        DIR *folder = opendir(RECORDS);
        int count = 0;
        assert_non_null(folder);
        for (struct dirent *entry; (entry = readdir(folder));) {
                char path[512];
                if (!strstr(entry->d_name, ".json"))
                        continue;
                snprintf(path, sizeof path, "%s/%s", RECORDS, entry->d_name);
                json_auto_t *record = json_load_file(path, 0, NULL);
                assert_non_null(record);
                compare(entry->d_name, record);
                count++;
        }
        closedir(folder);
        assert_true(count > 40);
}

static void the_first_word_of_a_deletion_stays(void **state)
{
        (void)state;
        json_auto_t *first = json_loads("{\"metadata\": {\"deletionTimestamp\": \"a\", "
                                        "\"deletionGracePeriodSeconds\": 30}}",
                                        0, NULL);
        json_auto_t *last = json_loads("{\"metadata\": {\"deletionTimestamp\": \"b\", "
                                       "\"deletionGracePeriodSeconds\": 0}}",
                                       0, NULL);
        json_auto_t *kept = gw_k8s_kept_pod(last, first);
        assert_string_equal(gw_k8s_text(kept, "metadata.deletionTimestamp"), "a");
        assert_int_equal(
                json_integer_value(gw_k8s_member(kept, "metadata.deletionGracePeriodSeconds")), 30);
        json_auto_t *fresh = gw_k8s_kept_pod(last, NULL);
        assert_string_equal(gw_k8s_text(fresh, "metadata.deletionTimestamp"), "b");
}

/* It means an end, whatever was kept of it. */
static void a_job_that_is_gone_has_ended(void **state)
{
        (void)state;
        json_auto_t *kept = json_loads("{\"metadata\": {\"name\": \"j\"}, \"status\": {\"active\": "
                                       "1, \"conditions\": [{\"type\": \"Suspended\", "
                                       "\"status\": \"True\"}]}}",
                                       0, NULL);
        const json_t *seen[] = {NULL, kept};
        for (size_t i = 0; i < 2; i++) {
                json_auto_t *job = gw_k8s_gone_job(seen[i], "j", GW_K8S_WAS_LOST, "it is gone");
                const struct gw_k8s_view view = {.job = job};
                struct gw_k8s_meaning m = gw_k8s_meaning(&view);
                assert_int_equal(m.phase, GW_PHASE_ENDED);
                assert_int_equal(m.reason, GW_REASON_LOST);
                assert_string_equal(m.words, "it is gone");
        }
        assert_int_equal(json_integer_value(gw_k8s_member(kept, "status.active")), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_kept_means_the_same),
                cmocka_unit_test(the_first_word_of_a_deletion_stays),
                cmocka_unit_test(a_job_that_is_gone_has_ended),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
