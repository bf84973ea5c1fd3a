/*
 * The journal's file is the lock, too: who holds it may write. Only the outcome is forced to
 * the disk: after a power cut nothing runs, and a run without an outcome is told as such.
 */
#include "backends/local/shim/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/local/shim/procs.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"

/* Whether the descriptor given by the gateway is the journal of this run. */
static bool is_inherited(const struct gw_shim_run *run, const char *name)
{
        struct stat given, named;
        return fstat(GW_LOCAL_JOURNAL_FD, &given) == 0 && S_ISREG(given.st_mode) &&
               fstatat(run->live_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
               given.st_dev == named.st_dev && given.st_ino == named.st_ino;
}

int gw_shim_journal_open(struct gw_shim_run *run)
{
        char name[GW_LOCAL_NAME];
        gw_local_run_name(name, run->mark, run->ordinal, "run");
        if (is_inherited(run, name)) {
                run->journal_fd = GW_LOCAL_JOURNAL_FD;
                fcntl(run->journal_fd, F_SETFD, FD_CLOEXEC);
        } else {
                run->journal_fd =
                        openat(run->live_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        }
        if (run->journal_fd < 0)
                return -1;
        if (flock(run->journal_fd, LOCK_EX | LOCK_NB) == 0)
                return 0;
        return errno == EWOULDBLOCK ? 1 : -1;
}

int gw_shim_journal_read(const struct gw_shim_run *run, struct gw_shim_journal *ret)
{
        char text[GW_LOCAL_MAX_JOURNAL], *p = text, *key, *value;
        *ret = (struct gw_shim_journal){0};
        ssize_t n = pread(run->journal_fd, text, sizeof text, 0);
        if (n < 0)
                return -1;
        while (gw_local_next_field(&p, text + n, '\n', &key, &value)) {
                if (strcmp(key, "started_end") == 0)
                        ret->started = true;
                else if (strcmp(key, "end") == 0)
                        ret->ended = true;
                else if (strcmp(key, "boot") == 0)
                        snprintf(ret->boot, sizeof ret->boot, "%s", value);
        }
        /* Cut short by a crash: it cannot be told whether the job began. */
        ret->started |= n > 0;
        return 0;
}

static int append(const struct gw_shim_run *run, const char *text, int len, size_t size)
{
        if (len < 0 || (size_t)len >= size || lseek(run->journal_fd, 0, SEEK_END) < 0)
                return -1;
        ssize_t n = write(run->journal_fd, text, (size_t)len);
        if (n >= 0 && n < len)
                errno = ENOSPC;
        return n == len ? 0 : -1;
}

int gw_shim_journal_begin(const struct gw_shim_run *run)
{
        char text[1024], boot[GW_LOCAL_BOOT_ID];
        gw_shim_boot_id(boot);
        int len = snprintf(text, sizeof text, GW_LOCAL_STARTED_FORMAT, (long long)run->started_us,
                           boot, (long long)getpid(), gw_procs_born(getpid()), run->gpus);
        return append(run, text, len, sizeof text);
}

int gw_shim_journal_job(const struct gw_shim_run *run, pid_t job)
{
        char text[64];
        int len = snprintf(text, sizeof text, "job=%lld\n", (long long)job);
        return append(run, text, len, sizeof text);
}

int gw_shim_journal_end(const struct gw_shim_run *run, const struct gw_shim_outcome *outcome)
{
        char text[1024], raw[GW_LOCAL_RAW];
        snprintf(raw, sizeof raw, "%s", outcome->raw);
        for (char *p = raw; *p; p++)
                if ((unsigned char)*p < ' ')
                        *p = ' ';
        int len = snprintf(text, sizeof text, GW_LOCAL_ENDED_FORMAT, outcome->exit_code,
                           outcome->signal, outcome->reason, (long long)gw_clock_wall_us(),
                           (long long)outcome->max_memory, (long long)outcome->cpu_us, raw);
        if (append(run, text, len, sizeof text))
                return -1;
        return fdatasync(run->journal_fd);
}

void gw_shim_boot_id(char out[GW_LOCAL_BOOT_ID])
{
        out[0] = '\0';
        gw_autoclose int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, out, GW_LOCAL_BOOT_ID - 1);
        out[n > 0 ? n : 0] = '\0';
        out[strcspn(out, "\n")] = '\0';
}
