/* Which tasks are next, by what the record says of them. */
#include "routes/log_agenda.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/base/cleanup.h"

static struct gw_log_agenda agenda(const char *all, const char *named)
{
        struct gw_log_agenda a = {0};
        assert_int_equal(gw_log_agenda_init(&a, all, named, NULL), 0);
        return a;
}

static void see(struct gw_log_agenda *a, uint32_t ordinal, enum gw_state state, int32_t attempts,
                bool started)
{
        gw_log_agenda_see(a, &(struct gw_log_fact){ordinal, state, attempts, started});
}

/* The index of the next, or -1. */
static int64_t next(const struct gw_log_agenda *a)
{
        uint32_t place;
        return gw_log_agenda_next(a, &place) ? (int64_t)gw_log_agenda_index(a, place) : -1;
}

static void test_the_first_look(void **state)
{
        (void)state;
        struct gw_log_agenda a = agenda("10-20:2", "12,16-18:2");
        see(&a, 0, GW_RUNNING, 1, true); /* 10 was not asked for */
        see(&a, 1, GW_PENDING, 1, false);
        assert_int_equal(next(&a), -1);
        see(&a, 4, GW_QUEUED, 3, true); /* between two attempts */
        see(&a, 3, GW_CANCELLED, 0, false);
        assert_int_equal(next(&a), 18);
        assert_int_equal(a.left, 2);
        assert_int_equal(a.tasks[2].sent, 2);
        assert_true(a.tasks[2].old);
        a.tasks[2].open = true;
        assert_int_equal(next(&a), -1);
        gw_log_agenda_done(&a);
}

static void test_what_starts_later(void **state)
{
        (void)state;
        struct gw_log_agenda a = agenda("0-9", NULL);
        a.begun = true;
        see(&a, 7, GW_FAILED, 2, false); /* the second never started */
        assert_int_equal(next(&a), 7);
        assert_false(a.tasks[7].old);
        assert_int_equal(a.tasks[7].sent, 0);
        a.tasks[7].sent = 1;
        see(&a, 7, GW_FAILED, 2, false);
        assert_int_equal(next(&a), -1);
        assert_true(a.tasks[7].over);
        assert_int_equal(a.left, 9);
        gw_log_agenda_over(&a, 7);
        assert_int_equal(a.left, 9);
        gw_log_agenda_done(&a);
}

static void test_the_range(void **state)
{
        (void)state;
        struct gw_log_agenda a = agenda("0-9", "2-4,8");
        uint32_t first = 0, last = 0;
        assert_true(gw_log_agenda_range(&a, 0, &first, &last));
        assert_int_equal(first, 2);
        assert_int_equal(last, 8);
        assert_true(gw_log_agenda_range(&a, 5, &first, &last));
        assert_int_equal(first, 8);
        assert_false(gw_log_agenda_range(&a, 9, &first, &last));
        gw_log_agenda_over(&a, 0);
        gw_log_agenda_over(&a, 3);
        assert_true(gw_log_agenda_range(&a, 0, &first, &last));
        assert_int_equal(first, 3);
        assert_int_equal(last, 4);
        gw_log_agenda_done(&a);
        /* What lies far apart is asked for by itself. */
        a = agenda("0-9999", "5-7,20,40-41,9000");
        assert_true(gw_log_agenda_range(&a, 0, &first, &last));
        assert_int_equal(first, 5);
        assert_int_equal(last, 20);
        assert_true(gw_log_agenda_range(&a, 21, &first, &last));
        assert_int_equal(first, 40);
        assert_int_equal(last, 41);
        assert_true(gw_log_agenda_range(&a, 42, &first, &last));
        assert_int_equal(first, 9000);
        assert_int_equal(last, 9000);
        gw_log_agenda_done(&a);
}

static void test_what_is_refused(void **state)
{
        (void)state;
        static const struct {
                const char *all, *named;
                int rc;
        } cases[] = {
                {"0-999", NULL, 0},    {"0-1000", NULL, -1}, {"0-1000", "1-1000", 0},
                {"0-1999:2", "1", -1}, {"0-9", "10", -1},    {"0-9", "9-8", -1},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_log_agenda a = {0};
                struct gw_error err = {0};
                assert_int_equal(gw_log_agenda_init(&a, cases[i].all, cases[i].named, &err),
                                 cases[i].rc);
                assert_int_equal(err.code != GW_OK, cases[i].rc != 0);
                gw_log_agenda_done(&a);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_first_look),
                cmocka_unit_test(test_what_starts_later),
                cmocka_unit_test(test_the_range),
                cmocka_unit_test(test_what_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
