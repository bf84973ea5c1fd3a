/* What a backend's thread is given of what was asked. */
#include "backends/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"

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

static struct {
        int begins, stops;
        bool fails;
} led;

static int begin(struct gw_queued_backend *b, const struct gw_leadership *wish)
{
        (void)b;
        assert_true(wish->lead);
        led.begins++;
        return led.fails ? -1 : 0;
}

static void stop(struct gw_queued_backend *b)
{
        (void)b;
        led.stops++;
}

static void what_cannot_be_led_is_tried_again(void **state)
{
        struct gw_queued_backend b = {0};
        const struct gw_backend_ask submit = {.kind = GW_ASK_SUBMIT, .epoch = 5};
        const struct gw_backend_ask stale = {.kind = GW_ASK_FORGET, .epoch = 4};
        const struct gw_backend_ask log = {.kind = GW_ASK_LOG};
        (void)state;
        led.fails = true;
        assert_int_equal(gw_backend_queue_init(&b.queue, NULL), 0);
        gw_queued_lead(&b.head, 5, NULL, 0, NULL);
        gw_queued_follow(&b, begin, stop);
        assert_true(led.begins == 1 && led.stops == 2); /* what was led, and what was begun */
        assert_int_equal(gw_queued_turn(&b, &submit, 0), GW_TURN_LATER);
        assert_int_equal(gw_queued_turn(&b, &stale, 0), GW_TURN_NEVER);
        assert_int_equal(gw_queued_turn(&b, &log, 0), GW_TURN_NOW);
        assert_true(gw_queued_follow_at(&b) > gw_clock_mono_us());
        gw_queued_follow(&b, begin, stop); /* not at once */
        assert_int_equal(led.begins, 1);
        b.next_at = 0;
        led.fails = false;
        gw_queued_follow(&b, begin, stop);
        assert_true(led.begins == 2 && led.stops == 2);
        assert_true(gw_queued_follow_at(&b) == INT64_MAX);
        assert_int_equal(gw_queued_turn(&b, &submit, 5), GW_TURN_NOW);
        assert_int_equal(gw_queued_turn(&b, &stale, 5), GW_TURN_NEVER);
        gw_queued_yield(&b.head);
        gw_queued_follow(&b, begin, stop);
        assert_true(led.begins == 2 && led.stops == 3);
        assert_int_equal(gw_queued_turn(&b, &submit, 0), GW_TURN_NEVER);
        gw_queue_stop(&b.queue);
        gw_backend_queue_done(&b.queue);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_lead_says_what_is_open),
                cmocka_unit_test(what_cannot_be_led_is_tried_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
