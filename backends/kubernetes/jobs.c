/* The set of submissions, and telling the engine of them. */
#include <stdlib.h>
#include <string.h>

#include "backends/kubernetes/facts.h"
#include "backends/kubernetes/internal.h"
#include "backends/kubernetes/kept.h"
#include "backends/kubernetes/record.h"
#include "server/base/cleanup.h"
#include "server/base/log.h"
#include "server/base/str.h"
#include "server/model/indexset.h"

#define FACTS 256 /* in one call of the host */

static struct gw_k8s_job_bucket *bucket_of(struct gw_k8s *b, struct gw_mark mark)
{
        return &b->by_mark[gw_mark_hash(mark) % GW_K8S_BUCKETS];
}

struct gw_k8s_job_entry *gw_k8s_entry_find(struct gw_k8s *b, struct gw_mark mark)
{
        struct gw_k8s_job_entry *e;
        LIST_FOREACH(e, bucket_of(b, mark), by_mark)
        {
                if (gw_mark_equal(e->mark, mark))
                        return e;
        }
        return NULL;
}

static void release(struct gw_k8s_job_entry *e)
{
        for (size_t i = 0; i < e->pod_count; i++)
                json_decref(e->pods[i].pod);
        free(e->pods);
        json_decref(e->job);
        json_decref(e->events);
        gw_spans_done(&e->ordinals);
        gw_spans_done(&e->unwanted);
        gw_backend_ask_free(e->cancel);
        free(e->ns);
        free(e);
}

static int fill(struct gw_k8s_job_entry *e, const struct gw_k8s_entry_settings *s)
{
        e->ns = strdup(s->ns);
        e->send_before_us = s->send_before_us;
        e->held = s->held;
        e->is_array = s->index_set != NULL;
        for (size_t i = 0; e->is_array && i < s->span_count; i++)
                if (gw_spans_append(&e->ordinals, s->spans[i].first, s->spans[i].last, NULL))
                        return -1;
        return e->ns ? 0 : -1;
}

struct gw_k8s_job_entry *gw_k8s_entry_add(struct gw_k8s *b, struct gw_mark mark,
                                          const struct gw_k8s_entry_settings *settings)
{
        struct gw_k8s_space *space = gw_k8s_space_of(b, settings->ns);
        struct gw_k8s_job_entry *e = space ? calloc(1, sizeof *e) : NULL;
        if (!e)
                return NULL;
        if (fill(e, settings)) {
                release(e);
                return NULL;
        }
        e->mark = mark;
        e->space = space;
        gw_k8s_survey_add(b, e->ns);
        space->idle_at = 0;
        LIST_INSERT_HEAD(&space->entries, e, in_space);
        LIST_INSERT_HEAD(bucket_of(b, mark), e, by_mark);
        return e;
}

void gw_k8s_entry_remove(struct gw_k8s *b, struct gw_k8s_job_entry *e)
{
        gw_k8s_quest_end(b, e);
        gw_k8s_wait_leave(e);
        gw_k8s_doom_leave(b, e);
        if (e->unreported)
                TAILQ_REMOVE(&b->report, e, report);
        LIST_REMOVE(e, by_mark);
        LIST_REMOVE(e, in_space);
        release(e);
}

void gw_k8s_entries_clear(struct gw_k8s *b)
{
        for (size_t i = 0; i < GW_K8S_BUCKETS; i++)
                while (!LIST_EMPTY(&b->by_mark[i]))
                        gw_k8s_entry_remove(b, LIST_FIRST(&b->by_mark[i]));
}

void gw_k8s_entry_accept(struct gw_k8s *b, struct gw_k8s_job_entry *e, const char *uid)
{
        if (e->accepted_us == 0)
                e->accepted_us = gw_clock_wall_us();
        if (uid[0])
                gw_str_copy(e->uid, sizeof e->uid, uid);
        gw_k8s_entry_changed(b, e);
}

/* Whether each of its indices is: none can run any more, though the Job has not ended yet. */
static bool is_counted(const struct gw_k8s_job_entry *e)
{
        struct gw_k8s_counts counts;
        uint64_t total = gw_spans_total(&e->ordinals);
        if (!e->is_array || gw_k8s_counts_read(e->job, (uint32_t)total, &counts, NULL))
                return false;
        bool all = gw_spans_total(&counts.completed) + gw_spans_total(&counts.failed) == total;
        gw_k8s_counts_done(&counts);
        return all;
}

bool gw_k8s_entry_has_ended(const struct gw_k8s_job_entry *e)
{
        struct gw_k8s_job job;
        if (e->gone || !e->job)
                return e->over;
        gw_k8s_job_read(e->job, &job);
        return job.stage == GW_K8S_ENDED || is_counted(e);
}

/* ---- what is known of one -------------------------------------------------------------------- */

/* A pod that is gone and was not seen to end says nothing of how its Job ended, once that is known.
 */
static bool is_told(const struct gw_k8s_job_entry *e, const struct gw_k8s_kept_pod_entry *p)
{
        struct gw_k8s_pod pod;
        gw_k8s_pod_read(p->pod, &pod);
        return !p->gone || pod.has_ended || !gw_k8s_entry_has_ended(e);
}

size_t gw_k8s_entry_tellers(const struct gw_k8s_job_entry *e)
{
        size_t count = 0;
        for (size_t i = 0; i < e->pod_count; i++)
                count += is_told(e, &e->pods[i]);
        return count;
}

static json_t *pods_of(const struct gw_k8s_job_entry *e)
{
        json_t *pods = json_array();
        for (size_t i = 0; pods && i < e->pod_count; i++) {
                if (is_told(e, &e->pods[i]) && json_array_append(pods, e->pods[i].pod)) {
                        json_decref(pods);
                        return NULL;
                }
        }
        return pods;
}

static json_t *job_of(const struct gw_k8s_job_entry *e)
{
        char name[GW_K8S_NAME];
        if (!e->over)
                return json_incref(e->job);
        gw_k8s_name(e->mark, name);
        return e->seen_go ? gw_k8s_gone_job(e->job, name, GW_K8S_WAS_DELETED, "the Job was deleted")
                          : gw_k8s_gone_job(e->job, name, GW_K8S_WAS_LOST,
                                            "the Job is not there any more");
}

static void gather_open(void *arg, const struct gw_fact *fact, const struct gw_k8s_meaning *meaning)
{
        struct gw_spans *open = arg;
        (void)meaning;
        if (fact->phase != GW_PHASE_ENDED)
                (void)gw_spans_gather(open, fact->span.first, fact->span.last, NULL);
}

int gw_k8s_entry_open(const struct gw_k8s_job_entry *e, struct gw_spans *ret)
{
        json_auto_t *job = job_of(e), *pods = pods_of(e);
        json_auto_t *unseen = json_object();
        const struct gw_k8s_view view = {.job = job ? job : unseen, .pods = pods};
        *ret = GW_SPANS_INIT;
        if (gw_k8s_facts(&view, e->mark, &e->ordinals, gather_open, ret, NULL)) {
                gw_spans_done(ret);
                return -1;
        }
        gw_spans_settle(ret);
        return 0;
}

/* ---- telling --------------------------------------------------------------------------------- */

void gw_k8s_entry_changed(struct gw_k8s *b, struct gw_k8s_job_entry *e)
{
        if (!e->unreported)
                TAILQ_INSERT_TAIL(&b->report, e, report);
        e->unreported = true;
}

/* The facts that are to be told, with copies of their texts. */
struct telling {
        struct gw_k8s *backend;
        struct gw_k8s_job_entry *entry;
        struct gw_fact *facts;
        size_t count, cap;
        uint64_t digest;
        bool failed, waits; /* no memory; some wait and do not say why */
        bool may_run;       /* some of it runs, or may start */
        bool is_doomed;     /* some cannot, as this one */
        struct gw_k8s_meaning doomed;
};

static void add_to_digest(struct telling *t, const void *data, size_t len)
{
        const unsigned char *bytes = data;
        for (size_t i = 0; i < len; i++)
                t->digest = (t->digest ^ bytes[i]) * UINT64_C(1099511628211);
}

static void digest_text(struct telling *t, const char *text)
{
        add_to_digest(t, text ? text : "", text ? strlen(text) + 1 : 1);
}

static void digest(struct telling *t, const struct gw_fact *f)
{
        const int64_t numbers[] = {f->span.first,      f->span.last,  (int64_t)f->phase,
                                   (int64_t)f->reason, f->exit_code,  f->signal,
                                   f->pending_us,      f->started_us, f->ended_us};
        add_to_digest(t, numbers, sizeof numbers);
        digest_text(t, f->node);
        digest_text(t, f->raw);
}

static char *copy(struct telling *t, const char *text)
{
        char *copied = text ? strdup(text) : NULL;
        t->failed = t->failed || (text && !copied);
        return copied;
}

static bool wants_suspension(const struct gw_k8s_job_entry *e)
{
        return json_is_true(gw_k8s_member(e->job, "spec.suspend"));
}

/* Who suspended it says what that means. The condition follows what is wanted a little later. */
static enum gw_reason reason_of(const struct gw_k8s_job_entry *e, const struct gw_fact *f)
{
        if (f->reason != GW_REASON_SUSPENDED || f->phase != GW_PHASE_PENDING)
                return f->reason;
        if (!wants_suspension(e))
                return GW_REASON_NONE;
        return e->held ? GW_REASON_HELD : GW_REASON_SUSPENDED;
}

/* What has no pod yet has the fate of what has one. */
static void take_doom(struct telling *t, const struct gw_k8s_meaning *meaning)
{
        if (meaning->phase == GW_PHASE_PENDING && meaning->doom) {
                if (!t->is_doomed || !meaning->hopeless)
                        t->doomed = *meaning;
                t->is_doomed = true;
        } else if (meaning->phase != GW_PHASE_ENDED && (meaning->has_pod || !t->entry->is_array)) {
                t->may_run = true;
        }
}

static void take_fact(void *arg, const struct gw_fact *fact, const struct gw_k8s_meaning *meaning)
{
        struct telling *t = arg;
        t->waits = t->waits || meaning->asks_events;
        take_doom(t, meaning);
        if (t->count == t->cap) {
                size_t cap = t->cap ? 2 * t->cap : FACTS;
                struct gw_fact *facts = reallocarray(t->facts, cap, sizeof *facts);
                t->failed = t->failed || !facts;
                if (!facts)
                        return;
                t->facts = facts;
                t->cap = cap;
        }
        struct gw_fact *f = &t->facts[t->count++];
        *f = *fact;
        f->seen = t->backend->seen;
        f->reason = reason_of(t->entry, fact);
        f->ref = copy(t, fact->ref);
        f->node = copy(t, fact->node);
        f->raw = copy(t, fact->raw);
        digest(t, f);
}

static void drop_facts(struct telling *t, size_t from)
{
        for (size_t i = from; i < t->count; i++) {
                free((char *)(uintptr_t)t->facts[i].ref);
                free((char *)(uintptr_t)t->facts[i].node);
                free((char *)(uintptr_t)t->facts[i].raw);
        }
        t->count = from;
}

/* Adds the facts of one. Those that were told last are not told again. Returns the digest. */
static uint64_t add_facts(struct telling *t, struct gw_k8s_job_entry *e)
{
        struct gw_error err = {0};
        size_t before = t->count;
        json_auto_t *job = job_of(e), *pods = pods_of(e);
        const struct gw_k8s_view view = {.job = job, .pods = pods, .events = e->events};
        t->entry = e;
        t->waits = t->may_run = t->is_doomed = false;
        t->digest = UINT64_C(14695981039346656037);
        t->failed = t->failed || !pods || (e->over && !job);
        if (!job || t->failed)
                return e->told;
        if (gw_k8s_facts(&view, e->mark, e->is_array ? &e->ordinals : NULL, take_fact, t, &err)) {
                gw_log_error("kubernetes.record", &err);
                drop_facts(t, before);
                return e->told;
        }
        gw_k8s_wait_set(t->backend, e, t->waits);
        gw_k8s_doom_set(t->backend, e, t->is_doomed && !t->may_run ? &t->doomed : NULL);
        if (t->digest == e->told)
                drop_facts(t, before);
        return t->digest;
}

static int tell_all(struct gw_k8s *b, const struct telling *t)
{
        for (size_t i = 0; i < t->count; i += FACTS) {
                size_t count = t->count - i < FACTS ? t->count - i : FACTS;
                if (b->host.facts(b->host.self, b->epoch, t->facts + i, count))
                        return -1;
        }
        return 0;
}

/* Whether its facts are not true yet: how it ended is being asked for. */
static bool is_put_off(const struct gw_k8s_job_entry *e)
{
        return e->quest != GW_K8S_NO_QUEST && (e->gone || gw_k8s_entry_has_ended(e));
}

/* Returns how many submissions were told of: 0 when there are none, or the host has no room. */
static size_t report_some(struct gw_k8s *b)
{
        struct telling t = {.backend = b};
        struct gw_k8s_job_entry *e;
        uint64_t digests[FACTS];
        size_t count = 0, told = 0;
        TAILQ_FOREACH(e, &b->report, report)
        {
                if (count == FACTS || t.count >= FACTS || t.failed)
                        break;
                digests[count++] = is_put_off(e) ? e->told : add_facts(&t, e);
        }
        b->refused = t.failed || tell_all(b, &t);
        for (; !b->refused && told < count; told++) {
                e = TAILQ_FIRST(&b->report);
                TAILQ_REMOVE(&b->report, e, report);
                e->unreported = false;
                e->told = digests[told];
        }
        drop_facts(&t, 0);
        free(t.facts);
        return told;
}

/* Everything is known when all that is watched was listed, and what was not in the lists is known
 * to be gone. */
static bool is_all_known(const struct gw_k8s *b)
{
        const struct gw_k8s_space *space;
        if (b->strangers || b->missing > 0)
                return false;
        LIST_FOREACH(space, &b->spaces, all)
        {
                if (!space->has_jobs || !space->has_pods)
                        return false;
        }
        return true;
}

void gw_k8s_report(struct gw_k8s *b)
{
        while (!b->refused && report_some(b) > 0)
                ;
        if (b->refused || b->synced || !is_all_known(b))
                return;
        if (b->host.synced(b->host.self, b->epoch, b->seen, b->led_at, NULL))
                b->refused = true;
        else
                b->synced = true;
}
