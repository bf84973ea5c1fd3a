/* What a backend's thread is given of what was asked. */
#include "backends/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/base/cleanup.h"

static void a_lead_says_what_is_open(void **state)
{
        struct gw_span whole = {0, 9}, begun = {4, 4}, open[] = {{4, 5}, {8, 9}};
        const struct gw_submission live = {.mark = {.number = 3},
                                           .index_set = "0-9",
                                           .spans = &whole,
                                           .span_count = 1,
                                           .begun = &begun,
                                           .begun_count = 1,
                                           .open = open,
                                           .open_count = GW_COUNT(open),
                                           .most_tasks = 7};
        struct gw_queued_backend backend = {0};
        (void)state;
        assert_int_equal(gw_backend_queue_init(&backend.queue, NULL), 0);
        gw_queued_lead(&backend.head, 1, &live, 1, NULL);
        struct gw_leadership wish = gw_queue_take_wish(&backend.queue);
        const struct gw_live *taken = gw_leadership_find(&wish, live.mark);
        assert_non_null(taken);
        assert_int_equal(taken->span_count, 1);
        assert_memory_equal(taken->spans, &whole, sizeof whole);
        assert_int_equal(taken->begun_count, 1);
        assert_memory_equal(taken->begun, &begun, sizeof begun);
        assert_int_equal(taken->open_count, GW_COUNT(open));
        assert_int_equal(taken->most_tasks, 7);
        assert_memory_equal(taken->open, open, sizeof open);
        gw_leadership_done(&wish);
        gw_queue_stop(&backend.queue);
        gw_backend_queue_done(&backend.queue);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_lead_says_what_is_open),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
