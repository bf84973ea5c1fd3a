/*
 * The inside of a local backend, for the files of this folder only. Unless a line says
 * otherwise, everything here belongs to the backend's thread.
 */
#ifndef GW_BACKENDS_LOCAL_INTERNAL_H
#define GW_BACKENDS_LOCAL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "backends/backend.h"
#include "backends/local/array.h"
#include "backends/local/settings.h"
#include "backends/local/spool.h"
#include "backends/queue.h"

/* A shim being waited for. Outlives its run's record when leadership ends: it is a child of
 * this process that must be reaped, unless an earlier process started it. */
struct gw_local_watch {
        struct gw_local_run *run; /* NULL: nobody asks any more */
        int pidfd;
        LIST_ENTRY(gw_local_watch) link;
};

/* One task of a submission from when a shim is started for it until its end was reported; or a
 * span of them that ended alike, without a start. */
struct gw_local_run {
        struct gw_local_job *job;
        struct gw_span span;
        bool started; /* it must not be started again */
        bool ended;   /* the outcome is known, nothing runs; else its resources are taken */
        bool cancelling;
        bool unreported, in_doubt; /* in these lists */
        int64_t changed_at;        /* monotonic: when it became unreported */
        int64_t retry_at;          /* monotonic: when to look again (in doubt) */
        unsigned launches;         /* shims started for it by this process */
        uint64_t gpus;             /* set of those it has */
        pid_t shim;                /* by its own account, 0: not known */
        int64_t born;              /* when that process began, in ticks since boot */
        enum gw_reason reason;     /* as reported */
        const char *words;         /* constant text about what runs, or NULL */
        int64_t started_us;
        /* of the ended */
        int64_t ended_us, max_memory, cpu_us;
        int exit_code, signal;
        char *raw; /* or NULL */
        struct gw_local_watch *watch;
        LIST_ENTRY(gw_local_run) link;
        TAILQ_ENTRY(gw_local_run) report, doubt;
};

TAILQ_HEAD(gw_local_runs, gw_local_run);

/* For one run: more are made slowly, or not at all if it has not begun. */
#define GW_LOCAL_QUICK_LAUNCHES 3

/* One submission. What waits is but a set of ordinals. */
struct gw_local_job {
        struct gw_mark mark;
        struct gw_local_task_head head;
        struct gw_local_array array;
        struct gw_spans waiting;
        LIST_HEAD(, gw_local_run) runs, ended; /* those that are not, and that are not reported */
        int64_t read;                          /* where in the file the journal is not read yet */
        bool held;
        bool stopping;            /* all of it is to be stopped: that is not written yet */
        bool closed;              /* nobody wants to hear of it: to be ended and removed */
        bool unread;              /* its file could not be read: what it says is not known */
        struct gw_spans named;    /* of the unread: which tasks the engine has in it … */
        struct gw_spans begun;    /* … and which of them it was told to run */
        bool unreported, in_line; /* its waiting tasks are in these lists */
        bool in_again;
        uint64_t place;        /* in line: the lower, the earlier */
        enum gw_reason reason; /* why the rest waits, as reported */
        const char *words;     /* constant text about that, or NULL */
        int64_t changed_at;    /* monotonic: when it became unreported */
        uint64_t reported;     /* waiting ordinals below this were told since then */
        int64_t blocked_at;    /* monotonic: since when its next did not fit; 0: it may */
        struct gw_local_job *next_in_bucket;
        TAILQ_ENTRY(gw_local_job) line, report, again;
};

TAILQ_HEAD(gw_local_jobs, gw_local_job);

struct gw_local_map {
        struct gw_local_job **buckets;
        size_t bucket_count, count; /* bucket_count is a power of two */
};

struct gw_local {
        struct gw_queued_backend base; /* its queue: any thread */
        struct gw_backend_host host;
        struct gw_local_settings settings; /* any thread: never changes */
        char *offer;                       /* any thread: JSON text */
        pthread_t thread;

        struct gw_local_spool spool;
        int epoll;
        int64_t wake_at; /* monotonic; INT64_MAX: nothing to do by itself */

        uint64_t epoch; /* led now; 0: none */
        uint64_t seen;
        int64_t scanned_at;        /* wall: when the scan of this epoch began */
        bool unsynced;             /* `synced` is due once everything is reported */
        bool refused;              /* the host took no facts: wait for resume */
        bool described, reachable; /* what the host was told under this epoch */
        bool unlaunchable;         /* the shim could not be started; tried again */

        struct gw_local_map map;
        uint64_t last_place; /* given in line */
        struct gw_local_jobs line, report;
        struct gw_local_jobs again; /* unread or stopping */
        int64_t again_at;           /* monotonic: when to try these again */
        struct gw_local_runs run_report, doubt;
        LIST_HEAD(, gw_local_watch) watches;
        int64_t free_cpus_milli, free_memory; /* below 0 when settings shrank */
        uint64_t all_gpus, free_gpus;         /* sets */
        unsigned unknown_gpus; /* runs of which it is not known which GPUs they have */
};

/* jobs.c: the set of submissions. */
struct gw_local_job *gw_local_job_find(const struct gw_local *b, struct gw_mark mark);
struct gw_local_job *gw_local_job_add(struct gw_local *b, struct gw_mark mark); /* NULL: memory */
void gw_local_job_remove(struct gw_local *b, struct gw_local_job *job);         /* frees it */
void gw_local_jobs_clear(struct gw_local *b);

/* Puts it in line or takes it out, after its waiting tasks or its hold have changed. It keeps its
 * place; a fresh one or `anew` goes to the end. */
void gw_local_job_line(struct gw_local *b, struct gw_local_job *job, bool anew);
/* Says why the rest waits, to be reported. words: constant, or NULL. */
void gw_local_job_waits(struct gw_local *b, struct gw_local_job *job, enum gw_reason reason,
                        const char *words);
/* Removes it, also from the disk, if it is closed and nothing runs. Returns whether it did. */
bool gw_local_job_leave(struct gw_local *b, struct gw_local_job *job);

/* runs.c: what has begun. */
/* Takes waiting tasks out for a run that has its resources from now on. NULL: no memory. */
struct gw_local_run *gw_local_run_add(struct gw_local *b, struct gw_local_job *job,
                                      struct gw_span span, uint64_t gpus);
/* One that did not start waits again. Returns 0, or -1 without memory: as it was. */
int gw_local_run_put_back(struct gw_local *b, struct gw_local_run *run);
/* Of those that have not ended; NULL when there is none. */
struct gw_local_run *gw_local_run_find(const struct gw_local_job *job, uint32_t ordinal);
/* Changes what is reported of one that runs. words: constant, or NULL. */
void gw_local_run_says(struct gw_local *b, struct gw_local_run *run, enum gw_reason reason,
                       const char *words);
/* It has the outcome that the record says. Frees it if nobody wants to hear of it. */
void gw_local_run_ended(struct gw_local *b, struct gw_local_run *run,
                        const struct gw_local_record *outcome);
void gw_local_run_free(struct gw_local *b, struct gw_local_run *run);
void gw_local_run_doubt(struct gw_local *b, struct gw_local_run *run, int64_t pause_us);
void gw_local_run_no_doubt(struct gw_local *b, struct gw_local_run *run);

/* Reads what was added to the journal since, and does what it says: runs may begin, end and be
 * freed. Returns 0, or -1 with errno: something is left to be read. */
int gw_local_job_catch_up(struct gw_local *b, struct gw_local_job *job, int task);

/* admit.c: lets start what fits, in arrival order. */
void gw_local_admit(struct gw_local *b);

/* launch.c */
/* Starts a shim for a run that has its resources. Returns 0; or -1: not started. */
int gw_local_run_launch(struct gw_local *b, struct gw_local_run *run);
/* Watches a process. Returns 0 or -1. */
int gw_local_run_watch(struct gw_local *b, struct gw_local_run *run, pid_t pid);
void gw_local_watch_end(struct gw_local *b, struct gw_local_watch *watch); /* frees it */
void gw_local_watches_clear(struct gw_local *b);                           /* at close */

/* settle.c */
/* Looks at the disk and at the lock and puts the run where it belongs: at re-attach, when a
 * shim has ended, and again and again while that leaves a doubt. It, and its job, may be freed. */
void gw_local_run_settle(struct gw_local *b, struct gw_local_run *run);
void gw_local_run_settle_doubtful(struct gw_local *b);
void gw_local_watch_fired(struct gw_local *b, struct gw_local_watch *watch);

/* cancel.c */
extern const char gw_local_never_started[]; /* words about what was cancelled */
/* Of a submission's tasks, those named end: what waits at once, what runs when it is stopped.
 * spans NULL: all. Returns 0, or -1 with errno when the spool cannot be written: ask again. */
int gw_local_cancel(struct gw_local *b, struct gw_local_job *job, const struct gw_span *spans,
                    size_t span_count);
void gw_local_run_signal(const struct gw_local_run *run); /* its shim looks whether to stop */

/* takeover.c */
extern const char gw_local_task_lost[]; /* words about what was running or waiting */
/* Reads what the disk says of a submission that was found there. What cannot be read now is read
 * again later. Returns 0, or -1 without memory. The job may be freed. */
int gw_local_job_take_over(struct gw_local *b, struct gw_local_job *job);
/* All tasks the engine has in it ended, and nobody knows how. Returns 0, or -1 without memory. */
int gw_local_job_lost(struct gw_local *b, struct gw_local_job *job, const char *words);

/* again.c: what the disk did not let be done at once. */
void gw_local_job_again(struct gw_local *b, struct gw_local_job *job);
/* Stops all of a submission, now or when that can be written. */
void gw_local_job_stop(struct gw_local *b, struct gw_local_job *job);
void gw_local_again(struct gw_local *b);
bool gw_local_all_read(const struct gw_local *b);

/* lead.c */
void gw_local_take_wish(struct gw_local *b);
void gw_local_try_lead(struct gw_local *b);

/* report.c */
void gw_local_report(struct gw_local *b);

/* requests.c */
void gw_local_request_run(struct gw_local *b, struct gw_backend_ask *r); /* frees it */

/* loop.c */
void *gw_local_loop(void *backend);
void gw_local_wake_by(struct gw_local *b, int64_t mono_us);

#endif
