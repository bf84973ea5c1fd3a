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

static const char not_leading[] = "the backend's spool is still led by another gateway";

static void answer(struct gw_local *b, const struct gw_local_request *r, enum gw_answer answer,
                   const char *raw)
{
        static const enum gw_request requests[GW_LOCAL_KIND_COUNT] = {
                [GW_LOCAL_SUBMIT] = GW_REQUEST_SUBMIT, [GW_LOCAL_RESOLVE] = GW_REQUEST_RESOLVE,
                [GW_LOCAL_CANCEL] = GW_REQUEST_CANCEL, [GW_LOCAL_CHANGE] = GW_REQUEST_CHANGE,
                [GW_LOCAL_FORGET] = GW_REQUEST_FORGET,
        };
        int64_t retry_at = answer == GW_ANSWER_BUSY ? gw_clock_wall_us() + RETRY_US : 0;
        b->host.answer(b->host.self, r->epoch, requests[r->kind], r->mark, answer, NULL, raw,
                       retry_at);
}

/* The project's own user ({"user": "name"}), or the backend's. */
static int find_account(const struct gw_local *b, const char *identity,
                        struct gw_local_account *own, const struct gw_local_account **ret,
                        struct gw_error *err)
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
                      const struct gw_submission *s, int64_t arrival_us, struct gw_error *err)
{
        struct gw_local_account own = {0};
        const struct gw_local_account *account;
        struct gw_buf text = GW_BUF_INIT(GW_LOCAL_MAX_TASK);
        int rc = find_account(b, s->identity, &own, &account, err);
        if (rc == 0)
                rc = gw_local_task_write(plan, s, &b->settings, account, arrival_us, &text, err);
        if (rc == 0 && gw_local_spool_put(&b->spool, s->mark, &text))
                rc = gw_fail(err, GW_ERR_IO, "the backend's spool: %s", strerrordesc_np(errno));
        gw_buf_done(&text);
        gw_local_account_done(&own);
        return rc;
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
        if (write_task(b, plan, s, job->head.arrival_us, err)) {
                gw_local_job_remove(b, job);
                return -1;
        }
        if (s->held)
                gw_local_job_stage(b, job, GW_LOCAL_HELD, GW_REASON_HELD, NULL);
        else
                gw_local_job_stage(b, job, GW_LOCAL_WAITING,
                                   TAILQ_EMPTY(&b->line) ? GW_REASON_RESOURCES : GW_REASON_PRIORITY,
                                   NULL);
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

static void run_submit(struct gw_local *b, struct gw_local_request *r)
{
        struct gw_error err = {0};
        if (gw_local_job_find(b, r->mark)) {
                answer(b, r, GW_ANSWER_DONE, NULL);
                return;
        }
        if (r->submission->send_before > 0 && gw_clock_wall_us() > r->submission->send_before) {
                answer(b, r, GW_ANSWER_NOT_SENT, NULL);
                return;
        }
        if (plan_and_accept(b, r->submission, &err) == 0)
                answer(b, r, GW_ANSWER_DONE, NULL);
        else if (err.code == GW_ERR_IO || err.code == GW_ERR_NOMEM)
                answer(b, r, GW_ANSWER_BUSY, err.message);
        else
                answer(b, r, GW_ANSWER_REFUSED, err.message);
}

static void run_resolve(struct gw_local *b, struct gw_local_request *r)
{
        answer(b, r, gw_local_job_find(b, r->mark) ? GW_ANSWER_DONE : GW_ANSWER_ABSENT, NULL);
}

static void run_cancel(struct gw_local *b, struct gw_local_request *r)
{
        struct gw_local_job *job = gw_local_job_find(b, r->mark);
        if (!job)
                answer(b, r, GW_ANSWER_ABSENT, NULL);
        else if (gw_local_run_cancel(b, job))
                answer(b, r, GW_ANSWER_BUSY, "the backend's spool cannot be written");
        else
                answer(b, r, GW_ANSWER_DONE, NULL);
}

/* A job that was released goes to the end of the line. */
static void run_change(struct gw_local *b, struct gw_local_request *r)
{
        struct gw_local_job *job = gw_local_job_find(b, r->mark);
        if (!job) {
                answer(b, r, GW_ANSWER_ABSENT, NULL);
                return;
        }
        if (job->stage == GW_LOCAL_HELD || job->stage == GW_LOCAL_WAITING) {
                if (r->time_limit_s >= 0 &&
                    gw_local_spool_limit(&b->spool, r->mark, r->time_limit_s)) {
                        answer(b, r, GW_ANSWER_BUSY, "the backend's spool cannot be written");
                        return;
                }
                if (r->held && job->stage == GW_LOCAL_WAITING)
                        gw_local_job_stage(b, job, GW_LOCAL_HELD, GW_REASON_HELD, NULL);
                else if (!r->held && job->stage == GW_LOCAL_HELD)
                        gw_local_job_stage(b, job, GW_LOCAL_WAITING, GW_REASON_PRIORITY, NULL);
        }
        answer(b, r, GW_ANSWER_DONE, NULL);
}

/* One that still runs is stopped first and removed when it has ended. */
static void run_forget(struct gw_local *b, struct gw_local_request *r)
{
        struct gw_local_job *job = gw_local_job_find(b, r->mark);
        if (job && job->stage == GW_LOCAL_RUNNING) {
                job->closed = true;
                gw_local_run_cancel(b, job);
        } else {
                gw_local_spool_forget(&b->spool, r->mark);
                if (job)
                        gw_local_job_remove(b, job);
        }
        answer(b, r, GW_ANSWER_DONE, NULL);
}

static void run_purge(struct gw_local *b, struct gw_local_request *r)
{
        gw_local_spool_purge(&b->spool, r->mark.job);
}

static void run_check(struct gw_local *b, struct gw_local_request *r)
{
        struct gw_local_plan plan;
        struct gw_local_account own = {0};
        const struct gw_local_account *account;
        struct gw_error *err = &r->check->error;
        if (gw_local_plan_init(&plan, r->check->submission, err) == 0) {
                if (gw_local_plan_fits(&plan, &b->settings, err) == 0)
                        find_account(b, r->check->submission->identity, &own, &account, err);
                gw_local_plan_done(&plan);
                gw_local_account_done(&own);
        }
        gw_work_finish(&r->check->work);
}

/* The file is gone, or the job has put something else in its place: a link, a pipe, a folder. */
static bool is_no_log(int error)
{
        return error == ENOENT || error == ELOOP || error == ENOTDIR || error == EINVAL ||
               error == ENXIO;
}

static int open_log(const struct gw_local *b, struct gw_log_source *log)
{
        struct gw_local_journal journal;
        struct stat st;
        bool known = gw_local_spool_has(&b->spool, log->mark);
        gw_autoclose int fd =
                gw_local_spool_open_log(&b->spool, log->mark, log->ordinal, log->want_stderr);
        if (fd < 0 && !is_no_log(errno))
                return gw_fail(&log->error, GW_ERR_UNAVAILABLE, "the log cannot be opened now");
        if (fd < 0 && errno == ENOENT && known)
                return gw_fail(&log->error, GW_ERR_NOT_FOUND, "the attempt has not started");
        if (fd < 0)
                return gw_fail(&log->error, GW_ERR_GONE, "the log has been removed");
        if (gw_local_spool_read(&b->spool, log->mark, &journal))
                return gw_fail(&log->error, GW_ERR_UNAVAILABLE, "the log cannot be opened now");
        /* The size after that: what is complete does not grow. */
        log->complete = journal.ended || !journal.exists;
        if (fstat(fd, &st))
                return gw_fail(&log->error, GW_ERR_UNAVAILABLE, "the log cannot be opened now");
        log->size = (uint64_t)st.st_size;
        log->fd = GW_TAKE_FD(fd);
        return 0;
}

static void run_log(struct gw_local *b, struct gw_local_request *r)
{
        r->log->fd = -1;
        open_log(b, r->log);
        gw_work_finish(&r->log->work);
}

static const struct verb {
        void (*run)(struct gw_local *b, struct gw_local_request *r);
        bool leading; /* only for who leads, under the epoch it was asked under */
} verbs[GW_LOCAL_KIND_COUNT] = {
        [GW_LOCAL_SUBMIT] = {run_submit, true}, [GW_LOCAL_RESOLVE] = {run_resolve, true},
        [GW_LOCAL_CANCEL] = {run_cancel, true}, [GW_LOCAL_CHANGE] = {run_change, true},
        [GW_LOCAL_FORGET] = {run_forget, true}, [GW_LOCAL_PURGE] = {run_purge, false},
        [GW_LOCAL_CHECK] = {run_check, false},  [GW_LOCAL_LOG] = {run_log, false},
};

void gw_local_request_run(struct gw_local *b, struct gw_local_request *r)
{
        const struct verb *verb = &verbs[r->kind];
        if (!verb->leading || (b->epoch && r->epoch == b->epoch))
                verb->run(b, r);
        else if (b->next.any && r->epoch == b->next.epoch)
                answer(b, r, GW_ANSWER_BUSY, not_leading);
        gw_local_request_free(r);
}

void gw_local_request_drop(struct gw_local_request *r)
{
        if (r->kind == GW_LOCAL_CHECK) {
                gw_fail(&r->check->error, GW_ERR_UNAVAILABLE, "the backend is being closed");
                gw_work_finish(&r->check->work);
        } else if (r->kind == GW_LOCAL_LOG) {
                r->log->fd = -1;
                gw_fail(&r->log->error, GW_ERR_UNAVAILABLE, "the backend is being closed");
                gw_work_finish(&r->log->work);
        }
        gw_local_request_free(r);
}

void gw_local_request_free(struct gw_local_request *r)
{
        if (r)
                free(r->submission);
        free(r);
}
