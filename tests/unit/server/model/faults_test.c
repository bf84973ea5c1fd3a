/* server/model/faults.h: codes, cutting, and one fault past the limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/str.h"
#include "server/model/faults.h"

static void test_code_is_the_gravest(void **state)
{
        (void)state;
        struct gw_faults f;
        gw_faults_init(&f);
        assert_false(gw_faults_any(&f));
        assert_int_equal(f.code, GW_OK);
        gw_faults_add(&f, GW_ERR_UNPROCESSABLE, "/a", "x");
        assert_int_equal(f.code, GW_ERR_UNPROCESSABLE);
        gw_faults_add(&f, GW_ERR_INVALID, "/b", "x");
        gw_faults_add(&f, GW_ERR_UNPROCESSABLE, "/c", "x");
        assert_int_equal(f.code, GW_ERR_INVALID);
        gw_faults_add(&f, GW_ERR_NOMEM, "", "x");
        gw_faults_add(&f, GW_ERR_INVALID, "/d", "x");
        assert_int_equal(f.code, GW_ERR_NOMEM);
        assert_int_equal(f.count, 5);
        assert_true(gw_faults_any(&f));
}

static void test_one_past_the_limit_is_counted(void **state)
{
        (void)state;
        struct gw_faults f;
        gw_faults_init(&f);
        for (int i = 0; i < GW_MAX_FAULTS + 1; i++)
                gw_faults_add(&f, GW_ERR_UNPROCESSABLE, "/x", "%d", i);
        assert_int_equal(f.count, GW_MAX_FAULTS);
        assert_int_equal(f.dropped, 1);
        assert_string_equal(f.items[GW_MAX_FAULTS - 1].detail, "31");
        gw_faults_add(&f, GW_ERR_INVALID, "/x", "one that is not kept counts for the code");
        assert_int_equal(f.code, GW_ERR_INVALID);
        gw_faults_init(&f);
        assert_int_equal(f.count + f.dropped, 0);
}

static void test_texts_are_cut_at_characters(void **state)
{
        (void)state;
        char longer[2 * GW_ERROR_MESSAGE];
        for (size_t i = 0; i + 2 < sizeof longer; i += 2)
                memcpy(longer + i, "\xC3\xA9", 3);

        for (int shift = 0; shift < 2; shift++) {
                struct gw_faults f;
                gw_faults_init(&f);
                gw_faults_add(&f, GW_ERR_INVALID, longer, "%.*s%s", shift, "x", longer);
                const struct gw_fault *fault = &f.items[0];
                assert_true(strlen(fault->detail) >= GW_ERROR_MESSAGE - 3);
                assert_null(strchr(fault->detail, '?'));
                assert_true(gw_str_utf8(fault->detail, strlen(fault->detail)));
                assert_true(gw_str_utf8(fault->pointer, strlen(fault->pointer)));
        }
}

static void test_what_is_no_utf8_becomes_question_marks(void **state)
{
        (void)state;
        struct gw_faults f;
        gw_faults_init(&f);
        gw_faults_add(&f, GW_ERR_INVALID, "/\xFF", "\xC3(");
        assert_string_equal(f.items[0].pointer, "/?");
        assert_string_equal(f.items[0].detail, "?(");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_code_is_the_gravest),
                cmocka_unit_test(test_one_past_the_limit_is_counted),
                cmocka_unit_test(test_texts_are_cut_at_characters),
                cmocka_unit_test(test_what_is_no_utf8_becomes_question_marks),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
