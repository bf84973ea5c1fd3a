/*
 * The keeper's thread: a few outputs at a time. It asks their backends for them, waits until all
 * have come home, reads and records them, and says when to look again for those that could not be
 * had.
 *
 * Invariant: while works are out, the round that sent them stays where it is.
 */
#include "server/engine/keeper.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/kept_logs.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/crash.h"
#include "server/base/log.h"
#include "server/base/mailbox.h"
#include "server/base/str.h"
#include "server/base/thread.h"
#include "server/engine/keeper_again.h"
#include "server/engine/keeper_read.h"

#define AT_ONCE 8
#define LOOK_MS 1000
#define NAMES 4096 /* bytes of the names of backends */

/* An attempt and its two outputs. */
struct item {
        struct gw_log_name name;
        int32_t submission;
        int64_t ended_us;
        struct gw_backend *backend;
        char *identity, *ref, *ordinals, *index_set, *spec, *node;
        struct gw_log_source sources[2]; /* what it printed, and what it complained of */
};

struct gw_keeper {
        struct gw_keeper_settings settings;
        pthread_t thread;
        struct gw_mailbox inbox; /* where sources come home */
        atomic_bool stopping;
        struct gw_db_session *session;
        char *memory; /* for one output */
        struct item items[AT_ONCE];
        size_t count;
};

/* ---- what is due --------------------------------------------------------------------------- */

static bool is_kept(const struct gw_keeper *k, const struct gw_service_backend *b)
{
        const struct gw_backend_type *type = b->backend->type;
        return type->foreign_logs && (!type->reads_logs || type->reads_logs(b->backend)) &&
               k->settings.head_bytes + k->settings.tail_bytes > 0;
}

/* The backends to look after, with commas. */
static void list_backends(const struct gw_keeper *k, char names[NAMES])
{
        size_t len = 0;
        names[0] = '\0';
        for (size_t i = 0; i < k->settings.backend_count; i++) {
                const struct gw_service_backend *b = &k->settings.backends[i];
                if (!is_kept(k, b) || !gw_leader_leads(b->leader) ||
                    len + strlen(b->backend->name) + 2 > NAMES)
                        continue;
                len += (size_t)snprintf(names + len, NAMES - len, "%s%s", len > 0 ? "," : "",
                                        b->backend->name);
        }
}

static struct gw_backend *find_backend(const struct gw_keeper *k, const char *name)
{
        for (size_t i = 0; i < k->settings.backend_count; i++)
                if (strcmp(k->settings.backends[i].backend->name, name) == 0)
                        return k->settings.backends[i].backend;
        return NULL;
}

static char *copy(const char *text)
{
        return text ? strdup(text) : NULL;
}

/* Without memory for a text the output is not found now, and looked for again. */
static void take_due(void *arg, const struct gw_log_due_row *row)
{
        struct gw_keeper *k = arg;
        struct gw_backend *backend = find_backend(k, row->backend);
        if (k->count == AT_ONCE || !backend)
                return;
        k->items[k->count++] = (struct item){
                .name = {.job = row->job, .ordinal = row->ordinal, .attempt = row->attempt},
                .submission = row->submission,
                .ended_us = row->ended_us,
                .backend = backend,
                .identity = copy(row->identity),
                .ref = copy(row->ref),
                .ordinals = copy(row->ordinals),
                .index_set = copy(row->index_set),
                .spec = copy(row->spec),
                .node = copy(row->node),
                .sources = {{.fd = -1}, {.fd = -1}},
        };
}

static void forget_items(struct gw_keeper *k)
{
        for (size_t i = 0; i < k->count; i++) {
                struct item *item = &k->items[i];
                for (size_t s = 0; s < GW_COUNT(item->sources); s++)
                        if (item->sources[s].fd >= 0)
                                close(item->sources[s].fd);
                free(item->identity);
                free(item->ref);
                free(item->ordinals);
                free(item->index_set);
                free(item->spec);
                free(item->node);
        }
        k->count = 0;
}

static int find_due(struct gw_keeper *k, const char *names, struct gw_error *err)
{
        struct gw_db_log_due c = {.backends = names, .limit = AT_ONCE, .each = take_due, .arg = k};
        gw_db_log_due_init(&c);
        return gw_db_session_run_one(k->session, &c.cmd, err);
}

/* ---- asking the backends ------------------------------------------------------------------- */

static void ask(struct gw_keeper *k, struct item *item, bool is_stderr)
{
        struct gw_log_source *s = &item->sources[is_stderr];
        *s = (struct gw_log_source){
                .work.home = &k->inbox,
                .mark = {item->name.job, (uint32_t)item->submission},
                .ordinal = (uint32_t)item->name.ordinal,
                .attempt = (uint32_t)item->name.attempt,
                .want_stderr = is_stderr,
                .identity = item->identity,
                .ref = item->ref,
                .index_set = item->index_set,
                .ordinals = item->ordinals,
                .spec = item->spec,
                .node = item->node,
                .ended = true,
                .fd = -1,
        };
        item->backend->type->log(item->backend, s);
}

/* Backends bound the time of each. */
static void wait_for(struct gw_keeper *k, size_t out)
{
        while (out > 0) {
                struct pollfd fd = {.fd = k->inbox.fd, .events = POLLIN};
                (void)poll(&fd, 1, -1);
                for (struct gw_work *w = gw_mailbox_take(&k->inbox); w; w = w->next)
                        out--;
        }
}

static void ask_all(struct gw_keeper *k)
{
        for (size_t i = 0; i < k->count; i++) {
                ask(k, &k->items[i], false);
                ask(k, &k->items[i], true);
        }
        wait_for(k, 2 * k->count);
}

/* ---- recording ----------------------------------------------------------------------------- */

/* Returns 0; or -1 when the database is away. An output that cannot be read has an error then. */
static int keep(struct gw_keeper *k, struct item *item, bool is_stderr, struct gw_error *err)
{
        struct gw_log_source *s = &item->sources[is_stderr];
        struct gw_db_log_keep c = {.log = item->name};
        if (s->error.code != GW_OK)
                return 0;
        if (gw_keeper_read(s->fd, k->settings.head_bytes, k->settings.tail_bytes, k->memory,
                           &c.text)) {
                gw_fail(&s->error, GW_ERR_IO, "the output could not be read");
                return 0;
        }
        c.log.is_stderr = is_stderr;
        gw_db_log_keep_init(&c);
        return gw_db_session_run_one(k->session, &c.cmd, err);
}

static int settle(struct gw_keeper *k, const struct item *item, struct gw_error *err)
{
        int64_t now_us = gw_clock_wall_us();
        int64_t in_us = gw_keeper_again_us(item->sources[0].error.code, item->sources[1].error.code,
                                           now_us - item->ended_us);
        struct gw_db_log_settle c = {.log = item->name, .due_us = in_us > 0 ? now_us + in_us : 0};
        gw_db_log_settle_init(&c);
        return gw_db_session_run_one(k->session, &c.cmd, err);
}

static int record_all(struct gw_keeper *k, struct gw_error *err)
{
        for (size_t i = 0; i < k->count; i++) {
                struct item *item = &k->items[i];
                if (keep(k, item, false, err) < 0 || keep(k, item, true, err) < 0)
                        return -1;
                gw_crash_point("keeper.kept");
                if (settle(k, item, err) < 0)
                        return -1;
        }
        return 0;
}

/* ---- rounds -------------------------------------------------------------------------------- */

static int say_wanted(struct gw_keeper *k, struct gw_error *err)
{
        for (size_t i = 0; i < k->settings.backend_count; i++) {
                const struct gw_service_backend *b = &k->settings.backends[i];
                if (!b->backend->type->foreign_logs)
                        continue;
                struct gw_db_log_wanted c = {.backend = b->backend->name,
                                             .type = b->backend->type->name,
                                             .wanted = is_kept(k, b)};
                gw_db_log_wanted_init(&c);
                if (gw_db_session_run_one(k->session, &c.cmd, err) < 0)
                        return -1;
        }
        return 0;
}

static int open_session(struct gw_keeper *k, struct gw_error *err)
{
        struct gw_db_session_settings s = {.conninfo = k->settings.conninfo,
                                           .application_name = "jobgate keeper",
                                           .statement_timeout_ms = 60000};
        k->session = gw_db_session_open(&s, err);
        return k->session ? say_wanted(k, err) : -1;
}

static int work_on(struct gw_keeper *k, const char *names, struct gw_error *err)
{
        if (find_due(k, names, err) < 0)
                return -1;
        ask_all(k);
        return record_all(k, err);
}

/* Returns whether there may be more to do at once. */
static bool work(struct gw_keeper *k)
{
        struct gw_error err = {0};
        char names[NAMES];
        int rc = k->session ? 0 : open_session(k, &err);
        list_backends(k, names);
        if (rc == 0 && names[0])
                rc = work_on(k, names, &err);
        bool full = rc == 0 && k->count == AT_ONCE;
        forget_items(k);
        if (rc < 0) {
                gw_log_error("keeper.put_off", &err);
                gw_db_session_close(GW_TAKE(k->session));
        }
        return full;
}

static void *run(void *arg)
{
        struct gw_keeper *k = arg;
        while (!atomic_load(&k->stopping)) {
                if (work(k))
                        continue;
                struct pollfd fd = {.fd = k->inbox.fd, .events = POLLIN};
                (void)poll(&fd, 1, LOOK_MS);
        }
        gw_db_session_close(k->session);
        return NULL;
}

bool gw_keeper_is_needed(const struct gw_service_backend *backends, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (backends[i].backend->type->foreign_logs)
                        return true;
        return false;
}

static void free_keeper(struct gw_keeper *k)
{
        gw_mailbox_done(&k->inbox);
        free(k->memory);
        free(k);
}

struct gw_keeper *gw_keeper_start(const struct gw_keeper_settings *settings, struct gw_error *err)
{
        struct gw_keeper *k = calloc(1, sizeof *k);
        if (!k || gw_mailbox_init(&k->inbox, 1) < 0) {
                free(k);
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        k->settings = *settings;
        k->memory = malloc(settings->head_bytes + settings->tail_bytes + 1);
        if (!k->memory) {
                free_keeper(k);
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        if (gw_thread_start(&k->thread, "keeper", run, k, err) < 0) {
                free_keeper(k);
                return NULL;
        }
        return k;
}

void gw_keeper_stop(struct gw_keeper *k)
{
        if (!k)
                return;
        atomic_store(&k->stopping, true);
        gw_mailbox_wake(&k->inbox);
        gw_thread_join(k->thread);
        free_keeper(k);
}
