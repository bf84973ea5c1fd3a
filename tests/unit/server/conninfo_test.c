/* Connection strings: no secret is shown, and the role is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "server/base/cleanup.h"
#include "server/conninfo.h"

static void test_masking(void **state)
{
        (void)state;
        static const struct {
                const char *in, *out;
        } cases[] = {
                {"", ""},
                {"host=/run user=a dbname=b", "host=/run user=a dbname=b"},
                {"password=hush", "password=****"},
                {"user=a password=hush dbname=b", "user=a password=**** dbname=b"},
                {"password = hush user=a", "password = **** user=a"},
                {"password='hu sh' user=a", "password=**** user=a"},
                {"password='hu\\'sh hush' user=a", "password=**** user=a"},
                {"password=hu\\ sh user=a", "password=**** user=a"},
                {"password='hush", "password=****"},
                {"password=hush\\", "password=****"},
                {"password=", "password=****"},
                {"sslpassword=hush\tpassword=hush", "sslpassword=****\tpassword=****"},
                {"password", "password"},
                {"user=password password=hush", "user=password password=****"},
                {"postgresql://h/d", "postgresql://h/d"},
                {"postgresql://a@h/d", "postgresql://a@h/d"},
                {"postgresql://a:hush@h/d", "postgresql://a:****@h/d"},
                {"postgres://a:hush@h:5432/d", "postgres://a:****@h:5432/d"},
                {"postgresql://a:hu@sh@h/d", "postgresql://a:****@h/d"},
                {"postgresql://a:hu:sh@h/d", "postgresql://a:****@h/d"},
                {"postgresql://:hush@h", "postgresql://:****@h"},
                {"postgresql://h:5432/d@x", "postgresql://h:5432/d@x"},
                {"postgresql:///d?host=/run&password=hush&user=a",
                 "postgresql:///d?host=/run&password=****&user=a"},
                {"postgresql://a:hush@h?sslpassword=hush",
                 "postgresql://a:****@h?sslpassword=****"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_buf out = GW_BUF_INIT(1024);
                gw_conninfo_mask(cases[i].in, &out);
                assert_string_equal(out.data ? out.data : "", cases[i].out);
                gw_buf_done(&out);
        }
}

static void test_the_user(void **state)
{
        (void)state;
        static const struct {
                const char *in, *user; /* NULL: none */
        } cases[] = {
                {"", NULL},
                {"host=h", NULL},
                {"user=a", "a"},
                {"  host=h  user=jobgate_serve dbname=b", "jobgate_serve"},
                {"user = a", "a"},
                {"user='a b' host=h", "a b"},
                {"user=a\\ b", "a b"},
                {"user='a\\'b'", "a'b"},
                {"password='user=x' user=a", "a"},
                {"xuser=b user=a", "a"},
                {"user=", NULL},
                {"user", NULL},
                {"host=h junk", NULL},
                {"user=abcdefghijklmnop", NULL}, /* 16 bytes do not fit */
                {"user=abcdefghijklmno", "abcdefghijklmno"},
                {"postgresql://a@h/d", "a"},
                {"postgres://a:hush@h/d", "a"},
                {"postgresql://a%40b:x@h", "a@b"},
                {"postgresql://a%4", NULL},
                {"postgresql://a%4@h", NULL},
                {"postgresql://h/d", NULL},
                {"postgresql://h:5432/a@b", NULL},
                {"postgresql://abcdefghijklmnop@h", NULL},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                char user[16];
                bool found = gw_conninfo_user(cases[i].in, user, sizeof user);
                if (found != (cases[i].user != NULL))
                        fail_msg("%s: %d", cases[i].in, found);
                if (found)
                        assert_string_equal(user, cases[i].user);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_masking),
                cmocka_unit_test(test_the_user),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
