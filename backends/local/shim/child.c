/*
 * What the child of the vfork does to become the job, in the memory of the shim, which stands
 * still meanwhile. A step that fails is told to the shim and, in the job's stderr, to the user.
 */
#include "backends/local/shim/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRESS_FD 9 /* the highest a POSIX shell can name */

static _Noreturn void give_up(const struct gw_launch *l, enum gw_launch_step step)
{
        int error = errno;
        *l->report = (struct gw_launch_report){.step = step, .error = error};
        struct gw_shim_outcome outcome = {.reason = ""};
        gw_launch_explain(l, &outcome);
        dprintf(STDERR_FILENO, "jobgate: %s\n", outcome.raw);
        _exit(error == ENOENT && step == LAUNCH_EXEC ? GW_CHILD_NOT_FOUND : GW_CHILD_NOT_RUN);
}

/* Actions need no reset: the gateway starts the shim with the default ones. */
static void unblock_signals(void)
{
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

static int set_streams(const struct gw_launch *l)
{
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(l->out_fd, STDOUT_FILENO) < 0 ||
            dup2(l->err_fd, STDERR_FILENO) < 0)
                return -1;
        close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
        if (l->progress_fd < 0)
                return 0;
        /* Moved first: onto itself, dup2 would leave it to be closed. */
        int high = fcntl(l->progress_fd, F_DUPFD_CLOEXEC, PROGRESS_FD + 1);
        return high < 0 || dup2(high, PROGRESS_FD) < 0 ? -1 : 0;
}

/* Never user or group 0, whatever the task says; and no way back through a setuid program. */
static int set_identity(const struct gw_shim_task *task)
{
        if (geteuid() == 0) {
                if (task->uid == 0 || task->gid == 0) {
                        errno = EPERM;
                        return -1;
                }
                if (setgroups(task->group_count, task->groups) ||
                    setresgid(task->gid, task->gid, task->gid) ||
                    setresuid(task->uid, task->uid, task->uid))
                        return -1;
        }
        if (getuid() == 0 || geteuid() == 0 || setuid(0) == 0) {
                errno = EPERM;
                return -1;
        }
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

_Noreturn void gw_child_run(const struct gw_launch *l, pid_t shim)
{
        const struct gw_shim_task *task = l->task;
        setsid();
        unblock_signals();
        int entered = task->directory ? 0 : fchdir(l->work_fd);
        if (set_streams(l) || set_identity(task))
                give_up(l, LAUNCH_IDENTITY);

        /* Should the shim be killed, the first process goes with it. */
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (getppid() != shim)
                _exit(GW_CHILD_NOT_RUN);

        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        umask(022);
        if (entered || (task->directory && chdir(task->directory)))
                give_up(l, LAUNCH_DIRECTORY);
        environ = task->environment.items;
        execvp(l->argv[0], l->argv);
        give_up(l, LAUNCH_EXEC);
}
