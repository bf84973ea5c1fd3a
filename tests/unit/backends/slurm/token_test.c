/* The token of Slurm 22.05's own `scontrol token username=jobgate-alice lifespan=60`. */
#include "backends/slurm/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void as_slurm_makes_them(void **state)
{
        (void)state;
        static const uint8_t key[32] = {0x0c, 0x0d, 0x29, 0x7a, 0x4c, 0xf0, 0x15, 0x2c,
                                        0x3b, 0x0a, 0x71, 0x00, 0xe9, 0xe0, 0x8a, 0xde,
                                        0x39, 0x42, 0x99, 0x8b, 0xce, 0xa5, 0xb6, 0x40,
                                        0x89, 0xd4, 0xfc, 0x6e, 0xa9, 0x1f, 0xe7, 0x1c};
        static const char wanted[] =
                "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
                "eyJleHAiOjE3OTU5MjY2MzMsImlhdCI6MTc5NTkyNjU3Mywic3VuIjoiam9iZ2F0ZS1hbGljZSJ9."
                "777FL2j71xYpw3_x8yd3-RuLek_pVLTPwl1_UfpExfc";
        char token[GW_SLURM_TOKEN_TEXT];
        struct gw_error err = {0};
        assert_int_equal(
                gw_slurm_token(key, sizeof key, "jobgate-alice", 1795926573, 60, token, &err), 0);
        assert_string_equal(token, wanted);
}

static void other_users_keys_and_times_differ(void **state)
{
        (void)state;
        char one[GW_SLURM_TOKEN_TEXT], two[GW_SLURM_TOKEN_TEXT];
        assert_int_equal(gw_slurm_token("k", 1, "ada", 1, 60, one, NULL), 0);
        assert_int_equal(gw_slurm_token("l", 1, "ada", 1, 60, two, NULL), 0);
        assert_string_not_equal(one, two);
        assert_int_equal(gw_slurm_token("k", 1, "bob", 1, 60, two, NULL), 0);
        assert_string_not_equal(one, two);
        assert_int_equal(gw_slurm_token("k", 1, "ada", 2, 60, two, NULL), 0);
        assert_string_not_equal(one, two);
        assert_int_equal(gw_slurm_token("k", 1, "ada", 1, 61, two, NULL), 0);
        assert_string_not_equal(one, two);
}

static void the_longest_fits(void **state)
{
        (void)state;
        char user[66], token[GW_SLURM_TOKEN_TEXT];
        memset(user, 'x', sizeof user);
        user[64] = '\0';
        int64_t late = INT64_MAX / 2;
        assert_int_equal(gw_slurm_token("k", 1, user, late, late, token, NULL), 0);
        assert_true(strlen(token) < sizeof token);
        user[64] = 'x';
        user[65] = '\0';
        struct gw_error err = {0};
        assert_int_equal(gw_slurm_token("k", 1, user, 1, 60, token, &err), -1);
        assert_int_equal(err.code, GW_ERR_INVALID);
}

static void a_name_cannot_write_claims(void **state)
{
        (void)state;
        static const char *const names[] = {"", "a\"b", "a\\u0041", "a b", "ä", "a,b", "a\n"};
        char token[GW_SLURM_TOKEN_TEXT];
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                assert_int_equal(gw_slurm_token("k", 1, names[i], 1, 60, token, NULL), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(as_slurm_makes_them),
                cmocka_unit_test(other_users_keys_and_times_differ),
                cmocka_unit_test(the_longest_fits),
                cmocka_unit_test(a_name_cannot_write_claims),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
