#include "tests/unit/server/http/harness.h"

#include "server/base/cleanup.h"
#include "server/base/limits.h"

/* ---- answers ---- */

static void answers_have_their_fields(void **state)
{
        (void)state;
        struct site *site = site_open((struct gw_http_settings){0}, NULL);
        struct client c = client_open(site);
        struct reply r;
        char first[64];
        client_say(&c, "GET /a%20b?q=1 HTTP/1.1\r\nHost: t\r\n\r\n");
        client_read(&c, &r);
        assert_int_equal(r.status, 200);
        assert_string_equal(r.body, "GET /a%20b\n");
        assert_string_equal(reply_field(&r, "Content-Type"), "text/plain");
        assert_string_equal(reply_field(&r, "X-Echo"), "yes");
        assert_null(reply_field(&r, "Server"));
        assert_null(reply_field(&r, "X-Evil"));
        assert_null(reply_field(&r, "X-Injected"));
        assert_null(reply_field(&r, "X-Bell"));
        assert_null(reply_field(&r, "Connection"));
        assert_non_null(reply_field(&r, "Date"));
        snprintf(first, sizeof first, "%s", reply_field(&r, "X-Request-Id"));
        assert_int_equal(strlen(first), 32);
        assert_int_equal(strspn(first, "0123456789abcdef"), 32);
        reply_done(&r);

        client_say(&c, "GET / HTTP/1.1\r\nHost: t\r\n\r\n");
        client_read(&c, &r);
        assert_string_not_equal(first, reply_field(&r, "X-Request-Id"));
        reply_done(&r);
        client_close(&c);
        site_close(site, 1000);
}

static void head_is_get_without_content(void **state)
{
        (void)state;
        struct site *site = site_open((struct gw_http_settings){0}, NULL);
        struct client c = client_open(site);
        struct reply r;
        static const char *const paths[] = {"/shared", "/file", "/wait", "/refuse"};
        static const char *const lengths[] = {"6", "900000", "11", "2"};
        for (size_t i = 0; i < GW_COUNT(paths); i++) {
                char request[128];
                snprintf(request, sizeof request, "HEAD %s HTTP/1.1\r\nHost: t\r\n\r\n", paths[i]);
                client_say(&c, request);
                client_read_for(&c, &r, true, PATIENCE_MS);
                assert_string_equal(reply_field(&r, "Content-Length"), lengths[i]);
                reply_done(&r);
        }
        assert_int_equal(client_get(&c, "/after"), 200); /* nothing was left over */
        assert_int_equal(c.len, 0);
        client_close(&c);
        site_close(site, 1000);
}

static void entity_tags(void **state)
{
        static const struct {
                const char *field;
                int status;
        } cases[] = {
                {"\"tag\"", 304},        {"W/\"tag\"", 304}, {"*", 304},
                {"\"x\", \"tag\"", 304}, {"\"x\"", 200},     {"tag", 200},
                {"\"ta", 200},           {"", 200},          {"\"x\" ,W/\"y\" , \"tag\"", 304},
        };
        (void)state;
        struct site *site = site_open((struct gw_http_settings){0}, NULL);
        struct client c = client_open(site);
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                char request[256];
                struct reply r;
                snprintf(request, sizeof request,
                         "GET /shared HTTP/1.1\r\nHost: t\r\nIf-None-Match: %s\r\n\r\n",
                         cases[i].field);
                client_say(&c, request);
                client_read(&c, &r);
                assert_int_equal(r.status, cases[i].status);
                assert_string_equal(reply_field(&r, "ETag"), "\"tag\"");
                assert_string_equal(reply_field(&r, "Content-Length"), "6");
                assert_string_equal(r.body, r.status == 200 ? "shared" : "");
                assert_non_null(reply_field(&r, "X-Request-Id"));
                reply_done(&r);
        }
        client_say(&c, "GET /shared-plain HTTP/1.1\r\nHost: t\r\nIf-None-Match: *\r\n\r\n");
        assert_int_equal(client_status(&c), 200);
        client_close(&c);
        site_close(site, 1000);
}

static void files(void **state)
{
        (void)state;
        struct site *site = site_open((struct gw_http_settings){0}, NULL);
        struct client c = client_open(site);
        struct reply r;
        client_say(&c, "GET /file HTTP/1.1\r\nHost: t\r\n\r\n");
        client_read(&c, &r);
        assert_int_equal(r.status, 206);
        assert_int_equal(r.len, 900000);
        assert_memory_equal(r.body, "5678901234", 10);
        assert_memory_equal(r.body + r.len - 5, "01234", 5);
        reply_done(&r);
        client_say(&c, "GET /file-empty HTTP/1.1\r\nHost: t\r\n\r\n");
        client_read(&c, &r);
        assert_int_equal(r.status, 206);
        assert_int_equal(r.len, 0);
        reply_done(&r);
        client_say(&c, "GET /file-small HTTP/1.1\r\nHost: t\r\n\r\n");
        client_read(&c, &r);
        assert_int_equal(r.status, 206);
        assert_string_equal(r.body, "5678901234");
        reply_done(&r);
        assert_int_equal(client_get(&c, "/nothing"), 204);
        for (int i = 0; i < 2; i++) {
                client_say(&c, i ? "GET /file-past-end HTTP/1.1\r\nHost: t\r\n\r\n"
                                 : "GET /file-large-past-end HTTP/1.1\r\nHost: t\r\n\r\n");
                assert_int_equal(client_status(&c), 0);
                assert_true(c.ended);
                client_close(&c);
                c = client_open(site);
        }
        client_close(&c);
        site_close(site, 1000);
}

/* ---- requests ---- */

static void every_method_reaches_the_application(void **state)
{
        static const char *const methods[] = {"GET",     "POST",     "PUT", "DELETE",
                                              "OPTIONS", "TRACE",    "FOO", "QUERY",
                                              "PATCH",   "PROPFIND", "get", "M-SEARCH"};
        (void)state;
        struct site *site = site_open((struct gw_http_settings){0}, NULL);
        struct client c = client_open(site);
        for (size_t i = 0; i < GW_COUNT(methods); i++) {
                char request[128], expected[128];
                struct reply r;
                snprintf(request, sizeof request, "%s /x HTTP/1.1\r\nHost: t\r\n\r\n", methods[i]);
                snprintf(expected, sizeof expected, "%s /x\n", methods[i]);
                client_say(&c, request);
                client_read(&c, &r);
                assert_int_equal(r.status, 200);
                assert_string_equal(r.body, expected);
                reply_done(&r);
        }
        client_close(&c);
        site_close(site, 1000);
}

static void target_forms(void **state)
{
        static const char *const cases[][2] = {
                {"OPTIONS * HTTP/1.1", "OPTIONS *\n"},
                {"GET http://host:1/p?q HTTP/1.1", "GET /p\n"},
                {"GET HTTP://host HTTP/1.1", "GET /\n"},
                {"GET /? HTTP/1.1", "GET /\n"},
        };
        (void)state;
        struct site *site = site_open((struct gw_http_settings){0}, NULL);
        struct client c = client_open(site);
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct reply r;
                client_say(&c, cases[i][0]);
                client_say(&c, "\r\nHost: t\r\n\r\n");
                client_read(&c, &r);
                assert_string_equal(r.body, cases[i][1]);
                reply_done(&r);
        }
        client_close(&c);
        site_close(site, 1000);
}

static void query_parameters(void **state)
{
        static const struct {
                const char *query, *seen;
                int status;
        } cases[] = {
                {"", "", 200},
                {"?", "", 200},
                {"?a=1&b=2&a=3", "[a=1][b=2][a=3]", 200},
                {"?a&b=&=c&&", "[a=][b=][=c]", 200},
                {"?n%61me=a%20b+c%2Bd%26e", "[name=a b c+d&e]", 200},
                {"?a=b=c?d", "[a=b=c?d]", 200},
                {"?stop=1&b=2", "[stop=1]", 200},
                {"?u=%c3%a9", "[u=\xc3\xa9]", 200},
                {"?a=%4", NULL, 400},
                {"?%=a", NULL, 400},
                {"?a=%00", NULL, 400},
                {"?a=%ff", NULL, 400},
        };
        (void)state;
        struct site *site = site_open((struct gw_http_settings){0}, NULL);
        struct client c = client_open(site);
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                char request[256];
                struct reply r;
                snprintf(request, sizeof request, "GET /query%s HTTP/1.1\r\nHost: t\r\n\r\n",
                         cases[i].query);
                client_say(&c, request);
                client_read(&c, &r);
                assert_int_equal(r.status, cases[i].status);
                if (cases[i].seen)
                        assert_string_equal(r.body, cases[i].seen);
                reply_done(&r);
        }
        client_close(&c);
        site_close(site, 1000);
}

static void too_many_parameters(void **state)
{
        (void)state;
        struct site *site = site_open((struct gw_http_settings){0}, NULL);
        struct client c = client_open(site);
        char path[GW_MAX_PARAMETERS * 4 + 16] = "/query?a=0";
        for (int i = 1; i < GW_MAX_PARAMETERS; i++)
                strcat(path, "&a=0");
        assert_int_equal(client_get(&c, path), 200);
        strcat(path, "&a=0");
        assert_int_equal(client_get(&c, path), 400);
        client_close(&c);
        site_close(site, 1000);
}

static void connection_persistence(void **state)
{
        static const struct {
                const char *request;
                bool stays;
        } cases[] = {
                {"GET / HTTP/1.1\r\nHost: t\r\n\r\n", true},
                {"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", false},
                {"GET / HTTP/1.0\r\n\r\n", false},
                {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
                {"GET /wait HTTP/1.0\r\n\r\n", false},
        };
        (void)state;
        struct site *site = site_open((struct gw_http_settings){0}, NULL);
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct client c = client_open(site);
                struct reply r;
                client_say(&c, cases[i].request);
                client_read(&c, &r);
                assert_int_equal(r.status, 200);
                if (cases[i].stays) {
                        assert_int_equal(client_get(&c, "/again"), 200);
                } else {
                        assert_string_equal(reply_field(&r, "Connection"), "close");
                        assert_true(client_sees_end(&c));
                }
                reply_done(&r);
                client_close(&c);
        }
        site_close(site, 1000);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
        (void)state;
        struct site *site = site_open((struct gw_http_settings){0}, NULL);
        struct client c = client_open(site);
        struct gw_buf b = GW_BUF_INIT(1 << 20);
        for (int i = 0; i < 30; i++)
                gw_buf_printf(&b,
                              "GET /%s HTTP/1.1\r\nHost: t\r\nX-N: %d\r\n\r\n"
                              "POST /n%d HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc",
                              i % 3 == 0   ? "wait"
                              : i % 3 == 1 ? "head-wait"
                                           : "x",
                              i, i);
        assert_true(client_send(&c, b.data, b.len));
        gw_buf_done(&b);
        for (int i = 0; i < 30; i++) {
                char expected[64];
                struct reply r;
                assert_int_equal(client_status(&c), 200);
                snprintf(expected, sizeof expected, "POST /n%d\nabc", i);
                client_read(&c, &r);
                assert_string_equal(r.body, expected);
                reply_done(&r);
        }
        client_close(&c);
        site_close(site, 1000);
}

/* ---- waiting ---- */

static void work_in_another_thread(void **state)
{
        static const char *const paths[] = {"/wait", "/wait-twice", "/head-wait"};
        (void)state;
        struct site *site = site_open((struct gw_http_settings){0}, NULL);
        struct client c = client_open(site);
        for (int i = 0; i < 300; i++) {
                char request[128], expected[128];
                struct reply r;
                snprintf(request, sizeof request,
                         "POST %s HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello",
                         paths[i % 3]);
                snprintf(expected, sizeof expected, "POST %s\nhello", paths[i % 3]);
                client_say(&c, request);
                client_read(&c, &r);
                assert_int_equal(r.status, 200);
                assert_string_equal(r.body, expected);
                reply_done(&r);
        }
        client_say(&c,
                   "POST /head-wait-refuse HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello");
        assert_int_equal(client_status(&c), 403);
        client_close(&c);
        site_close(site, 1000);
}

/* ---- starting ---- */

static void port_in_use(void **state)
{
        (void)state;
        struct site *site = site_open((struct gw_http_settings){0}, NULL);
        struct gw_error err = {0};
        struct gw_http_app app = {0};
        struct gw_http_settings same = {.address = "127.0.0.1", .port = gw_http_port(site->http)};
        char port[8];
        snprintf(port, sizeof port, "%u", same.port);
        assert_null(gw_http_start(&same, &app, NULL, &err));
        assert_int_equal(err.code, GW_ERR_CONFLICT);
        assert_non_null(strstr(err.message, port));
        site_close(site, 1000);
}

static void bad_address(void **state)
{
        static const char *const addresses[] = {"localhost", "256.0.0.1", "::1::", "nowhere.test"};
        (void)state;
        for (size_t i = 0; i < GW_COUNT(addresses); i++) {
                struct gw_error err = {0};
                struct gw_http_app app = {0};
                struct gw_http_settings s = {.address = addresses[i]};
                assert_null(gw_http_start(&s, &app, NULL, &err));
                assert_int_equal(err.code, GW_ERR_INVALID);
        }
        struct gw_error err = {0};
        struct gw_http_app app = {0};
        struct gw_http_settings elsewhere = {.address = "192.0.2.1"};
        assert_null(gw_http_start(&elsewhere, &app, NULL, &err));
        assert_int_equal(err.code, GW_ERR_IO);
}

static void both_families(void **state)
{
        (void)state;
        struct site *site = site_open((struct gw_http_settings){.address = "::"}, NULL);
        struct client c = client_open(site);
        assert_int_equal(client_get(&c, "/"), 200);
        client_close(&c);
        site_close(site, 1000);
}

static void several_loops(void **state)
{
        (void)state;
        struct site *site = site_open((struct gw_http_settings){.loops = 4}, NULL);
        for (int i = 0; i < 64; i++) {
                struct client c = client_open(site);
                assert_int_equal(client_get(&c, i % 2 ? "/wait" : "/shared"), 200);
                client_close(&c);
        }
        site_close(site, 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(answers_have_their_fields),
                cmocka_unit_test(head_is_get_without_content),
                cmocka_unit_test(entity_tags),
                cmocka_unit_test(files),
                cmocka_unit_test(every_method_reaches_the_application),
                cmocka_unit_test(target_forms),
                cmocka_unit_test(query_parameters),
                cmocka_unit_test(too_many_parameters),
                cmocka_unit_test(connection_persistence),
                cmocka_unit_test(pipelined_requests_are_answered_in_order),
                cmocka_unit_test(work_in_another_thread),
                cmocka_unit_test(port_in_use),
                cmocka_unit_test(bad_address),
                cmocka_unit_test(both_families),
                cmocka_unit_test(several_loops),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
