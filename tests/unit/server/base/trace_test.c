/* What is a traceparent and what is none: the examples and the rules of W3C Trace Context. */
#include "server/base/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static void well_formed(void **state)
{
        (void)state;
        static const char *const values[] = {
                "00-" TRACE "-" PARENT "-01",
                "00-" TRACE "-" PARENT "-00",
                "00-" TRACE "-" PARENT "-ff",
        };
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
                struct gw_trace trace;
                assert_true(gw_trace_parse(values[i], &trace));
                assert_string_equal(trace.trace_id, TRACE);
                assert_string_equal(trace.parent_id, PARENT);
        }
}

static void anything_else(void **state)
{
        (void)state;
        static const char *const values[] = {
                "",
                "00",
                "00-",
                "00-" TRACE,
                "00-" TRACE "-",
                "00-" TRACE "-" PARENT,
                "00-" TRACE "-" PARENT "-",
                "00-" TRACE "-" PARENT "-0",
                "00-" TRACE "-" PARENT "-011",
                "00-" TRACE "-" PARENT "-01-",
                "00-" TRACE "-" PARENT "-01-more",
                "00-" TRACE "-" PARENT "-0g",
                "00-" TRACE "-" PARENT "-0A",
                "00_" TRACE "_" PARENT "_01",
                "01-" TRACE "-" PARENT "-01",
                "ff-" TRACE "-" PARENT "-01",
                "0-" TRACE "-" PARENT "-01",
                "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01",
                "00-" TRACE "-00F067AA0BA902B7-01",
                "00-" TRACE "0-" PARENT "-01",
                "00-4bf92f3577b34da6a3ce929d0e0e473-" PARENT "-01",
                "00-" TRACE "-0" PARENT "-01",
                "00-" TRACE "-0f067aa0ba902b7-01",
                "00-00000000000000000000000000000000-" PARENT "-01",
                "00-" TRACE "-0000000000000000-01",
                " 00-" TRACE "-" PARENT "-01",
                "00-" TRACE "-" PARENT "-01, 00-" TRACE "-" PARENT "-01",
        };
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
                struct gw_trace trace = {.trace_id = "kept", .parent_id = "kept"};
                if (gw_trace_parse(values[i], &trace))
                        fail_msg("'%s'", values[i]);
                assert_string_equal(trace.trace_id, "kept");
                assert_string_equal(trace.parent_id, "kept");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(well_formed),
                cmocka_unit_test(anything_else),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
