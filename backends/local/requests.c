/* What is asked of the backend, one function per kind. The backend's thread. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/local/internal.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define RETRY_US GW_SECOND

static const char unread[] = "the submission's file in the spool cannot be read now";
static const char not_leading[] = "the backend's spool is still led by another gateway";

static void answer(struct gw_local *b, const struct gw_backend_ask *r, enum gw_answer answer,
                   const char *raw)
{
        int64_t retry_at = answer == GW_ANSWER_BUSY ? gw_clock_wall_us() + RETRY_US : 0;
        gw_backend_ask_answer(&b->host, r, answer, NULL, raw, retry_at);
}

/* The project's own user ({"user": "name"}), or the backend's. */
static int find_account(const struct gw_local *b, const char *identity, struct gw_account *own,
                        const struct gw_account **ret, struct gw_error *err)
{
        json_auto_t *value = identity ? json_loads(identity, 0, NULL) : NULL;
        const char *user = json_string_value(json_object_get(value, "user"));
        *ret = &b->settings.account;
        if (!user || strcmp(user, b->settings.account.name) == 0)
                return 0;
        if (gw_local_account_find(user, own, err))
                return gw_fail_within(err, "the project's user");
        *ret = own;
        return 0;
}

static int write_task(struct gw_local *b, const struct gw_local_plan *plan,
                      const struct gw_submission *s, int64_t arrival_us, int64_t *ret_journal,
                      struct gw_error *err)
{
        struct gw_account own = {0};
        const struct gw_account *account;
        struct gw_buf text = GW_BUF_INIT(GW_LOCAL_MAX_TASK);
        int rc = find_account(b, s->identity, &own, &account, err);
        if (rc == 0)
                rc = gw_local_task_write(plan, s, &b->settings, account, arrival_us, &text, err);
        if (rc == 0 && gw_local_spool_put(&b->spool, s->mark, &text))
                rc = gw_fail(err, GW_ERR_IO, "the backend's spool: %s", strerrordesc_np(errno));
        *ret_journal = (int64_t)text.len;
        gw_buf_done(&text);
        gw_account_done(&own);
        return rc;
}

static int set_tasks(struct gw_local_job *job, const struct gw_local_plan *plan,
                     const struct gw_submission *s, struct gw_error *err)
{
        if (gw_local_array_init(&job->array, s->index_set, plan->matrix, err))
                return -1;
        if (!gw_local_array_has(&job->array, s->spans, s->span_count))
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/array",
                                  "the submission has tasks that the array has not");
        for (size_t i = 0; i < s->span_count; i++)
                if (gw_spans_append(&job->waiting, s->spans[i].first, s->spans[i].last, err))
                        return -1;
        return 0;
}

static void begin_waiting(struct gw_local *b, struct gw_local_job *job, bool held)
{
        enum gw_reason reason = held                    ? GW_REASON_HELD
                                : TAILQ_EMPTY(&b->line) ? GW_REASON_RESOURCES
                                                        : GW_REASON_PRIORITY;
        job->held = held;
        gw_local_job_waits(b, job, reason, NULL);
        gw_local_job_line(b, job, true);
}

static int accept(struct gw_local *b, const struct gw_local_plan *plan,
                  const struct gw_submission *s, struct gw_error *err)
{
        struct gw_local_job *job = gw_local_job_add(b, s->mark);
        if (!job)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        job->head = (struct gw_local_task_head){
                .arrival_us = gw_clock_wall_us(),
                .cpus_milli = plan->cpus_milli,
                .memory = plan->memory,
                .gpus = plan->gpus,
        };
        if (set_tasks(job, plan, s, err) ||
            write_task(b, plan, s, job->head.arrival_us, &job->head.journal, err)) {
                gw_local_job_remove(b, job);
                return -1;
        }
        job->read = job->head.journal;
        begin_waiting(b, job, s->held);
        return 0;
}

static int plan_and_accept(struct gw_local *b, const struct gw_submission *s, struct gw_error *err)
{
        struct gw_local_plan plan;
        if (gw_local_plan_init(&plan, s, err))
                return -1;
        int rc = gw_local_plan_fits(&plan, &b->settings, err);
        if (rc == 0)
                rc = accept(b, &plan, s, err);
        gw_local_plan_done(&plan);
        return rc;
}

static void run_submit(struct gw_local *b, struct gw_backend_ask *r)
{
        struct gw_error err = {0};
        if (gw_local_job_find(b, r->mark)) {
                answer(b, r, GW_ANSWER_DONE, NULL);
                return;
        }
        if (r->submission->send_before > 0 && gw_clock_wall_us() > r->submission->send_before) {
                answer(b, r, GW_ANSWER_NOT_SENT, "it was too late to hand it over");
                return;
        }
        if (plan_and_accept(b, r->submission, &err) == 0)
                answer(b, r, GW_ANSWER_DONE, NULL);
        else if (err.code == GW_ERR_IO || err.code == GW_ERR_NOMEM)
                answer(b, r, GW_ANSWER_BUSY, err.message);
        else
                answer(b, r, GW_ANSWER_REFUSED, err.message);
}

static void run_resolve(struct gw_local *b, struct gw_backend_ask *r)
{
        answer(b, r, gw_local_job_find(b, r->mark) ? GW_ANSWER_DONE : GW_ANSWER_ABSENT, NULL);
}

static void run_cancel(struct gw_local *b, struct gw_backend_ask *r)
{
        struct gw_local_job *job = gw_local_job_find(b, r->mark);
        if (!job)
                answer(b, r, GW_ANSWER_ABSENT, NULL);
        else if (job->unread)
                answer(b, r, GW_ANSWER_BUSY, unread);
        else if (gw_local_cancel(b, job, r->spans, r->span_count))
                answer(b, r, GW_ANSWER_BUSY, "the backend's spool cannot be written");
        else
                answer(b, r, GW_ANSWER_DONE, NULL);
}

/* A job that was released goes to the end of the line. */
static void change_hold(struct gw_local *b, struct gw_local_job *job, bool held)
{
        if (job->held == held)
                return;
        job->held = held;
        gw_local_job_line(b, job, true);
        gw_local_job_waits(b, job, held ? GW_REASON_HELD : GW_REASON_PRIORITY, NULL);
}

/* Also when nothing waits: what seems to run may turn out not to have begun. */
static void run_change(struct gw_local *b, struct gw_backend_ask *r)
{
        struct gw_local_job *job = gw_local_job_find(b, r->mark);
        if (!job) {
                answer(b, r, GW_ANSWER_ABSENT, NULL);
        } else if (job->unread) {
                answer(b, r, GW_ANSWER_BUSY, unread);
        } else if (r->time_limit_s >= 0 &&
                   gw_local_spool_limit(&b->spool, r->mark, r->time_limit_s)) {
                answer(b, r, GW_ANSWER_BUSY, "the backend's spool cannot be written");
        } else {
                if (r->held >= 0)
                        change_hold(b, job, r->held);
                answer(b, r, GW_ANSWER_DONE, NULL);
        }
}

/* What still runs is stopped first, and all is removed when it has ended. */
static void run_forget(struct gw_local *b, struct gw_backend_ask *r)
{
        struct gw_local_job *job = gw_local_job_find(b, r->mark);
        if (job) {
                job->closed = true;
                gw_local_job_line(b, job, false);
                if (job->unread || !LIST_EMPTY(&job->runs))
                        gw_local_job_stop(b, job);
                gw_local_job_leave(b, job);
        } else {
                gw_local_spool_forget(&b->spool, r->mark);
        }
        answer(b, r, GW_ANSWER_DONE, NULL);
}

static void run_purge(struct gw_local *b, struct gw_backend_ask *r)
{
        gw_local_spool_purge(&b->spool, r->mark.job);
}

static void run_check(struct gw_local *b, struct gw_backend_ask *r)
{
        struct gw_local_plan plan;
        struct gw_account own = {0};
        const struct gw_account *account;
        struct gw_error *err = &r->check->error;
        if (gw_local_plan_init(&plan, r->check->submission, err) == 0) {
                if (gw_local_plan_fits(&plan, &b->settings, err) == 0)
                        find_account(b, r->check->submission->identity, &own, &account, err);
                gw_local_plan_done(&plan);
                gw_account_done(&own);
        }
        gw_work_finish(&r->check->work);
}

/* The file is gone, or the job has put something else in its place: a link, a pipe, a folder. */
static bool is_no_log(int error)
{
        return error == ENOENT || error == ELOOP || error == ENOTDIR || error == EINVAL ||
               error == ENXIO;
}

struct search {
        uint32_t ordinal;
        bool ended;
};

static int found_record(void *arg, const struct gw_local_record *record)
{
        struct search *search = arg;
        search->ended |= record->ended && record->span.first <= search->ordinal &&
                         search->ordinal <= record->span.last;
        return 0;
}

/* Who leads has read the journal, whoever else asks for a log has not. */
static int read_ended(const struct gw_local *b, const struct gw_log_source *log, int task,
                      bool *ret)
{
        const struct gw_local_job *job = gw_local_job_find(b, log->mark);
        struct gw_local_task_head head;
        struct search search = {.ordinal = log->ordinal};
        if (job && job->unread)
                return 0;
        if (job) {
                *ret = !gw_local_run_find(job, log->ordinal) &&
                       !gw_spans_contains(&job->waiting, log->ordinal);
                return 0;
        }
        if (gw_local_spool_read_head(task, &head))
                return 0;
        int rc = gw_local_journal_read(task, &head.journal, found_record, &search);
        *ret = search.ended;
        return rc;
}

/* Whether the run is over, so that its log does not grow. Returns 0 or -1. */
static int is_over(const struct gw_local *b, const struct gw_log_source *log, bool *ret)
{
        struct gw_span span = {log->ordinal, log->ordinal};
        uint32_t at;
        *ret = false;
        gw_autoclose int task = gw_local_spool_task(&b->spool, log->mark);
        if (task < 0 && errno != ENOENT)
                return -1;
        if (task < 0) {
                *ret = true;
                return 0;
        }
        return gw_local_spool_locked(task, span, &at) ? 0 : read_ended(b, log, task, ret);
}

static int open_log(const struct gw_local *b, struct gw_log_source *log)
{
        static const char not_now[] = "the log cannot be opened now";
        struct stat st;
        /* Before it is looked for: what is complete does not grow, nor come later. */
        if (is_over(b, log, &log->complete))
                return gw_fail(&log->error, GW_ERR_UNAVAILABLE, not_now);
        gw_autoclose int fd =
                gw_local_spool_open_log(&b->spool, log->mark, log->ordinal, log->want_stderr);
        if (fd < 0 && !is_no_log(errno))
                return gw_fail(&log->error, GW_ERR_UNAVAILABLE, not_now);
        if (fd < 0 && errno == ENOENT && !log->complete)
                return gw_fail(&log->error, GW_ERR_NOT_FOUND, "the attempt has not started");
        if (fd < 0)
                return gw_fail(&log->error, GW_ERR_GONE, "the log has been removed");
        if (fstat(fd, &st))
                return gw_fail(&log->error, GW_ERR_UNAVAILABLE, not_now);
        log->size = (uint64_t)st.st_size;
        log->fd = GW_TAKE_FD(fd);
        return 0;
}

static void run_log(struct gw_local *b, struct gw_backend_ask *r)
{
        r->log->fd = -1;
        open_log(b, r->log);
        gw_work_finish(&r->log->work);
}

void gw_local_request_run(struct gw_local *b, struct gw_backend_ask *r)
{
        static void (*const verbs[GW_ASK_COUNT])(struct gw_local *, struct gw_backend_ask *) = {
                [GW_ASK_SUBMIT] = run_submit, [GW_ASK_RESOLVE] = run_resolve,
                [GW_ASK_CANCEL] = run_cancel, [GW_ASK_CHANGE] = run_change,
                [GW_ASK_FORGET] = run_forget, [GW_ASK_PURGE] = run_purge,
                [GW_ASK_CHECK] = run_check,   [GW_ASK_LOG] = run_log,
        };
        enum gw_turn turn = gw_queued_turn(&b->base, r, b->epoch);
        if (turn == GW_TURN_NOW)
                verbs[r->kind](b, r);
        else if (turn == GW_TURN_LATER)
                answer(b, r, GW_ANSWER_BUSY, not_leading);
        gw_backend_ask_free(r);
}
