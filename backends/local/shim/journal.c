/*
 * Only who holds a run's lock writes of it in the journal, and the gateway of what no shim was
 * started for. Nothing must be on the disk for a killed process to be survived; it matters after a
 * power cut only. Then nothing runs, and a run without an outcome is told as such. The outcome is
 * forced to the disk when the gateway that started the run is gone. One that lives reads it within
 * milliseconds and records it durably elsewhere. The start is not forced: that would cost every
 * task a write to the disk, about a millisecond, before it begins.
 */
#include "backends/local/shim/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"

/* The records of other runs are passed over. */
struct reader {
        uint32_t ordinal;
        bool start, outcome;         /* in such a record of ours */
        char boot[GW_LOCAL_BOOT_ID]; /* of the start, which may be cut */
        struct gw_shim_journal *ret;
};

static bool is_ours(const struct reader *r, const char *span)
{
        uint32_t first, last;
        return gw_local_read_span(span, &first, &last) && first <= r->ordinal && r->ordinal <= last;
}

static void take_field(struct reader *r, const char *key, const char *value)
{
        if (strcmp(key, "run") == 0 || strcmp(key, "over") == 0) {
                r->start = key[0] == 'r' && is_ours(r, value);
                r->outcome = key[0] == 'o' && is_ours(r, value);
                /* Cut behind this it counts, too: it cannot be told whether the job began. */
                r->ret->started |= r->start;
        } else if (r->outcome && strcmp(key, "end") == 0) {
                r->ret->ended = true;
        } else if (r->start && strcmp(key, "boot") == 0) {
                snprintf(r->boot, sizeof r->boot, "%s", value);
        } else if (r->start && strcmp(key, "started_end") == 0) {
                memcpy(r->ret->boot, r->boot, sizeof r->boot);
        }
}

int gw_shim_journal_read(const struct gw_shim_run *run, const struct gw_shim_task *task,
                         struct gw_shim_journal *ret)
{
        char text[GW_LOCAL_JOURNAL_CHUNK];
        struct reader r = {.ordinal = run->ordinal, .ret = ret};
        off_t at = run->journal > task->journal ? run->journal : task->journal;
        *ret = (struct gw_shim_journal){0};
        for (;;) {
                char *p = text, *key, *value;
                ssize_t n = pread(run->task_fd, text, sizeof text, at);
                if (n <= 0)
                        return n < 0 ? -1 : 0;
                while (gw_local_next_field(&p, text + n, '\n', &key, &value))
                        take_field(&r, key, value);
                /* What is no whole field is the last one, cut, or goes on in the next chunk. */
                if (p == text)
                        p = text + n;
                at += p - text;
                if ((size_t)n < sizeof text)
                        return 0;
        }
}

/* A record that was made with snprintf(). */
static int append(const struct gw_shim_run *run, const char *text, int len, size_t size)
{
        bool whole = len >= 0 && (size_t)len < size;
        return whole ? gw_local_append(run->task_fd, text, (size_t)len) : -1;
}

int gw_shim_journal_begin(const struct gw_shim_run *run)
{
        char text[GW_LOCAL_RECORD], boot[GW_LOCAL_BOOT_ID];
        gw_shim_boot_id(boot);
        int len = snprintf(text, sizeof text, GW_LOCAL_STARTED_FORMAT, run->ordinal, run->ordinal,
                           (long long)run->started_us, boot, (long long)getpid(),
                           gw_local_born(getpid()), run->gpus);
        return append(run, text, len, sizeof text);
}

int gw_shim_journal_end(const struct gw_shim_run *run, const struct gw_shim_outcome *outcome)
{
        char text[GW_LOCAL_RECORD], raw[GW_LOCAL_RAW];
        snprintf(raw, sizeof raw, "%s", outcome->raw);
        for (char *p = raw; *p; p++)
                if ((unsigned char)*p < ' ')
                        *p = ' ';
        int len = snprintf(text, sizeof text, GW_LOCAL_ENDED_FORMAT, run->ordinal, run->ordinal,
                           outcome->exit_code, outcome->signal, outcome->reason,
                           (long long)gw_clock_wall_us(), (long long)outcome->max_memory,
                           (long long)outcome->cpu_us, raw);
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
