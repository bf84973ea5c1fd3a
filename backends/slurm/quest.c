/*
 * Asking for what the table does not tell. Before something is lost that a whole table lacks, the
 * controller is asked for that very number, and then accounting; and accounting alone knows who
 * cancelled a job, and whether a run that another followed was preempted. The workers of the job's
 * user ask: they may see it, whatever the site hides.
 *
 * Questions are asked when a table was read, so not more than once a second, and each is one that
 * may be asked again: an answer that nobody waits for any more is passed over.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/slurm/accounted.h"
#include "backends/slurm/claim.h"
#include "backends/slurm/internal.h"
#include "backends/slurm/protocol.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define CLOCKS_S 60                  /* between those of the machines, at most */
#define PATIENCE_US (15 * GW_SECOND) /* of one question */
#define PAUSE_MOST_US (30 * GW_SECOND)
#define AWAY_US (10 * 60 * GW_SECOND) /* whoever does not answer for so long is not waited for */
#define LATE_US (60 * GW_SECOND)      /* accounting hears of all within this */
#define WHO_US (15 * GW_SECOND)       /* an end is not put off for longer, to know who cancelled */

struct question {
        struct gw_slurm_ask ask;
        struct gw_slurm *backend;
        struct gw_mark mark;
        uint32_t number;
        enum gw_slurm_quest_step step;
        uint64_t next; /* what the next question is to begin with */
        char *user;
};

static bool is_missing(const struct gw_slurm_quest *q)
{
        return q->step == GW_SLURM_LOOK || q->step == GW_SLURM_ACCOUNT || q->step == GW_SLURM_GONE;
}

/* Not all of it can be told yet. */
static bool is_open(const struct gw_slurm_quest *q)
{
        return is_missing(q) || q->step == GW_SLURM_WHO;
}

void gw_slurm_quest_end(struct gw_slurm *b, struct gw_slurm_job *job)
{
        if (is_open(&job->quest))
                b->missing--;
        job->quest = (struct gw_slurm_quest){0};
}

static void begin(struct gw_slurm *b, struct gw_slurm_job *job, enum gw_slurm_quest_step step)
{
        gw_slurm_quest_end(b, job);
        job->quest = (struct gw_slurm_quest){.step = step, .since_us = gw_clock_mono_us()};
        if (is_open(&job->quest))
                b->missing++;
}

static bool is_over(const struct gw_slurm_job *job, int64_t limit_us)
{
        return gw_clock_mono_us() - job->quest.since_us > limit_us;
}

/* ---- records ------------------------------------------------------------------------------- */

/* Takes those of the controller's that are of the job. Returns how many. */
static size_t take_all(struct gw_slurm *b, struct gw_slurm_job *job, const json_t *records)
{
        size_t i, taken = 0;
        const json_t *item;
        json_array_foreach(records, i, item)
        {
                struct gw_slurm_record r;
                if (gw_slurm_record_read(item, &r, NULL) || !gw_slurm_is_of(b, job, &r))
                        continue;
                if (job->displaced_s)
                        gw_slurm_job_number(b, job, job->number);
                gw_slurm_take(b, job, &r);
                taken++;
        }
        return taken;
}

/* Whether it is of a run from before the present one. */
static bool is_past(struct gw_slurm *b, const struct gw_slurm_job *job,
                    const struct gw_slurm_record *r)
{
        const struct gw_slurm_task *task = gw_slurm_task_numbered(b, r->job);
        return task && task->job == job && r->submit_s * GW_SECOND < task->view.pending_us;
}

/* Takes accounting's that are of the job, of each number only the newest, if it `fits`. */
static void take_newest(struct gw_slurm *b, struct gw_slurm_job *job, const json_t *records,
                        bool (*fits)(struct gw_slurm_record *r))
{
        struct gw_slurm_record *all, *newest = NULL;
        size_t count;
        if (gw_slurm_accounted_read(records, &all, &count))
                return; /* as if nobody had answered */
        for (size_t i = 0; i < count; i++) {
                if (gw_slurm_is_of(b, job, &all[i]) && !is_past(b, job, &all[i]))
                        newest = &all[i];
                if (i + 1 < count && all[i + 1].job == all[i].job)
                        continue;
                if (newest && fits(newest))
                        gw_slurm_take(b, job, newest);
                newest = NULL;
        }
        free(all);
}

/* Takes what accounting has of the runs that others followed. */
static void take_followed(struct gw_slurm *b, struct gw_slurm_job *job, const json_t *records)
{
        struct gw_slurm_record *all;
        size_t count;
        if (gw_slurm_accounted_read(records, &all, &count))
                return; /* as if nobody had answered */
        for (size_t i = 0; i < count; i++) {
                struct gw_slurm_task *task = gw_slurm_task_numbered(b, all[i].job);
                enum gw_reason before = gw_slurm_accounted_before(&all[i]);
                if (task && task->job == job && task->followed && before &&
                    task->view.restart == all[i].restart + 1 && gw_slurm_is_of(b, job, &all[i]))
                        gw_slurm_task_followed(task, before);
        }
        free(all);
        gw_slurm_job_changed(b, job);
}

static bool explains(struct gw_slurm_record *r)
{
        return r->by >= 0 && gw_slurm_accounted(r);
}

/* ---- answers ------------------------------------------------------------------------------- */

/* The tasks that a question is about. Returns 0, or -1 without memory. */
static int find_wanted(const struct gw_slurm_job *job, struct gw_spans *ret)
{
        if (job->quest.step == GW_SLURM_WHO)
                return gw_slurm_tasks_put_off(&job->tasks, ret);
        return gw_slurm_tasks_missing(&job->tasks, !job->quest.broken, ret);
}

/* The index of the first of them that was not asked for in this round. False: there is none. */
static bool find_next(const struct gw_slurm_job *job, uint32_t *ret)
{
        struct gw_spans wanted;
        uint64_t from = gw_slurm_array_from(&job->array, job->quest.next);
        if (find_wanted(job, &wanted))
                return false;
        const struct gw_span *span = from <= UINT32_MAX ? gw_spans_from(&wanted, from) : NULL;
        if (span)
                *ret = gw_slurm_array_id(&job->array,
                                         span->first > from ? span->first : (uint32_t)from);
        gw_spans_done(&wanted);
        return span != NULL;
}

static void ask(struct gw_slurm *b, struct gw_slurm_job *job);

/* A round of questions about an array goes on as long as there are tasks that were not asked for.
 * Returns whether it does. */
static bool ask_on(struct gw_slurm *b, struct gw_slurm_job *job)
{
        uint32_t next;
        if (job->array.is_array && job->quest.next > 0 && find_next(job, &next)) {
                ask(b, job); /* the pause is between rounds */
                return true;
        }
        job->quest.next = 0;
        return false;
}

/* Nobody is known to have it, after so long. */
static void give_up_after(struct gw_slurm_job *job, int64_t limit_us)
{
        if (is_over(job, limit_us))
                job->quest.step = GW_SLURM_GONE;
}

static void on_looked(struct gw_slurm *b, struct gw_slurm_job *job, const struct gw_slurm_ask *ask)
{
        if (ask->outcome != GW_SLURM_DONE) {
                give_up_after(job, AWAY_US);
                return;
        }
        if (take_all(b, job, json_object_get(ask->answer, "jobs")) > 0)
                gw_slurm_watch_know(b, job);
        if (ask_on(b, job))
                return;
        job->quest.step = b->accounting ? GW_SLURM_ACCOUNT : GW_SLURM_GONE;
        job->quest.again_us = 0;
}

static void on_accounted(struct gw_slurm *b, struct gw_slurm_job *job,
                         const struct gw_slurm_ask *ask)
{
        bool answered = ask->outcome == GW_SLURM_DONE;
        if (answered)
                take_newest(b, job, json_object_get(ask->answer, "jobs"), gw_slurm_accounted);
        if (!answered || !ask_on(b, job))
                give_up_after(job, answered ? LATE_US : AWAY_US);
}

/* What they are is what the controller told. */
static void end_unexplained(struct gw_slurm *b, struct gw_slurm_job *job)
{
        for (size_t i = 0; i < job->tasks.count; i++) {
                struct gw_slurm_task *task = job->tasks.items[i];
                if (task->unexplained)
                        gw_slurm_task_conclude(task);
                if (task->followed)
                        gw_slurm_task_followed(task, GW_REASON_NONE);
        }
        gw_slurm_job_changed(b, job);
        gw_slurm_quest_end(b, job);
}

static bool is_explained(const struct gw_slurm_job *job)
{
        for (size_t i = 0; i < job->tasks.count; i++)
                if (job->tasks.items[i]->unexplained || job->tasks.items[i]->followed)
                        return false;
        return true;
}

static void on_explained(struct gw_slurm *b, struct gw_slurm_job *job,
                         const struct gw_slurm_ask *ask)
{
        bool answered = ask->outcome == GW_SLURM_DONE;
        if (answered) {
                take_followed(b, job, json_object_get(ask->answer, "jobs"));
                take_newest(b, job, json_object_get(ask->answer, "jobs"), explains);
        }
        if (answered && ask_on(b, job))
                return;
        if (is_explained(job))
                gw_slurm_quest_end(b, job);
        else if (is_over(job, WHO_US))
                end_unexplained(b, job);
}

/* Its first record tells the number; all of it is taken as if it were asked for by that. */
static void on_found(struct gw_slurm *b, struct gw_slurm_job *job, const struct gw_slurm_ask *ask)
{
        struct gw_slurm_record r;
        const json_t *records = json_object_get(ask->answer, "jobs");
        const json_t *first = json_array_get(records, 0);
        bool answered = ask->outcome == GW_SLURM_DONE;
        if (answered && first && gw_slurm_record_read(first, &r, NULL) == 0 && r.uid == job->uid) {
                gw_slurm_job_number(b, job, gw_slurm_number_of(&r));
                take_newest(b, job, records, gw_slurm_accounted);
                gw_slurm_quest_end(b, job);
        } else if (is_over(job, answered ? LATE_US : AWAY_US)) {
                job->quest.step = GW_SLURM_NOWHERE;
        }
}

static const struct step {
        const char *op; /* NULL: nobody is asked */
        uint32_t tasks; /* of an array that one question is about */
        void (*answered)(struct gw_slurm *b, struct gw_slurm_job *job,
                         const struct gw_slurm_ask *ask);
} steps[] = {
        [GW_SLURM_NO_QUEST] = {0},
        [GW_SLURM_LOOK] = {"look", GW_SLURM_LOOK_TASKS, on_looked},
        [GW_SLURM_ACCOUNT] = {"account", GW_SLURM_ACCOUNT_TASKS, on_accounted},
        [GW_SLURM_GONE] = {0},
        [GW_SLURM_WHO] = {"account", GW_SLURM_ACCOUNT_TASKS, on_explained},
        [GW_SLURM_SEARCH] = {"account", 0, on_found},
        [GW_SLURM_NOWHERE] = {0},
};

/* ---- questions ----------------------------------------------------------------------------- */

static void question_free(struct question *q)
{
        if (q)
                free(q->user);
        free(q);
}

static void on_answer(struct gw_slurm_ask *ask)
{
        struct question *q = ask->owner;
        struct gw_slurm *b = q->backend;
        struct gw_slurm_job *job = gw_slurm_job_find(b, q->mark);
        if (job && job->number == q->number && job->quest.step == q->step) {
                job->quest.asking = false;
                if (ask->outcome == GW_SLURM_DONE)
                        job->quest.next = q->next;
                steps[q->step].answered(b, job, ask);
        }
        question_free(q);
}

/* *ret_next: what the next one is to begin with, of an array; 0: it is about all of it. */
static json_t *request_of(const struct gw_slurm_job *job, uint64_t *ret_next)
{
        const struct step *step = &steps[job->quest.step];
        const char *op = step->op;
        uint32_t from;
        *ret_next = 0;
        if (job->array.is_array && step->tasks && find_next(job, &from)) {
                *ret_next = (uint64_t)from + step->tasks;
                return json_pack("{s:s, s:I, s:I}", "op", op, "job", (json_int_t)job->number,
                                 "from", (json_int_t)from);
        }
        char comment[sizeof GW_SLURM_COMMENT + GW_MARK_TEXT] = GW_SLURM_COMMENT;
        if (job->quest.step != GW_SLURM_SEARCH)
                return json_pack("{s:s, s:I}", "op", op, "job", (json_int_t)job->number);
        gw_mark_format(job->mark, comment + strlen(GW_SLURM_COMMENT));
        int64_t made_s = gw_id_time_us(job->mark.job) / GW_SECOND;
        return json_pack("{s:s, s:I, s:I, s:s}", "op", op, "uid", (json_int_t)job->uid, "since",
                         (json_int_t)(made_s - CLOCKS_S), "comment", comment);
}

static void ask(struct gw_slurm *b, struct gw_slurm_job *job)
{
        uint64_t next;
        json_t *request = request_of(job, &next);
        struct question *q = b->workers ? calloc(1, sizeof *q) : NULL;
        if (!q || !request || !(q->user = strdup(gw_slurm_worker_user(b, job->user)))) {
                json_decref(request);
                question_free(q);
                return;
        }
        q->backend = b;
        q->mark = job->mark;
        q->number = job->number;
        q->step = job->quest.step;
        q->next = next;
        q->ask = (struct gw_slurm_ask){.user = q->user,
                                       .request = request,
                                       .patience_us = PATIENCE_US,
                                       .done = on_answer,
                                       .owner = q};
        job->quest.asking = true;
        gw_slurm_workers_ask(b->workers, &q->ask);
}

void gw_slurm_quest_ask(struct gw_slurm *b, struct gw_slurm_job *job)
{
        struct gw_slurm_quest *q = &job->quest;
        int64_t now = gw_clock_mono_us();
        if (!steps[q->step].op || q->asking || now < q->again_us)
                return;
        q->pause_us = q->pause_us == 0                  ? GW_SECOND
                      : q->pause_us * 2 > PAUSE_MOST_US ? PAUSE_MOST_US
                                                        : q->pause_us * 2;
        q->again_us = now + q->pause_us;
        ask(b, job);
}

void gw_slurm_quest_found(struct gw_slurm *b, struct gw_slurm_job *job)
{
        if (is_missing(&job->quest))
                gw_slurm_quest_end(b, job);
}

bool gw_slurm_quest_missing(struct gw_slurm *b, struct gw_slurm_job *job, bool broken)
{
        if (job->quest.step == GW_SLURM_WHO)
                return true; /* slurmctld forgets what accounting has not heard of yet */
        if (job->quest.step == GW_SLURM_GONE) {
                gw_slurm_quest_end(b, job);
                return false;
        }
        if (job->quest.step == GW_SLURM_NO_QUEST)
                begin(b, job, GW_SLURM_LOOK);
        job->quest.broken = job->quest.broken || broken;
        gw_slurm_quest_ask(b, job);
        return true;
}

bool gw_slurm_quest_who(struct gw_slurm *b, struct gw_slurm_job *job)
{
        if (!b->accounting || is_missing(&job->quest))
                return false;
        if (job->quest.step == GW_SLURM_NO_QUEST)
                begin(b, job, GW_SLURM_WHO);
        return true;
}

bool gw_slurm_quest_search(struct gw_slurm *b, struct gw_slurm_job *job)
{
        if (!b->accounting || job->quest.step == GW_SLURM_NOWHERE)
                return false;
        if (job->quest.step == GW_SLURM_NO_QUEST)
                begin(b, job, GW_SLURM_SEARCH);
        gw_slurm_quest_ask(b, job);
        return true;
}
