#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "server/base/error.h"
#include "server/base/str.h"

static void fails_and_fills(void **state)
{
        (void)state;
        struct gw_error err = {0};
        assert_int_equal(gw_fail(&err, GW_ERR_CONFLICT, "job %d is %s", 7, "done"), -1);
        assert_int_equal(err.code, GW_ERR_CONFLICT);
        assert_string_equal(err.message, "job 7 is done");
        assert_string_equal(err.pointer, "");
}

static void takes_no_error(void **state)
{
        (void)state;
        assert_int_equal(gw_fail(NULL, GW_ERR_IO, "x"), -1);
        assert_int_equal(gw_fail_at(NULL, GW_ERR_IO, "/a", "x"), -1);
        assert_int_equal(gw_fail_within(NULL, "x"), -1);
}

static void first_error_wins(void **state)
{
        (void)state;
        struct gw_error err = {0};
        gw_fail_at(&err, GW_ERR_INVALID, "/spec/name", "first");
        gw_fail(&err, GW_ERR_INTERNAL, "second");
        gw_fail_at(&err, GW_ERR_INTERNAL, "/other", "third");
        assert_int_equal(err.code, GW_ERR_INVALID);
        assert_string_equal(err.message, "first");
        assert_string_equal(err.pointer, "/spec/name");
}

static void context_goes_in_front(void **state)
{
        (void)state;
        struct gw_error err = {0};
        assert_int_equal(gw_fail_within(&err, "nothing"), -1);
        assert_int_equal(err.code, GW_OK);
        gw_fail(&err, GW_ERR_IO, "disk full");
        gw_fail_within(&err, "log");
        gw_fail_within(&err, "job");
        assert_string_equal(err.message, "job: log: disk full");
        assert_int_equal(err.code, GW_ERR_IO);
}

static void cuts_between_characters(void **state)
{
        (void)state;
        for (int shift = 0; shift < 4; shift++) {
                char text[GW_ERROR_MESSAGE * 2] = "xxxx";
                text[shift] = '\0';
                while (strlen(text) < GW_ERROR_MESSAGE + 20)
                        strcat(text, "\U0001F600");
                struct gw_error err = {0};
                gw_fail(&err, GW_ERR_INVALID, "%s", text);
                size_t len = strlen(err.message);
                assert_true(len > GW_ERROR_MESSAGE - 5 && len < GW_ERROR_MESSAGE);
                assert_int_equal((len - (size_t)shift) % 4, 0);
                assert_true(gw_str_utf8(err.message, len));
                assert_null(strchr(err.message, '?'));

                struct gw_error at = {0};
                gw_fail_at(&at, GW_ERR_INVALID, text, "x");
                len = strlen(at.pointer);
                assert_true(len > GW_ERROR_POINTER - 5 && len < GW_ERROR_POINTER);
                assert_int_equal((len - (size_t)shift) % 4, 0);
        }
}

static void longest_message_fits(void **state)
{
        (void)state;
        char text[GW_ERROR_MESSAGE + 1];
        memset(text, 'a', sizeof text);
        text[GW_ERROR_MESSAGE - 1] = '\0';
        struct gw_error err = {0};
        gw_fail(&err, GW_ERR_INVALID, "%s", text);
        assert_string_equal(err.message, text);
        gw_fail_within(&err, "context");
        assert_int_equal(strlen(err.message), GW_ERROR_MESSAGE - 1);
        assert_memory_equal(err.message, "context: aaa", 12);
}

static void hostile_bytes_become_marks(void **state)
{
        (void)state;
        struct gw_error err = {0};
        gw_fail_at(&err, GW_ERR_INVALID, "/a\xff", "no field \xc3(\xed\xa0\x80");
        assert_string_equal(err.message, "no field ?(???");
        assert_string_equal(err.pointer, "/a?");
}

static void every_code_has_its_own_name(void **state)
{
        (void)state;
        for (int i = 0; i < GW_ERR_COUNT; i++) {
                const char *name = gw_error_name((enum gw_error_code)i);
                assert_non_null(name);
                assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
                for (int j = 0; j < i; j++)
                        assert_string_not_equal(name, gw_error_name((enum gw_error_code)j));
        }
        assert_string_equal(gw_error_name(GW_ERR_COUNT), "internal");
        assert_string_equal(gw_error_name((enum gw_error_code) - 1), "internal");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(fails_and_fills),
                cmocka_unit_test(takes_no_error),
                cmocka_unit_test(first_error_wins),
                cmocka_unit_test(context_goes_in_front),
                cmocka_unit_test(cuts_between_characters),
                cmocka_unit_test(longest_message_fits),
                cmocka_unit_test(hostile_bytes_become_marks),
                cmocka_unit_test(every_code_has_its_own_name),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
