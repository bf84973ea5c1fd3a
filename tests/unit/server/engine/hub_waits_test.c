/* The hub's waits: who goes home for an event, who for the time, and how many there may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "server/base/cleanup.h"
#include "server/engine/hub_waits.h"

#define MAX 4

static struct gw_mailbox home;
static struct hub_waits waits;
static struct gw_hub_wait w[MAX]; /* what a test leaves is sent home by end() */

static int begin(void **state)
{
        (void)state;
        hub_waits_init(&waits, MAX);
        return gw_mailbox_init(&home, 1);
}

static int end(void **state)
{
        (void)state;
        hub_waits_expire(&waits, INT64_MAX);
        (void)gw_mailbox_take(&home);
        gw_mailbox_done(&home);
        return 0;
}

/* Those that differ in their first byte only share a list. */
static struct gw_id id(uint8_t first, uint8_t last)
{
        struct gw_id id = {{first}};
        id.bytes[15] = last;
        return id;
}

static void add(struct gw_hub_wait *wait, struct gw_id job, int64_t until_us)
{
        memset(wait, 0, sizeof *wait);
        wait->work.home = &home;
        wait->job = job;
        wait->until_us = until_us;
        assert_true(hub_waits_enter(&waits, false));
        hub_waits_add(&waits, wait);
}

/* The waits at home, in order, as a string of their places in w; '+' behind who was met. */
static void assert_home(const char *wanted)
{
        char came[2 * MAX + 1] = "";
        size_t n = 0;
        for (struct gw_work *work = gw_mailbox_take(&home); work; work = work->next) {
                struct gw_hub_wait *wait = GW_CONTAINER(work, struct gw_hub_wait, work);
                assert_true(wait >= w && wait < w + MAX && n + 1 < sizeof came);
                came[n++] = (char)('0' + (wait - w));
                if (wait->met)
                        came[n++] = '+';
        }
        assert_string_equal(came, wanted);
}

static void test_an_event_of_a_job(void **state)
{
        (void)state;
        add(&w[0], id(1, 9), 100);
        add(&w[1], id(2, 9), 100); /* in the same list */
        add(&w[2], id(1, 8), 100);
        add(&w[3], id(1, 9), 100);
        hub_waits_meet(&waits, id(3, 9), 7);
        assert_home("");
        hub_waits_meet(&waits, id(1, 9), 7);
        assert_home("3+0+");
        hub_waits_meet(&waits, id(1, 9), 7);
        assert_home("");
        assert_int_equal(waits.count, 2);
}

static void test_an_event_of_a_project(void **state)
{
        (void)state;
        static const int64_t some[] = {3, 7}, other[] = {4};
        for (int i = 0; i < 3; i++)
                add(&w[i], (struct gw_id){0}, 100);
        w[0].projects = some;
        w[0].project_count = 2;
        w[1].projects = other;
        w[1].project_count = 1;
        hub_waits_meet(&waits, id(1, 9), 7);
        assert_home("0+");
        hub_waits_meet(&waits, id(1, 9), 7);
        assert_home("");
        hub_waits_meet(&waits, id(1, 9), 4);
        assert_home("1+");
        assert_int_equal(waits.count, 1); /* who has no projects hears of none */
}

static void test_the_time(void **state)
{
        (void)state;
        assert_true(waits.earliest_us == INT64_MAX);
        add(&w[0], id(1, 1), 300);
        add(&w[1], (struct gw_id){0}, 100);
        add(&w[2], id(1, 2), 200);
        assert_int_equal(waits.earliest_us, 100);
        hub_waits_expire(&waits, 99);
        assert_home("");
        hub_waits_expire(&waits, 100);
        assert_home("1");
        assert_int_equal(waits.earliest_us, 200);
        hub_waits_expire(&waits, 250);
        assert_home("2");
        hub_waits_expire(&waits, INT64_MAX);
        assert_home("0");
        assert_true(waits.earliest_us == INT64_MAX && waits.count == 0);
}

static void test_the_abandoned(void **state)
{
        (void)state;
        add(&w[0], id(1, 1), 0); /* over long since, but that is not asked */
        add(&w[1], id(1, 1), 100);
        atomic_store(&w[1].abandoned, true);
        hub_waits_drop_abandoned(&waits);
        assert_home("1");
}

static void test_no_more_than_allowed(void **state)
{
        (void)state;
        for (int i = 0; i < MAX; i++)
                add(&w[i], id(1, (uint8_t)i), 100);
        assert_false(hub_waits_enter(&waits, false));
        assert_int_equal(waits.count, MAX);
        hub_waits_meet(&waits, id(1, 0), 7);
        assert_home("0+");
        assert_true(hub_waits_enter(&waits, false));
        assert_false(hub_waits_enter(&waits, false));
        assert_true(hub_waits_enter(&waits, true));
        hub_waits_leave(&waits);
        hub_waits_leave(&waits);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_an_event_of_a_job, begin, end),
                cmocka_unit_test_setup_teardown(test_an_event_of_a_project, begin, end),
                cmocka_unit_test_setup_teardown(test_the_time, begin, end),
                cmocka_unit_test_setup_teardown(test_the_abandoned, begin, end),
                cmocka_unit_test_setup_teardown(test_no_more_than_allowed, begin, end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
