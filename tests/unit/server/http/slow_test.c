#include "tests/unit/server/http/harness.h"

#include "server/base/cleanup.h"

/* ---- bodies that do not come ---- */

static void slow_body(void **state)
{
        (void)state;
        struct site *site = site_open((struct gw_http_settings){.body_timeout_ms = 200}, NULL);
        struct client c = client_open(site);
        struct reply r;
        int64_t start = now_ms();
        client_say(&c, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc");
        client_read(&c, &r);
        assert_int_equal(r.status, 408);
        assert_string_equal(reply_field(&r, "X-Refused"), "request_timeout");
        assert_string_equal(reply_field(&r, "Connection"), "close");
        assert_int_equal(strlen(reply_field(&r, "X-Request-Id")), 32);
        assert_true(now_ms() - start >= 190);
        assert_true(client_sees_end(&c));
        reply_done(&r);

        /* We do not hang up; in the end the server does. */
        wait_for(&site->ends, 1);
        assert_int_equal(atomic_load(&site->last_end), 408);
        client_close(&c);
        site_close(site, 1000);
}

/* A byte now and then is no excuse: the time is for the whole body. */
static void dripping_body(void **state)
{
        (void)state;
        struct site *site = site_open((struct gw_http_settings){.body_timeout_ms = 300}, NULL);
        struct client c = client_open(site);
        struct reply r = {0};
        client_say(&c, "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n");
        for (int64_t end = now_ms() + PATIENCE_MS; r.status == 0 && now_ms() < end;) {
                client_send(&c, "d", 1);
                client_read_for(&c, &r, false, 20);
        }
        assert_int_equal(r.status, 408);
        reply_done(&r);
        client_close(&c);
        site_close(site, 1000);
}

static void refused_body_that_does_not_come(void **state)
{
        (void)state;
        struct site *site = site_open((struct gw_http_settings){.body_timeout_ms = 200}, NULL);
        struct client c = client_open(site);
        client_say(&c, "POST /refuse HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc");
        assert_int_equal(client_status(&c), 401);
        assert_int_equal(atomic_load(&site->refusals), 0);
        client_close(&c);
        site_close(site, 1000);
}

/* ---- headers that do not come ---- */

static void idle_connections_end(void **state)
{
        static const char *const beginnings[] = {"", "GET",
                                                 "GET / HTTP/1.1\r\nHost: t\r\n\r\nGET /"};
        (void)state;
        struct site *site = site_open((struct gw_http_settings){.idle_timeout_s = 1}, NULL);
        struct client c[GW_COUNT(beginnings)];
        int64_t start = now_ms();
        for (size_t i = 0; i < GW_COUNT(beginnings); i++) {
                c[i] = client_open(site);
                client_say(&c[i], beginnings[i]);
        }
        assert_int_equal(client_status(&c[GW_COUNT(c) - 1]), 200);
        for (size_t i = 0; i < GW_COUNT(c); i++) {
                assert_true(client_sees_end(&c[i]));
                assert_in_range(now_ms() - start, 900, PATIENCE_MS / 2);
                client_close(&c[i]);
        }
        site_close(site, 1000);
}

static void late_headers_are_told(void **state)
{
        static const char *const beginnings[] = {
                "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nHost: t\r\nX",
                "GET / HTTP/1.1\r\nHost: t\r\n\r\nGET / HTTP/1.1\r\n"};
        (void)state;
        struct site *site = site_open((struct gw_http_settings){.body_timeout_ms = 300}, NULL);
        struct client c[GW_COUNT(beginnings)];
        for (size_t i = 0; i < GW_COUNT(beginnings); i++) {
                c[i] = client_open(site);
                client_say(&c[i], beginnings[i]);
        }
        assert_int_equal(client_status(&c[GW_COUNT(c) - 1]), 200);
        for (size_t i = 0; i < GW_COUNT(c); i++) {
                struct reply r;
                client_read(&c[i], &r);
                assert_int_equal(r.status, 408);
                assert_string_equal(reply_field(&r, "X-Refused"), "request_timeout");
                assert_string_equal(reply_field(&r, "Connection"), "close");
                reply_done(&r);
                client_say(&c[i], "Y: too late\r\n\r\n");
                assert_true(client_sees_end(&c[i]));
                client_close(&c[i]);
        }
        wait_for(&site->ends, 1 + (int)GW_COUNT(c));
        assert_int_equal(atomic_load(&site->last_end), 408);
        site_close(site, 1000);
}

static void dripping_header(void **state)
{
        (void)state;
        struct site *site = site_open((struct gw_http_settings){.body_timeout_ms = 300}, NULL);
        struct client c = client_open(site);
        int64_t start = now_ms();
        client_say(&c, "GET / HTTP/1.1\r\nX: ");
        struct reply r = {0};
        while (r.status == 0 && now_ms() - start < PATIENCE_MS) {
                client_send(&c, "d", 1);
                client_read_for(&c, &r, false, 20);
        }
        assert_int_equal(r.status, 408);
        reply_done(&r);
        client_close(&c);
        site_close(site, 1000);
}

/* Who waits for an answer is not idle. */
static void waiting_is_not_idling(void **state)
{
        (void)state;
        struct site *site = site_open(
                (struct gw_http_settings){.idle_timeout_s = 1, .body_timeout_ms = 100}, NULL);
        struct client idle = client_open(site), waiting = client_open(site);
        client_say(&waiting, "POST /hold HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx");
        wait_for(&site->waiting, 1);
        assert_int_equal(client_get(&idle, "/"), 200);
        assert_true(client_sees_end(&idle));
        assert_int_equal(release_held(site, NULL), 1);
        assert_int_equal(client_status(&waiting), 200);
        client_close(&idle);
        client_close(&waiting);
        site_close(site, 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(slow_body),
                cmocka_unit_test(dripping_body),
                cmocka_unit_test(refused_body_that_does_not_come),
                cmocka_unit_test(idle_connections_end),
                cmocka_unit_test(late_headers_are_told),
                cmocka_unit_test(dripping_header),
                cmocka_unit_test(waiting_is_not_idling),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
