/*
 * Starting and stopping the server. Runs on the composition root's thread; once started,
 * struct gw_http does not change, except for what is atomic.
 */
#include "server/http/http.h"

#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/http/loop.h"
#include "server/http/socket.h"

#define ABANDON_CHECK_MS 5000

static unsigned core_count(void)
{
        cpu_set_t set;
        int count = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
        return count > 0 ? (unsigned)count : 1;
}

static struct gw_http_settings complete(struct gw_http_settings s)
{
        s.loops = s.loops ? s.loops : core_count();
        s.max_connections = s.max_connections ? s.max_connections : GW_MAX_CONNECTIONS;
        s.max_body_bytes = s.max_body_bytes ? s.max_body_bytes : GW_MAX_BODY_BYTES;
        s.max_bodies_bytes = s.max_bodies_bytes ? s.max_bodies_bytes : GW_MAX_BODIES_BYTES;
        s.max_answers_bytes = s.max_answers_bytes ? s.max_answers_bytes : GW_MAX_ANSWERS_BYTES;
        s.body_timeout_ms = s.body_timeout_ms ? s.body_timeout_ms : GW_BODY_TIMEOUT_MS;
        s.idle_timeout_s = s.idle_timeout_s ? s.idle_timeout_s : GW_IDLE_TIMEOUT_S;
        s.abandon_check_ms = s.abandon_check_ms ? s.abandon_check_ms : ABANDON_CHECK_MS;
        return s;
}

static void add_metrics(struct gw_http *http, struct gw_metrics *m)
{
        static const char *const refusals[] = {
                [GW_REFUSED_MALFORMED] = "malformed",
                [GW_REFUSED_URI] = "uri_too_long",
                [GW_REFUSED_HEADERS] = "headers_too_large",
                [GW_REFUSED_BODY] = "body_too_large",
                [GW_REFUSED_TIMEOUT] = "timeout",
                [GW_REFUSED_OVERLOADED] = "overloaded",
                NULL,
        };
        if (!m)
                return;
        http->connections = gw_metrics_add(m, GW_METRIC_GAUGE, "jobgate_http_connections",
                                           "Open client connections", NULL, NULL, NULL, NULL);
        http->exchanges =
                gw_metrics_add(m, GW_METRIC_GAUGE, "jobgate_http_exchanges",
                               "Requests being received or answered", NULL, NULL, NULL, NULL);
        http->body_bytes =
                gw_metrics_add(m, GW_METRIC_COUNTER, "jobgate_http_body_bytes",
                               "Bytes of request bodies received", NULL, NULL, NULL, NULL);
        http->bodies_held = gw_metrics_add(
                m, GW_METRIC_GAUGE, "jobgate_http_bodies_held_bytes",
                "Memory that request bodies hold, and what is made of bodies of lines", NULL, NULL,
                NULL, NULL);
        http->refused =
                gw_metrics_add(m, GW_METRIC_COUNTER, "jobgate_http_refused",
                               "Requests refused before any route", "reason", refusals, NULL, NULL);
}

static void free_http(struct gw_http *http)
{
        for (unsigned i = 0; i < http->loop_count; i++)
                gw_loop_done(&http->loops[i]);
        free(http->loops);
        free(http);
}

/* Makes the loops around the sockets. On failure those made so far are counted. */
static int make_loops(struct gw_http *http, const int *fds, struct gw_error *err)
{
        unsigned count = http->settings.loops;
        for (unsigned i = 0; i < count; i++) {
                if (gw_loop_init(&http->loops[i], http, i, fds[i], err)) {
                        while (++i < count)
                                close(fds[i]);
                        return -1;
                }
                http->loop_count++;
        }
        return 0;
}

static int open_loops(struct gw_http *http, const char *address, struct gw_error *err)
{
        unsigned count = http->settings.loops;
        gw_autofree int *fds = calloc(count, sizeof *fds);
        http->loops = calloc(count, sizeof *http->loops);
        if (!fds || !http->loops)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        if (gw_socket_listen(address, http->settings.port, count, fds, &http->port, err))
                return -1;
        return make_loops(http, fds, err);
}

static void stop_loops(struct gw_http *http, unsigned count, int grace_ms)
{
        for (unsigned i = 0; i < count; i++)
                gw_loop_stop(&http->loops[i], grace_ms);
        for (unsigned i = 0; i < count; i++)
                gw_loop_join(&http->loops[i]);
}

struct gw_http *gw_http_start(const struct gw_http_settings *settings,
                              const struct gw_http_app *app, struct gw_metrics *metrics,
                              struct gw_error *err)
{
        struct gw_http *http = calloc(1, sizeof *http);
        if (!http) {
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        http->settings = complete(*settings);
        http->app = *app;
        atomic_init(&http->bodies_bytes, 0);
        atomic_init(&http->answers_bytes, 0);
        add_metrics(http, metrics);
        if (open_loops(http, settings->address, err)) {
                free_http(http);
                return NULL;
        }
        http->settings.address = NULL;
        for (unsigned i = 0; i < http->loop_count; i++)
                if (gw_loop_start(&http->loops[i], err)) {
                        stop_loops(http, i, 0);
                        free_http(http);
                        return NULL;
                }
        return http;
}

uint16_t gw_http_port(const struct gw_http *http)
{
        return http->port;
}

void gw_http_stop(struct gw_http *http, unsigned grace_ms)
{
        stop_loops(http, http->loop_count, grace_ms > INT_MAX ? INT_MAX : (int)grace_ms);
        free_http(http);
}
