/* How long failures wait. */
#include "backends/kubernetes/backoff.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FIRST GW_K8S_BACKOFF_FIRST_US
#define MOST GW_K8S_BACKOFF_MOST_US

static void it_doubles_up_to_the_most(void **state)
{
        (void)state;
        assert_int_equal(gw_k8s_backoff_us(1, 0, 0), FIRST);
        assert_int_equal(gw_k8s_backoff_us(2, 0, 0), 2 * FIRST);
        assert_int_equal(gw_k8s_backoff_us(5, 0, 0), 16 * FIRST);
        assert_int_equal(gw_k8s_backoff_us(9, 0, 0), MOST);
        assert_int_equal(gw_k8s_backoff_us(UINT_MAX, 0, 0), MOST);
}

static void chance_takes_up_to_half(void **state)
{
        (void)state;
        for (uint32_t chance = 0; chance < 3000; chance++) {
                int64_t us = gw_k8s_backoff_us(3, 0, chance);
                assert_true(us > 2 * FIRST && us <= 4 * FIRST);
        }
        assert_int_not_equal(gw_k8s_backoff_us(3, 0, 1), gw_k8s_backoff_us(3, 0, 2));
}

static void what_the_server_asks_for_is_the_least(void **state)
{
        (void)state;
        for (uint32_t chance = 0; chance < 3000; chance++)
                assert_true(gw_k8s_backoff_us(1, 20 * FIRST, chance) >= 20 * FIRST);
        assert_int_equal(gw_k8s_backoff_us(1, INT64_MAX, 0), 10 * MOST);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_doubles_up_to_the_most),
                cmocka_unit_test(chance_takes_up_to_half),
                cmocka_unit_test(what_the_server_asks_for_is_the_least),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
