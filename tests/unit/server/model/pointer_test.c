/* server/model/pointer.h: escapes, indexes, leaving, and a pointer that is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/str.h"
#include "server/model/pointer.h"

static void test_enter_and_leave(void **state)
{
        (void)state;
        struct gw_pointer p;
        gw_pointer_init(&p, "?ids");
        size_t first = gw_pointer_enter(&p, "a/b~c", 5);
        assert_string_equal(p.text, "?ids/a~1b~0c");
        size_t second = gw_pointer_enter_index(&p, 0);
        assert_string_equal(p.text, "?ids/a~1b~0c/0");
        gw_pointer_leave(&p, second);
        gw_pointer_enter_index(&p, SIZE_MAX);
        assert_string_equal(p.text, "?ids/a~1b~0c/18446744073709551615");
        gw_pointer_leave(&p, first);
        gw_pointer_enter(&p, "", 0);
        assert_string_equal(p.text, "?ids/");
}

/* Cut at a character, whatever the bytes before it; broken UTF-8 does not get past the end. */
static void test_a_full_pointer_of_characters(void **state)
{
        (void)state;
        char name[2 * GW_ERROR_POINTER];
        for (size_t i = 0; i + 4 <= sizeof name; i += 4)
                memcpy(name + i, "\xF0\x9F\x98\x80", 4);
        for (size_t skip = 0; skip < 4; skip++) {
                struct gw_pointer p;
                gw_pointer_init(&p, "xxx" + (3 - skip));
                gw_pointer_enter(&p, name, sizeof name);
                assert_true(gw_str_utf8(p.text, p.len));
                assert_true(p.len > GW_ERROR_POINTER - 9 && p.len < GW_ERROR_POINTER);
        }
        struct gw_pointer p;
        gw_pointer_init(&p, "");
        gw_pointer_enter(&p, memset(name, 0x80, sizeof name), sizeof name);
        assert_int_equal(p.len, GW_ERROR_POINTER - 1);
}

static void test_a_full_pointer(void **state)
{
        (void)state;
        struct gw_pointer p;
        char name[2 * GW_ERROR_POINTER];
        memset(name, '/', sizeof name);
        gw_pointer_init(&p, "");
        size_t mark = gw_pointer_enter(&p, name, sizeof name);
        assert_true(p.len >= GW_ERROR_POINTER - 6 && p.len < GW_ERROR_POINTER);
        assert_int_equal(strlen(p.text), p.len);
        size_t full = gw_pointer_enter_index(&p, 7);
        assert_int_equal(strlen(p.text), p.len);
        gw_pointer_leave(&p, full);
        gw_pointer_leave(&p, mark);
        assert_string_equal(p.text, "");

        name[sizeof name - 1] = '\0';
        gw_pointer_init(&p, name);
        assert_int_equal(p.len, GW_ERROR_POINTER - 1);
        gw_pointer_enter(&p, "a", 1);
        assert_int_equal(p.len, GW_ERROR_POINTER - 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_enter_and_leave),
                cmocka_unit_test(test_a_full_pointer),
                cmocka_unit_test(test_a_full_pointer_of_characters),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
