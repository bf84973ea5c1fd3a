/*
 * Short pieces in two sends without TCP_NODELAY meet the client's delayed acknowledgement: 44 ms
 * for each answer on one connection. Every kind of answer is asked for in a row on one connection,
 * by a client that delays its acknowledgements as long as the kernel lets it: an answer in more
 * than one send would take that long every time, so most must not.
 *
 * libmicrohttpd sets the option on each connection, after its first send, and so we do not. Without
 * it the stream is late.
 */
#include "tests/unit/server/http/harness.h"

#define REQUESTS 50
#define DELAYED_ACK_MS 40

/* How long one answer takes, with the client's acknowledgements delayed or not. */
static int64_t answer_ms(struct client *c, const char *request, int quick)
{
        int64_t start = now_ms();
        struct reply r;
        setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &quick, sizeof quick);
        client_say(c, request);
        client_read(c, &r);
        assert_true(r.status != 0);
        reply_done(&r);
        return now_ms() - start;
}

/* How many of the answers take as much longer as a delayed acknowledgement than the quickest takes
 * without one: a large file takes its time, under a sanitizer above all. */
static int late_answers(struct site *site, const char *request)
{
        struct client c = client_open(site);
        int64_t usual = INT64_MAX;
        int late = 0;
        for (int i = 0; i < REQUESTS / 5; i++) {
                int64_t ms = answer_ms(&c, request, 1);
                usual = ms < usual ? ms : usual;
        }
        for (int i = 0; i < REQUESTS; i++)
                late += answer_ms(&c, request, 0) - usual >= DELAYED_ACK_MS - 5;
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
                "GET /stream HTTP/1.1\r\nHost: t\r\n\r\n",
                "POST /x HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello",
                "POST /refuse HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello",
                "POST /limit HTTP/1.1\r\nHost: t\r\nContent-Length: 11\r\n\r\nhello hello",
        };
        (void)state;
        struct site *site = site_open((struct gw_http_settings){.loops = 1}, NULL);
        for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
                int late = REQUESTS;
                /* A busy machine makes them late at times, two sends always. */
                for (int tries = 0; tries < 3 && late > REQUESTS / 2; tries++)
                        late = late_answers(site, requests[i]);
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
