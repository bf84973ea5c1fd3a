/* Every state and reason has one name, and the rules of the contract hold for each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "server/model/state.h"

static void test_states_round_trip(void **state)
{
        (void)state;
        for (unsigned i = 0; i < GW_STATE_COUNT; i++) {
                enum gw_state back = GW_STATE_COUNT;
                const char *name = gw_state_name((enum gw_state)i);
                assert_non_null(name);
                assert_int_equal(gw_state_parse(name, &back), 0);
                assert_int_equal(back, i);
        }
}

static void test_reasons_round_trip(void **state)
{
        (void)state;
        assert_null(gw_reason_name(GW_REASON_NONE));
        for (unsigned i = 1; i < GW_REASON_COUNT; i++) {
                enum gw_reason back = GW_REASON_COUNT;
                const char *name = gw_reason_name((enum gw_reason)i);
                assert_non_null(name);
                assert_int_equal(gw_reason_parse(name, &back), 0);
                assert_int_equal(back, i); /* so no two share a name */
        }
}

static void test_unknown_names_are_refused(void **state)
{
        (void)state;
        static const char *const names[] = {"",        "Queued", "queue",
                                            "queuedx", "none",   "cancelled_by"};
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
                enum gw_state s = GW_RUNNING;
                enum gw_reason r = GW_REASON_LOST;
                assert_int_equal(gw_state_parse(names[i], &s), -1);
                assert_int_equal(gw_reason_parse(names[i], &r), -1);
                assert_int_equal(s, GW_RUNNING);
                assert_int_equal(r, GW_REASON_LOST);
        }
}

static void test_names_are_those_of_the_contract(void **state)
{
        (void)state;
        static const char *const names[] = {
                "dependency",
                "quota",
                "backend_unavailable",
                "submit_unknown",
                "retry_delay",
                "not_before",
                "held",
                "priority",
                "resources",
                "limit",
                "unschedulable",
                "image_pull",
                "node_unavailable",
                "suspended",
                "ending",
                "completed",
                "exit_code",
                "signal",
                "out_of_memory",
                "time_limit",
                "deadline",
                "start_deadline",
                "node_failure",
                "preempted",
                "evicted",
                "rejected",
                "launch_failed",
                "dependency_failed",
                "heartbeat_lost",
                "lost",
                "cancelled_by_user",
                "cancelled_by_admin",
                "cancelled_externally",
                "backend_error",
        };
        assert_int_equal(sizeof names / sizeof names[0], GW_REASON_COUNT - 1);
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
                assert_string_equal(gw_reason_name((enum gw_reason)(i + 1)), names[i]);
}

static void test_outcomes(void **state)
{
        (void)state;
        for (unsigned i = 1; i < GW_REASON_COUNT; i++) {
                enum gw_reason r = (enum gw_reason)i;
                enum gw_state want = GW_FAILED;
                if (r == GW_REASON_COMPLETED)
                        want = GW_SUCCEEDED;
                else if (strncmp(gw_reason_name(r), "cancelled_", 10) == 0)
                        want = GW_CANCELLED;
                assert_int_equal(gw_reason_outcome(r), want);
                assert_true(gw_state_terminal(gw_reason_outcome(r)));
        }
        assert_int_equal(gw_reason_outcome(GW_REASON_NONE), GW_FAILED); /* never a success */
}

static void test_default_retries(void **state)
{
        (void)state;
        for (unsigned i = 0; i < GW_REASON_COUNT; i++) {
                bool want = i == GW_REASON_NODE_FAILURE || i == GW_REASON_PREEMPTED ||
                            i == GW_REASON_EVICTED || i == GW_REASON_LAUNCH_FAILED;
                assert_int_equal(gw_reason_retryable_by_default((enum gw_reason)i), want);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_states_round_trip),
                cmocka_unit_test(test_reasons_round_trip),
                cmocka_unit_test(test_unknown_names_are_refused),
                cmocka_unit_test(test_names_are_those_of_the_contract),
                cmocka_unit_test(test_outcomes),
                cmocka_unit_test(test_default_retries),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
