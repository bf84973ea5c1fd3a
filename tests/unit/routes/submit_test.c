/* What is made of an insert that gave no row. */
#include "routes/submit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static const char part[] = "may be recorded or not; ";

static struct gw_submit without_row(const char *key)
{
        return (struct gw_submit){.key = key, .key_field = "Idempotency-Key"};
}

static void test_without_a_key_it_was_made_before(void **state)
{
        struct gw_submit s = without_row(NULL);
        struct gw_error err = {0};
        (void)state;
        assert_int_equal(gw_submit_take(&s, &err), GW_SUBMIT_RECORDED);
        assert_int_equal(err.code, GW_OK);
}

static void test_with_a_key_the_record_is_asked(void **state)
{
        struct gw_submit s = without_row("k");
        struct gw_error err = {0};
        (void)state;
        assert_int_equal(gw_submit_take(&s, &err), GW_SUBMIT_UNSETTLED);
}

static void test_who_cannot_ask_says_that_nobody_knows(void **state)
{
        static const enum gw_error_code codes[] = {GW_ERR_UNAVAILABLE, GW_ERR_OVERLOADED};
        struct gw_submit s = without_row("k");
        (void)state;
        for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
                struct gw_error why = {.code = codes[i], .message = "away"}, err = {0};
                gw_submit_lose(&s, &why, &err);
                assert_int_equal(err.code, codes[i]);
                assert_non_null(strstr(err.message, part));
                assert_non_null(strstr(err.message, "with the same Idempotency-Key"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_without_a_key_it_was_made_before),
                cmocka_unit_test(test_with_a_key_the_record_is_asked),
                cmocka_unit_test(test_who_cannot_ask_says_that_nobody_knows),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
