/* What may be the other side of a request. */
#include "server/net/peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void check(const struct gw_net_peer_config *config, enum gw_error_code wanted)
{
        struct gw_error err = {0};
        struct gw_net_peer *peer = gw_net_peer_new(config, &err);
        assert_int_equal(err.code, wanted);
        assert_true(!peer == (wanted != GW_OK));
        if (peer)
                gw_net_peer_unref(gw_net_peer_ref(peer));
        gw_net_peer_unref(peer);
}

static void a_url_has_a_server_and_a_path(void **state)
{
        static const char *const good[] = {"https://example.org",
                                           "https://example.org:6443/a/b/",
                                           "https://[2001:db8::1]:6443",
                                           "http://127.0.0.1:80",
                                           "http://[::1]",
                                           "http://localhost:1"};
        static const char *const bad[] = {
                "",
                "example.org",
                "http://example.org",
                "http://localhost.example.org",
                "http://127.0.0.2",
                "ftp://127.0.0.1",
                "file:///etc/passwd",
                "https://",
                "https://a@example.org",
                "https://a:b@example.org",
                "https://example.org?a",
                "https://example.org/#a",
                "https://example.org:0x1",
                "https://exa mple.org",
        };
        (void)state;
        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
                check(&(struct gw_net_peer_config){.url = good[i]}, GW_OK);
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                check(&(struct gw_net_peer_config){.url = bad[i]}, GW_ERR_INVALID);
}

static void certificate_and_key_go_together(void **state)
{
        const char *url = "https://example.org";
        (void)state;
        check(&(struct gw_net_peer_config){.url = url, .certificate = "c"}, GW_ERR_INVALID);
        check(&(struct gw_net_peer_config){.url = url, .key = "k"}, GW_ERR_INVALID);
        check(&(struct gw_net_peer_config){.url = url, .certificate = "c", .key = "k"}, GW_OK);
}

static void a_name_is_one_of_a_host(void **state)
{
        const char *url = "https://10.0.0.1";
        (void)state;
        check(&(struct gw_net_peer_config){.url = url, .server_name = "a.b-c"}, GW_OK);
        check(&(struct gw_net_peer_config){.url = url, .server_name = "a:b"}, GW_ERR_INVALID);
        check(&(struct gw_net_peer_config){.url = url, .server_name = ""}, GW_ERR_INVALID);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_url_has_a_server_and_a_path),
                cmocka_unit_test(certificate_and_key_go_together),
                cmocka_unit_test(a_name_is_one_of_a_host),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
