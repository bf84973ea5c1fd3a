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
#include "backends/local/settings.h"
#include "backends/local/spool.h"

enum gw_local_stage {
        GW_LOCAL_HELD,    /* on the disk, not in line */
        GW_LOCAL_WAITING, /* in line */
        GW_LOCAL_RUNNING, /* a shim was started; resources are taken */
        GW_LOCAL_ENDED,   /* the outcome is known, nothing runs */
};

/* A shim being waited for. Outlives its job's record when leadership ends: it is a child of
 * this process that must be reaped, unless an earlier process started it. */
struct gw_local_watch {
        struct gw_local_job *job; /* NULL: nobody asks any more */
        int pidfd;
        LIST_ENTRY(gw_local_watch) link;
};

/* One submission: a plain job's attempt, whose only run has ordinal 0. */
struct gw_local_job {
        struct gw_mark mark;
        struct gw_local_task_head head;
        enum gw_local_stage stage;
        enum gw_reason reason;  /* of the stage, as reported */
        bool closed;            /* nobody wants to hear of it: ended and removed */
        bool unreported;        /* in the list of those to be reported */
        bool in_line, in_doubt; /* in these lists */
        bool cancelling;
        int64_t changed_at; /* monotonic: when it became unreported */
        int64_t retry_at;  /* monotonic: when to look again (in doubt), to tell why it waits (first)
                            */
        unsigned launches; /* shims started for it by this process */
        uint64_t gpus;     /* set of those it has */
        int64_t started_us;
        struct gw_local_watch *watch;
        struct gw_local_journal *outcome; /* of the ended, else NULL */
        const char *words;                /* constant text about the stage, or NULL */
        struct gw_local_job *next_in_bucket;
        TAILQ_ENTRY(gw_local_job) line, report, doubt;
};

TAILQ_HEAD(gw_local_jobs, gw_local_job);

struct gw_local_map {
        struct gw_local_job **buckets;
        size_t bucket_count, count; /* bucket_count is a power of two */
};

/* What a leader takes over, as far as it is needed here. */
struct gw_local_live {
        struct gw_mark mark;
        bool accepted, cancelling, held;
};

/* The latest wish about leadership; replaces one that was not acted on. */
struct gw_local_wish {
        bool any, lead, failed; /* failed: no memory to take it down */
        uint64_t epoch;
        struct gw_local_live *live; /* sorted by mark */
        size_t live_count;
};

enum gw_local_kind {
        GW_LOCAL_SUBMIT,
        GW_LOCAL_RESOLVE,
        GW_LOCAL_CANCEL,
        GW_LOCAL_CHANGE,
        GW_LOCAL_FORGET,
        GW_LOCAL_PURGE,
        GW_LOCAL_CHECK,
        GW_LOCAL_LOG,
        GW_LOCAL_KIND_COUNT
};

struct gw_local_request {
        struct gw_work work;
        enum gw_local_kind kind;
        uint64_t epoch;
        struct gw_mark mark;
        struct gw_submission *submission; /* a copy, freed with it */
        bool held;
        int64_t time_limit_s;
        struct gw_backend_check *check; /* the caller's */
        struct gw_log_source *log;      /* the caller's */
};

struct gw_local {
        struct gw_backend head;
        struct gw_backend_host host;
        struct gw_local_settings settings; /* any thread: never changes */
        char *offer;                       /* any thread: JSON text */
        pthread_t thread;
        struct gw_mailbox mailbox;    /* any thread */
        _Atomic uint64_t asked_epoch; /* of the last lead, 0 after yield; written by the engine */
        pthread_mutex_t wish_lock;
        struct gw_local_wish wish; /* under wish_lock */
        atomic_bool resumed, stopping;

        struct gw_local_spool spool;
        int epoll;
        int64_t wake_at; /* monotonic; INT64_MAX: nothing to do by itself */

        uint64_t epoch;            /* led now; 0: none */
        struct gw_local_wish next; /* taken, but the spool's lock is not ours yet */
        uint64_t seen;
        int64_t scanned_at;        /* wall: when the scan of this epoch began */
        bool unsynced;             /* `synced` is due once everything is reported */
        bool refused;              /* the host took no facts: wait for resume */
        bool described, reachable; /* what the host was told under this epoch */
        bool unlaunchable;         /* the shim could not be started; tried again */

        struct gw_local_map map;
        struct gw_local_jobs line, report, doubt;
        LIST_HEAD(, gw_local_watch) watches;
        int64_t free_cpus_milli, free_memory; /* below 0 when settings shrank */
        uint64_t free_gpus;
};

/* jobs.c: the set of submissions. */
int gw_local_compare_live(const void *a, const void *b); /* for qsort; any thread */
struct gw_local_job *gw_local_job_find(const struct gw_local *b, struct gw_mark mark);
struct gw_local_job *gw_local_job_add(struct gw_local *b, struct gw_mark mark); /* NULL: memory */
void gw_local_job_remove(struct gw_local *b, struct gw_local_job *job);         /* frees it */
void gw_local_jobs_clear(struct gw_local *b);

/* The one way to change a stage: keeps line and resources in step and the change to be
 * reported. words: constant, or NULL. */
void gw_local_job_stage(struct gw_local *b, struct gw_local_job *job, enum gw_local_stage stage,
                        enum gw_reason reason, const char *words);
void gw_local_job_ended(struct gw_local *b, struct gw_local_job *job,
                        const struct gw_local_journal *outcome);

/* admit.c: lets start what fits, in arrival order. */
void gw_local_admit(struct gw_local *b);

/* run.c */
/* Starts a shim for a job whose resources are taken. Returns 0; or -1: not started. */
int gw_local_run_launch(struct gw_local *b, struct gw_local_job *job);
/* Looks at the disk and at the lock and puts the job where it belongs: at re-attach, when a
 * shim has ended, and again and again while that leaves a doubt. */
void gw_local_run_settle(struct gw_local *b, struct gw_local_job *job);
void gw_local_run_settle_doubtful(struct gw_local *b);
int gw_local_run_cancel(struct gw_local *b, struct gw_local_job *job);
void gw_local_watch_fired(struct gw_local *b, struct gw_local_watch *watch);
void gw_local_watches_clear(struct gw_local *b); /* at close */

/* lead.c */
void gw_local_take_wish(struct gw_local *b);
void gw_local_try_lead(struct gw_local *b);

/* report.c */
void gw_local_report(struct gw_local *b);

/* requests.c */
void gw_local_request_run(struct gw_local *b, struct gw_local_request *r);
void gw_local_request_drop(struct gw_local_request *r); /* at close: the caller's come home */
void gw_local_request_free(struct gw_local_request *r);

/* loop.c */
void *gw_local_loop(void *backend);
void gw_local_wake_by(struct gw_local *b, int64_t mono_us);

#endif
