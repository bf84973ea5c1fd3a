#include "tests/unit/server/http/harness.h"

#include <sys/resource.h>

#include "server/base/cleanup.h"
#include "server/base/metrics.h"

#define CROWD 5000

/* libmicrohttpd's memory and a page of ours, however often the crowd returns. */
#define MOST_PER_CONNECTION (28 * 1024)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WATCHES_MEMORY false
#else
#define WATCHES_MEMORY true
#endif

/* Both ends of every connection are ours. */
static bool allow_descriptors(rlim_t count)
{
        struct rlimit limit;
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        return limit.rlim_cur >= count;
}

static long resident_kib(void)
{
        char line[256];
        long kib = 0;
        FILE *f = fopen("/proc/self/status", "r");
        assert_non_null(f);
        while (fgets(line, sizeof line, f))
                if (sscanf(line, "VmRSS: %ld kB", &kib) == 1)
                        break;
        fclose(f);
        return kib;
}

/* Waits until the server sees this many connections. */
static void wait_for_connections(struct gw_metrics *m, int count)
{
        char line[64];
        int64_t deadline = now_ms() + PATIENCE_MS;
        struct gw_buf text = GW_BUF_INIT(1 << 20);
        snprintf(line, sizeof line, "jobgate_http_connections %d\n", count);
        for (gw_metrics_write(m, &text); !strstr(text.data, line); gw_metrics_write(m, &text)) {
                assert_true(now_ms() < deadline);
                poll(NULL, 0, 5);
                gw_buf_clear(&text);
        }
        gw_buf_done(&text);
}

/* What the crowd says, and never more. */
static const char *const beginnings[] = {
        "",
        "G",
        "GET / HTTP/1.1\r\nHost: t\r\nX-Half: ",
        "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\nhalf",
        "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nhalf",
        "GET /hold HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: t\r\n\r\n",
};

static void others_are_served_in_a_crowd(void **state)
{
        (void)state;
        if (!allow_descriptors(2 * CROWD + 200))
                skip();
        struct gw_metrics *m = gw_metrics_new();
        struct site *site =
                site_open((struct gw_http_settings){.loops = 2, .abandon_check_ms = 100}, m);
        static int crowd[CROWD];
        long before = resident_kib();
        for (int round = 0; round < 5; round++) {
                for (int i = 0; i < CROWD; i++) {
                        const char *text = beginnings[(size_t)i % GW_COUNT(beginnings)];
                        crowd[i] = dial(gw_http_port(site->http));
                        assert_int_equal(send(crowd[i], text, strlen(text), MSG_NOSIGNAL),
                                         strlen(text));
                }
                struct client c = client_open(site);
                int64_t start = now_ms();
                for (int i = 0; i < 300; i++)
                        assert_int_equal(client_get(&c, i % 2 ? "/wait" : "/x"), 200);
                assert_true(now_ms() - start < 5000);
                client_close(&c);
                wait_for_connections(m, CROWD);
                long each = (resident_kib() - before) * 1024 / CROWD;
                if (WATCHES_MEMORY && each > MOST_PER_CONNECTION)
                        fail_msg("round %d: %ld bytes for each connection", round, each);
                for (int i = 0; i < CROWD; i++)
                        close(crowd[i]);
                wait_for_connections(m, 0);
        }
        site_close(site, 5000);
        gw_metrics_free(m);
}

/* Beyond the limit clients wait to be accepted, and are when another leaves, even if nothing
 * else happens. */
static void one_past_the_connection_limit(void **state)
{
        (void)state;
        struct site *site =
                site_open((struct gw_http_settings){.loops = 1, .max_connections = 4}, NULL);
        struct client in[4];
        for (int i = 0; i < 4; i++) {
                in[i] = client_open(site);
                assert_int_equal(client_get(&in[i], "/wait"), 200);
        }
        for (int i = 0; i < 4; i++) {
                struct client late = client_open(site);
                struct reply r;
                client_say(&late, "GET / HTTP/1.1\r\nHost: t\r\n\r\n");
                client_read_for(&late, &r, false, 100); /* the loop falls asleep meanwhile */
                assert_int_equal(r.status, 0);
                assert_false(late.ended);
                client_close(&in[i]);
                assert_int_equal(client_status(&late), 200);
                in[i] = late;
        }
        for (int i = 0; i < 4; i++)
                client_close(&in[i]);
        site_close(site, 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(others_are_served_in_a_crowd),
                cmocka_unit_test(one_past_the_connection_limit),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
