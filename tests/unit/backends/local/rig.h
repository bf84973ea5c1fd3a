/*
 * A host for a real local backend: keeps what it is told, and waits for it with a deadline. Jobs
 * run through the real jobgate-shim, as the user "nobody" when the test runs as root.
 */
#ifndef GW_TESTS_BACKENDS_LOCAL_RIG_H
#define GW_TESTS_BACKENDS_LOCAL_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backends/backend.h"
#include "backends/local/format.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define DEADLINE_S 60
#define MAX_TOLD 20000
#define JOB_USER "nobody"

struct told {
        struct gw_mark mark;
        struct gw_span span;
        enum gw_phase phase;
        enum gw_reason reason;
        int exit_code, signal;
        int64_t started_us, ended_us;
        uint64_t epoch, seen;
        char raw[GW_LOCAL_RAW], usage[128], node[64];
};

struct answered {
        enum gw_request request;
        struct gw_mark mark;
        enum gw_answer answer;
        char raw[GW_LOCAL_RAW];
};

struct rig {
        struct gw_backend *b;
        char directory[128];
        json_t *settings;
        uint64_t epoch;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct told *told;
        size_t told_count;
        struct answered *answers;
        size_t answer_count;
        unsigned synced;
        bool refuse, reachable;
        char offer[256];
};

static int rig_facts(void *self, uint64_t epoch, const struct gw_fact *facts, size_t count)
{
        struct rig *r = self;
        pthread_mutex_lock(&r->lock);
        bool refuse = r->refuse || r->told_count + count > MAX_TOLD;
        for (size_t i = 0; !refuse && i < count; i++) {
                const struct gw_fact *f = &facts[i];
                struct told *t = &r->told[r->told_count++];
                *t = (struct told){
                        .mark = f->mark,
                        .span = f->span,
                        .phase = f->phase,
                        .reason = f->reason,
                        .exit_code = f->exit_code,
                        .signal = f->signal,
                        .started_us = f->started_us,
                        .ended_us = f->ended_us,
                        .epoch = epoch,
                        .seen = f->seen,
                };
                snprintf(t->raw, sizeof t->raw, "%s", f->raw ? f->raw : "");
                snprintf(t->usage, sizeof t->usage, "%s", f->usage ? f->usage : "");
                snprintf(t->node, sizeof t->node, "%s", f->node ? f->node : "");
        }
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
        return refuse ? -1 : 0;
}

static int rig_synced(void *self, uint64_t epoch, uint64_t seen, int64_t asked_at,
                      const char *cursor)
{
        struct rig *r = self;
        (void)seen;
        (void)cursor;
        pthread_mutex_lock(&r->lock);
        bool refuse = r->refuse;
        if (!refuse && epoch == r->epoch && asked_at > 0)
                r->synced++;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
        return refuse ? -1 : 0;
}

static void rig_answer(void *self, uint64_t epoch, enum gw_request request, struct gw_mark mark,
                       enum gw_answer answer, const char *ref, const char *raw, int64_t retry_at)
{
        struct rig *r = self;
        (void)epoch;
        (void)ref;
        (void)retry_at;
        pthread_mutex_lock(&r->lock);
        if (r->answer_count < MAX_TOLD) {
                struct answered *a = &r->answers[r->answer_count++];
                *a = (struct answered){.request = request, .mark = mark, .answer = answer};
                snprintf(a->raw, sizeof a->raw, "%s", raw ? raw : "");
        }
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
}

static void rig_describe(void *self, const char *offer, bool reachable)
{
        struct rig *r = self;
        pthread_mutex_lock(&r->lock);
        r->reachable = reachable;
        snprintf(r->offer, sizeof r->offer, "%s", offer ? offer : "");
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
}

/* Waits until done() is true; fails the test after the deadline. The lock is held in done(). */
static void rig_wait(struct rig *r, bool (*done)(struct rig *r, void *arg), void *arg,
                     const char *what)
{
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += DEADLINE_S;
        int rc = 0;
        pthread_mutex_lock(&r->lock);
        while (!done(r, arg) && rc == 0)
                rc = pthread_cond_timedwait(&r->changed, &r->lock, &until);
        bool ok = done(r, arg);
        pthread_mutex_unlock(&r->lock);
        if (!ok)
                fail_msg("waited in vain for %s", what);
}

static inline void rig_open(struct rig *r)
{
        const struct gw_backend_host host = {
                .self = r,
                .facts = rig_facts,
                .synced = rig_synced,
                .answer = rig_answer,
                .describe = rig_describe,
        };
        struct gw_error err = {0};
        r->b = gw_backend_type_find("local")->open("here", r->settings, &host, &err);
        if (!r->b)
                fail_msg("open: %s", err.message);
}

static inline void rig_close(struct rig *r)
{
        r->b->type->close(r->b);
        r->b = NULL;
}

/* extra: members put over the settings, or NULL. */
static inline json_t *rig_settings(const char *directory, const char *extra)
{
        char exe[4096], shim[4200];
        ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
        assert_true(n > 0);
        exe[n] = '\0';
        *strrchr(exe, '/') = '\0';
        snprintf(shim, sizeof shim, "%s/../../jobgate-shim", exe);
        json_t *settings = json_pack("{s:s, s:s, s:i, s:s, s:s}", "directory", directory, "shim",
                                     shim, "cpus", 4, "memory", "8Gi", "grace", "1s");
        if (geteuid() == 0)
                json_object_set_new(settings, "user", json_string(JOB_USER));
        if (extra) {
                json_t *more = json_loads(extra, 0, NULL);
                assert_non_null(more);
                json_object_update(settings, more);
                json_decref(more);
        }
        return settings;
}

/* An open backend with these settings, of which a reference is taken. */
static inline struct rig *rig_bare(json_t *settings)
{
        struct rig *r = calloc(1, sizeof *r);
        assert_non_null(r);
        r->settings = json_incref(settings);
        r->told = calloc(MAX_TOLD, sizeof *r->told);
        r->answers = calloc(MAX_TOLD, sizeof *r->answers);
        pthread_mutex_init(&r->lock, NULL);
        pthread_cond_init(&r->changed, NULL);
        rig_open(r);
        return r;
}

/* The same with a fresh spool. */
static inline struct rig *rig_new(const char *extra)
{
        char directory[] = "/tmp/gw-local.XXXXXX";
        assert_non_null(mkdtemp(directory));
        chmod(directory, 0711);
        json_t *settings = rig_settings(directory, extra);
        struct rig *r = rig_bare(settings);
        json_decref(settings);
        strcpy(r->directory, directory);
        return r;
}

static int rig_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st;
        (void)type;
        (void)ftw;
        return remove(path);
}

static bool rig_is_empty(struct rig *r)
{
        char path[256];
        snprintf(path, sizeof path, "%s/" GW_LOCAL_LIVE, r->directory);
        DIR *dir = opendir(path);
        bool empty = true;
        for (struct dirent *e; dir && (e = readdir(dir));)
                empty &= !strstr(e->d_name, ".task");
        if (dir)
                closedir(dir);
        return empty;
}

/* Ends all jobs, by naming none as wanted, and removes the spool. */
static inline void rig_free(struct rig *r)
{
        int64_t until = gw_clock_mono_us() + DEADLINE_S * GW_SECOND;
        if (!r->b)
                rig_open(r);
        r->b->type->lead(r->b, r->epoch + 1, NULL, 0, NULL);
        while (!rig_is_empty(r) && gw_clock_mono_us() < until)
                nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        rig_close(r);
        nftw(r->directory, rig_remove, 16, FTW_DEPTH | FTW_PHYS);
        json_decref(r->settings);
        free(r->told);
        free(r->answers);
        pthread_mutex_destroy(&r->lock);
        pthread_cond_destroy(&r->changed);
        free(r);
}

static bool rig_is_synced(struct rig *r, void *arg)
{
        (void)arg;
        return r->synced > 0;
}

/* Leads under the next epoch and waits until all was told. */
static inline void rig_lead(struct rig *r, const struct gw_submission *live, size_t count)
{
        pthread_mutex_lock(&r->lock);
        r->epoch++;
        r->synced = 0;
        r->told_count = r->answer_count = 0;
        pthread_mutex_unlock(&r->lock);
        r->b->type->lead(r->b, r->epoch, live, count, NULL);
        rig_wait(r, rig_is_synced, NULL, "synced");
}

static inline struct gw_mark rig_mark(void)
{
        return (struct gw_mark){.job = gw_id_new(gw_clock_wall_us()), .number = 1};
}

static inline struct gw_submission rig_submission(struct gw_mark mark, const char *spec)
{
        static const struct gw_span plain = {0, 0};
        return (struct gw_submission){
                .mark = mark,
                .spec = spec,
                .spec_len = strlen(spec),
                .name = "test",
                .project = "project",
                .spans = &plain,
                .span_count = 1,
                .attempt = 1,
        };
}

struct rig_query {
        enum gw_request request;
        struct gw_mark mark;
        uint32_t ordinal;
        enum gw_phase phase;
        struct answered answer;
        struct told told;
};

static bool rig_same(struct gw_mark a, struct gw_mark b)
{
        return a.number == b.number && gw_id_equal(a.job, b.job);
}

static bool rig_has_answer(struct rig *r, void *arg)
{
        struct rig_query *q = arg;
        for (size_t i = r->answer_count; i-- > 0;)
                if (r->answers[i].request == q->request && rig_same(r->answers[i].mark, q->mark)) {
                        q->answer = r->answers[i];
                        return true;
                }
        return false;
}

/* Waits for the answer and takes it out, so that the same may be asked again. */
static inline struct answered rig_wait_answer(struct rig *r, enum gw_request request,
                                              struct gw_mark mark)
{
        struct rig_query q = {.request = request, .mark = mark};
        rig_wait(r, rig_has_answer, &q, "an answer");
        pthread_mutex_lock(&r->lock);
        for (size_t i = 0; i < r->answer_count; i++)
                if (r->answers[i].request == request && rig_same(r->answers[i].mark, mark))
                        r->answers[i].mark.number = 0;
        pthread_mutex_unlock(&r->lock);
        return q.answer;
}

/* The last that was told of a task. */
static bool rig_last_told_of(struct rig *r, struct gw_mark mark, uint32_t ordinal, struct told *ret)
{
        for (size_t i = r->told_count; i-- > 0;) {
                const struct told *t = &r->told[i];
                if (rig_same(t->mark, mark) && t->span.first <= ordinal &&
                    ordinal <= t->span.last) {
                        *ret = *t;
                        return true;
                }
        }
        return false;
}

/* The same of a plain job. */
static inline bool rig_last_told(struct rig *r, struct gw_mark mark, struct told *ret)
{
        return rig_last_told_of(r, mark, 0, ret);
}

static bool rig_in_phase(struct rig *r, void *arg)
{
        struct rig_query *q = arg;
        return rig_last_told_of(r, q->mark, q->ordinal, &q->told) && q->told.phase == q->phase;
}

static inline struct told rig_wait_task(struct rig *r, struct gw_mark mark, uint32_t ordinal,
                                        enum gw_phase phase)
{
        struct rig_query q = {.mark = mark, .ordinal = ordinal, .phase = phase};
        rig_wait(r, rig_in_phase, &q, "a phase");
        return q.told;
}

static inline struct told rig_wait_phase(struct rig *r, struct gw_mark mark, enum gw_phase phase)
{
        return rig_wait_task(r, mark, 0, phase);
}

static inline void rig_submit_as(struct rig *r, struct gw_mark mark, const char *spec)
{
        struct gw_submission s = rig_submission(mark, spec);
        assert_int_equal(r->b->type->submit(r->b, &s), 0);
}

static inline struct gw_mark rig_submit(struct rig *r, const char *spec)
{
        struct gw_mark mark = rig_mark();
        rig_submit_as(r, mark, spec);
        struct answered a = rig_wait_answer(r, GW_REQUEST_SUBMIT, mark);
        if (a.answer != GW_ANSWER_DONE)
                fail_msg("submit: %d %s", a.answer, a.raw);
        return mark;
}

static inline struct told rig_run(struct rig *r, const char *spec)
{
        return rig_wait_phase(r, rig_submit(r, spec), GW_PHASE_ENDED);
}

static inline enum gw_answer rig_cancel(struct rig *r, struct gw_mark mark)
{
        assert_int_equal(r->b->type->cancel(r->b, mark, NULL, 0), 0);
        return rig_wait_answer(r, GW_REQUEST_CANCEL, mark).answer;
}

/* A file of the spool as text, NULL when there is none; the caller frees. */
static inline char *rig_read(struct rig *r, const char *path)
{
        char full[4096];
        snprintf(full, sizeof full, "%s/%s", r->directory, path);
        FILE *f = fopen(full, "re");
        if (!f)
                return NULL;
        char *text = calloc(1, 1 << 20);
        assert_non_null(text);
        size_t n = fread(text, 1, (1 << 20) - 1, f);
        text[n] = '\0';
        fclose(f);
        return text;
}

static inline char *rig_output_of(struct rig *r, struct gw_mark mark, uint32_t ordinal,
                                  const char *suffix)
{
        char path[256], id[GW_ID_TEXT];
        gw_id_format(mark.job, id);
        snprintf(path, sizeof path, GW_LOCAL_JOBS "/%s/%u.%u.%s", id, mark.number, ordinal, suffix);
        char *text = rig_read(r, path);
        return text;
}

static inline char *rig_output(struct rig *r, struct gw_mark mark, const char *suffix)
{
        return rig_output_of(r, mark, 0, suffix);
}

static inline void rig_assert_output(struct rig *r, struct gw_mark mark, const char *suffix,
                                     const char *expected)
{
        gw_autofree char *text = rig_output(r, mark, suffix);
        assert_non_null(text);
        assert_string_equal(text, expected);
}

static inline void rig_pause(void)
{
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

/* Polls an output until it holds the text. */
static inline void rig_wait_output_of(struct rig *r, struct gw_mark mark, uint32_t ordinal,
                                      const char *text)
{
        int64_t until = gw_clock_mono_us() + DEADLINE_S * GW_SECOND;
        while (gw_clock_mono_us() < until) {
                gw_autofree char *got = rig_output_of(r, mark, ordinal, "out");
                if (got && strstr(got, text))
                        return;
                rig_pause();
        }
        fail_msg("waited in vain for the output %s", text);
}

static inline void rig_wait_output(struct rig *r, struct gw_mark mark, const char *text)
{
        rig_wait_output_of(r, mark, 0, text);
}

static inline void rig_task_path(struct rig *r, struct gw_mark mark, char out[512])
{
        char text[GW_MARK_TEXT];
        gw_mark_format(mark, text);
        snprintf(out, 512, "%s/" GW_LOCAL_LIVE "/%s.task", r->directory, text);
}

/* The task's file in live/ with its journal's place, -1 when there is none. The caller frees. */
static inline off_t rig_read_task(struct rig *r, struct gw_mark mark, char **ret)
{
        char path[512];
        rig_task_path(r, mark, path);
        *ret = calloc(1, 65536);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, *ret, 65535);
        if (fd >= 0)
                close(fd);
        return n < 0 ? -1 : atoll(*ret + GW_LOCAL_JOURNAL_AT + strlen("journal="));
}

/* The value of a field in the last record that begins like this, -1 when there is none. */
static inline long long rig_record(const char *journal, const char *record, const char *key)
{
        char wanted[64];
        long long value = -1;
        snprintf(wanted, sizeof wanted, "\n%s=", key);
        for (const char *at = strstr(journal, record); at; at = strstr(at + 1, record)) {
                /* Each begins with an empty line. */
                const char *next = strstr(at + 1, "\n\n"), *found = strstr(at, wanted);
                if (found && (!next || found < next))
                        value = atoll(found + strlen(wanted));
        }
        return value;
}

/* The same of what the journal says of a run, its start and its outcome. */
static inline long long rig_journal_of(struct rig *r, struct gw_mark mark, uint32_t ordinal,
                                       const char *key)
{
        gw_autofree char *task = NULL;
        char start[64], outcome[64];
        off_t journal = rig_read_task(r, mark, &task);
        snprintf(start, sizeof start, GW_LOCAL_RUN_FORMAT, ordinal, ordinal);
        snprintf(outcome, sizeof outcome, GW_LOCAL_OVER_FORMAT, ordinal, ordinal);
        if (journal < 0)
                return -1;
        long long value = rig_record(task + journal, outcome, key);
        return value >= 0 ? value : rig_record(task + journal, start, key);
}

static inline long long rig_journal(struct rig *r, struct gw_mark mark, const char *key)
{
        return rig_journal_of(r, mark, 0, key);
}

/* Whether a process is there and not a zombie. */
static inline bool rig_alive(pid_t pid)
{
        char path[64], text[512] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        ssize_t n = read(fd, text, sizeof text - 1);
        close(fd);
        const char *p = n > 0 ? strrchr(text, ')') : NULL;
        return p && p[2] != 'Z' && p[2] != 'X';
}

static inline void rig_wait_dead(pid_t pid)
{
        int64_t until = gw_clock_mono_us() + DEADLINE_S * GW_SECOND;
        while (rig_alive(pid)) {
                if (gw_clock_mono_us() > until)
                        fail_msg("process %d lives on", pid);
                rig_pause();
        }
}

/* The number after "name=" in a job's output. */
static inline pid_t rig_output_number(struct rig *r, struct gw_mark mark, const char *name)
{
        gw_autofree char *text = rig_output(r, mark, "out");
        const char *at = text ? strstr(text, name) : NULL;
        if (!at)
                fail_msg("no %s in the output", name);
        return (pid_t)atoi(at + strlen(name));
}

#endif
