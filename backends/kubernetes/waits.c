/*
 * Why jobs do not start, where neither the Job nor its Pods tell: by their Events.
 *
 * The Events of a namespace are read by one list, and only while jobs wait there that have said
 * nothing for a while, so that those that start as usual cost nothing; and then ever more rarely,
 * until another one waits. Only warnings are read: all else is told by the objects themselves.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/kubernetes/internal.h"
#include "backends/kubernetes/kept.h"
#include "backends/kubernetes/record.h"
#include "server/base/cleanup.h"
#include "server/base/log.h"

#define PATIENCE_US (3 * GW_SECOND) /* most have begun by then */
#define MOST_DOUBLINGS 4            /* of the time from one list to the next */
#define PAGE 500
#define MOST_PAGES 20

TAILQ_HEAD(entries, gw_k8s_job_entry);

/* Those of one namespace. */
struct gw_k8s_wait {
        char *ns;
        struct entries fresh, asked; /* since they were not asked for, and those that were */
        int64_t asked_at;            /* monotonic; 0: never */
        unsigned rounds;             /* without a fresh one */
        bool asking, failing;
        unsigned pages;
        json_t *found; /* while it is being asked: latest Events by the uid of what they are about
                          and their reason; of whom none is wanted there is no member */
        LIST_ENTRY(gw_k8s_wait) all;
};

/* ---- who waits ------------------------------------------------------------------------------- */

static struct gw_k8s_wait *find_wait(struct gw_k8s *b, const char *ns)
{
        struct gw_k8s_wait *w;
        LIST_FOREACH(w, &b->waits, all)
        {
                if (strcmp(w->ns, ns) == 0)
                        return w;
        }
        return NULL;
}

static struct gw_k8s_wait *add_wait(struct gw_k8s *b, const char *ns)
{
        struct gw_k8s_wait *w = calloc(1, sizeof *w);
        char *copy = w ? strdup(ns) : NULL;
        if (!copy) {
                free(w);
                return NULL;
        }
        w->ns = copy;
        TAILQ_INIT(&w->fresh);
        TAILQ_INIT(&w->asked);
        LIST_INSERT_HEAD(&b->waits, w, all);
        return w;
}

static void drop_if_idle(struct gw_k8s_wait *w)
{
        if (w->asking || !TAILQ_EMPTY(&w->fresh) || !TAILQ_EMPTY(&w->asked))
                return;
        LIST_REMOVE(w, all);
        json_decref(w->found);
        free(w->ns);
        free(w);
}

static void join(struct gw_k8s *b, struct gw_k8s_job_entry *e)
{
        struct gw_k8s_wait *w = find_wait(b, e->ns);
        if (!w)
                w = add_wait(b, e->ns);
        if (!w)
                return; /* it is told again */
        e->wait = w;
        e->wait_asked = false;
        e->waits_since = gw_clock_mono_us();
        TAILQ_INSERT_TAIL(&w->fresh, e, waits);
}

void gw_k8s_wait_leave(struct gw_k8s_job_entry *e)
{
        struct gw_k8s_wait *w = GW_TAKE(e->wait);
        if (!w)
                return;
        if (e->wait_asked)
                TAILQ_REMOVE(&w->asked, e, waits);
        else
                TAILQ_REMOVE(&w->fresh, e, waits);
        json_decref(GW_TAKE(e->events));
        drop_if_idle(w);
}

void gw_k8s_wait_set(struct gw_k8s *b, struct gw_k8s_job_entry *e, bool waits)
{
        if (!waits)
                gw_k8s_wait_leave(e);
        else if (!e->wait)
                join(b, e);
}

/* ---- what came ------------------------------------------------------------------------------- */

static void take_event(const struct gw_k8s_wait *w, json_t *event)
{
        const char *reason = gw_k8s_text(event, "reason");
        json_t *its = json_object_get(w->found, gw_k8s_text(event, "involvedObject.uid"));
        const json_t *before = json_object_get(its, reason);
        if (its && (!before || gw_k8s_event_time(before) <= gw_k8s_event_time(event)))
                json_object_set(its, reason, event);
}

static void gather(const struct gw_k8s_wait *w, const char *uid, json_t *list)
{
        const char *reason;
        json_t *event;
        json_object_foreach(json_object_get(w->found, uid), reason, event)
        {
                json_array_append(list, event);
        }
}

static void tell(struct gw_k8s *b, const struct gw_k8s_wait *w, struct gw_k8s_job_entry *e)
{
        json_auto_t *list = json_array();
        gather(w, e->uid, list);
        for (size_t i = 0; i < e->pod_count; i++)
                gather(w, gw_k8s_text(e->pods[i].pod, "metadata.uid"), list);
        json_t *kept = gw_k8s_kept_events(list);
        bool same = !kept || (e->events && json_equal(kept, e->events));
        if (same) {
                json_decref(kept);
                return;
        }
        json_decref(e->events);
        e->events = kept;
        gw_k8s_entry_changed(b, e);
}

static void tell_all(struct gw_k8s *b, const struct gw_k8s_wait *w)
{
        struct gw_k8s_job_entry *e;
        TAILQ_FOREACH(e, &w->asked, waits)
        {
                tell(b, w, e);
        }
}

static int ask_page(struct gw_k8s_order *o, const char *from, struct gw_error *err)
{
        const struct gw_k8s_selection warnings = {.fields = "type=Warning"};
        return gw_k8s_list(o->backend->client, &o->call, GW_K8S_EVENTS, o->ns, &warnings, PAGE,
                           from, err);
}

static void complain(const struct gw_k8s *b, struct gw_k8s_wait *w, const char *message)
{
        if (!w->failing)
                gw_log(GW_LOG_WARN, "kubernetes.events_unread", "{s:s, s:s, s:s}", "backend",
                       b->base.head.name, "namespace", w->ns, "message", message);
        w->failing = true;
}

/* Takes the order. */
static void conclude(struct gw_k8s_order *o, struct gw_k8s_wait *w)
{
        struct gw_k8s *b = o->backend;
        const struct gw_k8s_status *status = &o->call.status;
        bool is_led = o->epoch == b->epoch;
        w->asking = false;
        if (is_led && status->verdict == GW_K8S_OK) {
                w->failing = false;
                tell_all(b, w);
        } else if (is_led) {
                complain(b, w, status->message);
        }
        json_decref(GW_TAKE(w->found));
        gw_k8s_order_free(o);
        drop_if_idle(w);
}

static void on_page(struct gw_k8s_order *o)
{
        struct gw_error err = {0};
        struct gw_k8s_wait *w = find_wait(o->backend, o->ns); /* it stays while it is being asked */
        const json_t *list = o->call.object;
        json_t *event;
        size_t i;
        json_array_foreach(json_object_get(list, "items"), i, event)
        {
                take_event(w, event);
        }
        const char *next = gw_k8s_text(list, "metadata.continue");
        if (o->call.status.verdict != GW_K8S_OK || !*next || ++w->pages >= MOST_PAGES) {
                conclude(o, w);
                return;
        }
        gw_autofree char *from = strdup(next); /* the call ends what it has */
        gw_k8s_order_begun(o, from ? ask_page(o, from, &err) : -1, &err);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int want(json_t *found, const char *uid)
{
        return *uid ? json_object_set_new(found, uid, json_object()) : 0;
}

static json_t *wanted_of(const struct gw_k8s_wait *w)
{
        json_t *found = json_object();
        const struct gw_k8s_job_entry *e;
        int rc = found ? 0 : -1;
        TAILQ_FOREACH(e, &w->asked, waits)
        {
                rc |= want(found, e->uid);
                for (size_t i = 0; i < e->pod_count; i++)
                        rc |= want(found, gw_k8s_text(e->pods[i].pod, "metadata.uid"));
        }
        if (rc == 0)
                return found;
        json_decref(found);
        return NULL;
}

static void take_fresh(struct gw_k8s_wait *w)
{
        struct gw_k8s_job_entry *e;
        w->rounds = TAILQ_EMPTY(&w->fresh) ? w->rounds + 1 : 0;
        TAILQ_FOREACH(e, &w->fresh, waits)
        {
                e->wait_asked = true;
        }
        TAILQ_CONCAT(&w->asked, &w->fresh, waits);
}

static void ask(struct gw_k8s *b, struct gw_k8s_wait *w)
{
        struct gw_error err = {0};
        take_fresh(w);
        w->asked_at = gw_clock_mono_us();
        w->pages = 0;
        w->found = wanted_of(w);
        struct gw_k8s_order *o =
                w->found ? gw_k8s_order_new(b, (struct gw_mark){0}, w->ns, NULL, on_page) : NULL;
        if (!o) {
                json_decref(GW_TAKE(w->found));
                return;
        }
        w->asking = true;
        gw_k8s_order_begun(o, ask_page(o, NULL, &err), &err);
}

static int64_t due_at(const struct gw_k8s_wait *w)
{
        const struct gw_k8s_job_entry *first = TAILQ_FIRST(&w->fresh);
        int64_t soonest = w->asked_at ? w->asked_at + PATIENCE_US : 0, fresh = INT64_MAX;
        unsigned doublings = w->rounds < MOST_DOUBLINGS ? w->rounds : MOST_DOUBLINGS;
        int64_t again =
                TAILQ_EMPTY(&w->asked) ? INT64_MAX : w->asked_at + (PATIENCE_US << doublings);
        if (w->asking)
                return INT64_MAX;
        if (first)
                fresh = first->waits_since + PATIENCE_US;
        if (fresh < soonest)
                fresh = soonest;
        return fresh < again ? fresh : again;
}

void gw_k8s_waits_serve(struct gw_k8s *b)
{
        int64_t now = gw_clock_mono_us();
        struct gw_k8s_wait *next;
        for (struct gw_k8s_wait *w = LIST_FIRST(&b->waits); w; w = next) {
                next = LIST_NEXT(w, all);
                if (now >= due_at(w))
                        ask(b, w);
        }
}

int64_t gw_k8s_waits_wake_at(const struct gw_k8s *b)
{
        const struct gw_k8s_wait *w;
        int64_t at = INT64_MAX;
        LIST_FOREACH(w, &b->waits, all)
        {
                int64_t its = due_at(w);
                at = its < at ? its : at;
        }
        return at;
}
