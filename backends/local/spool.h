/*
 * The spool: what is on the disk (format.h), and the operations on it. Only who leads writes to
 * live/; logs are opened and purged by every gateway. Each spool belongs to the thread of its
 * backend. All calls may block on the disk, none on another process.
 */
#ifndef GW_BACKENDS_LOCAL_SPOOL_H
#define GW_BACKENDS_LOCAL_SPOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backends/account.h"
#include "backends/backend.h"
#include "backends/local/format.h"
#include "backends/local/journal.h"
#include "backends/local/task.h"

struct gw_local_spool {
        int live, jobs, trash, root; /* folders */
        int leader;                  /* the lock's file */
        bool leading;
        bool untidy;                 /* there may be something in trash/ */
        uint64_t trashed;            /* names made there */
        char boot[GW_LOCAL_BOOT_ID]; /* of the machine, now */
};

/* Makes what is missing, the folder itself included, but not its parents; those must be
 * passable for the account. Returns 0, or -1 with GW_ERR_INVALID or GW_ERR_IO. */
int gw_local_spool_open(struct gw_local_spool *s, const char *directory,
                        const struct gw_account *account, struct gw_error *err);
void gw_local_spool_close(struct gw_local_spool *s);

/* Takes the lock of the one who may write. Returns whether it is held now. */
bool gw_local_spool_lead(struct gw_local_spool *s);
void gw_local_spool_yield(struct gw_local_spool *s);

/* Calls found() for every task in live/, and removes leftovers of ours that belong to none.
 * Returns 0, or -1 with errno. */
int gw_local_spool_scan(struct gw_local_spool *s, void (*found)(void *arg, struct gw_mark mark),
                        void *arg);

/* Puts a task in place, so that it is there wholly or not at all, whoever is killed; a power cut
 * may leave it empty. Returns 0, or -1 with errno: it is not there. */
int gw_local_spool_put(struct gw_local_spool *s, struct gw_mark mark, const struct gw_buf *text);

/* Read the head of a task. Return 0; or -1 with errno, EBADMSG: it was read, and is no task. */
int gw_local_spool_get(struct gw_local_spool *s, struct gw_mark mark,
                       struct gw_local_task_head *ret);
int gw_local_spool_read_head(int task, struct gw_local_task_head *ret);

/* Whether there is such a task, or may be. */
bool gw_local_spool_has(const struct gw_local_spool *s, struct gw_mark mark);

/* What tells its tasks from each other, as it was given. Returns as above. */
int gw_local_spool_get_array(int task, const struct gw_local_task_head *head,
                             struct gw_local_array *ret, struct gw_spans *ret_spans);

/* Changes the time limit of the tasks that have not started. Returns 0, or -1 with errno. */
int gw_local_spool_limit(struct gw_local_spool *s, struct gw_mark mark, int64_t seconds);

/* Opens a task for reading its journal and asking for its locks; -1 with errno. */
int gw_local_spool_task(const struct gw_local_spool *s, struct gw_mark mark);

/* Opens a task for a shim, with a run's lock held; -1 with errno, EWOULDBLOCK when a shim has it.
 */
int gw_local_spool_lock(struct gw_local_spool *s, struct gw_mark mark, uint32_t ordinal);

/* The first ordinal of a span whose run a shim holds; no certain one of several. False: none. */
bool gw_local_spool_locked(int task, struct gw_span span, uint32_t *ret);

/* Writes that tasks which never started have ended. Returns 0, or -1 with errno: some may have. */
int gw_local_spool_end(struct gw_local_spool *s, struct gw_mark mark, const struct gw_spans *spans,
                       enum gw_reason reason, const char *raw);

/* Says which runs are to be stopped, durably for a shim to see. Returns 0, or -1 with errno. */
int gw_local_spool_cancel(struct gw_local_spool *s, struct gw_mark mark,
                          const struct gw_spans *spans);
/* Whether that was said of a run. */
bool gw_local_spool_cancelled(const struct gw_local_spool *s, struct gw_mark mark,
                              uint32_t ordinal);

/* Takes a submission out of live/; the task goes to its logs, if it has any. */
void gw_local_spool_forget(struct gw_local_spool *s, struct gw_mark mark);

/* Takes a job's logs away; they are deleted by and by. */
void gw_local_spool_purge(struct gw_local_spool *s, struct gw_id job);

/* Deletes some of what is in trash/. */
void gw_local_spool_tidy(struct gw_local_spool *s);

/* A log for reading. Returns a descriptor, or -1 with errno. */
int gw_local_spool_open_log(const struct gw_local_spool *s, struct gw_mark mark, uint32_t ordinal,
                            bool want_stderr);

/* Whether the machine was restarted since it was last noted; noting that it runs. */
bool gw_local_spool_rebooted(const struct gw_local_spool *s);
void gw_local_spool_note_boot(struct gw_local_spool *s);

#endif
