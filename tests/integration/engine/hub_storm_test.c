/*
 * As many waits as there may be, against a real PostgreSQL: each is looked up in the log, half are
 * given up while others still arrive, and every one comes home.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/limits.h"
#include "server/engine/hub.h"
#include "tests/integration/engine/support.h"

#define SPEC                                                                                       \
        "{\"command\":[\"true\"],\"name\":\"one\",\"resources\":{\"cpus\":1,\"memory\":\"1Gi\"}}"
#define CLIENTS 2
#define LONG_MS 30000

static struct gw_hub *hub;
static struct gw_mailbox home;
static struct gw_hub_wait *waits;

static size_t take_home(void)
{
        struct gw_work *next;
        size_t n = 0;
        for (struct gw_work *w = gw_mailbox_take(&home); w; w = next, n++) {
                next = w->next;
                assert_false(GW_CONTAINER(w, struct gw_hub_wait, work)->met);
        }
        return n;
}

static void await_home(size_t wanted)
{
        int64_t deadline = test_deadline_ms(LONG_MS);
        for (size_t n = 0; (n += take_home()) < wanted;)
                test_pause(deadline);
}

/* Every second client leaves at once. */
static void *come_and_go(void *arg)
{
        size_t first = (size_t)(uintptr_t)arg;
        for (size_t i = first; i < GW_MAX_WAITERS; i += CLIENTS) {
                struct gw_hub_wait *w = &waits[i];
                *w = (struct gw_hub_wait){.job = gw_id_new(gw_clock_wall_us()),
                                          .until_us = gw_clock_mono_us() + 600 * GW_SECOND};
                w->work.home = &home;
                if (gw_hub_wait(hub, w, NULL) < 0)
                        abort();
                if (i / CLIENTS % 2)
                        gw_hub_abandon(hub, w);
        }
        return NULL;
}

static void every_wait_comes_home(void **state)
{
        (void)state;
        pthread_t clients[CLIENTS];
        for (size_t i = 0; i < CLIENTS; i++)
                assert_int_equal(
                        pthread_create(&clients[i], NULL, come_and_go, (void *)(uintptr_t)i), 0);
        for (size_t i = 0; i < CLIENTS; i++)
                pthread_join(clients[i], NULL);
        await_home(GW_MAX_WAITERS / 2);
        gw_hub_drain(hub);
        await_home(GW_MAX_WAITERS - GW_MAX_WAITERS / 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(every_wait_comes_home)};
        struct gw_error err = {0};
        struct gw_hub_settings settings = {.conninfo = test_database("gw_hub_storm_test"),
                                           .max_waits = GW_MAX_WAITERS};
        test_submit(test_project("vision"), SPEC);
        waits = calloc(GW_MAX_WAITERS, sizeof *waits);
        if (!waits || gw_mailbox_init(&home, GW_MAX_WAITERS) < 0)
                return 1;
        hub = gw_hub_start(&settings, &err);
        for (int64_t deadline = test_deadline_ms(LONG_MS); hub && gw_hub_now(hub) == 0;)
                test_pause(deadline);
        int failed = hub ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
        gw_hub_stop(hub);
        (void)gw_mailbox_take(&home);
        gw_mailbox_done(&home);
        free(waits);
        return failed;
}
