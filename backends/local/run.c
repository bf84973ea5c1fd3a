/*
 * Starting shims, waiting for them, and finding out what became of a run. The backend's thread.
 *
 * The lock of a run's task is taken before its shim is started and inherited by it, so there
 * is no moment in which a shim is on its way and the lock is free: a free lock means that
 * nobody cares for the run. A run that has begun and is nobody's gets a shim again, which ends
 * what is left of it (shim/main.c).
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/local/internal.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/crash.h"
#include "server/base/log.h"

#define LOOK_AGAIN_US (GW_SECOND / 10)
#define LAUNCH_AGAIN_US GW_SECOND
/* For one run: more are made slowly, or not at all if it has not begun. */
#define QUICK_LAUNCHES 3

static const char supervisor_gone[] =
        "the job's supervisor is gone; what may be left of the job is being ended";

static void doubt(struct gw_local *b, struct gw_local_job *job, int64_t pause_us)
{
        job->retry_at = gw_clock_mono_us() + pause_us;
        gw_local_wake_by(b, job->retry_at);
        if (job->in_doubt)
                return;
        TAILQ_INSERT_TAIL(&b->doubt, job, doubt);
        job->in_doubt = true;
}

static void no_doubt(struct gw_local *b, struct gw_local_job *job)
{
        if (job->in_doubt)
                TAILQ_REMOVE(&b->doubt, job, doubt);
        job->in_doubt = false;
}

static int spawn_actions(posix_spawn_file_actions_t *actions, int task)
{
        if (posix_spawn_file_actions_init(actions))
                return -1;
        /* Onto 3 first: were it one of the others, it would be closed by them. */
        int rc = posix_spawn_file_actions_adddup2(actions, task, GW_LOCAL_TASK_FD);
        rc |= posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
        rc |= posix_spawn_file_actions_adddup2(actions, STDIN_FILENO, STDOUT_FILENO);
        rc |= posix_spawn_file_actions_adddup2(actions, STDIN_FILENO, STDERR_FILENO);
        if (rc)
                posix_spawn_file_actions_destroy(actions);
        return rc ? -1 : 0;
}

/* A session of its own, default actions; signals stay blocked until the shim waits for them. */
static int spawn_attributes(posix_spawnattr_t *attr)
{
        sigset_t all;
        sigfillset(&all);
        if (posix_spawnattr_init(attr))
                return -1;
        int rc = posix_spawnattr_setsigmask(attr, &all);
        rc |= posix_spawnattr_setsigdefault(attr, &all);
        rc |= posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                     POSIX_SPAWN_SETSID);
        if (rc)
                posix_spawnattr_destroy(attr);
        return rc ? -1 : 0;
}

static void format_gpus(const struct gw_local *b, uint64_t gpus, char out[GW_LOCAL_GPU_TEXT])
{
        size_t at = 0;
        snprintf(out, GW_LOCAL_GPU_TEXT, "%s", b->settings.gpus > 0 ? "" : "-");
        for (int i = 0; i < GW_LOCAL_MAX_GPUS; i++)
                if (gpus >> i & 1)
                        at += (size_t)snprintf(out + at, GW_LOCAL_GPU_TEXT - at, "%s%d",
                                               at ? "," : "", i);
}

/* Returns the pid, or -1 with errno. */
static pid_t spawn_shim(const struct gw_local *b, const struct gw_local_job *job, int task)
{
        char mark[GW_MARK_TEXT], started[24], gpus[GW_LOCAL_GPU_TEXT];
        gw_mark_format(job->mark, mark);
        snprintf(started, sizeof started, "%lld", (long long)job->started_us);
        format_gpus(b, job->gpus, gpus);
        static char ordinal[] = "0", index[] = "0";
        char *argv[] = {
                b->settings.shim, b->settings.directory, mark, ordinal, index, started, gpus, NULL};
        char *environment[] = {NULL};
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attr;
        pid_t pid;
        errno = ENOMEM;
        if (spawn_actions(&actions, task))
                return -1;
        int rc = spawn_attributes(&attr);
        if (rc == 0) {
                rc = posix_spawn(&pid, b->settings.shim, &actions, &attr, argv, environment);
                posix_spawnattr_destroy(&attr);
                errno = rc;
        }
        posix_spawn_file_actions_destroy(&actions);
        return rc ? -1 : pid;
}

static int watch(struct gw_local *b, struct gw_local_job *job, pid_t pid)
{
        struct gw_local_watch *w = calloc(1, sizeof *w);
        if (!w)
                return -1;
        *w = (struct gw_local_watch){.job = job, .pidfd = pidfd_open(pid, 0)};
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = w};
        if (w->pidfd < 0 || epoll_ctl(b->epoll, EPOLL_CTL_ADD, w->pidfd, &event)) {
                if (w->pidfd >= 0)
                        close(w->pidfd);
                free(w);
                return -1;
        }
        LIST_INSERT_HEAD(&b->watches, w, link);
        job->watch = w;
        return 0;
}

static void log_launch_failure(const struct gw_local *b)
{
        if (!b->unlaunchable)
                gw_log(GW_LOG_ERROR, "local.launch_failed", "{s:s, s:s, s:s}", "backend",
                       b->head.name, "shim", b->settings.shim, "error", strerrordesc_np(errno));
}

int gw_local_run_launch(struct gw_local *b, struct gw_local_job *job)
{
        gw_autoclose int task = gw_local_spool_lock(&b->spool, job->mark);
        if (task < 0 && errno == EWOULDBLOCK) {
                /* A shim that a gateway before us was about to start. */
                gw_local_job_stage(b, job, GW_LOCAL_RUNNING, GW_REASON_NONE, NULL);
                doubt(b, job, LOOK_AGAIN_US);
                return 0;
        }
        gw_crash_point("local.before_spawn");
        pid_t pid = task < 0 ? -1 : spawn_shim(b, job, task);
        if (pid < 0) {
                log_launch_failure(b);
                return -1;
        }
        gw_crash_point("local.after_spawn");
        job->launches++;
        if (job->stage != GW_LOCAL_RUNNING)
                gw_local_job_stage(b, job, GW_LOCAL_RUNNING, GW_REASON_NONE, NULL);
        if (watch(b, job, pid))
                doubt(b, job, LOOK_AGAIN_US);
        return 0;
}

static void signal_cancel(const struct gw_local_job *job)
{
        if (job->watch)
                pidfd_send_signal(job->watch->pidfd, SIGUSR1, NULL, 0);
}

/* The pid was written down by the shim that holds the lock: as long as the lock is held, it is
 * that process. Held still after the pidfd was made, so the pidfd is the shim's. */
static bool find_shim(struct gw_local *b, struct gw_local_job *job, struct gw_local_journal *j)
{
        if (j->shim <= 0 || watch(b, job, j->shim))
                return false;
        if (gw_local_spool_probe(&b->spool, job->mark, j) == 0 && j->locked)
                return true;
        gw_local_watch_fired(b, job->watch);
        return true;
}

static void take_over(struct gw_local *b, struct gw_local_job *job,
                      const struct gw_local_journal *j)
{
        if (job->stage == GW_LOCAL_RUNNING)
                return;
        job->gpus = j->gpus;
        job->started_us = j->started_us;
        gw_local_job_stage(b, job, GW_LOCAL_RUNNING, GW_REASON_NONE, NULL);
}

static void settle_held(struct gw_local *b, struct gw_local_job *job, struct gw_local_journal *j)
{
        take_over(b, job, j);
        if (job->watch)
                return;
        /* find_shim may settle the job in turn, so nothing of it is touched afterwards. */
        no_doubt(b, job);
        if (job->cancelling)
                gw_local_spool_cancel(&b->spool, job->mark);
        struct gw_mark mark = job->mark;
        bool found = find_shim(b, job, j);
        job = gw_local_job_find(b, mark);
        if (!job)
                return;
        if (!found)
                doubt(b, job, LOOK_AGAIN_US);
        else if (job->cancelling)
                signal_cancel(job);
}

/* It has not begun, and no shim of ours was started for it. */
static void settle_fresh(struct gw_local *b, struct gw_local_job *job)
{
        bool held = job->reason == GW_REASON_HELD;
        if (job->closed) {
                gw_local_spool_forget(&b->spool, job->mark);
                gw_local_job_remove(b, job);
        } else if (job->cancelling) {
                if (gw_local_run_cancel(b, job))
                        doubt(b, job, LAUNCH_AGAIN_US);
        } else {
                gw_local_job_stage(b, job, held ? GW_LOCAL_HELD : GW_LOCAL_WAITING,
                                   held ? GW_REASON_HELD : GW_REASON_PRIORITY, NULL);
        }
}

/* Shims came and went, and none got as far as to start it. */
static void settle_unstartable(struct gw_local *b, struct gw_local_job *job)
{
        struct gw_local_journal outcome = {
                .exit_code = -1,
                .reason = GW_REASON_LAUNCH_FAILED,
                .raw = "the job's supervisor cannot start it",
                .ended_us = gw_clock_wall_us(),
        };
        /* Written first: none may do so later. */
        if (gw_local_spool_end(&b->spool, job->mark, outcome.reason, outcome.raw))
                doubt(b, job, LAUNCH_AGAIN_US);
        else
                gw_local_job_ended(b, job, &outcome);
}

/* It has begun, or a shim was started for it, and nobody cares for it. */
static void settle_orphan(struct gw_local *b, struct gw_local_job *job,
                          const struct gw_local_journal *j)
{
        take_over(b, job, j);
        if (job->reason != GW_REASON_NODE_UNAVAILABLE)
                gw_local_job_stage(b, job, GW_LOCAL_RUNNING, GW_REASON_NODE_UNAVAILABLE,
                                   supervisor_gone);
        if (job->launches >= QUICK_LAUNCHES && !job->in_doubt) {
                doubt(b, job, LAUNCH_AGAIN_US);
                return;
        }
        no_doubt(b, job);
        if (gw_local_run_launch(b, job))
                doubt(b, job, LAUNCH_AGAIN_US);
}

/* A task whose file cannot be read, or is gone, and that nobody cares for. */
static void settle_broken(struct gw_local *b, struct gw_local_job *job)
{
        struct gw_local_journal outcome = {
                .exit_code = -1,
                .reason = GW_REASON_NODE_FAILURE,
                .raw = "the job's task was lost, as in a restart of the machine",
                .ended_us = gw_clock_wall_us(),
        };
        gw_local_job_ended(b, job, &outcome);
}

void gw_local_run_settle(struct gw_local *b, struct gw_local_job *job)
{
        struct gw_local_journal j;
        if (gw_local_spool_probe(&b->spool, job->mark, &j))
                doubt(b, job, LAUNCH_AGAIN_US);
        else if ((j.broken || !j.exists) && !j.locked)
                settle_broken(b, job);
        else if (j.ended)
                gw_local_job_ended(b, job, &j);
        else if (j.locked)
                settle_held(b, job, &j);
        else if (!j.started && job->launches == 0)
                settle_fresh(b, job);
        else if (!j.started && job->launches >= QUICK_LAUNCHES)
                settle_unstartable(b, job);
        else
                settle_orphan(b, job, &j);
}

void gw_local_run_settle_doubtful(struct gw_local *b)
{
        int64_t now = gw_clock_mono_us();
        struct gw_local_job *job, *next;
        for (job = TAILQ_FIRST(&b->doubt); job; job = next) {
                next = TAILQ_NEXT(job, doubt);
                if (job->retry_at <= now)
                        gw_local_run_settle(b, job);
                else
                        gw_local_wake_by(b, job->retry_at);
        }
}

static int cancel_before_start(struct gw_local *b, struct gw_local_job *job)
{
        struct gw_local_journal j;
        if (gw_local_spool_end(&b->spool, job->mark, GW_REASON_CANCELLED_BY_USER,
                               "cancelled before it started") ||
            gw_local_spool_read(&b->spool, job->mark, &j))
                return -1;
        gw_local_job_ended(b, job, &j);
        return 0;
}

int gw_local_run_cancel(struct gw_local *b, struct gw_local_job *job)
{
        job->cancelling = true;
        if (job->stage == GW_LOCAL_ENDED)
                return 0;
        if (job->stage != GW_LOCAL_RUNNING)
                return cancel_before_start(b, job);
        if (gw_local_spool_cancel(&b->spool, job->mark))
                return -1;
        signal_cancel(job);
        return 0;
}

/* Frees it; a child is reaped, another process' shim is not ours to. */
static void end_watch(struct gw_local *b, struct gw_local_watch *w)
{
        siginfo_t info;
        waitid(P_PIDFD, (id_t)w->pidfd, &info, WEXITED | WNOHANG);
        epoll_ctl(b->epoll, EPOLL_CTL_DEL, w->pidfd, NULL);
        close(w->pidfd);
        LIST_REMOVE(w, link);
        if (w->job)
                w->job->watch = NULL;
        free(w);
}

void gw_local_watch_fired(struct gw_local *b, struct gw_local_watch *watch)
{
        struct gw_local_job *job = watch->job;
        end_watch(b, watch);
        if (job)
                gw_local_run_settle(b, job);
}

void gw_local_watches_clear(struct gw_local *b)
{
        struct gw_local_watch *w;
        while ((w = LIST_FIRST(&b->watches)))
                end_watch(b, w);
}
