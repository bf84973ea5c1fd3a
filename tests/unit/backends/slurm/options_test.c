/* Fields and own options to sbatch's, what is refused, and what is remarked on. */
#include "backends/slurm/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "backends/slurm/option_names.h"
#include "openapi/schemas.h"
#include "server/base/cleanup.h"
#include "server/model/decode.h"

/* As it is after a submit; members beside a command. */
static struct gw_spec spec_of(const char *members)
{
        struct gw_faults faults;
        struct gw_spec spec = {0};
        json_auto_t *json = json_loads(members, 0, NULL);
        assert_non_null(json);
        if (!json_object_get(json, "script"))
                json_object_set_new(json, "command", json_pack("[s]", "true"));
        gw_faults_init(&faults);
        if (gw_decode(&gw_schema_JobSpec, json, "", &faults) ||
            gw_spec_resolve(json, true, 0, &spec, NULL, &faults))
                fail_msg("%s: %s: %s", members, faults.items[0].pointer, faults.items[0].detail);
        return spec;
}

static json_t *options_of(const char *members, const char *account, struct gw_error *err)
{
        json_auto_t *features = json_pack("{s:s, s:s}", "zone=a", "rack1", "gpu/kind=big", "a100");
        json_auto_t *priorities = json_pack("{s:s, s:s}", "500", "urgent", "10", "high");
        const struct gw_slurm_site site = {.features = features, .priorities = priorities};
        struct gw_spec spec = spec_of(members);
        json_t *options = gw_slurm_options(&spec, account, &site, err);
        gw_spec_done(&spec);
        return options;
}

/* More than {"cpus-per-task": "1", "mem": "1024M"}; a null takes one away. */
static void check(const char *members, const char *more)
{
        struct gw_error err = {0};
        json_auto_t *wanted = json_pack("{s:s, s:s}", "cpus-per-task", "1", "mem", "1024M");
        json_auto_t *changes = json_loads(more, 0, NULL);
        json_auto_t *found = options_of(members, NULL, &err);
        const char *name;
        json_t *value;
        if (!found)
                fail_msg("%s: %s %s", members, err.pointer, err.message);
        json_object_foreach(changes, name, value)
        {
                if (json_is_null(value))
                        json_object_del(wanted, name);
                else
                        json_object_set(wanted, name, value);
        }
        gw_autofree char *text = json_dumps(found, JSON_SORT_KEYS);
        gw_autofree char *expected = json_dumps(wanted, JSON_SORT_KEYS);
        assert_string_equal(text, expected);
}

static void fields_become_options(void **state)
{
        (void)state;
        check("{}", "{}");
        check("{\"resources\": {\"nodes\": 1}}", "{\"nodes\": \"1\"}");
        check("{\"resources\": {\"nodes\": 3, \"tasks_per_node\": 4}}",
              "{\"nodes\": \"3\", \"ntasks-per-node\": \"4\", \"mem\": \"4096M\"}");
        check("{\"resources\": {\"gpus\": 2, \"tasks_per_node\": 2, \"nodes\": 2}}",
              "{\"nodes\": \"2\", \"ntasks-per-node\": \"2\", \"mem\": \"16384M\", \"gres\": "
              "\"gpu:2\", \"cpus-per-task\": \"4\"}");
        check("{\"resources\": {\"memory_per_cpu\": \"1.5Gi\", \"cpus\": 3}}",
              "{\"cpus-per-task\": \"3\", \"mem\": null, \"mem-per-cpu\": \"1536M\"}");
        check("{\"resources\": {\"memory_per_cpu\": 1}}",
              "{\"mem\": null, \"mem-per-cpu\": \"1M\"}");
        check("{\"resources\": {\"scratch\": \"10G\"}}", "{\"tmp\": \"9537M\"}");
        check("{\"resources\": {\"shared_memory\": \"1Gi\"}}", "{}");
        check("{\"node_selector\": {}}", "{}");
        check("{\"node_selector\": {\"feature\": \"ib-4x:x.y_z\"}}",
              "{\"constraint\": \"ib-4x:x.y_z\"}");
        check("{\"node_selector\": {\"zone\": \"a\", \"feature\": \"fast\", \"gpu/kind\": \"big\"}}",
              "{\"constraint\": \"rack1&fast&a100\"}");
}

static void a_priority_is_nice_or_a_qos(void **state)
{
        (void)state;
        check("{\"priority\": -9}", "{\"nice\": \"9\"}");
        check("{\"priority\": 9}", "{}");
        check("{\"priority\": 10}", "{\"qos\": \"high\"}");
        check("{\"priority\": 499}", "{\"qos\": \"high\"}");
        check("{\"priority\": 500}", "{\"qos\": \"urgent\"}");
        check("{\"priority\": 9, \"options\": {\"slurm\": {\"qos\": \"a\"}}}", "{\"qos\": \"a\"}");
}

static void what_a_script_may_say_is_left_to_it(void **state)
{
        (void)state;
#define SCRIPT "\"script\": \"#!/bin/sh\\n#SBATCH --mem=2G\\n\""
        check("{" SCRIPT "}", "{\"cpus-per-task\": null, \"mem\": null}");
        check("{" SCRIPT ", \"resources\": {\"cpus\": 1, \"nodes\": 2}}",
              "{\"mem\": null, \"nodes\": \"2\"}");
        check("{" SCRIPT ", \"resources\": {\"memory_per_cpu\": \"1Gi\"}, \"options\": "
              "{\"slurm\": {\"qos\": \"high\"}}}",
              "{\"cpus-per-task\": null, \"mem\": null, \"mem-per-cpu\": \"1024M\", "
              "\"qos\": \"high\"}");
}

static void own_options_follow(void **state)
{
        (void)state;
        check("{\"options\": {}}", "{}");
        check("{\"options\": {\"slurm\": {}}}", "{}");
        check("{\"options\": {\"slurm\": {\"qos\": \"high\", \"contiguous\": true, \"no-kill\": "
              "false, \"nice\": 100, \"licenses\": \"a:1,b\"}}}",
              "{\"qos\": \"high\", \"contiguous\": \"\", \"nice\": \"100\", \"licenses\": "
              "\"a:1,b\"}");
        check("{\"options\": {\"slurm\": {\"exclusive\": \"\", \"reservation\": \"a b '\\\"$(id)\"}}}",
              "{\"exclusive\": \"\", \"reservation\": \"a b '\\\"$(id)\"}");
        /* A field gives way while it has its default. */
        check("{\"options\": {\"slurm\": {\"mem-per-gpu\": \"1G\", \"gpus\": 1}}}",
              "{\"mem\": null, \"mem-per-gpu\": \"1G\", \"gpus\": \"1\"}");
        check("{\"options\": {\"slurm\": {\"mem\": 0, \"cpus-per-task\": 2}}}",
              "{\"mem\": \"0\", \"cpus-per-task\": \"2\"}");
        check("{\"options\": {\"slurm\": {\"cpus-per-gpu\": 2, \"gpus\": 1}}}",
              "{\"cpus-per-task\": null, \"cpus-per-gpu\": \"2\", \"gpus\": \"1\"}");
        check("{\"resources\": {\"gpus\": 2}, \"options\": {\"slurm\": {\"mem\": \"1G\"}}}",
              "{\"gres\": \"gpu:2\", \"cpus-per-task\": \"8\", \"mem\": \"1G\"}");
        check("{\"queue\": \"low\", \"options\": {\"slurm\": {\"partition\": false}}}",
              "{\"partition\": \"low\"}");
}

static void check_refused(const char *members, const char *account, const char *pointer,
                          const char *words)
{
        struct gw_error err = {0};
        json_auto_t *found = options_of(members, account, &err);
        if (found)
                fail_msg("%s: is taken", members);
        assert_int_equal(err.code, GW_ERR_UNPROCESSABLE);
        assert_string_equal(err.pointer, pointer);
        if (!strstr(err.message, words))
                fail_msg("%s: %s", members, err.message);
}

static void two_ways_to_say_one_thing_are_refused(void **state)
{
        (void)state;
        static const struct {
                const char *members, *pointer, *field;
        } cases[] = {
                {"{\"queue\": \"a\", \"options\": {\"slurm\": {\"partition\": \"b\"}}}",
                 "/options/slurm/partition", "/queue"},
                {"{\"resources\": {\"nodes\": 1}, \"options\": {\"slurm\": {\"nodes\": \"1-2\"}}}",
                 "/options/slurm/nodes", "/resources/nodes"},
                {"{\"resources\": {\"tasks_per_node\": 1}, \"options\": {\"slurm\": "
                 "{\"ntasks-per-node\": 2}}}",
                 "/options/slurm/ntasks-per-node", "/resources/tasks_per_node"},
                {"{\"resources\": {\"cpus\": 2}, \"options\": {\"slurm\": {\"cpus-per-gpu\": 2}}}",
                 "/options/slurm/cpus-per-gpu", "/resources/cpus"},
                {"{\"resources\": {\"memory\": \"2Gi\"}, \"options\": {\"slurm\": "
                 "{\"mem-per-cpu\": 2}}}",
                 "/options/slurm/mem-per-cpu", "/resources/memory"},
                {"{\"resources\": {\"memory_per_cpu\": \"1Gi\"}, \"options\": {\"slurm\": "
                 "{\"mem\": 2}}}",
                 "/options/slurm/mem", "/resources/memory_per_cpu"},
                {"{\"resources\": {\"scratch\": \"1Gi\"}, \"options\": {\"slurm\": {\"tmp\": 2}}}",
                 "/options/slurm/tmp", "/resources/scratch"},
                {"{\"resources\": {\"gpus\": 1}, \"options\": {\"slurm\": {\"gpus-per-task\": 1}}}",
                 "/options/slurm/gpus-per-task", "/resources/gpus"},
                {"{\"node_selector\": {\"feature\": \"a\"}, \"options\": {\"slurm\": "
                 "{\"constraint\": \"b\"}}}",
                 "/options/slurm/constraint", "/node_selector"},
                {"{\"time_limit\": 60, \"options\": {\"slurm\": {\"time\": \"UNLIMITED\"}}}",
                 "/options/slurm/time", "/time_limit"},
                {"{\"priority\": 10, \"options\": {\"slurm\": {\"qos\": \"a\"}}}",
                 "/options/slurm/qos", "/priority"},
                {"{\"priority\": -1, \"options\": {\"slurm\": {\"nice\": 5}}}",
                 "/options/slurm/nice", "/priority"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++)
                check_refused(cases[i].members, NULL, cases[i].pointer, cases[i].field);
}

static void names_are_known_and_not_ours(void **state)
{
        (void)state;
        static const struct {
                const char *name, *words;
        } cases[] = {
                {"comment", "is set by jobgate itself"},
                {"array", "say array"},
                {"job-name", "say name"},
                {"uid", "is set by jobgate itself"},
                {"gid", "is set by jobgate itself"},
                {"requeue", "say retry"},
                {"output", "is set by jobgate itself"},
                {"wrap", "say command"},
                {"chdir", "say working_directory"},
                {"partitoin", "is it partition?"},
                {"mail_type", "is it mail-type?"},
                {"QOS", "is it qos?"},
                {"bogus", "is no option that is known here"},
                {"reboot", "is for administrators"},
                {"priority", "is for administrators: say nice, or the field priority"},
                {"cluster", "is set by jobgate itself: say backend"},
                {"wait", "is about sbatch itself, and not about the job: say wait in the request"},
                {"nodefile", "is a file that sbatch reads: say nodelist"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                char members[128], pointer[64];
                snprintf(members, sizeof members, "{\"options\": {\"slurm\": {\"%s\": \"1\"}}}",
                         cases[i].name);
                snprintf(pointer, sizeof pointer, "/options/slurm/%s", cases[i].name);
                check_refused(members, NULL, pointer, cases[i].words);
        }
        assert_int_equal(gw_slurm_option_check("wckey", NULL), 0);
        assert_int_equal(gw_slurm_option_check("account", NULL), 0);
        assert_int_equal(gw_slurm_option_check("", NULL), -1);
}

static void values_are_one_line(void **state)
{
        (void)state;
        static const char *const values[] = {"a\\nb", "a\\rb", "\\u0001", "\\u007f", "\\t"};
        for (size_t i = 0; i < GW_COUNT(values); i++) {
                char members[128];
                snprintf(members, sizeof members, "{\"options\": {\"slurm\": {\"qos\": \"%s\"}}}",
                         values[i]);
                check_refused(members, NULL, "/options/slurm/qos", "must be one line");
        }
}

/* Else sbatch would take the next word of its command line for it. */
static void an_option_that_needs_a_value_has_one(void **state)
{
        (void)state;
        check_refused("{\"options\": {\"slurm\": {\"mail-user\": true}}}", NULL,
                      "/options/slurm/mail-user", "needs a value");
        check_refused("{\"options\": {\"slurm\": {\"qos\": \"\"}}}", NULL, "/options/slurm/qos",
                      "needs a value");
}

static void an_account_is_the_projects_where_it_has_one(void **state)
{
        (void)state;
        static const char other[] = "{\"options\": {\"slurm\": {\"account\": \"b\"}}}";
        static const char same[] = "{\"options\": {\"slurm\": {\"account\": \"a\"}}}";
        check_refused(other, "a", "/options/slurm/account", "the project's");
        json_auto_t *own = options_of(other, NULL, NULL);
        assert_string_equal(json_string_value(json_object_get(own, "account")), "b");
        json_auto_t *agreed = options_of(same, "a", NULL);
        assert_string_equal(json_string_value(json_object_get(agreed, "account")), "a");
}

static void a_selector_is_no_expression(void **state)
{
        (void)state;
        static const char *const values[] = {"", "a/b", "a@b", "a+b", "-a", ".a", ":a"};
        for (size_t i = 0; i < GW_COUNT(values); i++) {
                char members[128];
                snprintf(members, sizeof members, "{\"node_selector\": {\"feature\": \"%s\"}}",
                         values[i]);
                check_refused(members, NULL, "/node_selector/feature", "this cluster");
        }
        check_refused("{\"node_selector\": {\"zone\": \"b\"}}", NULL, "/node_selector/zone",
                      "zone=b");
        check_refused("{\"node_selector\": {\"gpu/kind\": \"small\"}}", NULL,
                      "/node_selector/gpu~1kind", "gpu/kind=small");
        static const char *const expressions[] = {"a&b", "a|b", "[a|b]", "(a)", "a*2",
                                                  "a,b", "a b", "a\nb",  ""};
        for (size_t i = 0; i < GW_COUNT(expressions); i++)
                assert_false(gw_slurm_is_feature(expressions[i]));
        assert_true(gw_slurm_is_feature("a100"));
}

static void check_advice(const char *members, const char *wanted)
{
        struct gw_spec spec = spec_of(members);
        struct gw_warnings warnings;
        char found[256] = "";
        gw_warnings_init(&warnings);
        gw_slurm_advise(&spec, &warnings);
        for (size_t i = 0; i < warnings.count; i++)
                snprintf(found + strlen(found), sizeof found - strlen(found), "%s %s ",
                         warnings.items[i].rule, warnings.items[i].pointer);
        assert_string_equal(found, wanted);
        gw_spec_done(&spec);
}

static void what_is_left_out_is_told(void **state)
{
        (void)state;
        check_advice("{\"resources\": {\"scratch\": \"1Gi\"}, \"options\": {\"slurm\": {\"qos\": "
                     "\"a\"}}}",
                     "");
        check_advice("{\"resources\": {\"shared_memory\": \"1Gi\"}}",
                     "ignored /resources/shared_memory ");
        check_advice("{\"resources\": {\"nodes\": 2}}", "one_node /resources/nodes ");
        check_advice("{\"resources\": {\"nodes\": 1}}", "");
        check_advice("{\"resources\": {\"nodes\": 2}, \"script\": \"srun a\"}", "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_option_that_needs_a_value_has_one),
                cmocka_unit_test(fields_become_options),
                cmocka_unit_test(a_priority_is_nice_or_a_qos),
                cmocka_unit_test(what_a_script_may_say_is_left_to_it),
                cmocka_unit_test(own_options_follow),
                cmocka_unit_test(two_ways_to_say_one_thing_are_refused),
                cmocka_unit_test(names_are_known_and_not_ours),
                cmocka_unit_test(values_are_one_line),
                cmocka_unit_test(an_account_is_the_projects_where_it_has_one),
                cmocka_unit_test(a_selector_is_no_expression),
                cmocka_unit_test(what_is_left_out_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
