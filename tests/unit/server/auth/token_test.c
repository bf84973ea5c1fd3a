/* Tokens: their shape, their hash, and every way an Authorization field can be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "server/auth/auth.h"
#include "server/base/cleanup.h"

/* 32 bytes of zero. */
#define TOKEN "jg_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void test_new_tokens_differ_and_are_read_back(void **state)
{
        (void)state;
        char a[GW_TOKEN_TEXT], b[GW_TOKEN_TEXT], header[128], out[GW_TOKEN_TEXT];
        gw_token_new(a);
        gw_token_new(b);
        assert_string_not_equal(a, b);
        for (int i = 0; i < 200; i++) {
                gw_token_new(a);
                assert_int_equal(strlen(a), GW_TOKEN_TEXT - 1);
                snprintf(header, sizeof header, "Bearer %s", a);
                assert_int_equal(gw_token_from_header(header, out, NULL), 0);
                assert_string_equal(out, a);
        }
}

static void test_hash_is_sha256_of_the_whole_text(void **state)
{
        (void)state;
        /* printf %s abc | sha256sum */
        static const uint8_t abc[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                        0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                        0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                        0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
        uint8_t hash[32];
        gw_token_hash("abc", hash);
        assert_memory_equal(hash, abc, sizeof abc);
}

static void test_good_headers(void **state)
{
        (void)state;
        static const char *const good[] = {
                "Bearer " TOKEN,
                "bearer " TOKEN,
                "BEARER    " TOKEN,
                /* base64 of "admin:TOKEN", of ":TOKEN", and of "a:TOKEN" without its padding */
                "Basic YWRtaW46amdfQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQQ==",
                "basic OmpnX0FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
                "Basic YTpqZ19BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB",
        };
        for (size_t i = 0; i < GW_COUNT(good); i++) {
                char out[GW_TOKEN_TEXT];
                struct gw_error err = {0};
                if (gw_token_from_header(good[i], out, &err) < 0)
                        fail_msg("%s: %s", good[i], err.message);
                assert_string_equal(out, TOKEN);
        }
}

static void test_bad_headers(void **state)
{
        (void)state;
        static const struct {
                const char *header, *says;
        } bad[] = {
                {NULL, "a token is needed"},
                {"", "not known"},
                {"Bearer", "not known"},
                {"Bearer ", "not an API token"},
                {"Bearer\t" TOKEN, "not known"},
                {"Bearerx " TOKEN, "not known"},
                {"Digest " TOKEN, "not known"},
                {TOKEN, "not known"},
                {"Bearer " TOKEN "A", "not an API token"},
                {"Bearer " TOKEN " ", "not an API token"},
                {"Bearer jg_AAAA", "not an API token"},
                {"Bearer JG_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "not an API token"},
                {"Bearer jg_AAAAAAAAAAAAAAAAAAAAA+AAAAAAAAAAAAAAAAAAAAA", "not an API token"},
                {"Bearer jg_AAAAAAAAAAAAAAAAAAAAA\xc3\xa4"
                 "AAAAAAAAAAAAAAAAAAAA",
                 "not an API token"},
                {"Basic ", "not base64"},
                {"Basic !!!!", "not base64"},
                {"Basic " TOKEN, "not base64"},
                {"Basic YWRtaW4=", "not base64"},       /* "admin": no colon */
                {"Basic YWRtaW46", "not an API token"}, /* "admin:" */
                {"Basic YWRtaW46amdfQQA=", "not an API token"},
        };
        for (size_t i = 0; i < GW_COUNT(bad); i++) {
                char out[GW_TOKEN_TEXT];
                struct gw_error err = {0};
                assert_int_equal(gw_token_from_header(bad[i].header, out, &err), -1);
                assert_int_equal(err.code, GW_ERR_UNAUTHENTICATED);
                if (!strstr(err.message, bad[i].says))
                        fail_msg("%s: %s", bad[i].header ? bad[i].header : "NULL", err.message);
                assert_null(strstr(err.message, "AAAA"));
        }
}

static void test_a_basic_field_that_is_too_long(void **state)
{
        (void)state;
        char header[4096] = "Basic ", out[GW_TOKEN_TEXT];
        struct gw_error err = {0};
        memset(header + 6, 'A', 4000);
        assert_int_equal(gw_token_from_header(header, out, &err), -1);
        assert_int_equal(err.code, GW_ERR_UNAUTHENTICATED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_new_tokens_differ_and_are_read_back),
                cmocka_unit_test(test_hash_is_sha256_of_the_whole_text),
                cmocka_unit_test(test_good_headers),
                cmocka_unit_test(test_bad_headers),
                cmocka_unit_test(test_a_basic_field_that_is_too_long),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
