/* Lists of partitions against grants, and what of them is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "backends/slurm/access.h"
#include "server/base/cleanup.h"

static json_t *read_text(const char *text)
{
        json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        if (!json)
                fail_msg("no JSON: %s", text);
        return json;
}

static void each_name_against_the_lists(void **state)
{
        (void)state;
        static const struct {
                const char *queue, *what, *name;
                bool may;
        } cases[] = {
                {"{\"allow\": {}, \"deny\": {}}", "accounts", "a", true},
                {"{\"allow\": {\"accounts\": [\"a\", \"b\"]}}", "accounts", "b", true},
                {"{\"allow\": {\"accounts\": [\"a\", \"b\"]}}", "accounts", "c", false},
                {"{\"allow\": {\"accounts\": []}}", "accounts", "c", false},
                {"{\"allow\": {\"accounts\": [\"a\"]}}", "accounts", NULL, true},
                {"{\"allow\": {\"accounts\": [\"a\"]}}", "qos", "c", true},
                {"{\"deny\": {\"qos\": [\"late\"]}}", "qos", "late", false},
                {"{\"deny\": {\"qos\": [\"late\"]}}", "qos", "lat", true},
                {"{\"allow\": {\"qos\": [\"x\"]}, \"deny\": {\"qos\": [\"x\"]}}", "qos", "x",
                 false},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                json_auto_t *queue = read_text(cases[i].queue);
                assert_int_equal(gw_slurm_may_use(queue, cases[i].what, cases[i].name),
                                 cases[i].may);
        }
}

#define QUEUES                                                                                     \
        "\"queues\": [{\"name\": \"all\", \"allow\": {}, \"deny\": {}},"                           \
        " {\"name\": \"few\", \"allow\": {\"accounts\": [\"a\"]}, \"deny\": {}},"                  \
        " {\"name\": \"fast\", \"allow\": {}, \"deny\": {\"qos\": [\"low\"]}}]"

static void what_is_told(void **state)
{
        (void)state;
        json_auto_t *offer = read_text(
                "{" QUEUES ", \"users\": {\"ana\": [{\"account\": \"a\", \"qos\": [\"low\"]},"
                " {\"account\": \"b\", \"qos\": [\"low\", \"high\"]},"
                " {\"account\": \"a\", \"qos\": [], \"queue\": \"few\"}]}}");
        json_auto_t *before = json_deep_copy(offer), *told = gw_slurm_access_told(offer);
        json_auto_t *expected = read_text(
                "{\"queues\": [{\"name\": \"all\", \"restricted\": false},"
                " {\"name\": \"few\", \"restricted\": true},"
                " {\"name\": \"fast\", \"restricted\": true}],"
                " \"users\": {\"ana\": ["
                " {\"account\": \"a\", \"qos\": [\"low\"], \"queues\": [\"all\", \"few\"]},"
                " {\"account\": \"b\", \"qos\": [\"low\", \"high\"], \"queues\": [\"all\", \"fast\"]},"
                " {\"account\": \"a\", \"qos\": [], \"queue\": \"few\", \"queues\": [\"few\"]}]}}");
        assert_true(json_equal(told, expected));
        assert_true(json_equal(offer, before));
}

static void without_accounting_nobody_is_told(void **state)
{
        (void)state;
        json_auto_t *offer = read_text("{" QUEUES "}");
        json_auto_t *told = gw_slurm_access_told(offer);
        assert_null(json_object_get(told, "users"));
        assert_int_equal(json_array_size(json_object_get(told, "queues")), 3);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_name_against_the_lists),
                cmocka_unit_test(what_is_told),
                cmocka_unit_test(without_accounting_nobody_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
