/*
 * A walk through /proc. The kernel offers no way to hold a tree of processes still, so ending
 * one is: stop whatever is found until a look finds nothing that still moves, then kill. A pid
 * is signalled through a pidfd that was checked to be the process seen, never by number alone.
 */
#include "backends/local/shim/procs.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include "backends/local/format.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

#define MAX_PROCESSES 4194304 /* the kernel's own limit of pids */
#define FREEZE_ROUNDS 200
#define FREEZE_PAUSE_NS 500000

static ssize_t read_file(pid_t pid, const char *name, char *text, size_t size)
{
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
        gw_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
        if (n >= 0)
                text[n] = '\0';
        return n;
}

static int read_process(pid_t pid, struct gw_proc *ret)
{
        struct gw_local_stat stat;
        if (!gw_local_read_stat(pid, &stat))
                return -1;
        *ret = (struct gw_proc){.pid = pid,
                                .parent = stat.parent,
                                .state = stat.state,
                                .born = stat.born,
                                .rss = stat.pages * sysconf(_SC_PAGESIZE)};
        return 0;
}

static int add_process(struct gw_procs *procs, const struct gw_proc *proc)
{
        if (procs->count == procs->room) {
                size_t room = procs->room ? procs->room * 2 : 256;
                struct gw_proc *items =
                        room > MAX_PROCESSES ? NULL : realloc(procs->items, room * sizeof *items);
                if (!items)
                        return -1;
                procs->items = items;
                procs->room = room;
        }
        procs->items[procs->count++] = *proc;
        return 0;
}

static int compare_pids(const void *a, const void *b)
{
        return ((const struct gw_proc *)a)->pid - ((const struct gw_proc *)b)->pid;
}

int gw_procs_scan(struct gw_procs *procs)
{
        procs->count = 0;
        DIR *dir = opendir("/proc");
        if (!dir)
                return -1;
        int rc = 0;
        for (struct dirent *e; rc == 0 && (e = readdir(dir));) {
                int64_t pid;
                struct gw_proc proc;
                if (gw_str_int64(e->d_name, 1, MAX_PROCESSES, &pid) == 0 &&
                    read_process((pid_t)pid, &proc) == 0)
                        rc = add_process(procs, &proc);
        }
        closedir(dir);
        qsort(procs->items, procs->count, sizeof *procs->items, compare_pids);
        return rc;
}

static bool parent_is_ours(const struct gw_procs *procs, const struct gw_proc *child)
{
        struct gw_proc key = {.pid = child->parent};
        const struct gw_proc *parent =
                bsearch(&key, procs->items, procs->count, sizeof key, compare_pids);
        return parent && parent->ours;
}

void gw_procs_spread(struct gw_procs *procs)
{
        for (bool more = true; more;) {
                more = false;
                for (size_t i = 0; i < procs->count; i++) {
                        struct gw_proc *p = &procs->items[i];
                        if (!p->ours && parent_is_ours(procs, p))
                                p->ours = more = true;
                }
        }
}

void gw_procs_choose_below(struct gw_procs *procs, void *arg)
{
        pid_t top = *(pid_t *)arg;
        for (size_t i = 0; i < procs->count; i++)
                procs->items[i].ours = procs->items[i].parent == top;
        gw_procs_spread(procs);
}

/* Sends the signal if the pid still is the process that was seen. */
static void signal_process(const struct gw_proc *proc, int sig)
{
        gw_autoclose int fd = pidfd_open(proc->pid, 0);
        if (fd >= 0 && gw_local_born(proc->pid) == proc->born)
                pidfd_send_signal(fd, sig, NULL, 0);
}

static bool is_alive(const struct gw_proc *proc)
{
        return proc->ours && proc->state != 'Z' && proc->state != 'X';
}

static int look(struct gw_procs *procs, gw_procs_choice choose, void *arg)
{
        if (gw_procs_scan(procs))
                return -1;
        choose(procs, arg);
        return 0;
}

size_t gw_procs_signal(struct gw_procs *procs, gw_procs_choice choose, void *arg, int sig)
{
        size_t count = 0;
        if (look(procs, choose, arg))
                return 0;
        for (size_t i = 0; i < procs->count; i++)
                if (is_alive(&procs->items[i])) {
                        signal_process(&procs->items[i], sig);
                        count++;
                }
        return count;
}

/* Stops what still moves. Returns how many did; one in an uninterruptible sleep cannot. */
static size_t freeze_round(struct gw_procs *procs)
{
        size_t moving = 0;
        for (size_t i = 0; i < procs->count; i++) {
                struct gw_proc *p = &procs->items[i];
                if (!is_alive(p) || strchr("TtD", p->state))
                        continue;
                signal_process(p, SIGSTOP);
                moving++;
        }
        return moving;
}

size_t gw_procs_kill(struct gw_procs *procs, gw_procs_choice choose, void *arg)
{
        for (int i = 0; i < FREEZE_ROUNDS; i++) {
                if (look(procs, choose, arg))
                        return GW_PROCS_UNKNOWN;
                if (freeze_round(procs) == 0)
                        break;
                nanosleep(&(struct timespec){.tv_nsec = FREEZE_PAUSE_NS}, NULL);
        }
        size_t count = 0;
        for (size_t i = 0; i < procs->count; i++)
                if (is_alive(&procs->items[i])) {
                        signal_process(&procs->items[i], SIGKILL);
                        count++;
                }
        return count;
}

/* The process's share of the pages it holds; its resident pages when that cannot be read. */
static int64_t proportional_memory(const struct gw_proc *proc)
{
        char text[2048];
        long long kib;
        if (read_file(proc->pid, "smaps_rollup", text, sizeof text) <= 0)
                return proc->rss;
        const char *line = strstr(text, "\nPss:");
        return line && sscanf(line, "\nPss: %lld", &kib) == 1 ? kib * 1024 : proc->rss;
}

int64_t gw_procs_memory(struct gw_procs *procs, gw_procs_choice choose, void *arg, int64_t limit)
{
        int64_t resident = 0, shared = 0;
        if (look(procs, choose, arg))
                return 0;
        for (size_t i = 0; i < procs->count; i++)
                if (is_alive(&procs->items[i]))
                        resident += procs->items[i].rss;
        if (resident <= limit)
                return resident;
        for (size_t i = 0; i < procs->count; i++)
                if (is_alive(&procs->items[i]))
                        shared += proportional_memory(&procs->items[i]);
        return shared;
}
