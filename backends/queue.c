/* Copies of what is asked, and the order they are in. */
#include "backends/queue.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/log.h"

#define AGAIN_US GW_SECOND
#define MAX_QUEUED 16384 /* asks that wait for the thread */

static struct gw_backend_queue *queue_of(struct gw_backend *head)
{
        return &GW_CONTAINER(head, struct gw_queued_backend, head)->queue;
}

/* ---- copies ---------------------------------------------------------------------------------- */

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
        size_t ref_len = text_size(s->ref);
        size_t name_len = text_size(s->name), project_len = text_size(s->project);
        char *memory = malloc(sizeof *s + spans_len + s->spec_len + 1 + identity_len + indices_len +
                              ref_len + name_len + project_len);
        if (!memory)
                return NULL;
        struct gw_submission *copy = (struct gw_submission *)(void *)memory;
        char *at = memory + sizeof *s;
        *copy = *s;
        copy->span_count = span_count;
        copy->spans =
                (struct gw_span *)(void *)put(&at, s->span_count ? s->spans : &plain, spans_len);
        copy->spec = put(&at, s->spec ? s->spec : "", s->spec_len);
        *at++ = '\0';
        copy->identity = s->identity ? put(&at, s->identity, identity_len) : NULL;
        copy->index_set = s->index_set ? put(&at, s->index_set, indices_len) : NULL;
        copy->ref = s->ref ? put(&at, s->ref, ref_len) : NULL;
        copy->name = s->name ? put(&at, s->name, name_len) : NULL;
        copy->project = s->project ? put(&at, s->project, project_len) : NULL;
        copy->json = NULL;
        copy->begun = NULL;
        copy->begun_count = 0;
        copy->open = NULL;
        copy->open_count = 0;
        return copy;
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

static int copy_text(const char *text, char **ret)
{
        *ret = text ? strdup(text) : NULL;
        return text && !*ret ? -1 : 0;
}

static int copy_live(const struct gw_submission *s, struct gw_live *ret)
{
        *ret = (struct gw_live){.mark = s->mark,
                                .accepted = s->accepted,
                                .cancelling = s->cancelling,
                                .held = s->held,
                                .send_before = s->send_before,
                                .most_tasks = s->most_tasks,
                                .span_count = s->span_count,
                                .begun_count = s->begun_count,
                                .open_count = s->open_count};
        return copy_spans(s->spans, s->span_count, &ret->spans) ||
                               copy_spans(s->begun, s->begun_count, &ret->begun) ||
                               copy_spans(s->open, s->open_count, &ret->open) ||
                               copy_text(s->identity, &ret->identity) ||
                               copy_text(s->ref, &ret->ref) ||
                               copy_text(s->index_set, &ret->index_set)
                       ? -1
                       : 0;
}

/* ---- asks ------------------------------------------------------------------------------------ */

/* Posts a copy of the template, and of the submission when there is one. */
static int post(struct gw_backend *head, struct gw_backend_ask template,
                const struct gw_submission *s)
{
        struct gw_backend_queue *q = queue_of(head);
        struct gw_backend_ask *a = malloc(sizeof *a);
        if (!a) {
                free(template.spans);
                free(template.identities);
                return -1;
        }
        *a = template;
        a->epoch = atomic_load(&q->asked_epoch);
        if (s)
                a->mark = s->mark;
        if ((s && !(a->submission = copy_submission(s))) ||
            gw_mailbox_post(&q->mailbox, &a->work)) {
                gw_backend_ask_free(a);
                return -1;
        }
        return 0;
}

int gw_queued_submit(struct gw_backend *head, const struct gw_submission *s)
{
        return post(head, (struct gw_backend_ask){.kind = GW_ASK_SUBMIT}, s);
}

int gw_queued_resolve(struct gw_backend *head, const struct gw_submission *s)
{
        return post(head, (struct gw_backend_ask){.kind = GW_ASK_RESOLVE}, s);
}

int gw_queued_cancel(struct gw_backend *head, struct gw_mark mark, const struct gw_span *spans,
                     size_t span_count)
{
        struct gw_backend_ask a = {.kind = GW_ASK_CANCEL, .mark = mark, .span_count = span_count};
        if (copy_spans(spans, span_count, &a.spans))
                return -1;
        return post(head, a, NULL);
}

int gw_queued_change(struct gw_backend *head, struct gw_mark mark, int held, int64_t time_limit_s,
                     uint32_t max_parallel)
{
        return post(head,
                    (struct gw_backend_ask){.kind = GW_ASK_CHANGE,
                                            .mark = mark,
                                            .held = held,
                                            .time_limit_s = time_limit_s,
                                            .max_parallel = max_parallel},
                    NULL);
}

int gw_queued_forget(struct gw_backend *head, struct gw_mark mark)
{
        return post(head, (struct gw_backend_ask){.kind = GW_ASK_FORGET, .mark = mark}, NULL);
}

int gw_queued_purge(struct gw_backend *head, struct gw_id job, const char *identities)
{
        struct gw_backend_ask a = {.kind = GW_ASK_PURGE, .mark.job = job};
        if (identities && !(a.identities = strdup(identities)))
                return -1;
        return post(head, a, NULL);
}

void gw_queued_check(struct gw_backend *head, struct gw_backend_check *check)
{
        if (post(head, (struct gw_backend_ask){.kind = GW_ASK_CHECK, .check = check}, NULL) == 0)
                return;
        gw_fail(&check->error, GW_ERR_OVERLOADED, "the backend is busy");
        gw_work_finish(&check->work);
}

void gw_queued_log(struct gw_backend *head, struct gw_log_source *source)
{
        source->fd = -1;
        if (post(head, (struct gw_backend_ask){.kind = GW_ASK_LOG, .log = source}, NULL) == 0)
                return;
        gw_fail(&source->error, GW_ERR_UNAVAILABLE, "the backend is busy");
        gw_work_finish(&source->work);
}

struct gw_work *gw_queue_take(struct gw_backend_queue *q)
{
        return gw_mailbox_take(&q->mailbox);
}

void gw_backend_ask_free(struct gw_backend_ask *a)
{
        if (a) {
                free(a->submission);
                free(a->spans);
                free(a->identities);
        }
        free(a);
}

/* Nobody will run it: the caller's come home. */
static void drop(struct gw_backend_ask *a)
{
        static const char closed[] = "the backend is being closed";
        if (a->kind == GW_ASK_CHECK) {
                gw_fail(&a->check->error, GW_ERR_UNAVAILABLE, closed);
                gw_work_finish(&a->check->work);
        } else if (a->kind == GW_ASK_LOG) {
                a->log->fd = -1;
                gw_fail(&a->log->error, GW_ERR_UNAVAILABLE, closed);
                gw_work_finish(&a->log->work);
        }
        gw_backend_ask_free(a);
}

void gw_backend_ask_answer(const struct gw_backend_host *host, const struct gw_backend_ask *a,
                           enum gw_answer answer, const char *ref, const char *raw,
                           int64_t retry_at)
{
        static const enum gw_request requests[GW_ASK_COUNT] = {
                [GW_ASK_SUBMIT] = GW_REQUEST_SUBMIT, [GW_ASK_RESOLVE] = GW_REQUEST_RESOLVE,
                [GW_ASK_CANCEL] = GW_REQUEST_CANCEL, [GW_ASK_CHANGE] = GW_REQUEST_CHANGE,
                [GW_ASK_FORGET] = GW_REQUEST_FORGET,
        };
        host->answer(host->self, a->epoch, requests[a->kind], a->mark, answer, ref, raw, retry_at);
}

/* ---- leadership ------------------------------------------------------------------------------ */

static int compare_marks(const void *a, const void *b)
{
        const struct gw_live *x = a, *y = b;
        int order = gw_id_compare(&x->mark.job, &y->mark.job);
        if (order)
                return order;
        return (x->mark.number > y->mark.number) - (x->mark.number < y->mark.number);
}

const struct gw_live *gw_leadership_find(const struct gw_leadership *l, struct gw_mark mark)
{
        struct gw_live key = {.mark = mark};
        if (l->live_count == 0)
                return NULL;
        return bsearch(&key, l->live, l->live_count, sizeof key, compare_marks);
}

void gw_leadership_done(struct gw_leadership *l)
{
        for (size_t i = 0; i < l->live_count; i++) {
                free(l->live[i].spans);
                free(l->live[i].begun);
                free(l->live[i].open);
                free(l->live[i].identity);
                free(l->live[i].ref);
                free(l->live[i].index_set);
        }
        free(l->live);
        *l = (struct gw_leadership){0};
}

static void wish(struct gw_backend *head, struct gw_leadership wish)
{
        struct gw_backend_queue *q = queue_of(head);
        atomic_store(&q->asked_epoch, wish.epoch);
        pthread_mutex_lock(&q->wish_lock);
        gw_leadership_done(&q->wish);
        q->wish = wish;
        pthread_mutex_unlock(&q->wish_lock);
        gw_mailbox_wake(&q->mailbox);
}

void gw_queued_lead(struct gw_backend *head, uint64_t epoch, const struct gw_submission *live,
                    size_t count, const char *cursor)
{
        (void)cursor;
        struct gw_leadership w = {.any = true, .lead = true, .epoch = epoch};
        w.live = count ? calloc(count, sizeof *w.live) : NULL;
        w.failed = count > 0 && !w.live;
        while (!w.failed && w.live_count < count) {
                w.failed = copy_live(&live[w.live_count], &w.live[w.live_count]) != 0;
                w.live_count++;
        }
        if (w.live_count > 0)
                qsort(w.live, w.live_count, sizeof *w.live, compare_marks);
        wish(head, w);
}

void gw_queued_yield(struct gw_backend *head)
{
        wish(head, (struct gw_leadership){.any = true});
}

struct gw_leadership gw_queue_take_wish(struct gw_backend_queue *q)
{
        pthread_mutex_lock(&q->wish_lock);
        struct gw_leadership taken = q->wish;
        q->wish = (struct gw_leadership){0};
        pthread_mutex_unlock(&q->wish_lock);
        return taken;
}

void gw_queued_follow(struct gw_queued_backend *b,
                      int (*begin)(struct gw_queued_backend *b, const struct gw_leadership *wish),
                      void (*stop)(struct gw_queued_backend *b))
{
        struct gw_leadership wish = gw_queue_take_wish(&b->queue);
        if (wish.any) {
                stop(b);
                gw_leadership_done(&b->next);
                b->next = wish;
                b->next_at = 0;
        }
        if (!b->next.any || gw_clock_mono_us() < b->next_at)
                return;
        if (b->next.lead && (b->next.failed || begin(b, &b->next))) {
                gw_log(GW_LOG_ERROR, "backend.lead_failed", "{s:s, s:s}", "backend", b->head.name,
                       "error", "out of memory");
                stop(b);
                b->next_at = gw_clock_mono_us() + AGAIN_US;
                return;
        }
        gw_leadership_done(&b->next);
}

int64_t gw_queued_follow_at(const struct gw_queued_backend *b)
{
        return b->next.any ? b->next_at : INT64_MAX;
}

const char gw_queued_not_led[] = "the gateway has no memory to lead the cluster now";

enum gw_turn gw_queued_turn(const struct gw_queued_backend *b, const struct gw_backend_ask *a,
                            uint64_t led)
{
        static const bool leading[GW_ASK_COUNT] = {
                [GW_ASK_SUBMIT] = true, [GW_ASK_RESOLVE] = true, [GW_ASK_CANCEL] = true,
                [GW_ASK_CHANGE] = true, [GW_ASK_FORGET] = true,
        };
        if (!leading[a->kind] || (led && a->epoch == led))
                return GW_TURN_NOW;
        return b->next.any && a->epoch == b->next.epoch ? GW_TURN_LATER : GW_TURN_NEVER;
}

void gw_queued_resume(struct gw_backend *head)
{
        struct gw_backend_queue *q = queue_of(head);
        atomic_store(&q->resumed, true);
        gw_mailbox_wake(&q->mailbox);
}

/* ---- its life -------------------------------------------------------------------------------- */

int gw_backend_queue_init(struct gw_backend_queue *q, struct gw_error *err)
{
        *q = (struct gw_backend_queue){0};
        if (gw_mailbox_init(&q->mailbox, MAX_QUEUED))
                return gw_fail(err, GW_ERR_INTERNAL, "no descriptor is left");
        pthread_mutex_init(&q->wish_lock, NULL);
        return 0;
}

void gw_queue_stop(struct gw_backend_queue *q)
{
        gw_mailbox_close(&q->mailbox);
        atomic_store(&q->stopping, true);
        gw_mailbox_wake(&q->mailbox);
}

void gw_backend_queue_done(struct gw_backend_queue *q)
{
        struct gw_work *work = gw_mailbox_take(&q->mailbox);
        while (work) {
                struct gw_backend_ask *a = GW_CONTAINER(work, struct gw_backend_ask, work);
                work = work->next;
                drop(a);
        }
        gw_leadership_done(&q->wish);
        gw_mailbox_done(&q->mailbox);
        pthread_mutex_destroy(&q->wish_lock);
}
