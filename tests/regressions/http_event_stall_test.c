/*
 * libmicrohttpd's own epoll loop reads 128 events at a time, and when exactly 128 come back it
 * waits again before it serves them: with 256 busy keep-alive clients it stalled within
 * seconds. Here the clients send in bursts, so that 128 and multiples of it are common, and
 * nobody may wait.
 */
#include "tests/unit/server/http/harness.h"

#define CLIENTS 256
#define ROUNDS 40

static void bursts_of_128_events(void **state)
{
        static const char request[] = "GET /x HTTP/1.1\r\nHost: t\r\n\r\n";
        (void)state;
        struct site *site = site_open((struct gw_http_settings){.loops = 1}, NULL);
        static struct client c[CLIENTS];
        for (int i = 0; i < CLIENTS; i++)
                c[i] = client_open(site);
        for (int round = 0; round < ROUNDS; round++) {
                int senders = round % 2 ? CLIENTS : 128;
                for (int i = 0; i < senders; i++)
                        assert_true(client_send(&c[i], request, sizeof request - 1));
                for (int i = 0; i < senders; i++) {
                        struct reply r;
                        client_read_for(&c[i], &r, false, 5000);
                        assert_int_equal(r.status, 200);
                        reply_done(&r);
                }
        }
        for (int i = 0; i < CLIENTS; i++)
                client_close(&c[i]);
        site_close(site, 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(bursts_of_128_events)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
