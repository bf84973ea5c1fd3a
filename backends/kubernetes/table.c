/*
 * The watches: what they tell becomes what is known of submissions.
 *
 * An object is believed to be ours when its mark is open, its namespace is the submission's, and it
 * has the name that follows from the mark; a Pod, when that Job owns it. Whoever may make such
 * objects in the project's namespace may make any.
 *
 * A namespace is watched from its first submission until it has had none for a while.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/kubernetes/internal.h"
#include "backends/kubernetes/kept.h"
#include "backends/kubernetes/record.h"
#include "server/base/cleanup.h"
#include "server/base/crash.h"
#include "server/base/log.h"

#define IDLE_US (10 * 60 * GW_SECOND) /* more than GW_K8S_SETTLED_US */

/* ---- whose an object is ---------------------------------------------------------------------- */

static bool is_text(const json_t *object, const char *path, const char *wanted)
{
        return strcmp(gw_k8s_text(object, path), wanted) == 0;
}

/* The open submission that a Job is of; NULL: of none. */
static struct gw_k8s_job_entry *entry_of_job(struct gw_k8s *b, const json_t *job)
{
        struct gw_mark mark;
        char name[GW_K8S_NAME];
        if (gw_k8s_mark_of(job, &mark))
                return NULL;
        gw_k8s_name(mark, name);
        if (!is_text(job, "metadata.name", name))
                return NULL;
        struct gw_k8s_job_entry *e = gw_k8s_entry_find(b, mark);
        if (!e)
                gw_k8s_closed_see(b, mark, job);
        return e && is_text(job, "metadata.namespace", e->ns) ? e : NULL;
}

static const char *owner_of(const json_t *pod)
{
        const json_t *owners = gw_k8s_member(pod, "metadata.ownerReferences");
        return gw_k8s_text(json_array_get(owners, 0), "uid");
}

static struct gw_k8s_kept_pod_entry *find_pod(const struct gw_k8s_job_entry *e, const char *uid)
{
        for (size_t i = 0; i < e->pod_count; i++)
                if (is_text(e->pods[i].pod, "metadata.uid", uid))
                        return &e->pods[i];
        return NULL;
}

/* A pod whose Job left it behind has no owner any more. */
static struct gw_k8s_job_entry *entry_of_pod(struct gw_k8s *b, const json_t *pod)
{
        struct gw_mark mark;
        if (gw_k8s_mark_of(pod, &mark))
                return NULL;
        struct gw_k8s_job_entry *e = gw_k8s_entry_find(b, mark);
        const char *owner = owner_of(pod);
        if (!e || !is_text(pod, "metadata.namespace", e->ns))
                return NULL;
        bool is_ours = *owner ? !e->uid[0] || strcmp(owner, e->uid) == 0
                              : find_pod(e, gw_k8s_text(pod, "metadata.uid")) != NULL;
        return is_ours ? e : NULL;
}

/* ---- Jobs ------------------------------------------------------------------------------------ */

/* How it failed is its pods' to say: where none is known, they are asked for, for the two watches
 * need not be at the same point; and then its Events. Also of success: the node is theirs. */
static void look_for_pods(struct gw_k8s *b, struct gw_k8s_job_entry *e)
{
        if (gw_k8s_entry_has_ended(e) && gw_k8s_entry_tellers(e) == 0 && !e->pods_asked)
                gw_k8s_quest_begin(b, e, GW_K8S_FIND_PODS);
}

void gw_k8s_take_job(struct gw_k8s *b, struct gw_k8s_job_entry *e, const json_t *job)
{
        const char *uid = gw_k8s_text(job, "metadata.uid");
        json_t *kept = gw_k8s_kept_job(job);
        if (!kept)
                return; /* it is seen again */
        json_decref(e->job);
        e->job = kept;
        e->listed = true;
        e->gone = e->seen_go = e->over = false;
        if (!e->uid[0] || e->accepted_us == 0)
                gw_k8s_entry_accept(b, e, uid);
        if (gw_k8s_entry_has_ended(e))
                gw_crash_point("kubernetes.ended");
        look_for_pods(b, e);
        gw_k8s_entry_changed(b, e);
}

/* It is not there any more, and its pods may run on. */
static void job_went(struct gw_k8s *b, struct gw_k8s_job_entry *e)
{
        if (e->gone || gw_k8s_entry_has_ended(e))
                return;
        e->gone = true;
        e->pods_asked = e->events_asked = false;
        gw_k8s_quest_begin(b, e, GW_K8S_FIND_PODS);
}

static void on_job(void *arg, enum gw_k8s_change change, json_t *job)
{
        struct gw_k8s_space *space = arg;
        struct gw_k8s *b = space->backend;
        struct gw_k8s_job_entry *e = entry_of_job(b, job);
        /* One that has another uid is another's of the same name. */
        if (!e || (e->uid[0] && !is_text(job, "metadata.uid", e->uid)))
                return;
        gw_k8s_take_job(b, e, job);
        if (change == GW_K8S_REMOVED) {
                e->seen_go = true;
                job_went(b, e);
        }
}

static void on_jobs_begin(void *arg)
{
        struct gw_k8s_space *space = arg;
        struct gw_k8s_job_entry *e;
        LIST_FOREACH(e, &space->entries, in_space)
        {
                e->listed = false;
        }
}

/* What surely was there before the list was asked for, and is not in it, is looked for by its name
 * before it is said to be gone. */
static void on_jobs_listed(void *arg)
{
        struct gw_k8s_space *space = arg;
        struct gw_k8s_job_entry *e;
        int64_t asked_us = gw_k8s_watch_listed_us(space->jobs);
        LIST_FOREACH(e, &space->entries, in_space)
        {
                bool was_there = e->accepted_us > 0 && e->accepted_us < asked_us;
                if (was_there && !e->listed && !e->gone && !gw_k8s_entry_has_ended(e))
                        gw_k8s_quest_begin(space->backend, e, GW_K8S_FIND_JOB);
        }
        space->has_jobs = true;
}

/* ---- Pods ------------------------------------------------------------------------------------ */

static int64_t made_us(const json_t *pod)
{
        return gw_k8s_time(pod, "metadata.creationTimestamp");
}

static void drop_pod(struct gw_k8s_job_entry *e, size_t i)
{
        json_decref(e->pods[i].pod);
        e->pods[i] = e->pods[--e->pod_count];
}

/* Of one task a pod that is gone is told of by its successor, of the same second perhaps: it was
 * ended to be made again. */
static void drop_predecessors(struct gw_k8s_job_entry *e, const json_t *pod)
{
        int64_t index = gw_k8s_pod_index(pod);
        for (size_t i = e->pod_count; i-- > 0;) {
                const struct gw_k8s_kept_pod_entry *p = &e->pods[i];
                if (p->gone && gw_k8s_pod_index(p->pod) == index && made_us(p->pod) <= made_us(pod))
                        drop_pod(e, i);
        }
}

static struct gw_k8s_kept_pod_entry *add_pod(struct gw_k8s_job_entry *e)
{
        struct gw_k8s_kept_pod_entry *pods =
                reallocarray(e->pods, e->pod_count + 1, sizeof *e->pods);
        if (!pods)
                return NULL;
        e->pods = pods;
        pods[e->pod_count] = (struct gw_k8s_kept_pod_entry){0};
        return &pods[e->pod_count++];
}

void gw_k8s_take_pod(struct gw_k8s *b, struct gw_k8s_job_entry *e, const json_t *pod, bool removed)
{
        struct gw_k8s_kept_pod_entry *p = find_pod(e, gw_k8s_text(pod, "metadata.uid"));
        json_t *kept = gw_k8s_kept_pod(pod, p ? p->pod : NULL);
        if (!p)
                drop_predecessors(e, pod);
        if (kept && !p)
                p = add_pod(e);
        if (!kept || !p) {
                json_decref(kept);
                return;
        }
        json_decref(p->pod);
        *p = (struct gw_k8s_kept_pod_entry){
                .pod = kept, .listed = true, .gone = removed, .ending = p->ending};
        gw_k8s_unwanted_see(b, e, p);
        look_for_pods(b, e);
        gw_k8s_entry_changed(b, e);
}

size_t gw_k8s_entry_live_pods(const struct gw_k8s_job_entry *e)
{
        size_t count = 0;
        for (size_t i = 0; i < e->pod_count; i++) {
                struct gw_k8s_pod pod;
                gw_k8s_pod_read(e->pods[i].pod, &pod);
                count += !e->pods[i].gone && !pod.has_ended;
        }
        return count;
}

static void on_pod(void *arg, enum gw_k8s_change change, json_t *pod)
{
        struct gw_k8s_space *space = arg;
        struct gw_k8s_job_entry *e = entry_of_pod(space->backend, pod);
        if (e)
                gw_k8s_take_pod(space->backend, e, pod, change == GW_K8S_REMOVED);
}

static void on_pods_begin(void *arg)
{
        struct gw_k8s_space *space = arg;
        struct gw_k8s_job_entry *e;
        LIST_FOREACH(e, &space->entries, in_space)
        {
                for (size_t i = 0; i < e->pod_count; i++)
                        e->pods[i].listed = false;
        }
}

static void on_pods_listed(void *arg)
{
        struct gw_k8s_space *space = arg;
        struct gw_k8s_job_entry *e;
        LIST_FOREACH(e, &space->entries, in_space)
        {
                for (size_t i = 0; i < e->pod_count; i++) {
                        if (e->pods[i].listed || e->pods[i].gone)
                                continue;
                        e->pods[i].gone = true;
                        look_for_pods(space->backend, e);
                        gw_k8s_entry_changed(space->backend, e);
                }
        }
        space->has_pods = true;
}

/* ---- spaces ---------------------------------------------------------------------------------- */

static void on_trouble(void *arg, const struct gw_k8s_status *status)
{
        const struct gw_k8s_space *space = arg;
        gw_log(GW_LOG_WARN, "kubernetes.watch_trouble", "{s:s, s:s*, s:s}", "backend",
               space->backend->base.head.name, "namespace", space->ns, "message", status->message);
        gw_k8s_look_soon(space->backend);
}

static const struct gw_k8s_watch_ops job_ops = {
        .begin = on_jobs_begin, .object = on_job, .listed = on_jobs_listed, .trouble = on_trouble};
static const struct gw_k8s_watch_ops pod_ops = {
        .begin = on_pods_begin, .object = on_pod, .listed = on_pods_listed, .trouble = on_trouble};

static struct gw_k8s_watch *watch(struct gw_k8s_space *space, enum gw_k8s_kind kind,
                                  const struct gw_k8s_watch_ops *ops)
{
        const struct gw_k8s_watched watched = {
                .kind = kind, .ns = space->ns, .which.labels = GW_K8S_LABEL_JOB};
        return gw_k8s_watch_new(space->backend->client, &watched, ops, space, NULL);
}

static void free_space(struct gw_k8s_space *space)
{
        gw_k8s_watch_free(space->jobs);
        gw_k8s_watch_free(space->pods);
        free(space->ns);
        free(space);
}

static struct gw_k8s_space *new_space(struct gw_k8s *b, const char *ns)
{
        struct gw_k8s_space *space = calloc(1, sizeof *space);
        if (!space)
                return NULL;
        space->backend = b;
        LIST_INIT(&space->entries);
        space->ns = ns ? strdup(ns) : NULL;
        if (ns && !space->ns) {
                free_space(space);
                return NULL;
        }
        space->jobs = watch(space, GW_K8S_JOBS, &job_ops);
        space->pods = watch(space, GW_K8S_PODS, &pod_ops);
        if (!space->jobs || !space->pods) {
                free_space(space);
                return NULL;
        }
        return space;
}

struct gw_k8s_space *gw_k8s_space_of(struct gw_k8s *b, const char *ns)
{
        struct gw_k8s_space *space;
        if (b->settings.whole_cluster)
                ns = NULL;
        LIST_FOREACH(space, &b->spaces, all)
        {
                if (!ns || strcmp(space->ns, ns) == 0)
                        return space;
        }
        space = new_space(b, ns);
        if (space)
                LIST_INSERT_HEAD(&b->spaces, space, all);
        return space;
}

static void leave(struct gw_k8s *b, struct gw_k8s_space *space)
{
        LIST_REMOVE(space, all);
        gw_k8s_watch_stop(space->jobs);
        gw_k8s_watch_stop(space->pods);
        LIST_INSERT_HEAD(&b->leaving, space, all);
}

void gw_k8s_spaces_stop(struct gw_k8s *b)
{
        while (!LIST_EMPTY(&b->spaces))
                leave(b, LIST_FIRST(&b->spaces));
}

bool gw_k8s_spaces_bury(struct gw_k8s *b)
{
        struct gw_k8s_space *next;
        for (struct gw_k8s_space *space = LIST_FIRST(&b->leaving); space; space = next) {
                next = LIST_NEXT(space, all);
                if (!LIST_EMPTY(&space->entries) || !gw_k8s_watch_is_over(space->jobs) ||
                    !gw_k8s_watch_is_over(space->pods))
                        continue;
                LIST_REMOVE(space, all);
                free_space(space);
        }
        return !LIST_EMPTY(&b->leaving);
}

/* Whether nothing was there for so long that it is not watched any more. */
static bool is_idle(struct gw_k8s_space *space, int64_t now)
{
        if (!LIST_EMPTY(&space->entries))
                return false;
        if (space->idle_at == 0)
                space->idle_at = now + IDLE_US;
        return now >= space->idle_at;
}

void gw_k8s_spaces_serve(struct gw_k8s *b)
{
        int64_t now = gw_clock_mono_us();
        struct gw_k8s_space *next;
        for (struct gw_k8s_space *space = LIST_FIRST(&b->spaces); space; space = next) {
                next = LIST_NEXT(space, all);
                if (is_idle(space, now)) {
                        leave(b, space);
                        continue;
                }
                gw_k8s_watch_serve(space->jobs);
                gw_k8s_watch_serve(space->pods);
        }
}

int64_t gw_k8s_spaces_wake_at(const struct gw_k8s *b)
{
        const struct gw_k8s_space *space;
        int64_t at = INT64_MAX;
        LIST_FOREACH(space, &b->spaces, all)
        {
                const int64_t times[] = {gw_k8s_watch_wake_at(space->jobs),
                                         gw_k8s_watch_wake_at(space->pods),
                                         space->idle_at ? space->idle_at : INT64_MAX};
                for (size_t i = 0; i < GW_COUNT(times); i++)
                        at = times[i] < at ? times[i] : at;
        }
        return at;
}
