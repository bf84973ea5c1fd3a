/* How long output that could not be had is looked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/engine/keeper_again.h"

#define MINUTE (60 * GW_SECOND)

static const struct {
        enum gw_error_code printed, complained;
        int64_t age_us, again_us;
} rows[] = {
        {GW_OK, GW_OK, 0, 0},
        {GW_OK, GW_ERR_GONE, 0, 0},
        {GW_OK, GW_ERR_NOT_FOUND, MINUTE, 0},
        {GW_ERR_GONE, GW_OK, 0, 5 * GW_SECOND},
        {GW_ERR_NOT_FOUND, GW_ERR_NOT_FOUND, 8 * MINUTE, 2 * MINUTE},
        {GW_ERR_GONE, GW_ERR_GONE, 11 * MINUTE, 0},
        {GW_ERR_UNAVAILABLE, GW_OK, 11 * MINUTE, 11 * MINUTE / 4},
        {GW_ERR_IO, GW_ERR_GONE, 23 * 60 * MINUTE, 23 * 60 * MINUTE / 4},
        {GW_ERR_UNAVAILABLE, GW_ERR_UNAVAILABLE, 25 * 60 * MINUTE, 0},
        /* what it printed is kept, and somebody was too busy for the other */
        {GW_OK, GW_ERR_OVERLOADED, GW_SECOND, 5 * GW_SECOND},
        {GW_ERR_GONE, GW_ERR_UNAVAILABLE, 20 * MINUTE, 5 * MINUTE},
};

static void it_is_looked_for_while_it_may_be_had(void **state)
{
        (void)state;
        for (size_t i = 0; i < GW_COUNT(rows); i++)
                assert_int_equal(
                        gw_keeper_again_us(rows[i].printed, rows[i].complained, rows[i].age_us),
                        rows[i].again_us);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(it_is_looked_for_while_it_may_be_had)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
