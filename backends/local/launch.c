/*
 * Starting shims and watching them. The backend's thread.
 *
 * The lock of a run is taken before its shim is started and inherited by it, so there is no moment
 * in which a shim is on its way and the lock is free: a free lock means that nobody cares for the
 * run.
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
#define SHIM_ARGUMENTS 9 /* shim/main.c; the values come behind them */

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

/* Where its shim looks for whether it has begun: what was read before tells that it has not. */
static int64_t unread(const struct gw_local_run *run)
{
        return run->started ? run->job->head.journal : run->job->read;
}

/* Returns the pid, or -1 with errno. */
static pid_t spawn_with(const struct gw_local *b, char **argv, int task)
{
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

static size_t count_values(char **values)
{
        size_t count = 0;
        while (values[count])
                count++;
        return count;
}

static pid_t spawn_shim(const struct gw_local *b, const struct gw_local_run *run, int task)
{
        char mark[GW_MARK_TEXT], ordinal[16], index[16], started[24], journal[24], gateway[16];
        char gpus[GW_LOCAL_GPU_TEXT];
        const struct gw_local_job *job = run->job;
        char **values = gw_local_array_values(&job->array, run->span.first);
        size_t count = values ? count_values(values) : 0;
        char **argv = values ? calloc(SHIM_ARGUMENTS + count + 1, sizeof(*argv)) : NULL;
        pid_t pid = -1;
        gw_mark_format(job->mark, mark);
        snprintf(ordinal, sizeof ordinal, "%u", run->span.first);
        snprintf(index, sizeof index, "%u", gw_local_array_index(&job->array, run->span.first));
        snprintf(started, sizeof started, "%lld", (long long)run->started_us);
        snprintf(journal, sizeof journal, "%lld", (long long)unread(run));
        snprintf(gateway, sizeof gateway, "%d", getpid());
        format_gpus(b, run->gpus, gpus);
        errno = ENOMEM;
        if (argv) {
                char *fixed[SHIM_ARGUMENTS] = {b->settings.shim,
                                               b->settings.directory,
                                               mark,
                                               ordinal,
                                               index,
                                               started,
                                               gpus,
                                               journal,
                                               gateway};
                memcpy(argv, fixed, sizeof fixed);
                memcpy(argv + SHIM_ARGUMENTS, values, count * sizeof *values);
                pid = spawn_with(b, argv, task);
        }
        int error = errno;
        free(argv);
        gw_local_array_free_values(values);
        errno = error;
        return pid;
}

int gw_local_run_watch(struct gw_local *b, struct gw_local_run *run, pid_t pid)
{
        struct gw_local_watch *w = calloc(1, sizeof *w);
        if (!w)
                return -1;
        *w = (struct gw_local_watch){.run = run, .pidfd = pidfd_open(pid, 0)};
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = w};
        if (w->pidfd < 0 || epoll_ctl(b->epoll, EPOLL_CTL_ADD, w->pidfd, &event)) {
                if (w->pidfd >= 0)
                        close(w->pidfd);
                free(w);
                return -1;
        }
        LIST_INSERT_HEAD(&b->watches, w, link);
        run->watch = w;
        return 0;
}

static void log_launch_failure(const struct gw_local *b)
{
        if (!b->unlaunchable)
                gw_log(GW_LOG_ERROR, "local.launch_failed", "{s:s, s:s, s:s}", "backend",
                       b->base.head.name, "shim", b->settings.shim, "error",
                       strerrordesc_np(errno));
}

int gw_local_run_launch(struct gw_local *b, struct gw_local_run *run)
{
        gw_autoclose int task = gw_local_spool_lock(&b->spool, run->job->mark, run->span.first);
        if (task < 0 && errno == EWOULDBLOCK) {
                /* A shim that a gateway before us was about to start. */
                gw_local_run_doubt(b, run, LOOK_AGAIN_US);
                return 0;
        }
        gw_crash_point("local.before_spawn");
        pid_t pid = task < 0 ? -1 : spawn_shim(b, run, task);
        if (pid < 0 && task >= 0 && errno == E2BIG) {
                /* Its own values are to blame, and nothing else is to wait for it. One that has
                 * begun fitted once: it is tried again. */
                run->launches = GW_LOCAL_QUICK_LAUNCHES;
                gw_local_run_doubt(b, run, run->started ? LOOK_AGAIN_US : 0);
                return 0;
        }
        if (pid < 0) {
                log_launch_failure(b);
                return -1;
        }
        gw_crash_point("local.after_spawn");
        run->launches++;
        if (gw_local_run_watch(b, run, pid))
                gw_local_run_doubt(b, run, LOOK_AGAIN_US);
        return 0;
}

/* A child is reaped, another process' shim is not ours to. */
void gw_local_watch_end(struct gw_local *b, struct gw_local_watch *w)
{
        siginfo_t info;
        waitid(P_PIDFD, (id_t)w->pidfd, &info, WEXITED | WNOHANG);
        epoll_ctl(b->epoll, EPOLL_CTL_DEL, w->pidfd, NULL);
        close(w->pidfd);
        LIST_REMOVE(w, link);
        if (w->run)
                w->run->watch = NULL;
        free(w);
}

void gw_local_watches_clear(struct gw_local *b)
{
        struct gw_local_watch *w;
        while ((w = LIST_FIRST(&b->watches)))
                gw_local_watch_end(b, w);
}
