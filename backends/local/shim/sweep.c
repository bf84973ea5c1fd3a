/*
 * A killed shim takes the job's first process with it (PR_SET_PDEATHSIG), but not what that had
 * started. Those are known by what a process cannot help having: its output files are the
 * run's, or its environment is; and by being below one that is known. Numbers written down
 * while the job ran are not used: they may name other processes by now.
 */
#include "backends/local/shim/sweep.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backends/local/shim/procs.h"
#include "server/base/cleanup.h"

#define MAX_ENVIRONMENT (256 * 1024)
#define PAUSE_NS 10000000
#define EMPTY_LOOKS 3 /* in a row, until nothing is believed to be left */

struct marks {
        const struct gw_shim_run *run;
        struct stat files[2];
        size_t file_count;
        char environment[MAX_ENVIRONMENT]; /* of the process that is looked at */
};

static void note_file(struct marks *m, const char *suffix)
{
        char path[4096], name[GW_LOCAL_NAME];
        gw_local_run_name(name, m->run->number, m->run->ordinal, suffix);
        int n = snprintf(path, sizeof path, "%s/" GW_LOCAL_JOBS "/%s/%s", m->run->directory,
                         m->run->job, name);
        if (n > 0 && (size_t)n < sizeof path && lstat(path, &m->files[m->file_count]) == 0)
                m->file_count++;
}

static bool has_our_file(const struct marks *m, pid_t pid)
{
        for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
                char path[64];
                struct stat st;
                snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
                if (stat(path, &st))
                        continue;
                for (size_t i = 0; i < m->file_count; i++)
                        if (st.st_ino == m->files[i].st_ino && st.st_dev == m->files[i].st_dev)
                                return true;
        }
        return false;
}

static bool has_variable(const char *environment, size_t len, const char *wanted)
{
        size_t size = strlen(wanted) + 1;
        for (const char *p = environment, *end = environment + len; p < end;) {
                const char *stop = memchr(p, '\0', (size_t)(end - p));
                if (!stop)
                        return false;
                if ((size_t)(stop - p) + 1 == size && memcmp(p, wanted, size) == 0)
                        return true;
                p = stop + 1;
        }
        return false;
}

static bool has_our_environment(struct marks *m, pid_t pid)
{
        char path[64], job[64], index[64];
        snprintf(path, sizeof path, "/proc/%d/environ", pid);
        gw_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
        size_t len = 0;
        for (ssize_t n; fd >= 0 && len < MAX_ENVIRONMENT; len += (size_t)n)
                if ((n = read(fd, m->environment + len, MAX_ENVIRONMENT - len)) <= 0)
                        break;
        snprintf(job, sizeof job, "JOBGATE_JOB_ID=%s", m->run->job);
        snprintf(index, sizeof index, "JOBGATE_TASK_INDEX=%s", m->run->index);
        return has_variable(m->environment, len, job) && has_variable(m->environment, len, index);
}

static void choose_left(struct gw_procs *procs, void *arg)
{
        struct marks *m = arg;
        for (size_t i = 0; i < procs->count; i++) {
                struct gw_proc *p = &procs->items[i];
                p->ours = p->pid != getpid() && p->pid != 1 &&
                          (has_our_file(m, p->pid) || has_our_environment(m, p->pid));
        }
        gw_procs_spread(procs);
}

static size_t end_left(const struct gw_shim_run *run)
{
        static struct marks m; /* large, and once in a process */
        struct gw_procs procs = {0};
        size_t total = 0;
        m.run = run;
        note_file(&m, "out");
        note_file(&m, "err");
        for (int empty = 0; empty < EMPTY_LOOKS; empty++) {
                size_t count = gw_procs_kill(&procs, choose_left, &m);
                if (count > 0) /* or nobody could look */
                        empty = -1;
                total += count == GW_PROCS_UNKNOWN ? 0 : count;
                nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
        }
        free(procs.items);
        return total;
}

void gw_sweep(const struct gw_shim_run *run, const struct gw_shim_journal *journal,
              struct gw_shim_outcome *outcome)
{
        char boot[GW_LOCAL_BOOT_ID];
        gw_shim_boot_id(boot);
        *outcome = (struct gw_shim_outcome){.exit_code = -1, .reason = "node_failure"};
        /* A journal cut short has no boot id: it is treated as being of this one. */
        if (journal->boot[0] && strcmp(journal->boot, boot) != 0) {
                snprintf(outcome->raw, sizeof outcome->raw,
                         "the machine was restarted while it ran");
                return;
        }
        size_t count = end_left(run);
        snprintf(outcome->raw, sizeof outcome->raw,
                 "the job's supervisor was killed; %zu processes that were left have been ended",
                 count);
}
