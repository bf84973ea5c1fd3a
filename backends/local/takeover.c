/*
 * One submission that was found on the disk when leadership began. The backend's thread.
 *
 * A file that cannot be read says nothing of its tasks: they may run. So none of it starts, none
 * is said to be over, and the host is not told that it was told all, until the file was read.
 * Lost is only what is proven to be gone: no such name, or a file that was read and is no task
 * and of which no shim holds a run; and what the engine was told to run, when the machine was
 * restarted and the journal does not have its start: that may not have been on the disk yet.
 */
#include <errno.h>
#include <string.h>

#include "backends/local/internal.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/str.h"

const char gw_local_task_lost[] = "the job's task was lost, as in a restart of the machine";

static const struct gw_span all = {0, UINT32_MAX};

int gw_local_job_lost(struct gw_local *b, struct gw_local_job *job, const char *words)
{
        struct gw_local_record outcome = {
                .exit_code = -1, .reason = GW_REASON_NODE_FAILURE, .ended_us = gw_clock_wall_us()};
        gw_str_copy(outcome.raw, sizeof outcome.raw, words);
        if (job->read == 0) {
                gw_spans_done(&job->waiting);
                job->waiting = job->named;
                job->named = GW_SPANS_INIT;
        }
        while (job->waiting.count > 0) {
                struct gw_local_run *run = gw_local_run_add(b, job, job->waiting.items[0], 0);
                if (!run)
                        return -1;
                gw_local_run_ended(b, run, &outcome);
        }
        return 0;
}

static int set_plain(struct gw_local_job *job)
{
        gw_local_array_done(&job->array);
        errno = ENOMEM;
        return gw_local_array_init(&job->array, NULL, NULL, NULL) ||
                               gw_spans_append(&job->waiting, 0, 0, NULL)
                       ? -1
                       : 0;
}

/* Which of its tasks there are; known already, if only the journal could not be read. Returns 0,
 * or -1 with errno. */
static int read_tasks(struct gw_local_job *job, int task)
{
        if (job->read > 0)
                return 0;
        if (job->head.journal == 0 && gw_local_spool_read_head(task, &job->head))
                return -1;
        if (job->head.array ? gw_local_spool_get_array(task, &job->head, &job->array, &job->waiting)
                            : set_plain(job))
                return -1;
        job->read = job->head.journal;
        return 0;
}

static int add_held(struct gw_local *b, struct gw_local_job *job, uint32_t ordinal)
{
        if (!gw_spans_contains(&job->waiting, ordinal))
                return 0;
        struct gw_local_run *run = gw_local_run_add(b, job, (struct gw_span){ordinal, ordinal}, 0);
        if (!run)
                return -1;
        gw_local_run_doubt(b, run, 0);
        return 0;
}

/* Whatever a shim holds has begun or is about to. A question names one of several locks, so each
 * answer divides the span; as deep as there are locks. */
static int find_held(struct gw_local *b, struct gw_local_job *job, int task, struct gw_span span)
{
        uint32_t at;
        if (!gw_local_spool_locked(task, span, &at))
                return 0;
        if (add_held(b, job, at))
                return -1;
        if (at > span.first && find_held(b, job, task, (struct gw_span){span.first, at - 1}))
                return -1;
        return at < span.last ? find_held(b, job, task, (struct gw_span){at + 1, span.last}) : 0;
}

/* Written first: no leader may start it later. Returns 0, or -1 with errno. */
static int end_unproven(struct gw_local *b, struct gw_local_job *job, int task)
{
        struct gw_spans spans;
        if (!gw_local_spool_rebooted(&b->spool))
                return 0;
        errno = ENOMEM;
        if (gw_spans_intersect(&job->waiting, &job->begun, &spans, NULL))
                return -1;
        int rc = 0;
        if (spans.count > 0)
                rc = gw_local_spool_end(&b->spool, job->mark, &spans, GW_REASON_NODE_FAILURE,
                                        "the machine was restarted while the job ran");
        gw_spans_done(&spans);
        return rc ? -1 : gw_local_job_catch_up(b, job, task);
}

enum found { FOUND_ALL, FOUND_NOTHING, FOUND_UNREADABLE };

/* With errno, unless it found all. */
static enum found look(struct gw_local *b, struct gw_local_job *job)
{
        uint32_t at;
        gw_autoclose int task = gw_local_spool_task(&b->spool, job->mark);
        if (task < 0)
                return errno == ENOENT ? FOUND_NOTHING : FOUND_UNREADABLE;
        if (read_tasks(job, task))
                return errno == EBADMSG && !gw_local_spool_locked(task, all, &at)
                               ? FOUND_NOTHING
                               : FOUND_UNREADABLE;
        return find_held(b, job, task, all) || gw_local_job_catch_up(b, job, task) ||
                               end_unproven(b, job, task)
                       ? FOUND_UNREADABLE
                       : FOUND_ALL;
}

static void look_later(struct gw_local *b, struct gw_local_job *job)
{
        char mark[GW_MARK_TEXT];
        gw_mark_format(job->mark, mark);
        if (!job->unread)
                gw_log(GW_LOG_ERROR, "local.task_unreadable", "{s:s, s:s, s:s}", "backend",
                       b->base.head.name, "submission", mark, "error", strerrordesc_np(errno));
        job->unread = true;
        gw_local_job_again(b, job);
}

/* What was to be stopped still is. */
static void restore(struct gw_local *b, struct gw_local_job *job)
{
        struct gw_local_run *run;
        LIST_FOREACH(run, &job->runs, link)
        {
                run->cancelling = gw_local_spool_cancelled(&b->spool, job->mark, run->span.first);
        }
        if (job->stopping)
                gw_local_job_stop(b, job);
        gw_local_job_line(b, job, true);
        gw_local_job_waits(b, job, job->held ? GW_REASON_HELD : GW_REASON_PRIORITY, NULL);
}

int gw_local_job_take_over(struct gw_local *b, struct gw_local_job *job)
{
        enum found found = look(b, job);
        if (found == FOUND_UNREADABLE) {
                look_later(b, job);
                return 0;
        }
        job->unread = false;
        if (found == FOUND_ALL)
                restore(b, job);
        else if (!job->closed && gw_local_job_lost(b, job, gw_local_task_lost))
                return -1;
        gw_spans_done(&job->named);
        gw_spans_done(&job->begun);
        gw_local_job_leave(b, job);
        return 0;
}
