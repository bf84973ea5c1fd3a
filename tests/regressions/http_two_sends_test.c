/*
 * Header and content in two sends without TCP_NODELAY meet the client's delayed
 * acknowledgement: 44 ms for each answer on one connection. Every kind of answer is asked for
 * in a row on one connection, by a client that delays its acknowledgements as long as the
 * kernel lets it, and must take far less.
 */
#include "tests/unit/server/http/harness.h"

#define REQUESTS 50
#define DELAYED_ACK_MS 40

static int64_t time_of(struct site *site, const char *request)
{
        struct client c = client_open(site);
        int64_t start = now_ms();
        for (int i = 0; i < REQUESTS; i++) {
                struct reply r;
                int off = 0;
                setsockopt(c.fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off);
                client_say(&c, request);
                client_read(&c, &r);
                assert_true(r.status != 0);
                reply_done(&r);
        }
        client_close(&c);
        return now_ms() - start;
}

static void no_answer_waits_for_an_acknowledgement(void **state)
{
        static const char *const requests[] = {
                "GET /x HTTP/1.1\r\nHost: t\r\n\r\n",
                "GET /shared HTTP/1.1\r\nHost: t\r\n\r\n",
                "GET /wait HTTP/1.1\r\nHost: t\r\n\r\n",
                "GET /file HTTP/1.1\r\nHost: t\r\n\r\n",
                "GET /file-small HTTP/1.1\r\nHost: t\r\n\r\n",
                "POST /x HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello",
                "POST /refuse HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello",
                "POST /limit HTTP/1.1\r\nHost: t\r\nContent-Length: 11\r\n\r\nhello hello",
        };
        (void)state;
        struct site *site = site_open((struct gw_http_settings){.loops = 1}, NULL);
        for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
                int64_t took = time_of(site, requests[i]);
                if (took > REQUESTS * DELAYED_ACK_MS / 2)
                        fail_msg("%d answers took %ld ms: %s", REQUESTS, (long)took, requests[i]);
        }
        site_close(site, 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_answer_waits_for_an_acknowledgement)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
