/*
 * jobgate-shim: brings one run of a local job to its end, whatever happens to the gateway.
 *
 *   jobgate-shim <spool directory> <mark> <ordinal> <task index> <started, µs> <gpus> <journal>
 *                <gateway's pid> [NAME=value …]
 *
 * The journal is where to look for what was said of the run: before that offset it is nothing.
 * The values are a matrix' and go to the job's environment.
 *
 * One process and one thread per run. It holds the run's lock while it lives.
 * Started on a run that has begun before, it never runs it again: it ends what may be left and
 * writes that the machine failed it. Started on one that has ended, it does nothing. So the
 * gateway may start it on any run that nobody holds, as often as it likes.
 *
 * Its own environment is empty and its working directory "/".
 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backends/local/shim/journal.h"
#include "backends/local/shim/launch.h"
#include "backends/local/shim/run.h"
#include "backends/local/shim/sweep.h"
#include "backends/local/shim/task.h"
#include "backends/local/shim/watch.h"

#define WRITE_TRIES 600 /* a full disk may be mended: one a second */

/* Everything before the point of no return. Returns 0 when the job may start. */
static int prepare(struct gw_launch *launch, struct gw_shim_run *run, struct gw_shim_task *task,
                   struct gw_shim_outcome *outcome)
{
        if (gw_shim_run_cancelled(run)) {
                *outcome = (struct gw_shim_outcome){.exit_code = -1, .reason = "cancelled_by_user"};
                snprintf(outcome->raw, sizeof outcome->raw, "cancelled before it started");
                return -1;
        }
        *outcome = (struct gw_shim_outcome){.exit_code = -1, .reason = "launch_failed"};
        if (gw_launch_prepare(launch, run, task, outcome->raw))
                return -1;
        if (gw_shim_journal_begin(run)) {
                snprintf(outcome->raw, sizeof outcome->raw,
                         "the local backend cannot write that the job starts: %s",
                         strerrordesc_np(errno));
                return -1;
        }
        return 0;
}

static void run_job(struct gw_shim_run *run, struct gw_shim_task *task,
                    struct gw_shim_outcome *outcome)
{
        struct gw_launch launch;
        if (prepare(&launch, run, task, outcome))
                return;
        pid_t job = gw_launch_start(&launch);
        if (job < 0) {
                snprintf(outcome->raw, sizeof outcome->raw, "cannot start a process: %s",
                         strerrordesc_np(errno));
                return;
        }
        *outcome = (struct gw_shim_outcome){0};
        gw_watch(run, task, job, outcome);
        if (strcmp(outcome->reason, "exit_code") == 0)
                gw_launch_explain(&launch, outcome);
}

/* It says who it is, for a gateway that takes over meanwhile; without that it is not found, but
 * what it does is the same. */
static void end_left(const struct gw_shim_run *run, const struct gw_shim_journal *journal,
                     struct gw_shim_outcome *outcome)
{
        gw_shim_journal_begin(run);
        gw_sweep(run, journal, outcome);
}

static int write_outcome(const struct gw_shim_run *run, const struct gw_shim_outcome *outcome)
{
        for (int i = 0; i < WRITE_TRIES; i++) {
                if (gw_shim_journal_end(run, outcome) == 0)
                        return GW_LOCAL_SHIM_DONE;
                nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        }
        return GW_LOCAL_SHIM_FAILED;
}

/* What is read is never freed: the process ends with it. */
static int run_to_the_end(int argc, char **argv)
{
        struct gw_shim_run run;
        struct gw_shim_task task;
        struct gw_shim_journal journal;
        struct gw_shim_outcome outcome = {0};

        gw_watch_block_signals();
        umask(0);
        close_range(GW_LOCAL_TASK_FD + 1, ~0U, 0);
        if (gw_shim_run_init(&run, argc, argv) || chdir("/"))
                return GW_LOCAL_SHIM_USAGE;
        int taken = gw_shim_task_open(&run);
        if (taken)
                return taken > 0 ? GW_LOCAL_SHIM_TAKEN : GW_LOCAL_SHIM_USAGE;
        if (gw_shim_task_read(&run, &task) || gw_shim_journal_read(&run, &task, &journal))
                return GW_LOCAL_SHIM_USAGE;
        if (journal.ended)
                return GW_LOCAL_SHIM_DONE;
        if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
                return GW_LOCAL_SHIM_USAGE;

        if (journal.started)
                end_left(&run, &journal, &outcome);
        else
                run_job(&run, &task, &outcome);
        return write_outcome(&run, &outcome);
}

int main(int argc, char **argv)
{
        _exit(run_to_the_end(argc, argv));
}
