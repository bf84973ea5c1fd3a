/*
 * The supervisor's loop: one thread that sleeps in sigtimedwait(). Every orphan of the job
 * becomes the shim's child (it is a subreaper), so "no child left" means "nothing of the job
 * runs any more".
 *
 * Why it ends is settled by the first of: the first process' own end, a wish to stop (SIGUSR1
 * with the cancel file there, or SIGTERM), the time limit, the memory limit. To stop is SIGTERM
 * to all, the grace, and then the end of all. What the first process leaves behind when it
 * ends by itself is ended at once.
 */
#include "backends/local/shim/watch.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/local/shim/procs.h"
#include "server/base/clock.h"

#define FIRST_SAMPLE_US 20000
#define SLOWEST_SAMPLE_US GW_SECOND
#define FASTEST_SAMPLE_US 20000
#define GROWTH_PER_US 2048 /* bytes: how fast a job may fill memory (2 GB/s) */
#define SAMPLE_SHARE 20    /* looking takes at most one part in this of one core */
#define FIRST_REAP_NS 20000000
#define SLOWEST_REAP_NS 640000000

struct watch {
        const struct gw_shim_run *run;
        const struct gw_shim_task *task;
        struct gw_shim_outcome *outcome;
        struct gw_procs procs;
        pid_t self, job;
        bool job_ended;                       /* the first process, reaped */
        bool empty;                           /* nothing left */
        int status;                           /* of the first process */
        int64_t limit_at, sample_at, kill_at; /* monotonic µs; 0: never */
};

static void fill_signals(sigset_t *set)
{
        sigemptyset(set);
        sigaddset(set, SIGCHLD);
        sigaddset(set, SIGUSR1);
        sigaddset(set, SIGTERM);
        sigaddset(set, SIGINT);
        sigaddset(set, SIGHUP);
}

void gw_watch_block_signals(void)
{
        sigset_t set;
        fill_signals(&set);
        sigprocmask(SIG_SETMASK, &set, NULL);
}

static void reap(struct watch *w)
{
        int status;
        for (;;) {
                pid_t pid = waitpid(-1, &status, WNOHANG);
                if (pid == w->job) {
                        w->job_ended = true;
                        w->status = status;
                } else if (pid <= 0) {
                        w->empty = pid < 0 && errno == ECHILD;
                        return;
                }
        }
}

/* SIGCONT after it: what is stopped could not act on it. */
static void stop(struct watch *w, const char *reason, const char *words)
{
        if (w->outcome->reason)
                return;
        w->outcome->reason = reason;
        snprintf(w->outcome->raw, sizeof w->outcome->raw, "%s", words);
        gw_procs_signal(&w->procs, gw_procs_choose_below, &w->self, SIGTERM);
        gw_procs_signal(&w->procs, gw_procs_choose_below, &w->self, SIGCONT);
        w->kill_at = gw_clock_mono_us() + w->task->grace_s * GW_SECOND;
}

static void stop_for_time(struct watch *w)
{
        char words[128];
        snprintf(words, sizeof words, "ran longer than its time limit of %lld s",
                 (long long)w->task->limit_s);
        w->limit_at = 0;
        stop(w, "time_limit", words);
}

/* The next look comes before the job could have filled what is left to it, but looking must
 * not cost more than a small share. */
static void sample(struct watch *w)
{
        int64_t begin = gw_clock_mono_us(), limit = w->task->memory;
        int64_t held = gw_procs_memory(&w->procs, gw_procs_choose_below, &w->self, limit);
        if (held > w->outcome->max_memory)
                w->outcome->max_memory = held;
        if (held > limit && !w->outcome->reason) {
                w->outcome->reason = "out_of_memory";
                snprintf(w->outcome->raw, sizeof w->outcome->raw,
                         "held %lld bytes of memory, its limit is %lld", (long long)held,
                         (long long)limit);
                w->kill_at = begin;
                return;
        }
        int64_t now = gw_clock_mono_us(), pause = (limit - held) / GROWTH_PER_US;
        if (pause < FASTEST_SAMPLE_US)
                pause = FASTEST_SAMPLE_US;
        if (pause > SLOWEST_SAMPLE_US)
                pause = SLOWEST_SAMPLE_US;
        if (pause < (now - begin) * SAMPLE_SHARE)
                pause = (now - begin) * SAMPLE_SHARE;
        w->sample_at = now + pause;
}

static bool due(int64_t at, int64_t now)
{
        return at && at <= now;
}

static void lower(int64_t *ret, int64_t at)
{
        if (at && at < *ret)
                *ret = at;
}

/* Sleeps until a signal or the next thing that is due. Returns the signal, or 0. */
static int sleep_for_signal(const struct watch *w)
{
        sigset_t set;
        fill_signals(&set);
        int64_t at = INT64_MAX;
        lower(&at, w->limit_at);
        lower(&at, w->sample_at);
        lower(&at, w->kill_at);
        if (at == INT64_MAX)
                return sigwaitinfo(&set, NULL);
        int64_t left = at - gw_clock_mono_us();
        if (left < 0)
                left = 0;
        struct timespec t = {.tv_sec = left / GW_SECOND, .tv_nsec = left % GW_SECOND * 1000};
        int sig = sigtimedwait(&set, NULL, &t);
        return sig > 0 ? sig : 0;
}

/* A job that has ended by itself before is not stopped: reap comes first. */
static void turn(struct watch *w)
{
        int sig = sleep_for_signal(w);
        reap(w);
        if (w->job_ended && !w->outcome->reason)
                return;
        int64_t now = gw_clock_mono_us();
        if (sig == SIGUSR1 && gw_shim_run_cancelled(w->run))
                stop(w, "cancelled_by_user", "stopped as asked");
        if (sig == SIGTERM)
                stop(w, "node_failure",
                     "the machine or its service manager ended the job's supervisor");
        if (due(w->limit_at, now))
                stop_for_time(w);
        if (due(w->sample_at, now))
                sample(w);
}

/* Ends all that is left, until nothing is: a process in an uninterruptible sleep is waited for,
 * with looks that become rarer. */
static void end_all(struct watch *w)
{
        sigset_t set;
        fill_signals(&set);
        struct timespec t = {.tv_nsec = FIRST_REAP_NS};
        reap(w);
        while (!w->empty) {
                gw_procs_kill(&w->procs, gw_procs_choose_below, &w->self);
                while (!w->empty && sigtimedwait(&set, NULL, &t) == SIGCHLD)
                        reap(w);
                reap(w);
                if (t.tv_nsec < SLOWEST_REAP_NS)
                        t.tv_nsec *= 2;
        }
}

static bool over(const struct watch *w)
{
        if (w->empty)
                return true;
        if (!w->outcome->reason)
                return w->job_ended;
        return due(w->kill_at, gw_clock_mono_us());
}

static void conclude(const struct watch *w)
{
        struct gw_shim_outcome *o = w->outcome;
        struct rusage usage;
        bool exited = WIFEXITED(w->status);
        o->exit_code = exited ? WEXITSTATUS(w->status) : -1;
        o->signal = exited ? 0 : WTERMSIG(w->status);
        if (!o->reason)
                o->reason = !exited ? "signal" : o->exit_code == 0 ? "completed" : "exit_code";
        getrusage(RUSAGE_CHILDREN, &usage);
        o->cpu_us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * GW_SECOND +
                    usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
        if (usage.ru_maxrss * 1024 > o->max_memory)
                o->max_memory = usage.ru_maxrss * 1024;
}

void gw_watch(const struct gw_shim_run *run, const struct gw_shim_task *task, pid_t job,
              struct gw_shim_outcome *outcome)
{
        struct watch w = {
                .run = run, .task = task, .outcome = outcome, .self = getpid(), .job = job};
        int64_t now = gw_clock_mono_us();
        if (task->limit_s > 0)
                w.limit_at = now + task->limit_s * GW_SECOND;
        if (task->memory > 0)
                w.sample_at = now + FIRST_SAMPLE_US;
        while (!over(&w))
                turn(&w);
        end_all(&w);
        conclude(&w);
}
