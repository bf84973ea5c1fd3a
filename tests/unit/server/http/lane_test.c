#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/http/lane.h"

static void due_in_order(void **state)
{
        (void)state;
        struct gw_lane lane;
        struct gw_seat a = {0}, b = {0}, c = {0};
        gw_lane_init(&lane, 100);
        assert_int_equal(gw_lane_next_us(&lane), INT64_MAX);
        assert_null(gw_lane_due(&lane, INT64_MAX));

        gw_lane_enter(&lane, &a, 0);
        gw_lane_enter(&lane, &b, 10);
        gw_lane_enter(&lane, &c, 10);
        assert_int_equal(gw_lane_next_us(&lane), 100);
        assert_null(gw_lane_due(&lane, 99));
        assert_ptr_equal(gw_lane_due(&lane, 110), &a);
        assert_ptr_equal(gw_lane_due(&lane, 110), &b);
        assert_ptr_equal(gw_lane_due(&lane, 110), &c);
        assert_null(gw_lane_due(&lane, 110));
        assert_null(a.lane);
}

static void leaving(void **state)
{
        (void)state;
        struct gw_lane lane, other;
        struct gw_seat seats[4] = {0};
        gw_lane_init(&lane, 1);
        gw_lane_init(&other, 2);
        for (int i = 0; i < 4; i++)
                gw_lane_enter(&lane, &seats[i], i);
        gw_lane_leave(&seats[1]);             /* in the middle */
        gw_lane_leave(&seats[1]);             /* again: nothing */
        gw_lane_enter(&other, &seats[3], 10); /* from the end into another */
        gw_lane_enter(&lane, &seats[0], 10);  /* from the front to the end */
        assert_ptr_equal(gw_lane_due(&lane, 100), &seats[2]);
        assert_ptr_equal(gw_lane_due(&lane, 100), &seats[0]);
        assert_null(gw_lane_due(&lane, 100));
        assert_int_equal(gw_lane_next_us(&other), 12);
        assert_ptr_equal(gw_lane_due(&other, 100), &seats[3]);
        assert_null(lane.first);
        assert_null(lane.last);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(due_in_order),
                cmocka_unit_test(leaving),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
