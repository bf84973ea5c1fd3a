/*
 * The agent that watches: its frames become facts. It is started when this gateway leads, again
 * when it ended, and before its token does; then its first table is a whole one.
 *
 * A record is believed to be ours when its comment has a mark that the engine has open and its
 * owner is the one the submission was made for: anybody can write our mark into a job of his own.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/slurm/about.h"
#include "backends/slurm/access.h"
#include "backends/slurm/claim.h"
#include "backends/slurm/hosts.h"
#include "backends/slurm/internal.h"
#include "backends/slurm/offer.h"
#include "backends/slurm/protocol.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/crash.h"
#include "server/base/log.h"
#include "server/base/str.h"

#define TOKEN_LIFE_S 3600
#define BACK_OFF_FIRST_US (GW_SECOND / 5)
#define BACK_OFF_MOST_US (10 * GW_SECOND)
#define SILENT_US (30 * GW_SECOND)
#define OFFER_US (15 * GW_SECOND)
#define SILENT_OFFER_US (2 * GW_SECOND) /* while the node of a job is given up */

/* Of a node's state, as slurm.h has them. */
#define NODE_BASE 0xf
#define NODE_DOWN 1
#define NODE_NO_RESPOND (1 << 11)

#define DEFAULT_MIN_JOB_AGE_S 300
#define CLOCKS_S 60     /* between those of the machines, at most */
#define KNOWN_MOST 1000 /* numbers in one frame */

/* ---- its life -------------------------------------------------------------------------------- */

void gw_slurm_watch_stop(struct gw_slurm *b)
{
        gw_link_close(&b->watch);
        b->watch_at = INT64_MAX;
}

void gw_slurm_watch_restart(struct gw_slurm *b)
{
        gw_slurm_watch_stop(b);
        b->asked_at = 0; /* what was read before says nothing of who is looked for now */
        b->watch_at = gw_clock_mono_us();
}

/* news: of the offer, or NULL. */
static void describe(struct gw_slurm *b, bool reachable, const char *news)
{
        if (b->described && b->reachable == reachable && !news)
                return;
        b->described = true;
        b->reachable = reachable;
        b->host.describe(b->host.self, news, reachable);
}

static void lose(struct gw_slurm *b, const char *why)
{
        gw_log(GW_LOG_WARN, "slurm.watch_lost", "{s:s, s:s}", "backend", b->base.head.name,
               "message", why);
        int64_t twice = b->watch_back_off_us * 2;
        b->watch_back_off_us = twice == 0                 ? BACK_OFF_FIRST_US
                               : twice > BACK_OFF_MOST_US ? BACK_OFF_MOST_US
                                                          : twice;
        gw_slurm_watch_stop(b);
        b->watch_at = gw_clock_mono_us() + b->watch_back_off_us;
        describe(b, false, NULL);
}

/* A new agent says what there is, and not what went since the last one. */
static void find_all_again(struct gw_slurm *b)
{
        struct gw_slurm_job *job;
        for (size_t i = 0; i < GW_SLURM_BUCKETS; i++) {
                LIST_FOREACH(job, &b->by_number[i], by_number)
                {
                        gw_slurm_tasks_unread(&job->tasks);
                }
        }
}

/* Nobody answers. */
static void send_known(struct gw_slurm *b, json_t *jobs)
{
        json_auto_t *told = json_pack("{s:i, s:s, s:o*}", "id", 0, "op", "know", "jobs", jobs);
        if (told && json_array_size(jobs) > 0)
                (void)gw_link_send(&b->watch, told, NULL);
}

static void add_known(json_t *jobs, const struct gw_slurm_job *job)
{
        json_array_append_new(jobs,
                              json_pack("[I, I]", (json_int_t)job->number, (json_int_t)job->uid));
}

/* What it does not hear of is asked for later, by its number. */
void gw_slurm_watch_know(struct gw_slurm *b, const struct gw_slurm_job *job)
{
        const struct gw_slurm_job *each;
        json_t *jobs = json_array();
        if (job)
                add_known(jobs, job);
        for (size_t i = 0; i < GW_SLURM_BUCKETS && !job; i++) {
                LIST_FOREACH(each, &b->by_number[i], by_number)
                {
                        if (each->displaced_s == 0)
                                add_known(jobs, each);
                }
                if (json_array_size(jobs) < KNOWN_MOST)
                        continue;
                send_known(b, jobs);
                jobs = json_array();
        }
        send_known(b, jobs);
}

static void start(struct gw_slurm *b)
{
        struct gw_slurm_credential c = gw_slurm_settings_credential(&b->settings);
        struct gw_error err = {0};
        b->watch_at = INT64_MAX;
        if (gw_slurm_agent_open(&b->watch, &c, "watch", b->settings.user, TOKEN_LIFE_S, &err)) {
                lose(b, err.message);
                return;
        }
        b->watch_ends_at = gw_clock_mono_us() + TOKEN_LIFE_S * GW_SECOND / 2;
        b->offer_at = 0;
        b->heard_at = gw_clock_mono_us();
        find_all_again(b);
        gw_slurm_watch_know(b, NULL);
}

/* ---- records --------------------------------------------------------------------------------- */

/* Whether an unmarked record may be of another that has, or had, the same number. */
static bool may_be_anothers(const struct gw_slurm *b, const struct gw_slurm_job *job,
                            const struct gw_slurm_record *r)
{
        const struct gw_slurm_job *other;
        struct gw_mark mark;
        if (gw_slurm_mark_read(r->comment, &mark) == 0)
                return false;
        LIST_FOREACH(other, &b->by_number[job->number % GW_SLURM_BUCKETS], by_number)
        {
                if (other != job && other->number == job->number &&
                    (other->submit_s == 0 || other->submit_s == r->submit_s))
                        return true;
        }
        return false;
}

/* Whether it is the record that had this number before: only a requeue changes the time of
 * submission. */
static bool is_same(struct gw_slurm *b, const struct gw_slurm_job *job,
                    const struct gw_slurm_record *r)
{
        const struct gw_slurm_task *task = gw_slurm_task_numbered(b, r->job);
        if (job->uid != r->uid || (job->displaced_s && r->submit_s >= job->displaced_s))
                return false;
        if (task && task->job == job && task->view.pending_us)
                return task->view.restart != r->restart ||
                       task->view.pending_us == r->submit_s * GW_SECOND;
        if (job->submit_s == 0)
                return gw_slurm_claims(job->mark, job->send_before_us, r) &&
                       !may_be_anothers(b, job, r);
        return r->restart > 0 || job->submit_s == r->submit_s;
}

/* A job that had its number before was submitted before this one was made. */
bool gw_slurm_is_of(struct gw_slurm *b, const struct gw_slurm_job *job,
                    const struct gw_slurm_record *r)
{
        bool shape = job->array.is_array == (r->array != 0) && job->number == gw_slurm_number_of(r);
        int64_t made_s = gw_id_time_us(job->mark.job) / GW_SECOND;
        return shape && r->submit_s + CLOCKS_S >= made_s && is_same(b, job, r);
}

/* The submission that a record has the mark of, and may be of by its owner and its number. */
static struct gw_slurm_job *job_by_mark(struct gw_slurm *b, const struct gw_slurm_record *r)
{
        struct gw_mark mark;
        if (gw_slurm_mark_read(r->comment, &mark))
                return NULL;
        struct gw_slurm_job *job = gw_slurm_job_find(b, mark);
        if (!job)
                gw_slurm_closed_see(b, mark, r);
        if (!job || job->uid != r->uid || job->array.is_array != (r->array != 0))
                return NULL; /* else somebody's own, with our mark */
        return job->number == 0 || job->number == gw_slurm_number_of(r) ? job : NULL;
}

/* The submission a record is of; NULL: none of ours. Its number goes before its mark, for its owner
 * may rewrite the comment, also into that of one whose number is not known yet. A controller that
 * lost its state gives numbers anew. */
static struct gw_slurm_job *job_of(struct gw_slurm *b, const struct gw_slurm_record *r)
{
        uint32_t number = gw_slurm_number_of(r);
        struct gw_slurm_job *holder = gw_slurm_job_numbered(b, number);
        if (holder && is_same(b, holder, r))
                return holder->array.is_array == (r->array != 0) ? holder : NULL;
        struct gw_slurm_job *job = job_by_mark(b, r);
        if (job && job != holder)
                gw_slurm_job_number(b, job, number); /* which displaces the holder */
        else if (holder && !job)
                gw_slurm_job_displace(b, holder, r->submit_s);
        return job;
}

/* All of a submission was there when slurmctld took it. */
static void note_submit(struct gw_slurm_job *job, const struct gw_slurm_record *r)
{
        if (r->restart > 0 || job->submit_s)
                return;
        job->submit_s = r->submit_s;
        if (job->since_us == 0)
                job->since_us = r->submit_s * GW_SECOND;
}

/* Returns 0; or -1 with GW_ERR_INVALID when the record is none of the submission's, or
 * GW_ERR_NOMEM. */
static int take_rest(struct gw_slurm_job *job, const struct gw_slurm_record *r,
                     struct gw_error *err)
{
        struct gw_spans listed = GW_SPANS_INIT;
        if (r->tasks && gw_slurm_array_read(&job->array, r->tasks, &listed, err))
                return -1;
        int rc = gw_slurm_tasks_take_rest(&job->tasks, &listed, r);
        gw_spans_done(&listed);
        return rc ? gw_fail(err, GW_ERR_NOMEM, "out of memory") : 0;
}

/* Likewise. */
static int take_own(struct gw_slurm *b, struct gw_slurm_job *job, const struct gw_slurm_record *r,
                    struct gw_error *err)
{
        struct gw_slurm_task *task;
        uint32_t ordinal = 0;
        if (r->array && gw_slurm_array_ordinal(&job->array, (uint64_t)r->task, &ordinal))
                return gw_fail(err, GW_ERR_INVALID, "job %u is of no task of ours", r->job);
        int rc = gw_slurm_tasks_own(&job->tasks, ordinal, &task);
        if (r->job == job->number)
                gw_slurm_tasks_head(&job->tasks, GW_SLURM_HEAD_TASK);
        if (rc == 0 && task) {
                if (job->displaced_s == 0)
                        gw_slurm_job_task(b, job, task, r->job);
                rc = gw_slurm_tasks_take(&job->tasks, task, r);
                if (gw_slurm_tasks_unexplained(&job->tasks, task, r) && gw_slurm_quest_who(b, job))
                        gw_slurm_task_put_off(task);
                if (task->followed && !gw_slurm_quest_who(b, job))
                        gw_slurm_task_followed(task, GW_REASON_NONE);
                if (task->view.phase == GW_PHASE_ENDED)
                        gw_crash_point("slurm.ended");
                if (task->view.silent_s)
                        b->offer_at = 0;
        }
        if (rc == 0 && !task)
                gw_slurm_closed_task_see(b, job, ordinal, r);
        return rc ? gw_fail(err, GW_ERR_NOMEM, "out of memory") : 0;
}

/* Of an array what is said of all that waits, or of whichever task was first: each task has a
 * record of its own, and they differ in little. */
static void take_about(struct gw_slurm_job *job, const struct gw_slurm_record *r)
{
        if (!r->about || (r->task >= 0 && (job->known || job->about)))
                return;
        char *about = gw_slurm_about(gw_slurm_number_of(r), r->about);
        if (!about)
                return;
        free(job->about);
        job->about = about;
        if (gw_slurm_about_digest(about) == job->known)
                free(GW_TAKE(job->about));
}

void gw_slurm_take(struct gw_slurm *b, struct gw_slurm_job *job, const struct gw_slurm_record *r)
{
        struct gw_error err = {0};
        int rc = r->array && r->task < 0 ? take_rest(job, r, &err) : take_own(b, job, r, &err);
        note_submit(job, r);
        take_about(job, r);
        if (rc && err.code == GW_ERR_NOMEM)
                b->short_of_memory = true;
        else if (rc)
                gw_log_error("slurm.record", &err);
        gw_slurm_job_changed(b, job);
}

static void take_record(struct gw_slurm *b, const struct gw_slurm_record *r)
{
        struct gw_slurm_job *job = job_of(b, r);
        if (job)
                gw_slurm_take(b, job, r);
}

static void take_gone(struct gw_slurm *b, uint32_t number)
{
        struct gw_slurm_task *task = gw_slurm_task_numbered(b, number);
        struct gw_slurm_job *job = gw_slurm_job_numbered(b, number);
        if (task) {
                task->found = false;
                task->job->tasks.changed = true;
        }
        if (job)
                gw_slurm_tasks_head(&job->tasks, GW_SLURM_HEAD_NONE);
}

/* What slurmctld took before the read began, and a whole read does not have, is not there. Nothing
 * went unseen where less time has passed than it keeps what has ended. now, asked_at: of the
 * agent; slurmctld counts whole seconds. */
static void settle(struct gw_slurm *b, struct gw_slurm_job *job, int64_t now_us)
{
        struct gw_slurm_tasks *t = &job->tasks;
        int64_t since_us = t->settled ? b->read_at : job->since_us;
        bool missing = t->head == GW_SLURM_HEAD_NONE && t->count == 0;
        bool unbroken = now_us - since_us < b->min_job_age_us - GW_SECOND && !job->quest.broken;
        if (!t->changed || (missing && job->accepted_us >= b->asked_at))
                return;
        if (gw_slurm_tasks_misses(t, unbroken) && gw_slurm_quest_missing(b, job, !unbroken))
                return;
        gw_slurm_quest_found(b, job);
        if (gw_slurm_tasks_settle(t, unbroken))
                b->short_of_memory = true;
        gw_slurm_closed_tasks_see(b, job);
        gw_slurm_job_changed(b, job);
}

static void settle_all(struct gw_slurm *b, int64_t now_us)
{
        struct gw_slurm_job *job;
        for (size_t i = 0; i < GW_SLURM_BUCKETS; i++) {
                LIST_FOREACH(job, &b->by_number[i], by_number)
                {
                        settle(b, job, now_us);
                        gw_slurm_quest_ask(b, job);
                }
        }
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void on_table(struct gw_slurm *b, const json_t *frame)
{
        size_t i;
        const json_t *item;
        json_array_foreach(json_object_get(frame, "jobs"), i, item)
        {
                struct gw_slurm_record r;
                struct gw_error err = {0};
                if (gw_slurm_record_read(item, &r, &err) == 0)
                        take_record(b, &r);
                else
                        gw_log_error("slurm.record", &err);
        }
        if (json_is_true(json_object_get(frame, "more")))
                return;
        json_array_foreach(json_object_get(frame, "gone"), i, item)
                take_gone(b, (uint32_t)json_integer_value(item));
        b->asked_at = json_integer_value(json_object_get(frame, "asked_at"));
        if (b->seen == 0)
                b->first_asked_at = b->asked_at;
        if (b->seen == 0 || b->synced)
                b->seen++;
        b->watch_back_off_us = 0;
        settle_all(b, json_integer_value(json_object_get(frame, "now")));
        b->read_at = b->asked_at;
        if (!b->reachable)
                b->offer_at = 0; /* much may have changed */
        describe(b, true, NULL);
}

static void on_hello(struct gw_slurm *b, const json_t *frame)
{
        json_int_t age = json_integer_value(json_object_get(frame, "min_job_age"));
        json_int_t most = json_integer_value(json_object_get(frame, "max_array_size"));
        b->accounting = json_is_true(json_object_get(frame, "accounting"));
        const char *cluster = json_string_value(json_object_get(frame, "cluster"));
        gw_str_copy(b->cluster, sizeof b->cluster, cluster ? cluster : "");
        b->min_job_age_us = (age > 0 ? age : DEFAULT_MIN_JOB_AGE_S) * GW_SECOND;
        b->max_array_size = most > 0 ? (uint32_t)most : 1; /* 0: it takes no arrays, and says so */
        gw_slurm_jobs_limit(b, b->max_array_size);
}

static void on_error(struct gw_slurm *b, const json_t *frame)
{
        const char *text = json_string_value(json_object_get(frame, "text"));
        if (!b->described || b->reachable)
                gw_log(GW_LOG_WARN, "slurm.unreachable", "{s:s, s:s*}", "backend",
                       b->base.head.name, "message", text);
        describe(b, false, NULL);
}

/* Whether slurmd has been heard of since: then it has ended what was left of jobs that were given
 * up with its node. */
static bool has_answered(const json_t *node, int64_t since_s)
{
        json_int_t state = json_integer_value(json_object_get(node, "state"));
        bool up = (state & NODE_BASE) != NODE_DOWN && !(state & NODE_NO_RESPOND);
        return up || json_integer_value(json_object_get(node, "slurmd_started")) > since_s ||
               json_integer_value(json_object_get(node, "booted")) > since_s;
}

static const json_t *find_node(const json_t *nodes, const char *name)
{
        size_t i;
        const json_t *node;
        json_array_foreach(nodes, i, node)
        {
                const char *its = json_string_value(json_object_get(node, "name"));
                if (its && strcmp(its, name) == 0)
                        return node;
        }
        return NULL;
}

struct answers {
        const json_t *nodes;
        int64_t since_s;
};

static bool node_answered(void *arg, const char *name)
{
        const struct answers *a = arg;
        const json_t *node = find_node(a->nodes, name);
        return node && has_answered(node, a->since_s);
}

static void end_silent_tasks(struct gw_slurm *b, struct gw_slurm_job *job, const json_t *nodes)
{
        for (size_t i = 0; i < job->tasks.count; i++) {
                struct gw_slurm_task *task = job->tasks.items[i];
                int64_t silent_s = task->view.silent_s;
                if (silent_s == 0 || !task->view.node)
                        continue;
                struct answers answers = {nodes, silent_s};
                b->offer_at = gw_clock_mono_us() + SILENT_OFFER_US;
                if (!gw_slurm_hosts_all(task->view.node, node_answered, &answers))
                        continue;
                gw_slurm_task_end(task, GW_REASON_NODE_FAILURE, silent_s * GW_SECOND);
                gw_slurm_job_changed(b, job);
        }
}

static void end_silent(struct gw_slurm *b, const json_t *nodes)
{
        struct gw_slurm_job *job;
        for (size_t i = 0; i < GW_SLURM_BUCKETS; i++) {
                LIST_FOREACH(job, &b->by_number[i], by_number)
                {
                        end_silent_tasks(b, job, nodes);
                }
        }
}

static void on_offer(struct gw_slurm *b, const json_t *frame)
{
        if (json_object_get(frame, "error"))
                return;
        end_silent(b, json_object_get(frame, "nodes"));
        json_t *offer = gw_slurm_offer(frame);
        bool whole =
                offer && gw_slurm_site_describe(&b->settings.site, offer) == 0 &&
                json_object_set_new(offer, "max_array_size", json_integer(b->max_array_size)) == 0;
        json_auto_t *told = whole ? gw_slurm_access_told(offer) : NULL;
        gw_autofree char *text = told ? json_dumps(told, JSON_COMPACT) : NULL;
        if (!text) {
                json_decref(offer);
                return;
        }
        json_decref(b->offer);
        b->offer = offer;
        describe(b, true, text);
}

static void on_frame(void *arg, json_t *frame)
{
        struct gw_slurm *b = arg;
        b->heard_at = gw_clock_mono_us();
        if (json_object_get(frame, "id"))
                on_offer(b, frame);
        else if (json_object_get(frame, "table"))
                on_table(b, frame);
        else if (json_object_get(frame, "hello"))
                on_hello(b, frame);
        else
                on_error(b, frame);
}

static void ask_offer(struct gw_slurm *b, int64_t now)
{
        json_auto_t *question = json_pack("{s:i, s:s}", "id", 1, "op", "offer");
        b->offer_at = now + OFFER_US;
        if (question)
                (void)gw_link_send(&b->watch, question, NULL);
}

/* It says something each second, or after a question that slurmctld does not answer. */
static int64_t silent_until(const struct gw_slurm *b)
{
        return b->heard_at + SILENT_US + 4 * b->settings.message_timeout_s * GW_SECOND;
}

void gw_slurm_watch_serve(struct gw_slurm *b)
{
        struct gw_error err = {0};
        int64_t now = gw_clock_mono_us();
        if (gw_link_is_open(&b->watch) && gw_link_serve(&b->watch, on_frame, b, &err))
                lose(b, err.message);
        if (gw_link_is_open(&b->watch) && now >= silent_until(b))
                lose(b, "the agent that watches says nothing");
        if (gw_link_is_open(&b->watch) && (now >= b->watch_ends_at || b->short_of_memory))
                gw_slurm_watch_restart(b);
        b->short_of_memory = false;
        if (!gw_link_is_open(&b->watch) && now >= b->watch_at)
                start(b);
        if (gw_link_is_open(&b->watch) && now >= b->offer_at)
                ask_offer(b, now);
}

int64_t gw_slurm_watch_wake_at(const struct gw_slurm *b)
{
        if (!gw_link_is_open(&b->watch))
                return b->watch_at;
        int64_t at = b->offer_at < b->watch_ends_at ? b->offer_at : b->watch_ends_at;
        return silent_until(b) < at ? silent_until(b) : at;
}
