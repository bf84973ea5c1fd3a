/*
 * What the two sides of the local backend write to each other: the names in the spool and the
 * text of its files. Shared by the gateway (backends/local) and the supervisor (shim/), which
 * have no other code in common.
 *
 *   <directory>/leader                          flock: held by the gateway that leads
 *   <directory>/boot                            boot id of the machine when it was last led
 *   <directory>/live/<mark>.task                what to run, and the journal of the run; put in
 *                                               place by rename; flock: held while a shim lives
 *   <directory>/live/<mark>.cancel              it is to be stopped
 *   <directory>/jobs/<job>/<number>.<ordinal>.out, .err, .script, .setup, .work/
 *   <directory>/jobs/<job>/<number>.task        what was in live/, once it is over
 *   <directory>/trash/                          jobs being removed
 *
 * A task is fields "key=value", each ended by NUL, the last "end=". Behind it comes the journal:
 * fields ended by newlines, in three steps, each one write(): the start (a run that has this is
 * never started again), job=pid, and the outcome, which counts once its last field "end=" is
 * there. (An array's ordinals will each need a journal of their own; a plain job's only run has
 * ordinal 0 and its task as its journal.)
 *
 * Files are kept and moved rather than removed and made again: a file system may search long
 * for a fresh inode among those freed a moment ago (ext4 does).
 */
#ifndef GW_BACKENDS_LOCAL_FORMAT_H
#define GW_BACKENDS_LOCAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

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
#define GW_LOCAL_MAX_JOURNAL (16 * 1024)

/* The task's first fields have fixed places: the time limit can be changed before the start, and
 * the journal's begin is known after all else is written. */
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

/* The first step of a journal: the time in wall µs. */
#define GW_LOCAL_STARTED_FORMAT "started=%lld\nboot=%s\nshim=%lld\ngpus=%s\nstarted_end=\n"

/* The last step. It begins a line of its own, because a step before it may have been cut. */
#define GW_LOCAL_ENDED_FORMAT                                                                      \
        "\nexit_code=%d\nsignal=%d\nreason=%s\nended=%lld\nmax_memory=%lld\ncpu_us=%lld\nraw=%s\n" \
        "end=\n"

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
