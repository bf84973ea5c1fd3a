/*
 * Handing over: what goes with a Job is made first, then the Job. Its name follows from the mark,
 * so a request that is repeated makes nothing twice as long as the Job is there; and nothing is
 * sent after the submission's deadline, for the server may carry it out a while later.
 *
 * What is unknown is settled by looking for the name. Where it is not, the Job never came, if it
 * left no trace: it may have run and been deleted while nobody watched. Events are that trace, as
 * long as the server keeps them; later nobody knows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/kubernetes/internal.h"
#include "backends/kubernetes/record.h"
#include "server/base/cleanup.h"
#include "server/base/crash.h"

#define EVENTS_LIFE_US (50 * 60 * GW_SECOND) /* an hour, unless a cluster has it otherwise */

/* ---- what an answer means -------------------------------------------------------------------- */

/* The first row that fits; "" fits everything. */
static const struct meaning {
        enum gw_k8s_verdict verdict;
        const char *message; /* contains */
        enum gw_answer answer;
} meanings[] = {
        {GW_K8S_OK, "", GW_ANSWER_DONE},
        {GW_K8S_CONFLICT, "", GW_ANSWER_BUSY},  /* a quota was counted at that moment */
        {GW_K8S_ABSENT, "", GW_ANSWER_REFUSED}, /* the namespace is not there */
        {GW_K8S_REFUSED, "", GW_ANSWER_REFUSED},
        {GW_K8S_FORBIDDEN, "exceeded quota", GW_ANSWER_FULL},
        {GW_K8S_FORBIDDEN, "cannot create resource", GW_ANSWER_BUSY}, /* we may not: by rights */
        {GW_K8S_FORBIDDEN, "", GW_ANSWER_REFUSED},
        {GW_K8S_UNAUTHENTICATED, "", GW_ANSWER_BUSY},
        {GW_K8S_LATER, "", GW_ANSWER_BUSY},
        {GW_K8S_NOT_SENT, "", GW_ANSWER_NOT_SENT},
        {GW_K8S_CANCELLED, "", GW_ANSWER_NOT_SENT},
};

enum gw_answer gw_k8s_submit_answer(const struct gw_k8s_status *status)
{
        for (size_t i = 0; i < GW_COUNT(meanings); i++)
                if (meanings[i].verdict == status->verdict &&
                    strstr(status->message, meanings[i].message))
                        return meanings[i].answer;
        return GW_ANSWER_UNKNOWN;
}

/* ---- ends ------------------------------------------------------------------------------------ */

/* The submission that an order is about; NULL: it is closed, or another leads. */
static struct gw_k8s_job_entry *entry_of(const struct gw_k8s_order *o)
{
        return o->epoch == o->backend->epoch ? gw_k8s_entry_find(o->backend, o->mark) : NULL;
}

static void run_waiting_cancel(struct gw_k8s *b, struct gw_k8s_job_entry *e)
{
        struct gw_backend_ask *cancel = GW_TAKE(e->cancel);
        if (cancel)
                gw_k8s_request_run(b, cancel);
}

/* Of what is neither there nor unknown nothing is to be known. Takes the order. */
static void end(struct gw_k8s_order *o, struct gw_k8s_job_entry *e, enum gw_answer answer,
                const char *words, int64_t again_us)
{
        struct gw_k8s *b = o->backend;
        bool is_done = answer == GW_ANSWER_DONE;
        struct gw_backend_ask *cancel = NULL;
        e->asked = false;
        if (answer == GW_ANSWER_REFUSED)
                gw_k8s_beside_drop(b, e->mark, e->ns, o->manifest.job);
        gw_k8s_request_answer(b, o->asked, answer, is_done && e->uid[0] ? e->uid : NULL,
                              is_done ? NULL : words, again_us);
        if (is_done || answer == GW_ANSWER_UNKNOWN) {
                run_waiting_cancel(b, e);
        } else {
                cancel = GW_TAKE(e->cancel);
                gw_k8s_entry_remove(b, e);
        }
        if (cancel)
                gw_k8s_request_run(b, cancel);
        gw_k8s_order_free(o);
}

/* A Job of our name is there. Takes the order. */
static void adopt(struct gw_k8s_order *o, struct gw_k8s_job_entry *e, const json_t *job)
{
        struct gw_mark mark;
        bool is_ours = gw_k8s_mark_of(job, &mark) == 0 && gw_mark_equal(mark, o->mark);
        if (!is_ours) {
                end(o, e, GW_ANSWER_REFUSED, "a Job of this name is there, and is not jobgate's",
                    0);
                return;
        }
        gw_k8s_take_job(o->backend, e, job);
        end(o, e, GW_ANSWER_DONE, NULL, 0);
}

/* ---- submit ---------------------------------------------------------------------------------- */

static int ask_by_name(struct gw_k8s_order *o, struct gw_error *err)
{
        char name[GW_K8S_NAME];
        gw_k8s_name(o->mark, name);
        o->call.within_ms = 0;
        return gw_k8s_get(o->backend->client, &o->call, GW_K8S_JOBS, o->ns, name, err);
}

static void on_existing(struct gw_k8s_order *o)
{
        struct gw_k8s_job_entry *e = entry_of(o);
        if (!e)
                gw_k8s_order_free(o);
        else if (o->call.status.verdict == GW_K8S_OK)
                adopt(o, e, o->call.object);
        else
                end(o, e, GW_ANSWER_UNKNOWN, o->call.status.message, 0);
}

/* The engine has closed it meanwhile, and nobody else will end what was made. */
static void drop_created(const struct gw_k8s_order *o)
{
        const char *uid = gw_k8s_text(o->call.object, "metadata.uid");
        if (o->call.status.verdict == GW_K8S_OK && *uid && o->epoch == o->backend->epoch)
                gw_k8s_drop(o->backend, o->ns, o->manifest.name, uid);
}

static void on_created(struct gw_k8s_order *o)
{
        struct gw_error err = {0};
        struct gw_k8s_job_entry *e = entry_of(o);
        const struct gw_k8s_status *status = &o->call.status;
        gw_crash_point("kubernetes.created");
        if (!e) {
                drop_created(o);
                gw_k8s_order_free(o);
        } else if (status->verdict == GW_K8S_OK) {
                gw_k8s_take_job(o->backend, e, o->call.object);
                end(o, e, GW_ANSWER_DONE, NULL, 0);
        } else if (status->verdict == GW_K8S_EXISTS) {
                o->done = on_existing;
                gw_k8s_order_begun(o, ask_by_name(o, &err), &err);
        } else {
                char words[GW_K8S_STATUS_WORDS];
                gw_k8s_status_words(status, words);
                end(o, e, gw_k8s_submit_answer(status), words, status->retry_after_us);
        }
}

static void create_next(struct gw_k8s_order *o, struct gw_k8s_job_entry *e);

/* Of what goes with the Job. One that is there is ours: it has the Job's name. */
static void on_created_before(struct gw_k8s_order *o)
{
        struct gw_k8s_job_entry *e = entry_of(o);
        const struct gw_k8s_status *status = &o->call.status;
        char words[GW_K8S_STATUS_WORDS];
        if (!e) {
                gw_k8s_order_free(o);
                return;
        }
        if (status->verdict == GW_K8S_OK || status->verdict == GW_K8S_EXISTS) {
                o->next++;
                create_next(o, e);
                return;
        }
        enum gw_answer answer = gw_k8s_submit_answer(status);
        gw_k8s_status_words(status, words);
        end(o, e, answer == GW_ANSWER_UNKNOWN ? GW_ANSWER_NOT_SENT : answer, words,
            status->retry_after_us);
}

enum gw_k8s_kind gw_k8s_kind_of(const json_t *object)
{
        bool is_service = strcmp(gw_k8s_text(object, "kind"), "Service") == 0;
        return is_service ? GW_K8S_SERVICES : GW_K8S_CONFIG_MAPS;
}

/* Takes the order. */
static void create_next(struct gw_k8s_order *o, struct gw_k8s_job_entry *e)
{
        struct gw_error err = {0};
        int64_t left_ms = (e->send_before_us - gw_clock_wall_us()) / 1000;
        const json_t *before = json_array_get(o->manifest.before, o->next);
        if (left_ms <= 0) {
                end(o, e, GW_ANSWER_NOT_SENT, "the time to hand it over is over", 0);
                return;
        }
        o->done = before ? on_created_before : on_created;
        o->call.within_ms = left_ms;
        gw_k8s_order_begun(o,
                           gw_k8s_create(o->backend->client, &o->call,
                                         before ? gw_k8s_kind_of(before) : GW_K8S_JOBS, o->ns,
                                         before ? before : o->manifest.job, false, &err),
                           &err);
        gw_crash_point("kubernetes.sent");
}

/* NULL: its namespace is not known, or no memory. */
static struct gw_k8s_job_entry *add_entry(struct gw_k8s *b, const struct gw_submission *s,
                                          struct gw_error *err)
{
        struct gw_k8s_identity identity;
        json_auto_t *json = NULL;
        if (gw_k8s_identity_read(s->identity, &identity, &json, err))
                return NULL;
        const struct gw_k8s_entry_settings settings = {
                .ns = identity.namespace,
                .send_before_us = s->send_before,
                .index_set = s->index_set,
                .spans = s->spans,
                .span_count = s->span_count,
                .held = s->held,
        };
        struct gw_k8s_job_entry *e = gw_k8s_entry_add(b, s->mark, &settings);
        if (!e)
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
        return e;
}

static int make_manifest(const struct gw_k8s *b, const struct gw_submission *s,
                         struct gw_k8s_manifest *ret, struct gw_error *err)
{
        struct gw_k8s_identity identity;
        json_auto_t *json = NULL;
        return gw_k8s_identity_read(s->identity, &identity, &json, err) ||
                               gw_k8s_manifest_init(ret, s, &identity, &b->settings.site, err)
                       ? -1
                       : 0;
}

static void refuse(struct gw_k8s *b, struct gw_backend_ask *a, const struct gw_error *err)
{
        bool later = err->code == GW_ERR_NOMEM;
        gw_k8s_request_answer(b, a, later ? GW_ANSWER_BUSY : GW_ANSWER_REFUSED, NULL, err->message,
                              0);
        gw_backend_ask_free(a);
}

static void submit_again(struct gw_k8s *b, struct gw_backend_ask *a,
                         const struct gw_k8s_job_entry *e)
{
        if (e->uid[0])
                gw_k8s_request_answer(b, a, GW_ANSWER_DONE, e->uid, NULL, 0);
        else if (!e->asked)
                gw_k8s_request_answer(b, a, GW_ANSWER_UNKNOWN, NULL, NULL, 0);
        gw_backend_ask_free(a);
}

void gw_k8s_submit_run(struct gw_k8s *b, struct gw_backend_ask *a)
{
        struct gw_error err = {0};
        struct gw_k8s_manifest manifest;
        struct gw_k8s_job_entry *e = gw_k8s_entry_find(b, a->mark);
        if (e) {
                submit_again(b, a, e);
                return;
        }
        if (make_manifest(b, a->submission, &manifest, &err)) {
                refuse(b, a, &err);
                return;
        }
        e = add_entry(b, a->submission, &err);
        struct gw_k8s_order *o = e ? gw_k8s_order_new(b, a->mark, e->ns, a, on_created) : NULL;
        if (!o) {
                gw_k8s_manifest_done(&manifest);
                if (e)
                        gw_k8s_entry_remove(b, e);
                gw_fail(&err, GW_ERR_NOMEM, "out of memory");
                refuse(b, a, &err);
                return;
        }
        e->asked = true;
        o->manifest = manifest;
        create_next(o, e);
}

/* ---- resolve --------------------------------------------------------------------------------- */

/* It was there, and nobody knows what became of it but its pods, if there are any. */
static void lose(struct gw_k8s_order *o, struct gw_k8s_job_entry *e)
{
        gw_k8s_entry_accept(o->backend, e, "");
        e->gone = true;
        gw_k8s_quest_begin(o->backend, e, GW_K8S_FIND_PODS);
        end(o, e, GW_ANSWER_DONE, NULL, 0);
}

static void on_traced(struct gw_k8s_order *o)
{
        struct gw_k8s_job_entry *e = entry_of(o);
        const struct gw_k8s_status *status = &o->call.status;
        /* Where we may not read Events there is none. */
        bool is_answer = status->verdict == GW_K8S_OK || status->verdict == GW_K8S_FORBIDDEN;
        bool was_there = json_array_size(json_object_get(o->call.object, "items")) > 0;
        if (!e)
                gw_k8s_order_free(o);
        else if (!is_answer)
                end(o, e, GW_ANSWER_UNKNOWN, status->message, status->retry_after_us);
        else if (was_there || gw_clock_wall_us() > e->send_before_us + EVENTS_LIFE_US)
                lose(o, e);
        else
                end(o, e, GW_ANSWER_ABSENT, NULL, 0);
}

static int ask_for_trace(struct gw_k8s_order *o, struct gw_error *err)
{
        char name[GW_K8S_NAME], fields[GW_K8S_NAME + 64];
        gw_k8s_name(o->mark, name);
        snprintf(fields, sizeof fields, "involvedObject.kind=Job,involvedObject.name=%s", name);
        const struct gw_k8s_selection which = {.fields = fields};
        return gw_k8s_list(o->backend->client, &o->call, GW_K8S_EVENTS, o->ns, &which, 1, NULL,
                           err);
}

/* What is not there and is wanted is handed over again, under its name: it does no harm if it comes
 * twice. What is not wanted must not come any more. */
static void not_there(struct gw_k8s_order *o, struct gw_k8s_job_entry *e)
{
        struct gw_error err = {0};
        bool may_come = gw_clock_wall_us() < e->send_before_us + GW_K8S_SETTLED_US;
        if (o->asked->submission->cancelling && may_come) {
                end(o, e, GW_ANSWER_UNKNOWN, NULL, 0);
                return;
        }
        o->done = on_traced;
        gw_k8s_order_begun(o, ask_for_trace(o, &err), &err);
}

static void on_looked_up(struct gw_k8s_order *o)
{
        struct gw_k8s_job_entry *e = entry_of(o);
        const struct gw_k8s_status *status = &o->call.status;
        if (!e)
                gw_k8s_order_free(o);
        else if (status->verdict == GW_K8S_OK)
                adopt(o, e, o->call.object);
        else if (status->verdict == GW_K8S_ABSENT)
                not_there(o, e);
        else
                end(o, e, GW_ANSWER_UNKNOWN, status->message, status->retry_after_us);
}

void gw_k8s_resolve_run(struct gw_k8s *b, struct gw_backend_ask *a)
{
        struct gw_error err = {0};
        struct gw_k8s_job_entry *e = gw_k8s_entry_find(b, a->mark);
        gw_crash_point("kubernetes.resolving");
        if (e && (e->uid[0] || e->asked)) {
                submit_again(b, a, e);
                return;
        }
        if (!e)
                e = add_entry(b, a->submission, &err);
        struct gw_k8s_order *o = e ? gw_k8s_order_new(b, a->mark, e->ns, a, on_looked_up) : NULL;
        if (!o) {
                gw_k8s_request_answer(b, a, GW_ANSWER_BUSY, NULL,
                                      err.message[0] ? err.message : "out of memory", 0);
                gw_backend_ask_free(a);
                return;
        }
        e->asked = true;
        gw_k8s_order_begun(o, ask_by_name(o, &err), &err);
}
