/*
 * Asking for what the watches do not tell of a submission, one question of each at a time.
 *
 * A Job that is gone has ended when none of its pods can run any more: they may outlive it. One
 * that failed is told of by a pod; where none is known, for the two watches need not be at the same
 * point, the pods are asked for, and where there is none, Events.
 */
#include <string.h>

#include "backends/kubernetes/backoff.h"
#include "backends/kubernetes/internal.h"
#include "backends/kubernetes/kept.h"
#include "backends/kubernetes/record.h"
#include "server/base/cleanup.h"
#include "server/base/log.h"

#define LIVE_US (2 * GW_SECOND) /* until those that still run are looked for again */
#define MOST_PODS 500
#define MOST_EVENTS 50

void gw_k8s_quest_begin(struct gw_k8s *b, struct gw_k8s_job_entry *e, enum gw_k8s_quest quest)
{
        if (e->quest == GW_K8S_NO_QUEST) {
                TAILQ_INSERT_TAIL(&b->quests, e, quests);
                b->missing++;
        }
        e->quest = quest;
        e->quest_at = 0;
        e->failures = 0;
}

void gw_k8s_quest_end(struct gw_k8s *b, struct gw_k8s_job_entry *e)
{
        if (e->quest == GW_K8S_NO_QUEST)
                return;
        TAILQ_REMOVE(&b->quests, e, quests);
        b->missing--;
        e->quest = GW_K8S_NO_QUEST;
        gw_k8s_entry_changed(b, e);
}

/* ---- what came ------------------------------------------------------------------------------- */

static void take_found_job(struct gw_k8s *b, struct gw_k8s_job_entry *e, const json_t *job)
{
        const char *uid = gw_k8s_text(job, "metadata.uid");
        if (job && (!e->uid[0] || strcmp(uid, e->uid) == 0)) {
                gw_k8s_quest_end(b, e);
                gw_k8s_take_job(b, e, job);
                return;
        }
        e->gone = true;
        e->pods_asked = false;
        gw_k8s_quest_begin(b, e, GW_K8S_FIND_PODS);
}

static bool is_failure(const struct gw_k8s_job_entry *e)
{
        struct gw_k8s_job job;
        gw_k8s_job_read(e->job, &job);
        return !job.success;
}

static void take_found_pods(struct gw_k8s *b, struct gw_k8s_job_entry *e, const json_t *list)
{
        size_t i;
        const json_t *pod;
        e->pods_asked = e->gone || gw_k8s_entry_has_ended(e);
        json_array_foreach(json_object_get(list, "items"), i, pod)
        {
                gw_k8s_take_pod(b, e, pod, false);
        }
        if (e->gone && gw_k8s_entry_live_pods(e) > 0) {
                e->quest_at = gw_clock_mono_us() + LIVE_US;
                return;
        }
        e->over = e->gone;
        if (!e->gone && gw_k8s_entry_tellers(e) == 0 && is_failure(e) && !e->events_asked)
                gw_k8s_quest_begin(b, e, GW_K8S_FIND_EVENTS);
        else
                gw_k8s_quest_end(b, e);
}

static void take_found_events(struct gw_k8s *b, struct gw_k8s_job_entry *e, const json_t *list)
{
        gw_k8s_wait_leave(e);
        json_decref(e->events);
        e->events = gw_k8s_kept_events(json_object_get(list, "items"));
        e->events_asked = true;
        gw_k8s_quest_end(b, e);
}

static void (*const takes[])(struct gw_k8s *b, struct gw_k8s_job_entry *e, const json_t *found) = {
        [GW_K8S_FIND_JOB] = take_found_job,
        [GW_K8S_FIND_PODS] = take_found_pods,
        [GW_K8S_FIND_EVENTS] = take_found_events,
};

/* Whether it is an answer: a namespace that is gone has nothing. What Events would say is not worth
 * asking twice for. */
static bool is_answer(const struct gw_k8s_job_entry *e, const struct gw_k8s_status *status)
{
        return status->verdict == GW_K8S_OK || status->verdict == GW_K8S_ABSENT ||
               (e->quest == GW_K8S_FIND_EVENTS && status->code > 0);
}

static void on_answer(struct gw_k8s_order *o)
{
        struct gw_k8s *b = o->backend;
        const struct gw_k8s_status *status = &o->call.status;
        struct gw_k8s_job_entry *e = o->epoch == b->epoch ? gw_k8s_entry_find(b, o->mark) : NULL;
        b->sought--;
        if (e)
                e->asking = false;
        /* It may have appeared meanwhile, or be another of the same mark. */
        if (e && e->quest != GW_K8S_NO_QUEST && e->quest == (enum gw_k8s_quest)o->next) {
                if (is_answer(e, status)) {
                        e->failures = 0;
                        takes[e->quest](b, e, o->call.object);
                } else {
                        e->failures++;
                        e->quest_at = gw_clock_mono_us() + gw_k8s_backoff_us(e->failures,
                                                                             status->retry_after_us,
                                                                             e->mark.number);
                        gw_log(GW_LOG_WARN, "kubernetes.not_found_out", "{s:s, s:s}", "backend",
                               b->base.head.name, "message", status->message);
                }
        }
        gw_k8s_order_free(o);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int ask_for_job(struct gw_k8s_order *o, const struct gw_k8s_job_entry *e,
                       struct gw_error *err)
{
        char name[GW_K8S_NAME];
        gw_k8s_name(e->mark, name);
        return gw_k8s_get(o->backend->client, &o->call, GW_K8S_JOBS, e->ns, name, err);
}

static int ask_for_pods(struct gw_k8s_order *o, const struct gw_k8s_job_entry *e,
                        struct gw_error *err)
{
        char labels[GW_K8S_SELECTOR];
        gw_k8s_selector(e->mark, labels);
        const struct gw_k8s_selection which = {.labels = labels};
        return gw_k8s_list(o->backend->client, &o->call, GW_K8S_PODS, e->ns, &which, MOST_PODS,
                           NULL, err);
}

/* Of the pod that is gone, else of the Job. */
static int ask_for_events(struct gw_k8s_order *o, const struct gw_k8s_job_entry *e,
                          struct gw_error *err)
{
        const char *uid = e->pod_count > 0 ? gw_k8s_text(e->pods[0].pod, "metadata.uid") : e->uid;
        return gw_k8s_events_of(o->backend->client, &o->call, e->ns, uid, MOST_EVENTS, err);
}

static int (*const asks[])(struct gw_k8s_order *o, const struct gw_k8s_job_entry *e,
                           struct gw_error *err) = {
        [GW_K8S_FIND_JOB] = ask_for_job,
        [GW_K8S_FIND_PODS] = ask_for_pods,
        [GW_K8S_FIND_EVENTS] = ask_for_events,
};

static void ask(struct gw_k8s *b, struct gw_k8s_job_entry *e)
{
        struct gw_error err = {0};
        struct gw_k8s_order *o = gw_k8s_order_new(b, e->mark, e->ns, NULL, on_answer);
        e->quest_at = gw_clock_mono_us() + GW_SECOND;
        if (!o)
                return;
        e->asking = true;
        b->sought++;
        o->next = e->quest; /* what was asked */
        gw_k8s_order_begun(o, asks[e->quest](o, e, &err), &err);
}

void gw_k8s_quests_serve(struct gw_k8s *b)
{
        struct gw_k8s_job_entry *e, *next;
        int64_t now = gw_clock_mono_us();
        for (e = TAILQ_FIRST(&b->quests); e && b->sought < GW_K8S_AT_ONCE; e = next) {
                next = TAILQ_NEXT(e, quests);
                if (!e->asking && now >= e->quest_at)
                        ask(b, e);
        }
}

int64_t gw_k8s_quests_wake_at(const struct gw_k8s *b)
{
        const struct gw_k8s_job_entry *e;
        int64_t at = INT64_MAX;
        if (b->sought >= GW_K8S_AT_ONCE)
                return at; /* one that comes home wakes */
        TAILQ_FOREACH(e, &b->quests, quests)
        {
                if (!e->asking && e->quest_at < at)
                        at = e->quest_at;
        }
        return at;
}
