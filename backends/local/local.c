/*
 * The backend object: open, close, and the ops of backend.h, which copy what they are given and
 * leave it to the backend's thread (loop.c).
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

#define MAX_QUEUED 16384 /* requests waiting for the thread */

static struct gw_local *local_of(struct gw_backend *head)
{
        return GW_CONTAINER(head, struct gw_local, head);
}

static char *put(char **at, const void *data, size_t len)
{
        char *to = *at;
        *at += len;
        return memcpy(to, data, len);
}

static size_t text_size(const char *text)
{
        return text ? strlen(text) + 1 : 0;
}

/* Everything in one piece, so that it is freed as one. */
static struct gw_submission *copy_submission(const struct gw_submission *s)
{
        static const struct gw_span plain = {0, 0};
        size_t span_count = s->span_count ? s->span_count : 1;
        size_t spans_len = span_count * sizeof(*s->spans);
        size_t identity_len = text_size(s->identity), indices_len = text_size(s->index_set);
        char *memory = malloc(sizeof *s + spans_len + s->spec_len + 1 + identity_len + indices_len);
        if (!memory)
                return NULL;
        struct gw_submission *copy = (struct gw_submission *)(void *)memory;
        char *at = memory + sizeof *s;
        *copy = *s;
        copy->span_count = span_count;
        copy->spans =
                (struct gw_span *)(void *)put(&at, s->span_count ? s->spans : &plain, spans_len);
        copy->spec = put(&at, s->spec, s->spec_len);
        *at++ = '\0';
        copy->identity = s->identity ? put(&at, s->identity, identity_len) : NULL;
        copy->index_set = s->index_set ? put(&at, s->index_set, indices_len) : NULL;
        copy->name = copy->project = copy->ref = NULL;
        copy->begun = NULL;
        copy->begun_count = 0;
        copy->json = NULL;
        return copy;
}

/* Posts a copy of the template, and of the submission when there is one. */
static int post(struct gw_backend *head, struct gw_local_request template,
                const struct gw_submission *s)
{
        struct gw_local *b = local_of(head);
        struct gw_local_request *r = malloc(sizeof *r);
        if (!r) {
                free(template.spans);
                return -1;
        }
        *r = template;
        r->epoch = atomic_load(&b->asked_epoch);
        if (s)
                r->mark = s->mark;
        if ((s && !(r->submission = copy_submission(s))) ||
            gw_mailbox_post(&b->mailbox, &r->work)) {
                gw_local_request_free(r);
                return -1;
        }
        return 0;
}

static int op_submit(struct gw_backend *head, const struct gw_submission *s)
{
        return post(head, (struct gw_local_request){.kind = GW_LOCAL_SUBMIT}, s);
}

static int op_resolve(struct gw_backend *head, const struct gw_submission *s)
{
        return post(head, (struct gw_local_request){.kind = GW_LOCAL_RESOLVE, .mark = s->mark},
                    NULL);
}

static int copy_spans(const struct gw_span *spans, size_t count, struct gw_span **ret)
{
        *ret = NULL;
        if (!spans)
                return 0;
        *ret = malloc((count + 1) * sizeof *spans);
        if (!*ret)
                return -1;
        memcpy(*ret, spans, count * sizeof *spans);
        return 0;
}

static int op_cancel(struct gw_backend *head, struct gw_mark mark, const struct gw_span *spans,
                     size_t span_count)
{
        struct gw_local_request r = {
                .kind = GW_LOCAL_CANCEL, .mark = mark, .span_count = span_count};
        if (copy_spans(spans, span_count, &r.spans))
                return -1;
        return post(head, r, NULL);
}

static int op_change(struct gw_backend *head, struct gw_mark mark, bool held, int64_t time_limit_s,
                     uint32_t max_parallel)
{
        (void)max_parallel;
        return post(head,
                    (struct gw_local_request){.kind = GW_LOCAL_CHANGE,
                                              .mark = mark,
                                              .held = held,
                                              .time_limit_s = time_limit_s},
                    NULL);
}

static int op_forget(struct gw_backend *head, struct gw_mark mark)
{
        return post(head, (struct gw_local_request){.kind = GW_LOCAL_FORGET, .mark = mark}, NULL);
}

static int op_purge(struct gw_backend *head, struct gw_id job)
{
        return post(head, (struct gw_local_request){.kind = GW_LOCAL_PURGE, .mark.job = job}, NULL);
}

static void op_check(struct gw_backend *head, struct gw_backend_check *check)
{
        if (post(head, (struct gw_local_request){.kind = GW_LOCAL_CHECK, .check = check}, NULL) ==
            0)
                return;
        gw_fail(&check->error, GW_ERR_OVERLOADED, "the backend is busy");
        gw_work_finish(&check->work);
}

static void op_log(struct gw_backend *head, struct gw_log_source *source)
{
        source->fd = -1;
        if (post(head, (struct gw_local_request){.kind = GW_LOCAL_LOG, .log = source}, NULL) == 0)
                return;
        gw_fail(&source->error, GW_ERR_UNAVAILABLE, "the backend is busy");
        gw_work_finish(&source->work);
}

static int op_render(const struct gw_backend *head, const struct gw_submission *s,
                     struct gw_buf *out, struct gw_error *err)
{
        const struct gw_local *b = GW_CONTAINER((uintptr_t)head, const struct gw_local, head);
        return gw_local_render(&b->settings, s, out, err);
}

static void wish(struct gw_local *b, struct gw_local_wish wish)
{
        atomic_store(&b->asked_epoch, wish.epoch);
        pthread_mutex_lock(&b->wish_lock);
        gw_local_wish_done(&b->wish);
        b->wish = wish;
        pthread_mutex_unlock(&b->wish_lock);
        gw_mailbox_wake(&b->mailbox);
}

static int copy_live(const struct gw_submission *s, struct gw_local_live *ret)
{
        *ret = (struct gw_local_live){.mark = s->mark,
                                      .accepted = s->accepted,
                                      .cancelling = s->cancelling,
                                      .held = s->held,
                                      .span_count = s->span_count,
                                      .begun_count = s->begun_count};
        return copy_spans(s->spans, s->span_count, &ret->spans) ||
                               copy_spans(s->begun, s->begun_count, &ret->begun)
                       ? -1
                       : 0;
}

static void op_lead(struct gw_backend *head, uint64_t epoch, const struct gw_submission *live,
                    size_t count, const char *cursor)
{
        (void)cursor;
        struct gw_local_wish w = {.any = true, .lead = true, .epoch = epoch};
        w.live = count ? calloc(count, sizeof *w.live) : NULL;
        w.failed = count > 0 && !w.live;
        for (; !w.failed && w.live_count < count; w.live_count++)
                if (copy_live(&live[w.live_count], &w.live[w.live_count])) {
                        w.failed = true;
                        break;
                }
        if (w.live_count > 0)
                qsort(w.live, w.live_count, sizeof *w.live, gw_local_compare_live);
        wish(local_of(head), w);
}

static void op_yield(struct gw_backend *head)
{
        wish(local_of(head), (struct gw_local_wish){.any = true});
}

static void op_resume(struct gw_backend *head)
{
        struct gw_local *b = local_of(head);
        atomic_store(&b->resumed, true);
        gw_mailbox_wake(&b->mailbox);
}

static char *make_offer(const struct gw_local_settings *s)
{
        json_auto_t *offer = json_pack("{s:s, s:f, s:I, s:I}", "node", s->node, "cpus",
                                       (double)s->cpus_milli / 1000, "memory",
                                       (json_int_t)s->memory, "gpus", (json_int_t)s->gpus);
        return offer ? json_dumps(offer, JSON_COMPACT) : NULL;
}

static void free_backend(struct gw_local *b)
{
        if (b->epoll >= 0)
                close(b->epoll);
        gw_local_spool_close(&b->spool);
        gw_local_settings_done(&b->settings);
        free(b->offer);
        gw_local_wish_done(&b->wish);
        gw_local_wish_done(&b->next);
        free(b);
}

static int open_loop(struct gw_local *b, struct gw_error *err)
{
        b->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (b->epoll < 0 || gw_mailbox_init(&b->mailbox, MAX_QUEUED))
                return gw_fail(err, GW_ERR_INTERNAL, "no descriptor is left");
        struct epoll_event event = {.events = EPOLLIN};
        if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, b->mailbox.fd, &event) == 0 &&
            gw_thread_start(&b->thread, "local", gw_local_loop, b, err) == 0)
                return 0;
        gw_mailbox_done(&b->mailbox);
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
                .head.type = &gw_local_type,
                .host = *host,
                .epoll = -1,
                .wake_at = INT64_MAX,
                .spool = {.live = -1, .jobs = -1, .trash = -1, .root = -1, .leader = -1}};
        gw_str_copy(b->head.name, sizeof b->head.name, name);
        TAILQ_INIT(&b->line);
        TAILQ_INIT(&b->report);
        TAILQ_INIT(&b->run_report);
        TAILQ_INIT(&b->doubt);
        TAILQ_INIT(&b->again);
        LIST_INIT(&b->watches);
        pthread_mutex_init(&b->wish_lock, NULL);
        if (gw_local_settings_init(&b->settings, settings, err) ||
            gw_local_spool_open(&b->spool, b->settings.directory, &b->settings.account, err) ||
            (!(b->offer = make_offer(&b->settings)) &&
             gw_fail(err, GW_ERR_NOMEM, "out of memory")) ||
            open_loop(b, err)) {
                free_backend(b);
                return NULL;
        }
        return &b->head;
}

static void op_close(struct gw_backend *head)
{
        struct gw_local *b = local_of(head);
        gw_mailbox_close(&b->mailbox);
        atomic_store(&b->stopping, true);
        gw_mailbox_wake(&b->mailbox);
        gw_thread_join(b->thread);
        struct gw_work *work = gw_mailbox_take(&b->mailbox);
        while (work) {
                struct gw_local_request *r = GW_CONTAINER(work, struct gw_local_request, work);
                work = work->next;
                gw_local_request_drop(r);
        }
        gw_local_jobs_clear(b);
        gw_local_watches_clear(b);
        gw_mailbox_done(&b->mailbox);
        pthread_mutex_destroy(&b->wish_lock);
        free_backend(b);
}

const struct gw_backend_type gw_local_type = {
        .name = "local",
        .setting = gw_local_setting,
        .open = op_open,
        .close = op_close,
        .render = op_render,
        .check = op_check,
        .log = op_log,
        .lead = op_lead,
        .yield = op_yield,
        .submit = op_submit,
        .resolve = op_resolve,
        .cancel = op_cancel,
        .change = op_change,
        .forget = op_forget,
        .purge = op_purge,
        .resume = op_resume,
};
