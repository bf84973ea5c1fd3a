/*
 * The inside of a Slurm backend, for the files of this folder only. Unless a line says otherwise,
 * everything here belongs to the backend's thread.
 */
#ifndef GW_BACKENDS_SLURM_INTERNAL_H
#define GW_BACKENDS_SLURM_INTERNAL_H

#include <sys/queue.h>
#include <sys/types.h>

#include "backends/account.h"
#include "backends/queue.h"
#include "backends/slurm/array.h"
#include "backends/slurm/as_user.h"
#include "backends/slurm/link.h"
#include "backends/slurm/settings.h"
#include "backends/slurm/state.h"
#include "backends/slurm/tasks.h"
#include "backends/slurm/users.h"
#include "backends/slurm/workers.h"

/* What the table does not tell of a submission, and who is asked for it (quest.c). */
enum gw_slurm_quest_step {
        GW_SLURM_NO_QUEST,
        GW_SLURM_LOOK,    /* it lacks something: the controller is asked by the number */
        GW_SLURM_ACCOUNT, /* and then accounting */
        GW_SLURM_GONE,    /* and nobody has it */
        GW_SLURM_WHO,     /* accounting is asked who cancelled it */
        GW_SLURM_SEARCH,  /* accounting is asked for the mark: its number is not known */
        GW_SLURM_NOWHERE, /* and does not have it */
};

struct gw_slurm_quest {
        enum gw_slurm_quest_step step;
        bool asking;
        bool broken;                /* records may have left slurmctld unseen before it began */
        int64_t since_us, again_us; /* monotonic: of the first step; when to ask */
        int64_t pause_us;           /* until the next time */
        uint64_t next;              /* of an array: the index from which on is to be asked for */
};

/* One submission that the engine has not closed. */
struct gw_slurm_job {
        struct gw_mark mark;
        char *user;                  /* its owner in the cluster; never NULL */
        uid_t uid;                   /* the same, as this machine knows it */
        struct gw_slurm_array array; /* its tasks, as slurmctld numbers them */
        struct gw_slurm_tasks tasks; /* what is known of them */
        uint32_t number;             /* slurmctld's, of an array that of the whole; 0: not known */
        int64_t displaced_s;         /* s since the epoch: slurmctld had given it anew by then, and
                                        accounting alone may know the job; 0: it did not */
        int64_t accepted_us;         /* wall: when we learned that slurmctld has it */
        int64_t since_us;            /* wall: when surely all of it was there; 0: not known */
        int64_t send_before_us;      /* wall: not sent later than this */
        int64_t submit_s;            /* slurmctld's time of the submit; 0: not known */
        bool asked;                  /* a submit is on its way */
        char *refusal; /* words of an answer that may be one: true when it never shows up */
        struct gw_backend_ask *cancel; /* waits for the answer to the submit; or NULL */
        struct gw_slurm_quest quest;
        char *about;     /* what slurmctld has made of it, to be told; or NULL: it was */
        uint64_t known;  /* a digest of what was; 0: nothing was */
        bool unreported; /* there is something to tell */

        LIST_ENTRY(gw_slurm_job) by_mark, by_number;
        TAILQ_ENTRY(gw_slurm_job) report;
};

#define GW_SLURM_BUCKETS 4096 /* a power of two */
#define GW_SLURM_CLOSED 1024  /* submissions that are remembered when they are closed */

LIST_HEAD(gw_slurm_bucket, gw_slurm_job);
LIST_HEAD(gw_slurm_task_bucket, gw_slurm_task);

struct gw_slurm {
        struct gw_queued_backend base; /* its queue: any thread */
        struct gw_backend_host host;
        struct gw_slurm_settings settings; /* any thread: never changes */
        pthread_t thread;

        uint64_t epoch; /* led now; 0: none */
        uint64_t seen;  /* number of the last table within the epoch; the first's until synced */
        bool synced;    /* the host was told that a whole table was */
        bool strangers; /* some submissions are of users that this machine does not know now */
        bool refused;   /* it took no facts: wait for resume */
        bool described, reachable;

        struct gw_link watch;
        int64_t watch_at, watch_back_off_us, watch_ends_at; /* monotonic: start; end */
        int64_t heard_at;                                   /* monotonic: a frame, or the start */
        int64_t asked_at;       /* wall: of the last whole table since the watch began; 0: none */
        int64_t first_asked_at; /* wall: of the epoch's first */
        int64_t read_at;        /* wall: of the epoch's last, whatever agent said it; 0: none */
        bool short_of_memory;   /* while a table was taken: it is to be said anew */
        int64_t min_job_age_us;
        bool accounting;  /* the cluster has some */
        size_t missing;   /* submissions of which something is asked for that is to be told first */
        char cluster[64]; /* its name, or "": not known */
        _Atomic uint32_t max_array_size; /* 0: not known. Any thread reads it */
        int64_t offer_at;                /* monotonic: when to ask what the cluster offers */
        json_t *offer;                   /* gw_slurm_offer(), or NULL: not known yet */

        struct gw_as_user *as_user;     /* NULL: the setting is missing */
        struct gw_slurm_purges *purges; /* NULL: nothing was to be removed yet */
        LIST_HEAD(, gw_slurm_folder) folders;
        struct gw_slurm_closed *closed; /* GW_SLURM_CLOSED of them */
        size_t closed_next;
        struct gw_slurm_workers *workers;
        struct gw_slurm_users *users;
        struct gw_slurm_bucket by_mark[GW_SLURM_BUCKETS], by_number[GW_SLURM_BUCKETS];
        struct gw_slurm_task_bucket tasks[GW_SLURM_BUCKETS]; /* by their records' numbers */
        TAILQ_HEAD(, gw_slurm_job) report;
};

/* jobs.c */
struct gw_slurm_job *gw_slurm_job_find(struct gw_slurm *b, struct gw_mark mark);
/* What the tasks of a submission are numbered by: what its record says, else the cluster's limit;
 * 0: not known yet. Any thread. */
uint32_t gw_slurm_most_tasks(const struct gw_slurm *b, const struct gw_submission *s);
/* The same of those that were taken over before the limit was known. */
void gw_slurm_jobs_limit(struct gw_slurm *b, uint32_t most);
/* Whoever has the number now. */
struct gw_slurm_job *gw_slurm_job_numbered(struct gw_slurm *b, uint32_t number);
/* What it is made of, besides its mark. */
struct gw_slurm_job_settings {
        const char *user;
        uid_t uid;
        int64_t send_before_us;
        const char *index_set; /* or NULL: a plain job */
        uint32_t most_tasks;   /* MaxArraySize when it was made */
        const struct gw_span *spans, *begun;
        size_t span_count, begun_count; /* without spans: ordinal 0 */
        const struct gw_span *open;     /* of them, what has not ended; or NULL: all */
        size_t open_count;
};
/* NULL: no memory, or these are no tasks of the job. */
struct gw_slurm_job *gw_slurm_job_add(struct gw_slurm *b, struct gw_mark mark,
                                      const struct gw_slurm_job_settings *settings);
/* Whoever had the number is displaced. */
void gw_slurm_job_number(struct gw_slurm *b, struct gw_slurm_job *job, uint32_t number);
/* Slurmctld gave its number anew, at `at_s` or before, so that it does not have the job: that is
 * missing, until it is found or numbered again. */
void gw_slurm_job_displace(struct gw_slurm *b, struct gw_slurm_job *job, int64_t at_s);
/* Whether slurmctld is asked for the job by its number, or told what to do with it. */
static inline bool gw_slurm_job_is_there(const struct gw_slurm_job *job)
{
        return job->number && job->displaced_s == 0;
}
void gw_slurm_job_remove(struct gw_slurm *b, struct gw_slurm_job *job); /* frees it */
void gw_slurm_jobs_clear(struct gw_slurm *b);
/* It is to be told as it is now. */
void gw_slurm_job_changed(struct gw_slurm *b, struct gw_slurm_job *job);
/* The record of that number is this task's, and nobody else's any more. */
void gw_slurm_job_task(struct gw_slurm *b, struct gw_slurm_job *job, struct gw_slurm_task *task,
                       uint32_t number);
struct gw_slurm_task *gw_slurm_task_numbered(struct gw_slurm *b, uint32_t number);
/* It ended, and nobody knows how. */
void gw_slurm_job_lost(struct gw_slurm *b, struct gw_slurm_job *job, const char *words);
void gw_slurm_report(struct gw_slurm *b);

/* table.c: the agent that watches. */
void gw_slurm_watch_restart(struct gw_slurm *b); /* the next table is a whole one */
void gw_slurm_watch_stop(struct gw_slurm *b);
void gw_slurm_watch_serve(struct gw_slurm *b); /* frames, and what is due */
int64_t gw_slurm_watch_wake_at(const struct gw_slurm *b);

/* Takes a record that is of this submission, whoever said it. */
void gw_slurm_take(struct gw_slurm *b, struct gw_slurm_job *job, const struct gw_slurm_record *r);
/* Whether it is, by its number. */
bool gw_slurm_is_of(struct gw_slurm *b, const struct gw_slurm_job *job,
                    const struct gw_slurm_record *r);
/* Tells the agent that a submission's number is ours, whatever its comment; NULL: of all. */
void gw_slurm_watch_know(struct gw_slurm *b, const struct gw_slurm_job *job);

/* quest.c: asking for what the table does not tell. */
/* A whole table lacks some of it. Returns whether that is being asked for: it is not lost yet. */
bool gw_slurm_quest_missing(struct gw_slurm *b, struct gw_slurm_job *job, bool broken);
void gw_slurm_quest_found(struct gw_slurm *b, struct gw_slurm_job *job); /* it lacks nothing */
/* It was cancelled, not by us, and the record does not say by whom. Returns whether that is being
 * asked for: it has not ended yet. */
bool gw_slurm_quest_who(struct gw_slurm *b, struct gw_slurm_job *job);
/* Whether slurmctld ever had it is not known, nor its number. Returns whether that is being asked
 * for. */
bool gw_slurm_quest_search(struct gw_slurm *b, struct gw_slurm_job *job);
void gw_slurm_quest_end(struct gw_slurm *b, struct gw_slurm_job *job);
void gw_slurm_quest_ask(struct gw_slurm *b, struct gw_slurm_job *job); /* what is due */

/* closed.c: submissions and tasks that nobody waits for any more. */
int gw_slurm_closed_init(struct gw_slurm *b); /* 0 or -1 */
void gw_slurm_closed_clear(struct gw_slurm *b);
void gw_slurm_closed_done(struct gw_slurm *b);
void gw_slurm_closed_add(struct gw_slurm *b, const struct gw_slurm_job *job);
/* A record with a mark that is not open: if it was, its job is cancelled. */
void gw_slurm_closed_see(struct gw_slurm *b, struct gw_mark mark, const struct gw_slurm_record *r);
/* A record of a task whose end was told: where it has not ended, it is cancelled. */
void gw_slurm_closed_task_see(struct gw_slurm *b, const struct gw_slurm_job *job, uint32_t ordinal,
                              const struct gw_slurm_record *r);
/* A whole table was read: likewise those of which it says that they wait. */
void gw_slurm_closed_tasks_see(struct gw_slurm *b, const struct gw_slurm_job *job);

/* requests.c */
#define GW_SLURM_IDS_MAX (1024 * 1024) /* text of tasks in an order, as the agent takes it */
/* Cancels a job by its number, or of an array these tasks (array.h), whatever comes of it. */
void gw_slurm_drop(struct gw_slurm *b, const char *user, uint32_t number, const char *tasks);
/* Whose worker does what this user is to do: without tokens there is one for all. */
static inline const char *gw_slurm_worker_user(const struct gw_slurm *b, const char *user)
{
        return b->settings.key_len > 0 ? user : b->settings.user;
}
void gw_slurm_request_run(struct gw_slurm *b, struct gw_backend_ask *a); /* takes it */
/* A user by the identity's name. Returns 0, or -1 with GW_ERR_UNPROCESSABLE. */
int gw_slurm_account_find(struct gw_slurm *b, const char *user, struct gw_account *ret,
                          struct gw_error *err);

/* To whom nothing more is to be told of it; text may be NULL. */
void gw_slurm_request_answer(struct gw_slurm *b, const struct gw_backend_ask *a,
                             enum gw_answer answer, const char *text);

/* What came of handing over. */
struct gw_slurm_submitted {
        enum gw_answer verdict;
        int64_t number;      /* slurmctld's, when done */
        const char *text;    /* or NULL */
        bool may_be_refusal; /* of what is unknown: the words are, if it never shows up */
};
/* For the submit that asked, by this user. */
void gw_slurm_submitted(struct gw_slurm *b, const struct gw_backend_ask *a, const char *user,
                        const struct gw_slurm_submitted *what);

/* scripts.c: of requests that gw_slurm_raw_request() made. Each takes the request and, when it
 * returns 0, `asked`; -1 is without memory. */
bool gw_slurm_is_script(const json_t *request);
int gw_slurm_script_submit(struct gw_slurm *b, const char *user, json_t *request,
                           struct gw_backend_ask *asked);
int gw_slurm_script_check(struct gw_slurm *b, const char *user, json_t *request,
                          struct gw_backend_ask *asked);

/* folders.c: *ret_path is the folder for the user's output, NULL: the home. Returns true when that
 * is not known yet: then `a` was taken, and is run again or answered. */
bool gw_slurm_folder_awaits(struct gw_slurm *b, const struct gw_account *account,
                            struct gw_backend_ask *a, const char **ret_path);
void gw_slurm_folders_clear(struct gw_slurm *b); /* when nothing is under way */

/* logs.c */
void gw_slurm_log_run(struct gw_slurm *b, struct gw_backend_ask *a); /* takes it */

/* purge.c */
void gw_slurm_purge_run(struct gw_slurm *b, struct gw_backend_ask *a); /* takes it */
int64_t gw_slurm_purges_wake_at(const struct gw_slurm *b); /* monotonic; INT64_MAX: no hurry */
void gw_slurm_purges_serve(struct gw_slurm *b);
void gw_slurm_purges_clear(struct gw_slurm *b); /* before as_user is freed */

/* lead.c */
void gw_slurm_take_wish(struct gw_slurm *b);

/* loop.c */
void *gw_slurm_loop(void *backend);

#endif
