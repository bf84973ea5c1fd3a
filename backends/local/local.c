/*
 * The backend object: open and close. What it is asked goes through its queue to its thread
 * (loop.c).
 */
#include "backends/local/local.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "backends/local/internal.h"
#include "backends/local/render.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"
#include "server/base/thread.h"

static struct gw_local *local_of(struct gw_backend *head)
{
        return GW_CONTAINER(head, struct gw_local, base.head);
}

static int op_render(const struct gw_backend *head, const struct gw_submission *s,
                     struct gw_buf *out, struct gw_error *err)
{
        const struct gw_local *b = GW_CONTAINER((uintptr_t)head, const struct gw_local, base.head);
        return gw_local_render(&b->settings, s, out, err);
}

static void op_advise(const struct gw_backend *head, const struct gw_spec *spec,
                      struct gw_warnings *warnings)
{
        (void)head;
        gw_local_advise(spec, warnings);
}

static char *make_offer(const struct gw_local_settings *s)
{
        json_auto_t *offer =
                json_pack("{s:s, s:i, s:i, s:{s:f, s:I, s:I}}", "node", s->node, "nodes", 1,
                          "nodes_available", 1, "total", "cpus", (double)s->cpus_milli / 1000,
                          "memory", (json_int_t)s->memory, "gpus", (json_int_t)s->gpus);
        return offer ? json_dumps(offer, JSON_COMPACT) : NULL;
}

static void free_backend(struct gw_local *b)
{
        if (b->epoll >= 0)
                close(b->epoll);
        gw_local_spool_close(&b->spool);
        gw_local_settings_done(&b->settings);
        free(b->offer);
        gw_leadership_done(&b->base.next);
        free(b);
}

static int open_loop(struct gw_local *b, struct gw_error *err)
{
        b->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (b->epoll < 0)
                return gw_fail(err, GW_ERR_INTERNAL, "no descriptor is left");
        if (gw_backend_queue_init(&b->base.queue, err))
                return -1;
        struct epoll_event event = {.events = EPOLLIN};
        if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, b->base.queue.mailbox.fd, &event) == 0 &&
            gw_thread_start(&b->thread, "local", gw_local_loop, b, err) == 0)
                return 0;
        gw_backend_queue_done(&b->base.queue);
        return gw_fail(err, GW_ERR_INTERNAL, "the backend's thread cannot be started");
}

static struct gw_backend *op_open(const char *name, const json_t *settings,
                                  const struct gw_backend_host *host, struct gw_error *err)
{
        struct gw_local *b = calloc(1, sizeof *b);
        if (!b) {
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        *b = (struct gw_local){
                .base.head.type = &gw_local_type,
                .host = *host,
                .epoll = -1,
                .wake_at = INT64_MAX,
                .spool = {.live = -1, .jobs = -1, .trash = -1, .root = -1, .leader = -1}};
        gw_str_copy(b->base.head.name, sizeof b->base.head.name, name);
        TAILQ_INIT(&b->line);
        TAILQ_INIT(&b->report);
        TAILQ_INIT(&b->run_report);
        TAILQ_INIT(&b->doubt);
        TAILQ_INIT(&b->again);
        LIST_INIT(&b->watches);
        if (gw_local_settings_init(&b->settings, settings, err) ||
            gw_local_spool_open(&b->spool, b->settings.directory, &b->settings.account, err) ||
            (!(b->offer = make_offer(&b->settings)) &&
             gw_fail(err, GW_ERR_NOMEM, "out of memory")) ||
            open_loop(b, err)) {
                free_backend(b);
                return NULL;
        }
        return &b->base.head;
}

static void op_close(struct gw_backend *head)
{
        struct gw_local *b = local_of(head);
        gw_queue_stop(&b->base.queue);
        gw_thread_join(b->thread);
        gw_local_jobs_clear(b);
        gw_local_watches_clear(b);
        gw_backend_queue_done(&b->base.queue);
        free_backend(b);
}

const struct gw_backend_type gw_local_type = {
        .name = "local",
        .setting = gw_local_setting,
        .open = op_open,
        .close = op_close,
        .render = op_render,
        .advise = op_advise,
        GW_QUEUED_OPS,
};
