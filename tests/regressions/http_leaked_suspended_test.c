/*
 * libmicrohttpd does not look at suspended connections: 10,000 closed clients of long-polls
 * left 10,000 descriptors until their waits ended. The loop looks, and tells the application.
 */
#include "tests/unit/server/http/harness.h"

#include <dirent.h>

#define CLIENTS 400

static int open_descriptors(void)
{
        int count = 0;
        DIR *dir = opendir("/proc/self/fd");
        assert_non_null(dir);
        while (readdir(dir))
                count++;
        closedir(dir);
        return count;
}

static void hold(struct site *site, struct client *c)
{
        *c = client_open(site);
        client_say(c, "GET /hold HTTP/1.1\r\nHost: t\r\n\r\n");
}

static void clients_that_left_are_noticed(void **state)
{
        (void)state;
        struct site *site =
                site_open((struct gw_http_settings){.loops = 2, .abandon_check_ms = 100}, NULL);
        static struct client c[CLIENTS], patient;
        int before = open_descriptors();
        hold(site, &patient);
        for (int i = 0; i < CLIENTS; i++)
                hold(site, &c[i]);
        wait_for(&site->waiting, CLIENTS + 1);
        for (int i = 0; i < CLIENTS; i++) {
                if (i % 3 == 0) { /* a reset instead of an end */
                        struct linger now = {.l_onoff = 1};
                        setsockopt(c[i].fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
                }
                client_close(&c[i]);
        }
        wait_for(&site->ends, CLIENTS);
        assert_int_equal(atomic_load(&site->abandons), CLIENTS);

        int64_t deadline = now_ms() + PATIENCE_MS;
        while (open_descriptors() > before + 2 && now_ms() < deadline)
                poll(NULL, 0, 1);
        assert_int_equal(open_descriptors(), before + 2); /* both ends of the patient one */

        assert_int_equal(release_held(site, NULL), 1);
        assert_int_equal(client_status(&patient), 200);
        client_close(&patient);
        site_close(site, 1000);
}

/* More than the loop looks at in one turn, and again and again. */
static void clients_that_stay_are_left_alone(void **state)
{
        (void)state;
        struct site *site =
                site_open((struct gw_http_settings){.loops = 1, .abandon_check_ms = 20}, NULL);
        static struct client c[CLIENTS];
        for (int i = 0; i < CLIENTS; i++)
                hold(site, &c[i]);
        wait_for(&site->waiting, CLIENTS);
        for (int64_t end = now_ms() + 300; now_ms() < end;)
                poll(NULL, 0, 20);
        assert_int_equal(atomic_load(&site->abandons), 0);
        client_close(&c[CLIENTS / 2]);
        wait_for(&site->abandons, 1);
        assert_int_equal(release_held(site, NULL), CLIENTS - 1);
        for (int i = 0; i < CLIENTS; i++) {
                if (i != CLIENTS / 2)
                        assert_int_equal(client_status(&c[i]), 200);
                client_close(&c[i]);
        }
        assert_int_equal(atomic_load(&site->abandons), 1);
        site_close(site, 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(clients_that_left_are_noticed),
                cmocka_unit_test(clients_that_stay_are_left_alone),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
