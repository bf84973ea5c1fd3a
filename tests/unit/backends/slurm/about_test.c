/* What the controller has made of a job, as people are shown it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "backends/slurm/about.h"

static const struct {
        const char *said, *shown;
} cases[] = {
        {"{}", "{\"id\": \"87\"}"},
        {"{\"partition\": \"main,low\", \"account\": \"a\", \"qos\": \"q\", \"reservation\": \"r\", "
         "\"features\": \"x&y\", \"tres\": \"cpu=2\", \"work_dir\": \"/w\", \"stdout\": \"/o-%j\", "
         "\"stderr\": \"/e\"}",
         "{\"id\": \"87\", \"queue\": \"main,low\", \"account\": \"a\", \"qos\": \"q\", "
         "\"reservation\": \"r\", \"features\": \"x&y\", \"resources\": \"cpu=2\", "
         "\"working_directory\": \"/w\", \"stdout\": \"/o-%j\", \"stderr\": \"/e\"}"},
        {"{\"time_limit_s\": 600, \"nodes\": 2, \"tasks\": 4, \"cpus\": 8, \"nice\": -5, "
         "\"memory_mib\": 200}",
         "{\"id\": \"87\", \"time_limit\": 600, \"nodes\": 2, \"tasks\": 4, \"cpus\": 8, "
         "\"nice\": -5, \"memory\": 209715200}"},
        {"{\"tres_allocated\": \"cpu=4\", \"tres\": \"cpu=3\"}",
         "{\"id\": \"87\", \"resources\": \"cpu=4\"}"},
        {"{\"memory_per_cpu_mib\": 1}", "{\"id\": \"87\", \"memory_per_cpu\": 1048576}"},
        {"{\"cpus\": \"many\", \"partition\": 7, \"other\": 1, \"memory_mib\": "
         "9223372036854775807, \"nice\": -9223372036854775807}",
         "{\"id\": \"87\"}"},
};

static void members_have_the_contracts_names(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                json_auto_t *said = json_loads(cases[i].said, JSON_REJECT_DUPLICATES, NULL);
                json_auto_t *shown = json_loads(cases[i].shown, JSON_REJECT_DUPLICATES, NULL);
                assert_true(said && shown);
                char *text = gw_slurm_about(87, said);
                json_auto_t *found = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
                if (!json_equal(found, shown))
                        fail_msg("%s is not %s", text, cases[i].shown);
                free(text);
        }
}

static void digests_differ_and_are_never_nothing(void **state)
{
        (void)state;
        assert_true(gw_slurm_about_digest("a") != gw_slurm_about_digest("b"));
        assert_true(gw_slurm_about_digest("a") == gw_slurm_about_digest("a"));
        assert_true(gw_slurm_about_digest("") != 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(members_have_the_contracts_names),
                cmocka_unit_test(digests_differ_and_are_never_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
