/*
 * Reading the output of jobs: it comes into a file without a name, of which each reader gets a
 * descriptor. Any replica does it, leading or not.
 *
 * Of what has ended the file is the whole output. Of what has not, it is what there was when the
 * first reader came, and then grows by what is followed from there, as long as anybody reads: each
 * reader's open file holds a shared lock, so whether there is one is asked of the kernel. The
 * server has no position in a log to go on from: one that is followed anew is read from its
 * beginning, and what the file has of it is passed over.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "backends/kubernetes/backoff.h"
#include "backends/kubernetes/internal.h"
#include "backends/kubernetes/record.h"
#include "server/base/cleanup.h"
#include "server/base/limits.h"

#define MOST_TAILS 256
#define MOST_PODS 50
#define LOOK_US (2 * GW_SECOND) /* after which nobody may be reading any more */

enum step {
        FIND,     /* which pod it is */
        SNAPSHOT, /* what there is */
        FOLLOW,   /* what follows it */
};

/* The output of one task of a submission, on its way to who reads it. */
struct gw_k8s_tail {
        struct gw_k8s_call call;
        struct gw_k8s *backend;
        struct gw_mark mark;
        uint32_t ordinal;
        int64_t index; /* completion index, or -1: the Job has one pod */
        bool ended;    /* the attempt has: nothing follows */
        enum step step;
        bool out;      /* the call is */
        bool stopping; /* it is only waited for its call */
        char *ns, *pod, *container;
        int fd;
        uint64_t size, skip; /* of the file; of what comes, what it has already */
        bool broken;         /* the file cannot be written, or is too large */
        unsigned failures;
        int64_t again_at, look_at; /* monotonic: to follow again; to look for readers */
        struct gw_work *waiting;   /* asks, linked by work.next */
        LIST_ENTRY(gw_k8s_tail) all;
};

/* ---- who waits ------------------------------------------------------------------------------- */

static void finish(struct gw_backend_ask *a)
{
        gw_work_finish(&a->log->work);
        gw_backend_ask_free(a);
}

/* Another open file than ours, which holds the lock until it is closed for the last time. */
static int open_again(const struct gw_k8s_tail *t)
{
        char path[32];
        snprintf(path, sizeof path, "/proc/self/fd/%d", t->fd);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB)) {
                close(fd);
                return -1;
        }
        return fd;
}

static void give(const struct gw_k8s_tail *t, struct gw_backend_ask *a)
{
        struct gw_log_source *log = a->log;
        log->fd = open_again(t);
        log->size = t->size;
        log->complete = t->ended;
        if (log->fd < 0)
                gw_fail(&log->error, GW_ERR_UNAVAILABLE, "the output cannot be read now: %s",
                        strerrordesc_np(errno));
        finish(a);
}

static struct gw_backend_ask *take_waiting(struct gw_k8s_tail *t)
{
        struct gw_work *first = t->waiting;
        if (!first)
                return NULL;
        t->waiting = first->next;
        return GW_CONTAINER(first, struct gw_backend_ask, work);
}

static void give_all(struct gw_k8s_tail *t)
{
        struct gw_backend_ask *a;
        while ((a = take_waiting(t)))
                give(t, a);
}

static void fail_all(struct gw_k8s_tail *t, enum gw_error_code code, const char *words)
{
        struct gw_backend_ask *a;
        while ((a = take_waiting(t))) {
                gw_fail(&a->log->error, code, "%s", words);
                finish(a);
        }
}

/* ---- its life -------------------------------------------------------------------------------- */

static void end(struct gw_k8s_tail *t)
{
        fail_all(t, GW_ERR_UNAVAILABLE, "the output cannot be read now");
        t->stopping = true;
        if (t->out) {
                gw_k8s_call_cancel(&t->call);
                return;
        }
        LIST_REMOVE(t, all);
        t->backend->tail_count--;
        gw_k8s_call_done(&t->call);
        if (t->fd >= 0)
                close(t->fd);
        free(t->ns);
        free(t->pod);
        free(t->container);
        free(t);
}

static void fail(struct gw_k8s_tail *t, enum gw_error_code code, const char *words)
{
        fail_all(t, code, words);
        end(t);
}

static void begin_step(struct gw_k8s_tail *t, enum step step);

/* ---- bytes ----------------------------------------------------------------------------------- */

static bool write_all(int fd, const char *text, size_t len)
{
        while (len > 0) {
                ssize_t n = write(fd, text, len);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                text += n;
                len -= (size_t)n;
        }
        return true;
}

static bool on_piece(struct gw_k8s_call *call, const char *text, size_t len)
{
        struct gw_k8s_tail *t = call->owner;
        size_t passed = len < t->skip ? len : (size_t)t->skip;
        if (t->broken || t->stopping)
                return true;
        t->skip -= passed;
        len -= passed;
        if (len == 0)
                return true;
        bool fits = t->size + len <= GW_MAX_K8S_LOG_BYTES;
        t->broken = !fits || !write_all(t->fd, text + passed, len);
        if (t->broken)
                gw_k8s_call_cancel(call);
        else
                t->size += len;
        t->failures = 0;
        return true;
}

/* ---- which pod ------------------------------------------------------------------------------- */

/* Of a task on several machines the first one's output is the task's. */
static bool is_others(const struct gw_k8s_tail *t, const json_t *pod)
{
        int64_t index = gw_k8s_pod_index(pod);
        return t->index >= 0 ? index != t->index : index > 0;
}

/* The last of the task's. */
static const json_t *choose(const struct gw_k8s_tail *t, const json_t *list)
{
        size_t i;
        const json_t *pod, *last = NULL;
        json_array_foreach(json_object_get(list, "items"), i, pod)
        {
                if (is_others(t, pod))
                        continue;
                if (!last || gw_k8s_time(pod, "metadata.creationTimestamp") >=
                                     gw_k8s_time(last, "metadata.creationTimestamp"))
                        last = pod;
        }
        return last;
}

static void nothing_there(struct gw_k8s_tail *t)
{
        if (t->ended)
                fail(t, GW_ERR_GONE, "the pod is not there any more, and its output went with it");
        else
                fail(t, GW_ERR_NOT_FOUND, "there is no output yet");
}

static void on_found(struct gw_k8s_tail *t)
{
        const json_t *pod = choose(t, t->call.object);
        const json_t *containers = gw_k8s_member(pod, "spec.containers");
        if (!pod) {
                nothing_there(t);
                return;
        }
        t->pod = strdup(gw_k8s_text(pod, "metadata.name"));
        t->container = strdup(gw_k8s_text(json_array_get(containers, 0), "name"));
        if (t->pod && t->container)
                begin_step(t, SNAPSHOT);
        else
                fail(t, GW_ERR_NOMEM, "out of memory");
}

/* ---- what came ------------------------------------------------------------------------------- */

/* It is not to be had: not yet, not any more, or not now. */
static void on_failure(struct gw_k8s_tail *t)
{
        const struct gw_k8s_status *status = &t->call.status;
        if (t->broken)
                fail(t, GW_ERR_UNAVAILABLE, "the output is too large to be read here");
        else if (status->verdict == GW_K8S_ABSENT || status->verdict == GW_K8S_REFUSED)
                nothing_there(t); /* the pod went; its container has not begun */
        else
                fail(t, GW_ERR_UNAVAILABLE, status->message);
}

static void on_snapshot(struct gw_k8s_tail *t)
{
        give_all(t);
        if (t->ended)
                end(t);
        else
                begin_step(t, FOLLOW);
}

/* Its end is not told apart from the server's: it is looked for more as long as anybody reads. */
static void on_followed(struct gw_k8s_tail *t)
{
        if (t->broken || t->call.status.verdict == GW_K8S_ABSENT)
                t->again_at = INT64_MAX;
        else
                t->again_at = gw_clock_mono_us() +
                              gw_k8s_backoff_us(++t->failures, t->call.status.retry_after_us, 0);
}

static void on_home(struct gw_k8s_call *call)
{
        static void (*const done[])(struct gw_k8s_tail * t) = {
                [FIND] = on_found, [SNAPSHOT] = on_snapshot, [FOLLOW] = on_followed};
        struct gw_k8s_tail *t = call->owner;
        t->out = false;
        if (t->stopping)
                end(t);
        else if (t->step == FOLLOW || call->status.verdict == GW_K8S_OK)
                done[t->step](t);
        else
                on_failure(t);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int find_pods(struct gw_k8s_tail *t, struct gw_error *err)
{
        char labels[GW_K8S_SELECTOR + 80];
        gw_k8s_selector(t->mark, labels);
        size_t len = strlen(labels);
        if (t->index >= 0)
                snprintf(labels + len, sizeof labels - len,
                         ",batch.kubernetes.io/job-completion-index=%lld", (long long)t->index);
        const struct gw_k8s_selection which = {.labels = labels};
        t->call.piece = NULL;
        return gw_k8s_list(t->backend->client, &t->call, GW_K8S_PODS, t->ns, &which, MOST_PODS,
                           NULL, err);
}

static int ask(struct gw_k8s_tail *t, struct gw_error *err)
{
        if (t->step == FIND)
                return find_pods(t, err);
        const struct gw_k8s_log log = {
                .container = t->container, .follow = t->step == FOLLOW, .tail_lines = -1};
        t->call.piece = on_piece;
        t->skip = t->size;
        return gw_k8s_pod_log(t->backend->client, &t->call, t->ns, t->pod, &log, err);
}

static void begin_step(struct gw_k8s_tail *t, enum step step)
{
        struct gw_error err = {0};
        t->step = step;
        t->again_at = INT64_MAX;
        t->out = ask(t, &err) == 0;
        if (t->out)
                return;
        if (step == FOLLOW)
                t->again_at = gw_clock_mono_us() + gw_k8s_backoff_us(++t->failures, 0, 0);
        else
                fail(t, GW_ERR_UNAVAILABLE, err.message);
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct gw_k8s_tail *find_tail(struct gw_k8s *b, const struct gw_log_source *log)
{
        struct gw_k8s_tail *t;
        LIST_FOREACH(t, &b->tails, all)
        {
                if (!t->stopping && !t->ended && !log->ended && t->ordinal == log->ordinal &&
                    gw_mark_equal(t->mark, log->mark))
                        return t;
        }
        return NULL;
}

/* The task's place among the submission's ordinals; -1: it is a plain job. Returns 0 or -1. */
static int find_index(const struct gw_log_source *log, int64_t *ret, struct gw_error *err)
{
        struct gw_spans ordinals;
        *ret = -1;
        if (!log->index_set)
                return 0;
        if (!log->ordinals || gw_spans_parse(log->ordinals, &ordinals, err))
                return gw_fail(err, GW_ERR_GONE, "which of the Job's tasks it is is not known");
        int64_t before = 0;
        for (size_t i = 0; i < ordinals.count && *ret < 0; i++) {
                const struct gw_span *span = &ordinals.items[i];
                if (log->ordinal >= span->first && log->ordinal <= span->last)
                        *ret = before + log->ordinal - span->first;
                before += (int64_t)span->last - span->first + 1;
        }
        gw_spans_done(&ordinals);
        return *ret < 0 ? gw_fail(err, GW_ERR_GONE, "the Job has no such task") : 0;
}

static int open_file(void)
{
        const char *folder = getenv("TMPDIR");
        return open(folder && *folder ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC | O_APPEND,
                    0600);
}

static struct gw_k8s_tail *new_tail(struct gw_k8s *b, const struct gw_log_source *log,
                                    const char *ns, int64_t index, struct gw_error *err)
{
        struct gw_k8s_tail *t = b->tail_count < MOST_TAILS ? calloc(1, sizeof *t) : NULL;
        char *copy = t ? strdup(ns) : NULL;
        int fd = copy ? open_file() : -1;
        if (fd < 0) {
                free(copy);
                free(t);
                gw_fail(err, GW_ERR_UNAVAILABLE,
                        "too many outputs are read now, or no file can be made");
                return NULL;
        }
        *t = (struct gw_k8s_tail){.backend = b,
                                  .mark = log->mark,
                                  .ordinal = log->ordinal,
                                  .index = index,
                                  .ended = log->ended,
                                  .ns = copy,
                                  .fd = fd};
        t->call.done = on_home;
        t->call.owner = t;
        t->look_at = gw_clock_mono_us() + LOOK_US;
        LIST_INSERT_HEAD(&b->tails, t, all);
        b->tail_count++;
        return t;
}

static void wait_for(struct gw_k8s_tail *t, struct gw_backend_ask *a)
{
        a->work.next = t->waiting;
        t->waiting = &a->work;
}

/* NULL with an error. */
static struct gw_k8s_tail *start(struct gw_k8s *b, struct gw_backend_ask *a, struct gw_error *err)
{
        struct gw_k8s_identity identity;
        json_auto_t *json = NULL;
        int64_t index;
        if (a->log->want_stderr) {
                gw_fail(err, GW_ERR_GONE,
                        "Kubernetes keeps what a job prints and what it complains of as one: all "
                        "of it is in stdout");
                return NULL;
        }
        if (gw_k8s_identity_read(a->log->identity, &identity, &json, err) ||
            find_index(a->log, &index, err))
                return NULL;
        return new_tail(b, a->log, identity.namespace, index, err);
}

void gw_k8s_log_run(struct gw_k8s *b, struct gw_backend_ask *a)
{
        a->log->fd = -1;
        struct gw_k8s_tail *t = a->log->want_stderr ? NULL : find_tail(b, a->log);
        if (t && t->step == FOLLOW) {
                give(t, a);
        } else if (t) {
                wait_for(t, a);
        } else if ((t = start(b, a, &a->log->error))) {
                wait_for(t, a);
                begin_step(t, FIND);
        } else {
                finish(a);
        }
}

/* ---- by time --------------------------------------------------------------------------------- */

/* Nobody who reads it has it open. */
static bool is_unread(const struct gw_k8s_tail *t)
{
        if (flock(t->fd, LOCK_EX | LOCK_NB))
                return false;
        flock(t->fd, LOCK_UN);
        return true;
}

void gw_k8s_tails_serve(struct gw_k8s *b)
{
        int64_t now = gw_clock_mono_us();
        struct gw_k8s_tail *next;
        for (struct gw_k8s_tail *t = LIST_FIRST(&b->tails); t; t = next) {
                next = LIST_NEXT(t, all);
                if (t->stopping || t->step != FOLLOW)
                        continue;
                if (now >= t->look_at && is_unread(t)) {
                        end(t);
                        continue;
                }
                if (now >= t->look_at)
                        t->look_at = now + LOOK_US;
                if (!t->out && now >= t->again_at)
                        begin_step(t, FOLLOW);
        }
}

int64_t gw_k8s_tails_wake_at(const struct gw_k8s *b)
{
        const struct gw_k8s_tail *t;
        int64_t at = INT64_MAX;
        LIST_FOREACH(t, &b->tails, all)
        {
                if (t->stopping || t->step != FOLLOW)
                        continue;
                int64_t its = t->out || t->look_at < t->again_at ? t->look_at : t->again_at;
                at = its < at ? its : at;
        }
        return at;
}

bool gw_k8s_tails_end(struct gw_k8s *b)
{
        struct gw_k8s_tail *next;
        for (struct gw_k8s_tail *t = LIST_FIRST(&b->tails); t; t = next) {
                next = LIST_NEXT(t, all);
                if (!t->stopping)
                        end(t);
        }
        return !LIST_EMPTY(&b->tails);
}
