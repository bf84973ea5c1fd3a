/*
 * What the two sides of the local backend write to each other: the names in the spool and the
 * text of its files. Shared by the gateway (backends/local) and the supervisor (shim/), which have
 * no other code of this folder in common.
 *
 *   <directory>/leader                          flock: held by the gateway that leads
 *   <directory>/boot                            boot id of the machine when it was last led
 *   <directory>/live/<mark>.task                what to run, and the journal of its runs; put in
 *                                               place by rename; locked as below
 *   <directory>/live/<mark>.cancel              runs that are to be stopped: lines of spans
 *   <directory>/jobs/<job>/<number>.<ordinal>.out, .err, .script, .setup, .work/
 *   <directory>/jobs/<job>/<number>.task        what was in live/, once it is over
 *   <directory>/trash/                          jobs being removed
 *
 * A submission is an array of tasks, a plain job that of ordinal 0 alone, and one file has all
 * of it. First the task: fields "key=value", each ended by NUL, the last "end=". Behind it the
 * journal, to which every run appends two records: its start ("run=", a run that has this is never
 * started again) and its outcome ("over="). What never ran and never will has the outcome alone,
 * one for a span of ordinals. A record is fields ended by newlines. The first says which of the two
 * it is and names the span in a fixed length; the last is there when the record is whole.
 *
 * A record may be cut, by a full disk or a power cut, after any of its bytes. So each is one
 * write(), never gone on with, and begins a line of its own. Of a start that was cut behind its
 * first line just that line counts: whether the run began cannot be told. Of an outcome that was
 * cut nothing counts.
 *
 * While a shim lives, it holds a lock on its run: an open file description's lock (fcntl) on the
 * byte of the task's file that has the ordinal for its offset, whether or not the file is so
 * long. So a run needs no file of its own but what it prints.
 *
 * Files are kept and moved rather than removed and made again: a file system may search long
 * for a fresh inode among those freed a moment ago (ext4 does).
 */
#ifndef GW_BACKENDS_LOCAL_FORMAT_H
#define GW_BACKENDS_LOCAL_FORMAT_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "server/base/str.h"

#define GW_LOCAL_LIVE "live"
#define GW_LOCAL_JOBS "jobs"
#define GW_LOCAL_TRASH "trash"
#define GW_LOCAL_LEADER "leader"
#define GW_LOCAL_BOOT "boot"

#define GW_LOCAL_NAME 96      /* a file's name in live/ or jobs/, with its NUL */
#define GW_LOCAL_JOB_TEXT 36  /* a mark begins with the job's id */
#define GW_LOCAL_BOOT_ID 40   /* the kernel's boot id, with its NUL */
#define GW_LOCAL_MAX_GPUS 64  /* a set of them is a word */
#define GW_LOCAL_GPU_TEXT 192 /* such a set as "0,1,…", with its NUL */
#define GW_LOCAL_RAW 384      /* words about an outcome, with their NUL */
#define GW_LOCAL_MAX_TASK (8 * 1024 * 1024)
#define GW_LOCAL_JOURNAL_CHUNK (16 * 1024) /* read at once; a record is much shorter */

/* The task's first fields have fixed places: the limit can be changed later, and the journal's
 * begin is known after all else is written. */
#define GW_LOCAL_LIMIT_FORMAT "limit=%012lld"
#define GW_LOCAL_LIMIT_LENGTH 18
#define GW_LOCAL_JOURNAL_FORMAT "journal=%010zu"
#define GW_LOCAL_JOURNAL_LENGTH 18
#define GW_LOCAL_JOURNAL_AT (GW_LOCAL_LIMIT_LENGTH + 1)

/* The file descriptor a shim finds its run's task under, already locked. */
#define GW_LOCAL_TASK_FD 3

/* A shim's exit status. The journal, not the status, says what became of the job. */
enum gw_local_shim_status {
        GW_LOCAL_SHIM_DONE = 0,   /* the outcome is written */
        GW_LOCAL_SHIM_USAGE = 2,  /* wrong arguments, or the spool is not as it should be */
        GW_LOCAL_SHIM_TAKEN = 3,  /* another shim holds the lock */
        GW_LOCAL_SHIM_FAILED = 4, /* the journal could not be written */
};

/* A span of ordinals, in a fixed length: how a record begins, and a line of a cancel file. */
#define GW_LOCAL_SPAN_FORMAT "%010u-%010u"
#define GW_LOCAL_SPAN_LENGTH 21
#define GW_LOCAL_RUN_FORMAT "\nrun=" GW_LOCAL_SPAN_FORMAT "\n"
#define GW_LOCAL_OVER_FORMAT "\nover=" GW_LOCAL_SPAN_FORMAT "\n"

/* A start: the time in wall µs; the boot id, the shim's pid and when that process began (ticks
 * since boot), which name it for ever. A shim that takes a run over writes a start of its own. */
#define GW_LOCAL_STARTED_FORMAT                                                                    \
        GW_LOCAL_RUN_FORMAT "started=%lld\nboot=%s\nshim=%lld\nborn=%lld\ngpus=%s\nstarted_end=\n"

/* An outcome. */
#define GW_LOCAL_ENDED_FORMAT                                                                      \
        GW_LOCAL_OVER_FORMAT "exit_code=%d\nsignal=%d\nreason=%s\nended=%lld\nmax_memory=%lld\n"   \
                             "cpu_us=%lld\nraw=%s\nend=\n"

#define GW_LOCAL_RECORD 1024 /* its most bytes, with a NUL */

/* The lock of one run, or of a span of them: for fcntl(F_OFD_SETLK or F_OFD_GETLK). */
static inline struct flock gw_local_run_lock(short type, uint32_t first, uint32_t last)
{
        return (struct flock){.l_type = type,
                              .l_whence = SEEK_SET,
                              .l_start = (off_t)first,
                              .l_len = (off_t)last - (off_t)first + 1};
}

/* Reads a span. False when it is none. */
static inline bool gw_local_read_span(const char *text, uint32_t *ret_first, uint32_t *ret_last)
{
        uint64_t numbers[2] = {0, 0};
        for (int i = 0; i < GW_LOCAL_SPAN_LENGTH; i++) {
                if (i == GW_LOCAL_SPAN_LENGTH / 2) {
                        if (text[i] != '-')
                                return false;
                        continue;
                }
                if (text[i] < '0' || text[i] > '9')
                        return false;
                uint64_t *n = &numbers[i > GW_LOCAL_SPAN_LENGTH / 2];
                *n = *n * 10 + (uint64_t)(text[i] - '0');
        }
        *ret_first = (uint32_t)numbers[0];
        *ret_last = (uint32_t)numbers[1];
        return text[GW_LOCAL_SPAN_LENGTH] == '\0' && numbers[0] <= numbers[1] &&
               numbers[1] <= UINT32_MAX;
}

/* Whether a cancel file names a run. */
static inline bool gw_local_names_run(int cancel, uint32_t ordinal)
{
        char text[(GW_LOCAL_SPAN_LENGTH + 2) * 128];
        size_t kept = 0;
        for (ssize_t n; (n = read(cancel, text + kept, sizeof text - kept)) > 0;) {
                char *line = text, *end = text + kept + (size_t)n, *stop;
                for (; (stop = memchr(line, '\n', (size_t)(end - line))); line = stop + 1) {
                        uint32_t first, last;
                        *stop = '\0';
                        if (stop - line == GW_LOCAL_SPAN_LENGTH &&
                            gw_local_read_span(line, &first, &last) && first <= ordinal &&
                            ordinal <= last)
                                return true;
                }
                kept = (size_t)(end - line) < sizeof text / 2 ? (size_t)(end - line) : 0;
                memmove(text, line, kept);
        }
        return false;
}

/* What the kernel says of a process. */
struct gw_local_stat {
        char state; /* 'Z' or 'X': it has ended */
        pid_t parent;
        long long born; /* ticks since boot: with the pid it names a process for ever */
        long pages;     /* resident */
};

/* False when there is none of that pid. */
static inline bool gw_local_read_stat(pid_t pid, struct gw_local_stat *ret)
{
        char path[64], text[1024];
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        ssize_t n = read(fd, text, sizeof text - 1);
        close(fd);
        text[n > 0 ? n : 0] = '\0';
        /* The name in brackets may hold anything, brackets too. */
        const char *p = strrchr(text, ')');
        return p && sscanf(p + 1,
                           " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                           "%*d %lld %*u %ld",
                           &ret->state, &ret->parent, &ret->born, &ret->pages) == 4;
}

/* When a process began; 0 when there is none of that pid or it has ended. */
static inline long long gw_local_born(pid_t pid)
{
        struct gw_local_stat stat;
        bool lives = gw_local_read_stat(pid, &stat) && stat.state != 'Z' && stat.state != 'X';
        return lives ? stat.born : 0;
}

/* A number of a task; some are written with leading zeros, to have one length. Returns 0 or -1. */
static inline int gw_local_read_number(const char *text, int64_t *ret)
{
        while (text[0] == '0' && text[1])
                text++;
        return gw_str_int64(text, 0, INT64_MAX, ret);
}

/* Writes at the end of a file that others append to as well: what was cut is not gone on with, for
 * something else may be behind it by now. Returns 0, or -1 with errno. */
static inline int gw_local_append(int fd, const char *text, size_t len)
{
        ssize_t n = write(fd, text, len);
        if (n >= 0 && (size_t)n < len)
                errno = ENOSPC;
        return n >= 0 && (size_t)n == len ? 0 : -1;
}

/* "<number>.<ordinal>.<suffix>" into `out`. */
static inline void gw_local_run_name(char out[GW_LOCAL_NAME], const char *number, uint32_t ordinal,
                                     const char *suffix)
{
        snprintf(out, GW_LOCAL_NAME, "%.16s.%u.%s", number, ordinal, suffix);
}

/* Takes the next whole field off [*p, end) and splits it in place. False when there is none. A
 * field without '=' has the value "". */
static inline bool gw_local_next_field(char **p, char *end, char stop, char **ret_key,
                                       char **ret_value)
{
        char *key = *p;
        char *at = key < end ? memchr(key, stop, (size_t)(end - key)) : NULL;
        if (!at)
                return false;
        *at = '\0';
        *p = at + 1;
        char *equals = strchr(key, '=');
        if (equals)
                *equals = '\0';
        *ret_key = key;
        *ret_value = equals ? equals + 1 : at;
        return true;
}

#endif
