/*
 * The parts of the running gateway and their order. Runs on the main thread.
 *
 * A part may use those above it in the table `parts`, from its start to its stop. The hub hints
 * the leaders, so they are made before it and freed after it; what the loops have sent out
 * comes home before any receiver stops.
 */
#include "server/app.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/db.h"
#include "db/migrate.h"
#include "routes/dispatch.h"
#include "server/auth/auth.h"
#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/base/log.h"
#include "server/base/metrics.h"
#include "server/base/shares.h"
#include "server/engine/follow.h"
#include "server/engine/hub.h"
#include "server/engine/janitor.h"
#include "server/engine/keeper.h"
#include "server/engine/leader.h"
#include "server/engine/service.h"
#include "server/http/http.h"
#include "server/http/socket.h"
#include "server/model/state.h"

#define PRINCIPAL_TTL_MS 10000 /* a change of people is also announced; this is the net */
#define PRINCIPALS 16384
#define WRITER_BATCH 512
#define READER_BATCH 256
#define PAGE_BATCH 16
#define BULK_BATCH 16
#define LINES_BATCH 512
#define LINES_ROWS 512 /* one transaction, and one flush of the log, for so many */
#define STATEMENT_TIMEOUT_MS 30000
#define REPEAT_MS 5000
#define STOP_GRACE_MS 30000

struct gw_app {
        const struct gw_config *config;
        size_t started; /* of parts */
        struct gw_service service;
        struct gw_shares dry_runs;
        struct gw_db_metrics db_metrics;
        struct gw_leader_metrics leader_metrics;
        struct gw_metric_family *jobs;
        const char **backend_names; /* NULL-ended; the metrics' labels */
        char holder[96];
        struct gw_dispatch *dispatch;
        struct gw_http *http;
        struct gw_janitor *janitor;
        struct gw_keeper *keeper; /* NULL: there is nothing to keep */
};

/* ---- before anything runs ------------------------------------------------------------------- */

/* Opened and closed again: the port is found in use before the other parts have begun to work. */
static int try_port(struct gw_app *app, struct gw_error *err)
{
        uint16_t port = (uint16_t)app->config->listen_port;
        int fd;
        if (gw_socket_listen(app->config->listen_address, port, 1, &fd, &port, err) < 0)
                return -1;
        close(fd);
        return 0;
}

/* A schema that does not fit is told apart from a database that is away by asking for a session
 * first. */
static int check_schema(struct gw_app *app, struct gw_error *err)
{
        struct gw_error away = {0};
        struct gw_db_session_settings s = {.conninfo = app->config->database_serve,
                                           .application_name = "jobgate start"};
        struct gw_db_session *session = gw_db_session_open(&s, &away);
        if (!session) {
                gw_log_error("app.without_database", &away);
                return 0;
        }
        gw_db_session_close(session);
        return gw_db_migrate_check(app->config->database_serve, err);
}

/* ---- metrics ---- */

static int name_backends(struct gw_app *app)
{
        const struct gw_config *c = app->config;
        app->backend_names = calloc(c->backend_count + 1, sizeof *app->backend_names);
        for (size_t i = 0; app->backend_names && i < c->backend_count; i++)
                app->backend_names[i] = c->backends[i].name;
        return app->backend_names ? 0 : -1;
}

static bool add_leader_metrics(struct gw_app *app)
{
        struct gw_leader_metrics *lm = &app->leader_metrics;
        const struct {
                struct gw_metric_family **place;
                enum gw_metric_type type;
                const char *name, *help;
        } rows[] = {
                {&lm->leads, GW_METRIC_GAUGE, "jobgate_backend_leads",
                 "Whether this process leads the backend"},
                {&lm->live, GW_METRIC_GAUGE, "jobgate_backend_submissions",
                 "Submissions that are not closed"},
                {&lm->handover, GW_METRIC_SECONDS, "jobgate_backend_handover",
                 "From the recorded intent to the backend's answer"},
                {&lm->lag, GW_METRIC_SECONDS, "jobgate_backend_lag",
                 "From the end of a job to its record"},
                {&lm->pending, GW_METRIC_GAUGE, "jobgate_backend_pending_messages",
                 "What the backend said and is not recorded yet"},
        };
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                *rows[i].place =
                        gw_metrics_add(app->service.metrics, rows[i].type, rows[i].name,
                                       rows[i].help, "backend", app->backend_names, NULL, NULL);
                if (!*rows[i].place)
                        return false;
        }
        return true;
}

static bool add_job_metrics(struct gw_app *app)
{
        static const char *states[GW_RUNNING + 2];
        for (int s = GW_QUEUED; s <= GW_RUNNING; s++)
                states[s] = gw_state_name((enum gw_state)s);
        app->jobs = gw_metrics_add(app->service.metrics, GW_METRIC_GAUGE, "jobgate_jobs",
                                   "Jobs that live, by state", "state", states, NULL, NULL);
        return app->jobs != NULL;
}

static int start_metrics(struct gw_app *app, struct gw_error *err)
{
        static const char *const names[] = {"writer", "reader",  "pages-1", "pages-2",
                                            "bulk",   "lines-1", "lines-2", NULL};
        app->service.metrics = gw_metrics_new();
        if (!app->service.metrics || name_backends(app) < 0 || !add_leader_metrics(app) ||
            !add_job_metrics(app) ||
            gw_db_metrics_init(&app->db_metrics, app->service.metrics, names) < 0)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        return 0;
}

static void stop_metrics(struct gw_app *app)
{
        gw_metrics_free(app->service.metrics);
        free(app->backend_names);
}

/* ---- people ---- */

static int start_auth(struct gw_app *app, struct gw_error *err)
{
        app->service.auth = gw_auth_new(PRINCIPAL_TTL_MS, PRINCIPALS);
        return app->service.auth ? 0 : gw_fail(err, GW_ERR_NOMEM, "out of memory");
}

static void stop_auth(struct gw_app *app)
{
        gw_auth_free(app->service.auth);
}

/* ---- backends: a leader for each, then the backend that talks to it ---- */

static int open_backend(struct gw_app *app, size_t i, struct gw_error *err)
{
        const struct gw_config_backend *own = &app->config->backends[i];
        struct gw_service_backend *b = &app->service.backends[i];
        struct gw_leader_settings s = {.conninfo = app->config->database_serve,
                                       .holder = app->holder,
                                       .window = (unsigned)own->window,
                                       .send_us = own->send_s * GW_SECOND,
                                       .metrics = app->leader_metrics};
        s.metrics.index = i;
        b->leader = gw_leader_new(&s, err);
        if (!b->leader)
                return -1;
        struct gw_backend_host host = gw_leader_host(b->leader);
        b->backend = gw_backend_type_find(own->type)->open(own->name, own->settings, &host, err);
        return b->backend ? 0 : gw_fail_within(err, own->name);
}

static void stop_backends(struct gw_app *app)
{
        for (size_t i = app->service.backend_count; i-- > 0;) {
                struct gw_service_backend *b = &app->service.backends[i];
                if (b->backend)
                        b->backend->type->close(b->backend);
                if (b->leader)
                        gw_leader_free(b->leader);
        }
        free(app->service.backends);
}

static int start_backends(struct gw_app *app, struct gw_error *err)
{
        size_t count = app->config->backend_count;
        char host[65] = "localhost";
        gethostname(host, sizeof host - 1);
        snprintf(app->holder, sizeof app->holder, "%s:%d", host, (int)getpid());
        app->service.backends = calloc(count + 1, sizeof *app->service.backends);
        if (!app->service.backends)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        for (size_t i = 0; i < count; i++) {
                app->service.backend_count = i + 1;
                if (open_backend(app, i, err) < 0) {
                        stop_backends(app);
                        return -1;
                }
        }
        return 0;
}

/* ---- the database's channels ---- */

/* What takes long has a connection of its own, so that nothing short waits behind it. */
static const struct {
        const char *name, *application_name;
        size_t batch_max, rows_max, queue_max;
        bool read_only;
        size_t place; /* in struct gw_service */
} channels[] = {
        {"writer", "jobgate writer", WRITER_BATCH, 0, GW_MAX_QUEUED_COMMANDS, false,
         offsetof(struct gw_service, writer)},
        {"reader", "jobgate reader", READER_BATCH, 0, GW_MAX_QUEUED_COMMANDS, true,
         offsetof(struct gw_service, reader)},
        {"pages-1", "jobgate pages-1", PAGE_BATCH, 0, GW_MAX_QUEUED_COMMANDS, true,
         offsetof(struct gw_service, pages[0])},
        {"pages-2", "jobgate pages-2", PAGE_BATCH, 0, GW_MAX_QUEUED_COMMANDS, true,
         offsetof(struct gw_service, pages[1])},
        {"bulk", "jobgate bulk", BULK_BATCH, 0, GW_MAX_QUEUED_COMMANDS, false,
         offsetof(struct gw_service, bulk)},
        {"lines-1", "jobgate lines-1", LINES_BATCH, LINES_ROWS, GW_MAX_QUEUED_LINES, false,
         offsetof(struct gw_service, lines[0])},
        {"lines-2", "jobgate lines-2", LINES_BATCH, LINES_ROWS, GW_MAX_QUEUED_LINES, false,
         offsetof(struct gw_service, lines[1])},
};

static struct gw_db_channel **channel_at(struct gw_app *app, size_t i)
{
        return (struct gw_db_channel **)(void *)((char *)&app->service + channels[i].place);
}

static void stop_channels(struct gw_app *app)
{
        for (size_t i = GW_COUNT(channels); i-- > 0;)
                if (*channel_at(app, i))
                        gw_db_channel_stop(*channel_at(app, i));
}

static int start_channels(struct gw_app *app, struct gw_error *err)
{
        for (size_t i = 0; i < GW_COUNT(channels); i++) {
                struct gw_db_channel_settings s = {
                        .session = {.conninfo = app->config->database_serve,
                                    .application_name = channels[i].application_name,
                                    .read_only = channels[i].read_only,
                                    .statement_timeout_ms = STATEMENT_TIMEOUT_MS,
                                    .rows_max = channels[i].rows_max},
                        .name = channels[i].name,
                        .queue_max = channels[i].queue_max,
                        .batch_max = channels[i].batch_max,
                        .repeat_ms = REPEAT_MS,
                        .metrics = &app->db_metrics,
                };
                *channel_at(app, i) = gw_db_channel_start(&s, err);
                if (!*channel_at(app, i)) {
                        stop_channels(app);
                        return -1;
                }
        }
        return 0;
}

/* ---- the hub, and the leaders it hints ---- */

static void on_events(void *arg)
{
        struct gw_app *app = arg;
        for (size_t i = 0; i < app->service.backend_count; i++)
                gw_leader_hint(app->service.backends[i].leader);
}

static void on_people(void *arg)
{
        struct gw_app *app = arg;
        gw_auth_forget(app->service.auth);
}

static int start_hub(struct gw_app *app, struct gw_error *err)
{
        struct gw_hub_settings s = {.conninfo = app->config->database_serve,
                                    .max_waits = (size_t)app->config->max_waiters,
                                    .events = on_events,
                                    .people = on_people,
                                    .arg = app,
                                    .metrics = app->service.metrics};
        app->service.hub = gw_hub_start(&s, err);
        return app->service.hub ? 0 : -1;
}

static void stop_hub(struct gw_app *app)
{
        gw_hub_stop(app->service.hub);
}

static void stop_first_leaders(struct gw_app *app, size_t count)
{
        while (count-- > 0)
                gw_leader_stop(app->service.backends[count].leader);
}

static int start_leaders(struct gw_app *app, struct gw_error *err)
{
        for (size_t i = 0; i < app->service.backend_count; i++) {
                struct gw_service_backend *b = &app->service.backends[i];
                if (gw_leader_start(b->leader, b->backend, err) == 0)
                        continue;
                stop_first_leaders(app, i);
                return -1;
        }
        return 0;
}

static void stop_leaders(struct gw_app *app)
{
        stop_first_leaders(app, app->service.backend_count);
}

/* ---- logs that are followed ---- */

static int start_follow(struct gw_app *app, struct gw_error *err)
{
        const struct gw_config *c = app->config;
        struct gw_follow_settings s = {.max_followers = (size_t)c->max_followers,
                                       .max_user_followers = (size_t)c->max_user_followers,
                                       .hub = app->service.hub,
                                       .reader = app->service.reader,
                                       .metrics = app->service.metrics};
        app->service.follow = gw_follow_start(&s, err);
        return app->service.follow ? 0 : -1;
}

static void stop_follow(struct gw_app *app)
{
        gw_follow_stop(app->service.follow);
}

/* ---- requests ---- */

static int start_dispatch(struct gw_app *app, struct gw_error *err)
{
        gw_shares_init(&app->dry_runs);
        app->service.dry_runs = &app->dry_runs;
        app->service.url = app->config->url;
        app->service.max_wait_s = (unsigned)app->config->max_wait_s;
        app->service.max_array = (uint32_t)app->config->max_array;
        app->service.max_body_bytes = (size_t)app->config->listen_max_body;
        app->service.max_lines_bytes = (size_t)app->config->listen_max_lines;
        app->service.max_user_lines_bytes = (size_t)app->config->listen_max_user_lines;
        app->service.max_lines_s = (unsigned)app->config->listen_max_lines_s;
        app->dispatch = gw_dispatch_new(&app->service, app->config->cors_origins, err);
        return app->dispatch ? 0 : -1;
}

static void stop_dispatch(struct gw_app *app)
{
        gw_shares_done(&app->dry_runs);
        gw_dispatch_free(app->dispatch);
}

static int start_http(struct gw_app *app, struct gw_error *err)
{
        const struct gw_config *c = app->config;
        struct gw_http_settings s = {.address = c->listen_address,
                                     .port = (uint16_t)c->listen_port,
                                     .loops = (unsigned)c->listen_loops,
                                     .max_connections = (unsigned)c->listen_max_connections,
                                     .max_body_bytes = (size_t)c->listen_max_body};
        struct gw_http_app handlers = gw_dispatch_app(app->dispatch);
        app->http = gw_http_start(&s, &handlers, app->service.metrics, err);
        return app->http ? 0 : -1;
}

static void stop_http(struct gw_app *app)
{
        gw_follow_drain(app->service.follow); /* streams end */
        gw_hub_drain(app->service.hub); /* who waits for a job is answered with what it is now */
        gw_http_stop(app->http, STOP_GRACE_MS);
}

/* ---- housekeeping ---- */

static int start_janitor(struct gw_app *app, struct gw_error *err)
{
        struct gw_janitor_settings s = {.conninfo = app->config->database_serve,
                                        .retention_s = app->config->retention_s,
                                        .jobs = app->jobs};
        app->janitor = gw_janitor_start(&s, err);
        return app->janitor ? 0 : -1;
}

static void stop_janitor(struct gw_app *app)
{
        gw_janitor_stop(app->janitor);
}

/* ---- output that is kept ---- */

static int start_keeper(struct gw_app *app, struct gw_error *err)
{
        struct gw_keeper_settings s = {.conninfo = app->config->database_serve,
                                       .backends = app->service.backends,
                                       .backend_count = app->service.backend_count,
                                       .head_bytes = (size_t)app->config->logs_head,
                                       .tail_bytes = (size_t)app->config->logs_tail};
        if (!gw_keeper_is_needed(s.backends, s.backend_count))
                return 0;
        app->keeper = gw_keeper_start(&s, err);
        return app->keeper ? 0 : -1;
}

static void stop_keeper(struct gw_app *app)
{
        gw_keeper_stop(app->keeper);
}

/* ---- all of it ---- */

/* A start that fails leaves nothing of its part behind. */
static const struct {
        int (*start)(struct gw_app *app, struct gw_error *err);
        void (*stop)(struct gw_app *app); /* NULL: nothing to stop */
} parts[] = {
        {try_port, NULL},
        {check_schema, NULL},
        {start_metrics, stop_metrics},
        {start_auth, stop_auth},
        {start_backends, stop_backends},
        {start_channels, stop_channels},
        {start_hub, stop_hub},
        {start_leaders, stop_leaders},
        {start_keeper, stop_keeper},
        {start_follow, stop_follow},
        {start_dispatch, stop_dispatch},
        {start_http, stop_http},
        {start_janitor, stop_janitor},
};

void gw_app_stop(struct gw_app *app)
{
        while (app->started-- > 0)
                if (parts[app->started].stop)
                        parts[app->started].stop(app);
        free(app);
}

struct gw_app *gw_app_start(const struct gw_config *config, struct gw_error *err)
{
        struct gw_app *app = calloc(1, sizeof *app);
        if (!app) {
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        app->config = config;
        while (app->started < GW_COUNT(parts)) {
                if (parts[app->started].start(app, err) < 0) {
                        gw_app_stop(app);
                        return NULL;
                }
                app->started++;
        }
        return app;
}
