/*
 * Only who holds the lock writes the journal. Nothing must be on the disk for a
 * killed process to be survived; it matters after a power cut only. Then nothing runs, and a run
 * without an outcome is told as such, so at most the outcome is worth a wait: it is forced to
 * the disk when the gateway that started the run is gone. One that lives reads it within
 * milliseconds and records it durably elsewhere.
 */
#include "backends/local/shim/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"

void gw_shim_journal_parse(const struct gw_shim_task *task, struct gw_shim_journal *ret)
{
        char *p = task->text + task->journal, *end = task->text + task->text_len, *key, *value;
        *ret = (struct gw_shim_journal){0};
        /* Cut short by a crash it counts, too: it cannot be told whether the job began. */
        ret->started = p < end;
        while (gw_local_next_field(&p, end, '\n', &key, &value)) {
                if (strcmp(key, "end") == 0)
                        ret->ended = true;
                else if (strcmp(key, "boot") == 0)
                        snprintf(ret->boot, sizeof ret->boot, "%s", value);
        }
}

static int append(const struct gw_shim_run *run, const char *text, int len, size_t size)
{
        if (len < 0 || (size_t)len >= size)
                return -1;
        ssize_t n = write(run->task_fd, text, (size_t)len);
        if (n >= 0 && n < len)
                errno = ENOSPC;
        return n == len ? 0 : -1;
}

int gw_shim_journal_begin(const struct gw_shim_run *run)
{
        char text[1024], boot[GW_LOCAL_BOOT_ID];
        gw_shim_boot_id(boot);
        int len = snprintf(text, sizeof text, GW_LOCAL_STARTED_FORMAT, (long long)run->started_us,
                           boot, (long long)getpid(), run->gpus);
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
        return getppid() == run->gateway ? 0 : fdatasync(run->task_fd);
}

void gw_shim_boot_id(char out[GW_LOCAL_BOOT_ID])
{
        out[0] = '\0';
        gw_autoclose int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, out, GW_LOCAL_BOOT_ID - 1);
        out[n > 0 ? n : 0] = '\0';
        out[strcspn(out, "\n")] = '\0';
}
