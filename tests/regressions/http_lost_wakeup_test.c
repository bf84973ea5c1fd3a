/*
 * With an external loop, MHD_resume_connection() from another thread is not always seen: all
 * clients hung after some hundred requests. Finished work must go through the loop's mailbox.
 * Many clients wait for another thread at once, each a bounded time.
 */
#include "tests/unit/server/http/harness.h"

#define CLIENTS 64
#define REQUESTS 100

static void every_answer_arrives(void **state)
{
        static const char *const requests[] = {
                "GET /wait HTTP/1.1\r\nHost: t\r\n\r\n",
                "GET /wait-twice HTTP/1.1\r\nHost: t\r\n\r\n",
                "POST /head-wait HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nab",
        };
        (void)state;
        struct site *site = site_open((struct gw_http_settings){.loops = 2}, NULL);
        static struct client c[CLIENTS];
        for (int i = 0; i < CLIENTS; i++)
                c[i] = client_open(site);
        for (int n = 0; n < REQUESTS; n++) {
                for (int i = 0; i < CLIENTS; i++)
                        client_say(&c[i], requests[(i + n) % 3]);
                for (int i = 0; i < CLIENTS; i++) {
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
        const struct CMUnitTest tests[] = {cmocka_unit_test(every_answer_arrives)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
