/*
 * What is asked of the backend, one function per kind, and what the answer to it means. Handing
 * over is in submit.c, dry runs in dry.c.
 *
 * A cancel of a submission that is on its way waits for that: the server must not hear of it first.
 */
#include "backends/kubernetes/internal.h"
#include "backends/kubernetes/record.h"
#include "server/base/cleanup.h"
#include "server/base/crash.h"
#include "server/base/log.h"

#define RETRY_US GW_SECOND

void gw_k8s_request_answer(struct gw_k8s *b, const struct gw_backend_ask *a, enum gw_answer answer,
                           const char *ref, const char *raw, int64_t again_us)
{
        bool again = answer == GW_ANSWER_BUSY || answer == GW_ANSWER_FULL ||
                     answer == GW_ANSWER_NOT_SENT || answer == GW_ANSWER_UNKNOWN;
        int64_t wait_us = again_us > RETRY_US ? again_us : RETRY_US;
        gw_backend_ask_answer(&b->host, a, answer, ref, raw,
                              again ? gw_clock_wall_us() + wait_us : 0);
}

/* Answers, and ends it. */
static void settle(struct gw_k8s *b, struct gw_backend_ask *a, enum gw_answer answer,
                   const char *raw)
{
        gw_k8s_request_answer(b, a, answer, NULL, raw, 0);
        gw_backend_ask_free(a);
}

/* ---- cancel and change ----------------------------------------------------------------------- */

/* What is not there any more, or is another one by now, cannot be cancelled or changed. Of a change
 * others may be in the way. */
static enum gw_answer answer_of(const struct gw_k8s_status *status, enum gw_ask kind)
{
        static const enum gw_answer answers[GW_K8S_VERDICT_COUNT] = {
                [GW_K8S_OK] = GW_ANSWER_DONE,         [GW_K8S_EXISTS] = GW_ANSWER_REFUSED,
                [GW_K8S_CONFLICT] = GW_ANSWER_ABSENT, [GW_K8S_ABSENT] = GW_ANSWER_ABSENT,
                [GW_K8S_EXPIRED] = GW_ANSWER_BUSY,    [GW_K8S_REFUSED] = GW_ANSWER_REFUSED,
                [GW_K8S_FORBIDDEN] = GW_ANSWER_BUSY,  [GW_K8S_UNAUTHENTICATED] = GW_ANSWER_BUSY,
                [GW_K8S_LATER] = GW_ANSWER_BUSY,      [GW_K8S_NOT_SENT] = GW_ANSWER_BUSY,
                [GW_K8S_CANCELLED] = GW_ANSWER_BUSY,  [GW_K8S_TOO_LARGE] = GW_ANSWER_DONE,
                [GW_K8S_UNKNOWN] = GW_ANSWER_BUSY,
        };
        if (kind == GW_ASK_CHANGE && status->verdict == GW_K8S_CONFLICT)
                return GW_ANSWER_BUSY;
        return answers[status->verdict];
}

/* What is true is told once more: the engine has made something of its wish meanwhile. */
static void tell_again(struct gw_k8s *b, struct gw_mark mark)
{
        struct gw_k8s_job_entry *e = gw_k8s_entry_find(b, mark);
        if (!e)
                return;
        e->told = 0;
        gw_k8s_entry_changed(b, e);
}

/* Once for all the times it is asked again: nobody else would hear of it. */
static void log_refusal(const struct gw_k8s_order *o, enum gw_answer answer)
{
        struct gw_k8s_job_entry *e = gw_k8s_entry_find(o->backend, o->mark);
        char name[GW_K8S_NAME];
        bool is_taken = answer != GW_ANSWER_BUSY;
        if (!e || e->untold != is_taken)
                return;
        e->untold = !is_taken;
        gw_k8s_name(o->mark, name);
        if (!is_taken)
                gw_log(GW_LOG_WARN, "kubernetes.not_told", "{s:s, s:s, s:s, s:s}", "backend",
                       o->backend->base.head.name, "namespace", o->ns, "name", name, "message",
                       o->call.status.message);
}

static void on_told(struct gw_k8s_order *o)
{
        const struct gw_k8s_status *status = &o->call.status;
        gw_crash_point("kubernetes.told");
        if (o->epoch == o->backend->epoch) {
                enum gw_answer answer = answer_of(status, o->asked->kind);
                log_refusal(o, answer);
                gw_k8s_request_answer(o->backend, o->asked, answer, NULL, status->message,
                                      status->retry_after_us);
                tell_again(o->backend, o->mark);
        }
        gw_k8s_order_free(o);
}

/* Takes the ask; NULL without memory, and it was answered. */
static struct gw_k8s_order *order(struct gw_k8s *b, const struct gw_k8s_job_entry *e,
                                  struct gw_backend_ask *a)
{
        struct gw_k8s_order *o = gw_k8s_order_new(b, e->mark, e->ns, a, on_told);
        if (!o)
                settle(b, a, GW_ANSWER_BUSY, "out of memory");
        return o;
}

/* It stays visible until its pods have gone, and has ended then. */
static void cancel_whole(struct gw_k8s *b, struct gw_k8s_job_entry *e, struct gw_backend_ask *a)
{
        struct gw_error err = {0};
        char name[GW_K8S_NAME];
        struct gw_k8s_order *o = order(b, e, a);
        gw_k8s_name(e->mark, name);
        if (o)
                gw_k8s_order_begun(o,
                                   gw_k8s_delete(b->client, &o->call, GW_K8S_JOBS, e->ns, name,
                                                 e->uid, GW_K8S_FOREGROUND, -1, &err),
                                   &err);
}

/* All that has not ended is cancelled with the Job, and some of it by its pods. */
static void cancel_tasks(struct gw_k8s *b, struct gw_k8s_job_entry *e, struct gw_backend_ask *a)
{
        const struct gw_spans named = {.items = a->spans, .count = a->span_count};
        struct gw_spans open = GW_SPANS_INIT, some = GW_SPANS_INIT;
        int rc = gw_k8s_entry_open(e, &open);
        if (rc == 0)
                rc = gw_spans_intersect(&named, &open, &some, NULL);
        if (rc == 0 && some.count == 0)
                settle(b, a, GW_ANSWER_ABSENT, NULL);
        else if (rc == 0 && gw_spans_equal(&some, &open))
                cancel_whole(b, e, a);
        else if (rc == 0 && gw_k8s_unwanted_add(b, e, &some) == 0)
                settle(b, a, GW_ANSWER_DONE, NULL);
        else
                settle(b, a, GW_ANSWER_BUSY, "out of memory");
        gw_spans_done(&some);
        gw_spans_done(&open);
}

static void run_cancel(struct gw_k8s *b, struct gw_backend_ask *a)
{
        struct gw_k8s_job_entry *e = gw_k8s_entry_find(b, a->mark);
        if (e && e->asked) {
                gw_backend_ask_free(e->cancel);
                e->cancel = a;
        } else if (!e || !e->uid[0] || e->gone || gw_k8s_entry_has_ended(e)) {
                settle(b, a, GW_ANSWER_ABSENT, NULL);
        } else if (e->is_array && a->spans) {
                cancel_tasks(b, e, a);
        } else {
                cancel_whole(b, e, a);
        }
}

/* The uid is a precondition. */
static json_t *change_of(const struct gw_k8s_job_entry *e, const struct gw_backend_ask *a)
{
        json_t *patch = json_pack("{s:{s:s}, s:{}}", "metadata", "uid", e->uid, "spec");
        json_t *spec = json_object_get(patch, "spec");
        int rc = patch ? 0 : -1;
        if (rc == 0 && a->held >= 0)
                rc = json_object_set_new(spec, "suspend", json_boolean(a->held));
        if (rc == 0 && a->max_parallel > 0 && e->is_array)
                rc = json_object_set_new(spec, "parallelism", json_integer(a->max_parallel));
        if (rc == 0)
                return patch;
        json_decref(patch);
        return NULL;
}

static void change(struct gw_k8s *b, struct gw_k8s_job_entry *e, struct gw_backend_ask *a)
{
        struct gw_error err = {0};
        char name[GW_K8S_NAME];
        json_auto_t *patch = change_of(e, a);
        gw_k8s_name(e->mark, name);
        if (a->held >= 0)
                e->held = a->held;
        struct gw_k8s_order *o = order(b, e, a);
        if (o)
                gw_k8s_order_begun(o,
                                   gw_k8s_merge(b->client, &o->call, GW_K8S_JOBS, e->ns, name,
                                                patch, false, &err),
                                   &err);
}

static void run_change(struct gw_k8s *b, struct gw_backend_ask *a)
{
        struct gw_k8s_job_entry *e = gw_k8s_entry_find(b, a->mark);
        if (e && e->asked)
                settle(b, a, GW_ANSWER_BUSY, "the submission is on its way");
        else if (!e || !e->uid[0] || e->gone || gw_k8s_entry_has_ended(e))
                settle(b, a, GW_ANSWER_ABSENT, NULL);
        else
                change(b, e, a);
}

/* ---- the rest -------------------------------------------------------------------------------- */

/* What is closed and may still run is ended. What has ended stays until the cluster removes it. */
static void run_forget(struct gw_k8s *b, struct gw_backend_ask *a)
{
        struct gw_k8s_job_entry *e = gw_k8s_entry_find(b, a->mark);
        char name[GW_K8S_NAME];
        gw_k8s_name(a->mark, name);
        settle(b, a, GW_ANSWER_DONE, NULL);
        if (!e)
                return;
        if (e->uid[0] && !e->gone && !gw_k8s_entry_has_ended(e))
                gw_k8s_drop(b, e->ns, name, e->uid);
        gw_k8s_beside_drop(b, e->mark, e->ns, e->job);
        gw_k8s_closed_add(b, e);
        gw_k8s_entry_remove(b, e);
}

/* Its Jobs go by themselves. */
static void run_purge(struct gw_k8s *b, struct gw_backend_ask *a)
{
        (void)b;
        gw_backend_ask_free(a);
}

void gw_k8s_request_run(struct gw_k8s *b, struct gw_backend_ask *a)
{
        static void (*const verbs[GW_ASK_COUNT])(struct gw_k8s *, struct gw_backend_ask *) = {
                [GW_ASK_SUBMIT] = gw_k8s_submit_run, [GW_ASK_RESOLVE] = gw_k8s_resolve_run,
                [GW_ASK_CANCEL] = run_cancel,        [GW_ASK_CHANGE] = run_change,
                [GW_ASK_FORGET] = run_forget,        [GW_ASK_PURGE] = run_purge,
                [GW_ASK_CHECK] = gw_k8s_check_run,   [GW_ASK_LOG] = gw_k8s_log_run,
        };
        enum gw_turn turn = gw_queued_turn(&b->base, a, b->epoch);
        if (turn == GW_TURN_NOW)
                verbs[a->kind](b, a);
        else if (turn == GW_TURN_LATER)
                settle(b, a, GW_ANSWER_BUSY, gw_queued_not_led);
        else
                gw_backend_ask_free(a);
}
