/*
 * What is asked of the backend, one function per kind, and what a worker's answer means.
 *
 * An order is one question to a worker, and who asked it. A cancel or a change of a submission that
 * is on its way waits for that: slurmctld must not hear of it first.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/slurm/check.h"
#include "backends/slurm/internal.h"
#include "backends/slurm/plan.h"
#include "backends/slurm/raw.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/crash.h"
#include "server/base/str.h"

#define RETRY_US GW_SECOND
#define SKEW_US (2 * GW_SECOND)        /* between the clocks, and of an answer on its way */
#define AGE_MARGIN_US (90 * GW_SECOND) /* from the intent to send_before, and the rest */

struct order {
        struct gw_slurm_ask ask;
        struct gw_slurm *backend;
        struct gw_backend_ask *asked; /* freed with it */
        char *user;                   /* likewise */
};

/* ---- answers --------------------------------------------------------------------------------- */

static void answer(struct gw_slurm *b, const struct gw_backend_ask *a, enum gw_answer answer,
                   const char *ref, const char *raw)
{
        bool again =
                answer == GW_ANSWER_BUSY || answer == GW_ANSWER_FULL || answer == GW_ANSWER_UNKNOWN;
        gw_backend_ask_answer(&b->host, a, answer, ref, raw,
                              again ? gw_clock_wall_us() + RETRY_US : 0);
}

void gw_slurm_request_answer(struct gw_slurm *b, const struct gw_backend_ask *a,
                             enum gw_answer verdict, const char *text)
{
        answer(b, a, verdict, NULL, text);
}

static void answer_done(struct gw_slurm *b, const struct gw_backend_ask *a,
                        const struct gw_slurm_job *job)
{
        char ref[16];
        snprintf(ref, sizeof ref, "%u", job->number);
        answer(b, a, GW_ANSWER_DONE, job->number ? ref : NULL, NULL);
}

/* ---- orders ---------------------------------------------------------------------------------- */

static void order_free(struct order *o)
{
        if (!o)
                return;
        gw_backend_ask_free(o->asked);
        free(o->user);
        free(o);
}

/* Takes the request and `asked`; returns -1 without memory or when leadership ends, then `asked` is
 * still the caller's. */
static int order(struct gw_slurm *b, const char *user, json_t *request,
                 struct gw_backend_ask *asked, void (*done)(struct gw_slurm_ask *ask))
{
        struct order *o = b->workers ? calloc(1, sizeof *o) : NULL;
        if (!o || !request || !(o->user = strdup(gw_slurm_worker_user(b, user)))) {
                json_decref(request);
                order_free(o);
                return -1;
        }
        o->backend = b;
        o->asked = asked;
        o->ask = (struct gw_slurm_ask){
                .user = o->user,
                .request = request,
                .patience_us = b->settings.message_timeout_s * GW_SECOND + SKEW_US,
                .done = done,
                .owner = o,
        };
        gw_slurm_workers_ask(b->workers, &o->ask);
        return 0;
}

static void on_dropped(struct gw_slurm_ask *ask)
{
        order_free(ask->owner);
}

void gw_slurm_drop(struct gw_slurm *b, const char *user, uint32_t number, const char *tasks)
{
        json_t *request = json_pack("{s:s, s:I, s:s*}", "op", "cancel", "job", (json_int_t)number,
                                    "tasks", tasks);
        (void)order(b, user, request, NULL, on_dropped);
}

/* ---- users ----------------------------------------------------------------------------------- */

static bool may_submit(const struct gw_slurm *b, const char *user)
{
        size_t i;
        const json_t *name;
        json_array_foreach(b->settings.users, i, name)
        {
                if (strcmp(json_string_value(name), user) == 0)
                        return true;
        }
        return !b->settings.users;
}

int gw_slurm_account_find(struct gw_slurm *b, const char *user, struct gw_account *ret,
                          struct gw_error *err)
{
        struct gw_error why = {0};
        if (!may_submit(b, user))
                return gw_fail(err, GW_ERR_UNPROCESSABLE,
                               "the project's user: %.64s is none of those that submit here", user);
        if (gw_slurm_users_find(b->users, user, gw_clock_mono_us(), ret, &why))
                return gw_fail(err, why.code == GW_ERR_INVALID ? GW_ERR_UNPROCESSABLE : why.code,
                               "the project's user: %s", why.message);
        if (ret->uid >= (uid_t)b->settings.min_uid && ret->gid >= (gid_t)b->settings.min_uid)
                return 0;
        gw_account_done(ret);
        return gw_fail(err, GW_ERR_UNPROCESSABLE,
                       "the project's user: nobody with a user or group id below %lld submits here",
                       (long long)b->settings.min_uid);
}

static int64_t test_until(const struct gw_slurm *b)
{
        return gw_clock_wall_us() + b->settings.message_timeout_s * GW_SECOND;
}

/* Monotonic: when sbatch is killed, so that nothing is sent too late even where that takes its
 * time.
 */
static int64_t script_deadline(const struct gw_slurm *b, const struct gw_submission *s, bool test)
{
        int64_t until = test ? test_until(b) : s->send_before;
        return gw_clock_mono_us() + (until - gw_clock_wall_us()) - GW_AS_USER_GRACE_US;
}

/* The user of a submission. Returns 0, or -1. */
static int account_of(struct gw_slurm *b, const struct gw_submission *s, struct gw_account *ret,
                      struct gw_error *err)
{
        struct gw_slurm_identity identity;
        json_auto_t *json = NULL;
        return gw_slurm_identity_read(s->identity, &identity, &json, err) ||
                               gw_slurm_account_find(b, identity.user, ret, err)
                       ? -1
                       : 0;
}

/* What is wrong with a script's own lines is wrong with the script. */
static void point_at_script(const struct gw_slurm_plan *plan, struct gw_error *err)
{
        if (plan->spec.is_raw && !json_object_get(plan->spec.json, err->pointer + 1))
                gw_str_copy(err->pointer, sizeof err->pointer, "/script");
}

/* What the controller's test passes over. */
static int check_plan(const struct gw_slurm *b, const char *user, const struct gw_slurm_plan *plan,
                      struct gw_error *err)
{
        json_auto_t *options =
                plan->spec.is_raw ? gw_slurm_raw_options(plan) : json_incref(plan->options);
        if (!options)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        int rc = gw_slurm_check(b->offer, user, options, err);
        if (rc)
                point_at_script(plan, err);
        return rc;
}

/* The request of a submission by that user. NULL with an error: of a test also when the job could
 * start in no partition. */
static json_t *request_of(const struct gw_slurm *b, const struct gw_submission *s, bool test,
                          const struct gw_account *account, const char *folder,
                          struct gw_error *err)
{
        struct gw_slurm_identity identity;
        struct gw_slurm_plan plan;
        json_auto_t *json = NULL;
        json_t *request = NULL;
        if (gw_slurm_identity_read(s->identity, &identity, &json, err))
                return NULL;
        if (gw_slurm_plan_init(&plan, s, &identity, &b->settings.site, gw_slurm_most_tasks(b, s),
                               err) == 0) {
                const char *url = b->settings.url;
                bool passes = !test || check_plan(b, account->name, &plan, err) == 0;
                if (passes && plan.spec.is_raw)
                        request = gw_slurm_raw_request(&plan, s, account, folder, url,
                                                       script_deadline(b, s, test), test);
                else if (passes)
                        request = gw_slurm_plan_request(&plan, s, account, folder, url, test);
                if (request && test && !plan.spec.is_raw)
                        json_object_set_new(request, "send_before", json_integer(test_until(b)));
                if (passes && !request)
                        gw_fail(err, GW_ERR_NOMEM, "out of memory");
                gw_slurm_plan_done(&plan);
        }
        return request;
}

/* ---- submit and resolve ---------------------------------------------------------------------- */

/* From then on a table without the mark means that it never came and never will: the worker was
 * killed, or sbatch; its token or munge's credential is over; and slurmctld has read what lay in
 * its socket. */
static int64_t settled_at(const struct gw_slurm *b, const struct gw_submission *s)
{
        int64_t life_s = b->settings.token_life_s;
        if (gw_slurm_plan_is_raw(s) && b->settings.munge_life_s > life_s)
                life_s = b->settings.munge_life_s;
        return s->send_before + SKEW_US + (life_s + 2 * b->settings.message_timeout_s) * GW_SECOND;
}

/* Until then slurmctld has not forgotten what it took and ended at once. */
static int64_t remembered_until(const struct gw_slurm *b, int64_t send_before)
{
        return send_before + b->min_job_age_us - AGE_MARGIN_US;
}

static void run_cancel(struct gw_slurm *b, struct gw_backend_ask *a);

static void on_submitted(struct gw_slurm_ask *ask)
{
        static const enum gw_answer answers[] = {
                [GW_SLURM_DONE] = GW_ANSWER_DONE,         [GW_SLURM_REFUSED] = GW_ANSWER_REFUSED,
                [GW_SLURM_NOT_SENT] = GW_ANSWER_NOT_SENT, [GW_SLURM_BUSY] = GW_ANSWER_BUSY,
                [GW_SLURM_UNKNOWN] = GW_ANSWER_UNKNOWN,   [GW_SLURM_INVALID] = GW_ANSWER_REFUSED,
        };
        struct order *o = ask->owner;
        json_int_t error = json_integer_value(json_object_get(ask->answer, "error"));
        struct gw_slurm_submitted what = {
                .verdict = answers[ask->outcome],
                .number = json_integer_value(json_object_get(ask->answer, "job")),
                .text = ask->text,
                .may_be_refusal = error == -1,
        };
        if (what.verdict == GW_ANSWER_BUSY && error == EAGAIN) {
                what.verdict = GW_ANSWER_FULL;
                what.text = "slurmctld has as many jobs as it takes (MaxJobCount)";
        }
        gw_slurm_submitted(o->backend, o->asked, o->user, &what);
        order_free(o);
}

void gw_slurm_submitted(struct gw_slurm *b, const struct gw_backend_ask *a, const char *user,
                        const struct gw_slurm_submitted *what)
{
        struct gw_slurm_job *job = gw_slurm_job_find(b, a->mark);
        enum gw_answer verdict = what->verdict;
        json_int_t number = what->number;
        if (!job) { /* the engine has closed it meanwhile */
                if (verdict == GW_ANSWER_DONE && number > 0 && number <= UINT32_MAX)
                        gw_slurm_drop(b, user, (uint32_t)number, NULL);
                return;
        }
        gw_crash_point("slurm.submitted");
        struct gw_backend_ask *cancel = GW_TAKE(job->cancel);
        job->asked = false;
        if (verdict == GW_ANSWER_DONE && (number <= 0 || number > UINT32_MAX))
                verdict = GW_ANSWER_UNKNOWN;
        if (verdict == GW_ANSWER_DONE) {
                gw_slurm_job_number(b, job, (uint32_t)number);
                job->since_us = job->accepted_us;
                gw_slurm_watch_know(b, job); /* its owner may rewrite the comment at once */
                answer_done(b, a, job);
        } else {
                answer(b, a, verdict, NULL, what->text);
                if (verdict != GW_ANSWER_UNKNOWN)
                        gw_slurm_job_remove(b, job);
                else if (what->may_be_refusal)
                        job->refusal = what->text ? strdup(what->text) : NULL;
        }
        if (cancel)
                run_cancel(b, cancel);
}

/* NULL: no memory. */
static struct gw_slurm_job *job_of_submission(struct gw_slurm *b, const struct gw_submission *s,
                                              const struct gw_account *account)
{
        struct gw_slurm_job_settings settings = {
                .user = account->name,
                .uid = account->uid,
                .send_before_us = s->send_before,
                .index_set = s->index_set,
                .most_tasks = gw_slurm_most_tasks(b, s),
                .spans = s->spans,
                .span_count = s->span_count,
        };
        return gw_slurm_job_add(b, s->mark, &settings);
}

static void run_submit(struct gw_slurm *b, struct gw_backend_ask *a)
{
        struct gw_error err = {0};
        struct gw_account account = {0};
        struct gw_slurm_job *job = gw_slurm_job_find(b, a->mark);
        if (job) {
                if (job->number)
                        answer_done(b, a, job);
                else if (!job->asked)
                        answer(b, a, GW_ANSWER_UNKNOWN, NULL, NULL);
                gw_backend_ask_free(a);
                return;
        }
        if (a->submission->index_set && gw_slurm_most_tasks(b, a->submission) == 0) {
                answer(b, a, GW_ANSWER_BUSY, NULL, "how large arrays may be is not known yet");
                gw_backend_ask_free(a);
                return;
        }
        const char *folder;
        json_t *request = NULL;
        if (account_of(b, a->submission, &account, &err) == 0) {
                if (gw_slurm_folder_awaits(b, &account, a, &folder)) {
                        gw_account_done(&account);
                        return;
                }
                request = request_of(b, a->submission, false, &account, folder, &err);
        }
        if (!request) {
                gw_account_done(&account);
                bool later = err.code == GW_ERR_NOMEM || err.code == GW_ERR_UNAVAILABLE;
                answer(b, a, later ? GW_ANSWER_BUSY : GW_ANSWER_REFUSED, NULL, err.message);
                gw_backend_ask_free(a);
                return;
        }
        job = job_of_submission(b, a->submission, &account);
        if (job)
                job->asked = true;
        if (!job) {
                json_decref(request);
                answer(b, a, GW_ANSWER_BUSY, NULL, "out of memory");
                gw_backend_ask_free(a);
        } else if (gw_slurm_is_script(request) ? gw_slurm_script_submit(b, account.name, request, a)
                                               : order(b, account.name, request, a, on_submitted)) {
                gw_slurm_job_remove(b, job);
                answer(b, a, GW_ANSWER_BUSY, NULL, "out of memory");
                gw_backend_ask_free(a);
        }
        gw_account_done(&account);
}

/* The submission of a question about one that may have been sent. NULL: its user is not known. */
static struct gw_slurm_job *job_to_resolve(struct gw_slurm *b, const struct gw_backend_ask *a,
                                           struct gw_error *err)
{
        struct gw_slurm_identity identity;
        struct gw_account account = {0};
        json_auto_t *json = NULL;
        struct gw_slurm_job *job = gw_slurm_job_find(b, a->mark);
        if (job)
                return job;
        if (gw_slurm_identity_read(a->submission->identity, &identity, &json, err) ||
            gw_slurm_account_find(b, identity.user, &account, err))
                return NULL;
        job = job_of_submission(b, a->submission, &account);
        gw_account_done(&account);
        if (!job)
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
        else
                gw_slurm_watch_restart(b); /* its record may have been passed over */
        return job;
}

static void run_resolve(struct gw_slurm *b, struct gw_backend_ask *a)
{
        struct gw_error err = {0};
        int64_t settled = settled_at(b, a->submission);
        gw_crash_point("slurm.resolving");
        struct gw_slurm_job *job = job_to_resolve(b, a, &err);
        if (!job) {
                answer(b, a, GW_ANSWER_BUSY, NULL, err.message);
        } else if (job->number) {
                answer_done(b, a, job);
        } else if (b->asked_at <= settled) {
                answer(b, a, GW_ANSWER_UNKNOWN, NULL, NULL); /* a table may show it before */
        } else if (b->asked_at <= remembered_until(b, a->submission->send_before)) {
                answer(b, a, job->refusal ? GW_ANSWER_REFUSED : GW_ANSWER_ABSENT, NULL,
                       job->refusal);
                gw_slurm_closed_add(b, job);
                gw_slurm_job_remove(b, job);
        } else if (gw_slurm_quest_search(b, job)) {
                answer(b, a, GW_ANSWER_UNKNOWN, NULL, NULL); /* accounting may know it */
        } else {
                /* It may have run, ended and been forgotten. */
                answer(b, a, GW_ANSWER_DONE, NULL, NULL);
                gw_slurm_job_lost(b, job, "whether slurmctld took the job is not known any more");
        }
        gw_backend_ask_free(a);
}

/* ---- cancel and change ----------------------------------------------------------------------- */

static void on_told(struct gw_slurm_ask *ask)
{
        static const enum gw_answer answers[] = {
                [GW_SLURM_DONE] = GW_ANSWER_DONE,     [GW_SLURM_REFUSED] = GW_ANSWER_REFUSED,
                [GW_SLURM_NOT_SENT] = GW_ANSWER_BUSY, [GW_SLURM_BUSY] = GW_ANSWER_BUSY,
                [GW_SLURM_UNKNOWN] = GW_ANSWER_BUSY,  [GW_SLURM_INVALID] = GW_ANSWER_REFUSED,
        };
        struct order *o = ask->owner;
        gw_crash_point("slurm.told");
        answer(o->backend, o->asked, answers[ask->outcome], NULL, ask->text);
        order_free(o);
}

static void tell(struct gw_slurm *b, const struct gw_slurm_job *job, json_t *request,
                 struct gw_backend_ask *a)
{
        if (order(b, job->user, request, a, on_told) == 0)
                return;
        answer(b, a, GW_ANSWER_BUSY, NULL, "out of memory");
        gw_backend_ask_free(a);
}

/* An order to cancel some of what may still run, by the submission's number alone where that is
 * all. NULL without memory. */
static json_t *cancel_request(struct gw_slurm_job *job, const struct gw_spans *some, bool all)
{
        struct gw_buf ids = GW_BUF_INIT(GW_SLURM_IDS_MAX);
        json_t *request = NULL;
        if (!all)
                gw_slurm_array_ids(&job->array, some, &ids);
        if (gw_buf_ok(&ids) && gw_slurm_tasks_cancelled(&job->tasks, some) == 0)
                request = json_pack("{s:s, s:I, s:s*}", "op", "cancel", "job",
                                    (json_int_t)job->number, "tasks", ids.data);
        gw_buf_done(&ids);
        return request;
}

static void cancel_tasks(struct gw_slurm *b, struct gw_slurm_job *job, struct gw_backend_ask *a)
{
        const struct gw_spans named = {.items = a->spans, .count = a->span_count};
        struct gw_spans open, some = GW_SPANS_INIT;
        int rc = gw_slurm_tasks_open(&job->tasks, &open);
        if (rc == 0)
                rc = gw_spans_intersect(a->spans ? &named : &open, &open, &some, NULL);
        if (rc == 0 && some.count == 0) {
                answer(b, a, GW_ANSWER_ABSENT, NULL, NULL);
                gw_backend_ask_free(a);
        } else {
                bool all = gw_spans_equal(&some, &open);
                tell(b, job, rc ? NULL : cancel_request(job, &some, all), a);
        }
        gw_spans_done(&some);
        gw_spans_done(&open);
}

static void run_cancel(struct gw_slurm *b, struct gw_backend_ask *a)
{
        struct gw_slurm_job *job = gw_slurm_job_find(b, a->mark);
        if (job && job->asked) {
                gw_backend_ask_free(job->cancel);
                job->cancel = a;
                return;
        }
        if (!job || !gw_slurm_job_is_there(job) || gw_slurm_tasks_over(&job->tasks)) {
                answer(b, a, GW_ANSWER_ABSENT, NULL, NULL);
                gw_backend_ask_free(a);
                return;
        }
        if (job->array.is_array && !job->array.limited) {
                answer(b, a, GW_ANSWER_BUSY, NULL, "how tasks are numbered is not known yet");
                gw_backend_ask_free(a);
                return;
        }
        cancel_tasks(b, job, a);
}

static void run_change(struct gw_slurm *b, struct gw_backend_ask *a)
{
        struct gw_slurm_job *job = gw_slurm_job_find(b, a->mark);
        if (job && job->asked) {
                answer(b, a, GW_ANSWER_BUSY, NULL, "the submission is on its way");
                gw_backend_ask_free(a);
                return;
        }
        if (!job || !gw_slurm_job_is_there(job) || !gw_slurm_tasks_wait(&job->tasks)) {
                answer(b, a, GW_ANSWER_ABSENT, NULL, NULL);
                gw_backend_ask_free(a);
                return;
        }
        json_t *request = json_pack("{s:s, s:I}", "op", "change", "job", (json_int_t)job->number);
        if (request && a->held >= 0)
                json_object_set_new(request, "held", json_boolean(a->held));
        if (request && a->time_limit_s > 0)
                json_object_set_new(request, "time_limit_s", json_integer(a->time_limit_s));
        if (request && a->max_parallel > 0 && job->array.is_array)
                json_object_set_new(request, "max_parallel", json_integer(a->max_parallel));
        tell(b, job, request, a);
}

/* ---- the rest -------------------------------------------------------------------------------- */

/* What is closed and may still run is ended. */
static void run_forget(struct gw_slurm *b, struct gw_backend_ask *a)
{
        struct gw_slurm_job *job = gw_slurm_job_find(b, a->mark);
        answer(b, a, GW_ANSWER_DONE, NULL, NULL);
        gw_backend_ask_free(a);
        if (!job)
                return;
        if (gw_slurm_job_is_there(job) && !gw_slurm_tasks_over(&job->tasks))
                gw_slurm_drop(b, job->user, job->number, NULL);
        gw_slurm_closed_add(b, job);
        gw_slurm_job_remove(b, job);
}

static void on_checked(struct gw_slurm_ask *ask)
{
        struct order *o = ask->owner;
        struct gw_backend_check *check = o->asked->check;
        bool refused = ask->outcome == GW_SLURM_REFUSED || ask->outcome == GW_SLURM_INVALID;
        if (ask->outcome != GW_SLURM_DONE)
                gw_fail(&check->error, refused ? GW_ERR_UNPROCESSABLE : GW_ERR_UNAVAILABLE,
                        "the cluster says: %s", ask->text ? ask->text : "nothing");
        gw_work_finish(&check->work);
        order_free(o);
}

/* The controller's own test of a spec is asked by who leads, who alone knows the offer too. */
static void run_check(struct gw_slurm *b, struct gw_backend_ask *a)
{
        struct gw_backend_check *check = a->check;
        struct gw_account account = {0};
        json_t *request = NULL;
        if (account_of(b, check->submission, &account, &check->error) == 0)
                request = request_of(b, check->submission, true, &account, NULL, &check->error);
        bool asked = false;
        check->not_tested = !b->epoch;
        if (request && gw_slurm_is_script(request))
                asked = gw_slurm_script_check(b, account.name, json_incref(request), a) == 0;
        else if (request && b->epoch)
                asked = order(b, account.name, json_incref(request), a, on_checked) == 0;
        json_decref(request);
        gw_account_done(&account);
        if (asked)
                return;
        gw_work_finish(&check->work);
        gw_backend_ask_free(a);
}

void gw_slurm_request_run(struct gw_slurm *b, struct gw_backend_ask *a)
{
        static void (*const verbs[GW_ASK_COUNT])(struct gw_slurm *, struct gw_backend_ask *) = {
                [GW_ASK_SUBMIT] = run_submit, [GW_ASK_RESOLVE] = run_resolve,
                [GW_ASK_CANCEL] = run_cancel, [GW_ASK_CHANGE] = run_change,
                [GW_ASK_FORGET] = run_forget, [GW_ASK_PURGE] = gw_slurm_purge_run,
                [GW_ASK_CHECK] = run_check,   [GW_ASK_LOG] = gw_slurm_log_run,
        };
        enum gw_turn turn = gw_queued_turn(&b->base, a, b->epoch);
        if (turn == GW_TURN_NOW) {
                verbs[a->kind](b, a);
                return;
        }
        if (turn == GW_TURN_LATER)
                answer(b, a, GW_ANSWER_BUSY, NULL, gw_queued_not_led);
        gw_backend_ask_free(a);
}
