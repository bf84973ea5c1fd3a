/*
 * Header and content in two sends without TCP_NODELAY meet the client's delayed
 * acknowledgement: 44 ms for each answer on one connection. Every kind of answer is asked for
 * in a row on one connection, by a client that delays its acknowledgements as long as the
 * kernel lets it: with two sends every answer would take that long, so most must not.
 */
#include "tests/unit/server/http/harness.h"

#define REQUESTS 50
#define DELAYED_ACK_MS 40

/* How many of the answers take as long as a delayed acknowledgement. */
static int late_answers(struct site *site, const char *request)
{
        struct client c = client_open(site);
        int late = 0;
        for (int i = 0; i < REQUESTS; i++) {
                int64_t start = now_ms();
                struct reply r;
                int off = 0;
                setsockopt(c.fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off);
                client_say(&c, request);
                client_read(&c, &r);
                assert_true(r.status != 0);
                late += now_ms() - start >= DELAYED_ACK_MS - 1;
                reply_done(&r);
        }
        client_close(&c);
        return late;
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
                int late = late_answers(site, requests[i]);
                if (late > REQUESTS / 2)
                        fail_msg("%d of %d answers were late: %s", late, REQUESTS, requests[i]);
        }
        site_close(site, 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_answer_waits_for_an_acknowledgement)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
