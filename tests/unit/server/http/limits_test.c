#include "tests/unit/server/http/harness.h"

#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/base/metrics.h"

static const struct gw_http_settings plain;

/* ---- bodies --------------------------------------------------------------------------------- */

/* Returns whether all of it could be sent. */
static bool say_body(struct client *c, const char *path, bool chunked, size_t size)
{
        struct gw_buf b = GW_BUF_INIT(64 << 20);
        gw_buf_printf(&b, "POST %s HTTP/1.1\r\nHost: t\r\n", path);
        if (chunked)
                gw_buf_printf(&b, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", size);
        else
                gw_buf_printf(&b, "Content-Length: %zu\r\n\r\n", size);
        assert_int_equal(gw_buf_reserve(&b, size + 16), 0);
        memset(b.data + b.len, 'b', size);
        b.len += size;
        if (chunked)
                gw_buf_str(&b, "\r\n0\r\n\r\n");
        bool sent = client_send(c, b.data, b.len);
        gw_buf_done(&b);
        return sent;
}

static void one_past_the_limit(void **state)
{
        static const struct {
                const char *path;
                size_t size;
                int status;
        } cases[] = {
                {"/limit", 0, 200},
                {"/limit", 10, 200},
                {"/limit", 11, 413},
                {"/any", GW_MAX_BODY_BYTES, 200},
                {"/any", GW_MAX_BODY_BYTES + 1, 413},
                {"/any", 8 * GW_MAX_BODY_BYTES, 413},
        };
        (void)state;
        struct site *site = site_open(plain, NULL);
        for (int chunked = 0; chunked < 2; chunked++) {
                for (size_t i = 0; i < GW_COUNT(cases); i++) {
                        if (chunked && cases[i].size == 0)
                                continue;
                        struct client c = client_open(site);
                        struct reply r;
                        say_body(&c, cases[i].path, chunked, cases[i].size);
                        client_read(&c, &r);
                        assert_int_equal(r.status, cases[i].status);
                        assert_int_equal(strlen(reply_field(&r, "X-Request-Id")), 32);
                        if (r.status == 413)
                                assert_string_equal(reply_field(&r, "X-Refused"), "too_large");
                        reply_done(&r);
                        client_close(&c);
                }
        }
        site_close(site, 1000);
}

/* The sender reads only when it has sent everything: no reset may overtake the answer. */
static void the_answer_to_a_refused_body_arrives(void **state)
{
        (void)state;
        struct site *site = site_open(plain, NULL);
        for (int i = 0; i < 60; i++) {
                static const size_t sizes[] = {100000, 1500000, 6000000};
                struct client c = client_open(site);
                struct reply r;
                bool early = i % 2;
                assert_true(say_body(&c, early ? "/refuse" : "/any", i % 4 < 2, sizes[i % 3]));
                client_read(&c, &r);
                assert_int_equal(r.status, early ? 401 : sizes[i % 3] > 1100000 ? 413 : 200);
                reply_done(&r);
                client_close(&c);
        }
        site_close(site, 1000);
}

/* But what is read for the sake of the answer has an end. */
static void a_refused_body_without_end(void **state)
{
        static char part[1 << 20];
        (void)state;
        struct site *site = site_open(plain, NULL);
        struct client c = client_open(site);
        client_say(&c, "POST /refuse HTTP/1.1\r\nHost: t\r\nContent-Length: 9999999999\r\n\r\n");
        int sent = 0;
        while (sent < 200 && client_send(&c, part, sizeof part))
                sent++;
        assert_in_range(sent, 8, 199);
        client_close(&c);
        site_close(site, 1000);
}

/* The client waits for an answer before it sends what it announced. */
static void too_large_is_said_at_the_header(void **state)
{
        (void)state;
        struct site *site = site_open(plain, NULL);
        struct client c = client_open(site);
        struct reply r;
        client_say(&c, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999\r\n\r\n");
        client_read(&c, &r);
        assert_int_equal(r.status, 413);
        assert_string_equal(reply_field(&r, "Connection"), "close");
        assert_true(client_sees_end(&c));
        reply_done(&r);
        client_close(&c);

        c = client_open(site);
        client_say(&c, "HEAD / HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999\r\n\r\n");
        client_read_for(&c, &r, true, PATIENCE_MS);
        assert_int_equal(r.status, 413);
        assert_true(client_sees_end(&c)); /* and no content */
        reply_done(&r);
        client_close(&c);
        site_close(site, 1000);
}

static void a_short_refused_body_keeps_the_connection(void **state)
{
        (void)state;
        struct site *site = site_open(plain, NULL);
        struct client c = client_open(site);
        for (int i = 0; i < 10; i++) {
                say_body(&c, i % 2 ? "/refuse" : "/limit", i % 4 == 1, 2000);
                assert_int_equal(client_status(&c), i % 2 ? 401 : 413);
        }
        assert_int_equal(client_get(&c, "/"), 200);
        client_close(&c);
        site_close(site, 1000);
}

static void expect_continue(void **state)
{
        static const struct {
                const char *path;
                long length;
                int first, last;
        } cases[] = {
                {"/any", 5, 100, 200},
                {"/head-wait", 5, 100, 200},
                {"/refuse", 5, 401, 0},
                {"/any", 2000000, 413, 0},
                {"/head-wait-refuse", 5, 403, 0},
                {"/refuse", 2000000, 401, 0},
        };
        (void)state;
        struct site *site = site_open(plain, NULL);
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct client c = client_open(site);
                char request[256];
                snprintf(request, sizeof request,
                         "POST %s HTTP/1.1\r\nHost: t\r\nContent-Length: %ld\r\n"
                         "Expect: 100-continue\r\n\r\n",
                         cases[i].path, cases[i].length);
                client_say(&c, request);
                assert_int_equal(client_status(&c), cases[i].first);
                if (cases[i].first == 100) {
                        client_say(&c, "12345");
                        assert_int_equal(client_status(&c), cases[i].last);
                } else {
                        assert_true(client_sees_end(&c));
                }
                client_close(&c);
        }
        site_close(site, 1000);
}

/* Posts 90,000 bytes until the status is the wanted one. */
static int post_until(struct site *site, int wanted)
{
        int64_t deadline = now_ms() + PATIENCE_MS;
        int status = 0;
        while (status != wanted && now_ms() < deadline) {
                struct client c = client_open(site);
                say_body(&c, "/x", false, 90000);
                status = client_status(&c);
                client_close(&c);
        }
        return status;
}

/* Waits until the server has read so many bytes of bodies. */
static void wait_body_bytes(struct gw_metrics *m, unsigned bytes)
{
        int64_t deadline = now_ms() + PATIENCE_MS;
        struct gw_buf text = GW_BUF_INIT(1 << 20);
        char wanted[64];
        snprintf(wanted, sizeof wanted, "jobgate_http_body_bytes_total %u\n", bytes);
        do {
                assert_true(now_ms() < deadline);
                gw_buf_clear(&text);
                gw_metrics_write(m, &text);
        } while (!strstr(text.data, wanted));
        gw_buf_done(&text);
}

static void budget_of_all_bodies(void **state)
{
        (void)state;
        struct gw_metrics *m = gw_metrics_new();
        struct site *site =
                site_open((struct gw_http_settings){.loops = 2, .max_bodies_bytes = 300 * 1024}, m);
        struct client half[2];
        char part[100000];
        memset(part, 'p', sizeof part);
        for (int i = 0; i < 2; i++) {
                half[i] = client_open(site);
                client_say(&half[i],
                           "POST /x HTTP/1.1\r\nHost: t\r\nContent-Length: 100001\r\n\r\n");
                assert_true(client_send(&half[i], part, sizeof part));
        }
        wait_body_bytes(m, 2 * sizeof part);
        assert_int_equal(post_until(site, 503), 503);
        for (int i = 0; i < 2; i++) {
                client_say(&half[i], "p");
                assert_int_equal(client_status(&half[i]), 200);
                client_close(&half[i]);
        }
        assert_int_equal(post_until(site, 200), 200);
        site_close(site, 1000);
        gw_metrics_free(m);
}

static int post(struct client *c, size_t size)
{
        say_body(c, "/x", false, size);
        return client_status(c);
}

/* What is over it is refused, what was sent is given back, and what is small is not counted. */
static void budget_of_all_answers(void **state)
{
        (void)state;
        struct site *site = site_open(
                (struct gw_http_settings){.loops = 1, .max_answers_bytes = 100 * 1024}, NULL);
        struct client c = client_open(site);
        for (int i = 0; i < 20; i++) {
                assert_int_equal(post(&c, 90 * 1024), 200);
                assert_int_equal(post(&c, 100 * 1024), 503);
        }
        assert_int_equal(atomic_load(&site->last_refusal), GW_ERR_OVERLOADED);
        client_close(&c);
        site_close(site, 1000);

        site = site_open((struct gw_http_settings){.loops = 1, .max_answers_bytes = 1}, NULL);
        c = client_open(site);
        assert_int_equal(post(&c, 63 * 1024), 200);
        assert_int_equal(post(&c, 65 * 1024), 503);
        client_close(&c);
        site_close(site, 1000);
}

/* ---- headers -------------------------------------------------------------------------------- */

static void uri_one_past_the_limit(void **state)
{
        (void)state;
        struct site *site = site_open(plain, NULL);
        struct client c = client_open(site);
        char path[GW_MAX_URI_BYTES + 2];
        memset(path, 'u', sizeof path - 1);
        path[0] = '/';
        path[sizeof path - 1] = '\0';
        assert_int_equal(client_get(&c, path), 414);
        assert_int_equal(atomic_load(&site->last_refusal), GW_ERR_URI_TOO_LONG);
        path[GW_MAX_URI_BYTES] = '\0';
        assert_int_equal(client_get(&c, path), 200);
        client_close(&c);
        site_close(site, 1000);
}

static void say_header(struct client *c, size_t size)
{
        struct gw_buf b = GW_BUF_INIT(1 << 20);
        gw_buf_str(&b, "GET / HTTP/1.1\r\nHost: t\r\nX: ");
        while (b.len < size - 4)
                gw_buf_char(&b, 'h');
        gw_buf_str(&b, "\r\n\r\n");
        assert_int_equal(b.len, size);
        client_send(c, b.data, b.len);
        gw_buf_done(&b);
}

static void header_one_past_the_limit(void **state)
{
        static const size_t too_large[] = {GW_MAX_HEADER_BYTES + 1, 10000, 2 * GW_MAX_HEADER_BYTES};
        (void)state;
        struct site *site = site_open(plain, NULL);
        struct client c = client_open(site);
        say_header(&c, GW_MAX_HEADER_BYTES);
        assert_int_equal(client_status(&c), 200);
        for (size_t i = 0; i < GW_COUNT(too_large); i++) {
                struct reply r;
                say_header(&c, too_large[i]);
                client_read(&c, &r);
                assert_int_equal(r.status, 431);
                assert_string_equal(reply_field(&r, "X-Refused"), "headers_too_large");
                assert_non_null(reply_field(&r, "X-Request-Id"));
                reply_done(&r);
        }
        client_close(&c);
        /* Over libmicrohttpd's memory, where the answer is not ours. */
        c = client_open(site);
        say_header(&c, 200000);
        int status = client_status(&c);
        assert_true(status == 431 || status == 0);
        client_close(&c);
        site_close(site, 1000);
}

/* ---- malformed ------------------------------------------------------------------------------ */

static void malformed_requests(void **state)
{
#define REQUEST(fields) "POST / HTTP/1.1\r\nHost: t\r\n" fields "\r\n\r\n"
        static const char *const requests[] = {
                "GET / HTTP/1.1\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                "GET /a b HTTP/1.1\r\nHost: t\r\n\r\n",
                "GET /\xc3\xa9 HTTP/1.1\r\nHost: t\r\n\r\n",
                "GET /?\x01 HTTP/1.1\r\nHost: t\r\n\r\n",
                "GET / HTTP/9.9\r\nHost: t\r\n\r\n",
                "GET / HTTQ/1.1\r\nHost: t\r\n\r\n",
                "GET\r\n\r\n",
                " \r\n\r\n",
                "\x16\x03\x01\x02\x05\x01\r\n\r\n",
                REQUEST("Content-Length: -1"),
                REQUEST("Content-Length: +5"),
                REQUEST("Content-Length: 5x"),
                REQUEST("Content-Length: 0x5"),
                REQUEST("Content-Length: 99999999999999999999999"),
                REQUEST("Content-Length: 5\r\nContent-Length: 6") "hello",
                REQUEST("Content-Length: 5\r\nTransfer-Encoding: chunked") "0\r\n\r\n",
                REQUEST("Transfer-Encoding: gzip") "hello",
                REQUEST("Transfer-Encoding: gzip, chunked") "0\r\n\r\n",
                REQUEST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked") "0\r\n\r\n",
                REQUEST("Content-Length : 5") "hello",
                REQUEST("no colon"),
                REQUEST("Transfer-Encoding: chunked") "zz\r\nhello\r\n0\r\n\r\n",
                REQUEST("Transfer-Encoding: chunked") "-5\r\nhello\r\n0\r\n\r\n",
                REQUEST("Transfer-Encoding: chunked") "5\r\nhelloX0\r\n\r\n",
        };
        (void)state;
        struct site *site = site_open(plain, NULL);
        struct client other = client_open(site);
        for (size_t i = 0; i < GW_COUNT(requests); i++) {
                struct client c = client_open(site);
                client_say(&c, requests[i]);
                int status = client_status(&c);
                if (status != 400 && status != 413 && status != 505 && status != 0)
                        fail_msg("%s: %d", requests[i], status);
                client_close(&c);
                assert_int_equal(client_get(&other, "/"), 200);
        }
        client_close(&other);
        site_close(site, 1000);
}

/* After a message whose end is not known, nothing that follows is taken for a request. */
static void nothing_is_smuggled(void **state)
{
        static const char *const fields[] = {
                "Content-Length: 0\r\nContent-Length: 6",
                "Content-Length: 0\r\nTransfer-Encoding: chunked",
                "Transfer-Encoding: xchunked",
                "Content-Length : 30",
        };
        (void)state;
        struct site *site = site_open(plain, NULL);
        for (size_t i = 0; i < GW_COUNT(fields); i++) {
                struct client c = client_open(site);
                char request[512];
                snprintf(request, sizeof request,
                         "POST / HTTP/1.1\r\nHost: t\r\n%s\r\n\r\n"
                         "GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n",
                         fields[i]);
                client_say(&c, request);
                assert_int_equal(client_status(&c), 400);
                assert_true(client_sees_end(&c));
                client_close(&c);
        }
        site_close(site, 1000);
}

/* ---- counting ------------------------------------------------------------------------------- */

static void counts(void **state)
{
        (void)state;
        struct gw_metrics *m = gw_metrics_new();
        struct site *site = site_open(plain, m);
        struct client c = client_open(site);
        struct gw_buf text = GW_BUF_INIT(1 << 20);
        say_body(&c, "/limit", false, 7);
        assert_int_equal(client_status(&c), 200);
        say_body(&c, "/limit", false, 11);
        assert_int_equal(client_status(&c), 413);
        wait_for(&site->ends, 2);
        gw_metrics_write(m, &text);
        assert_non_null(strstr(text.data, "jobgate_http_connections 1\n"));
        assert_non_null(strstr(text.data, "jobgate_http_exchanges 0\n"));
        assert_non_null(strstr(text.data, "jobgate_http_body_bytes_total 7\n"));
        assert_non_null(
                strstr(text.data, "jobgate_http_refused_total{reason=\"body_too_large\"} 1\n"));
        assert_non_null(strstr(text.data, "jobgate_http_refused_total{reason=\"timeout\"} 0\n"));
        client_close(&c);
        site_close(site, 1000);

        gw_buf_clear(&text);
        gw_metrics_write(m, &text);
        assert_non_null(strstr(text.data, "jobgate_http_connections 0\n"));
        gw_buf_done(&text);
        gw_metrics_free(m);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_past_the_limit),
                cmocka_unit_test(the_answer_to_a_refused_body_arrives),
                cmocka_unit_test(a_refused_body_without_end),
                cmocka_unit_test(too_large_is_said_at_the_header),
                cmocka_unit_test(a_short_refused_body_keeps_the_connection),
                cmocka_unit_test(expect_continue),
                cmocka_unit_test(budget_of_all_bodies),
                cmocka_unit_test(budget_of_all_answers),
                cmocka_unit_test(uri_one_past_the_limit),
                cmocka_unit_test(header_one_past_the_limit),
                cmocka_unit_test(malformed_requests),
                cmocka_unit_test(nothing_is_smuggled),
                cmocka_unit_test(counts),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
