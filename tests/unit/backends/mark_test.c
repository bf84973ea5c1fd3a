/* Marks as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "backends/backend.h"

#define ID "0190163d-8694-739b-aea5-966c26f8ad91"

static void formats_and_parses_back(void **state)
{
        (void)state;
        static const uint32_t numbers[] = {1, 7, 4294967295};
        for (size_t i = 0; i < 3; i++) {
                struct gw_mark mark = {.number = numbers[i]}, back;
                char text[GW_MARK_TEXT];
                assert_int_equal(gw_id_parse(ID, &mark.job), 0);
                gw_mark_format(mark, text);
                assert_int_equal(gw_mark_parse(text, &back), 0);
                assert_true(gw_id_equal(back.job, mark.job));
                assert_int_equal(back.number, mark.number);
        }
}

static void has_one_text(void **state)
{
        (void)state;
        struct gw_mark mark = {.number = 12};
        char text[GW_MARK_TEXT];
        assert_int_equal(gw_id_parse(ID, &mark.job), 0);
        gw_mark_format(mark, text);
        assert_string_equal(text, ID ".12");
}

static void refuses_what_is_none(void **state)
{
        (void)state;
        static const char *const bad[] = {
                "",
                "x",
                ID,
                ID ".",
                ID ".0",
                ID ".-1",
                ID ".+1",
                ID ".01",
                ID ".1 ",
                ID ".1.2",
                ID ".4294967296",
                ID "-1",
                "0190163d"
                ".1",
                "g190163d-8694-739b-aea5-966c26f8ad91.1",
        };
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                struct gw_mark mark;
                if (gw_mark_parse(bad[i], &mark) == 0)
                        fail_msg("accepted: %s", bad[i]);
        }
}

static void finds_the_types(void **state)
{
        (void)state;
        assert_string_equal(gw_backend_type_find("local")->name, "local");
        assert_null(gw_backend_type_find("Local"));
        assert_null(gw_backend_type_find(""));
        assert_non_null(strstr(gw_backend_type_names(), "local"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(formats_and_parses_back),
                cmocka_unit_test(has_one_text),
                cmocka_unit_test(refuses_what_is_none),
                cmocka_unit_test(finds_the_types),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
