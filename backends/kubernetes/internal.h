/*
 * The inside of a Kubernetes backend, for the files of this folder only. Unless a line says
 * otherwise, everything here belongs to the backend's thread.
 */
#ifndef GW_BACKENDS_KUBERNETES_INTERNAL_H
#define GW_BACKENDS_KUBERNETES_INTERNAL_H

#include <pthread.h>
#include <sys/queue.h>

#include "backends/kubernetes/client.h"
#include "backends/kubernetes/manifest.h"
#include "backends/kubernetes/name.h"
#include "backends/kubernetes/settings.h"
#include "backends/kubernetes/state.h"
#include "backends/kubernetes/watch.h"
#include "backends/queue.h"
#include "server/base/clock.h"
#include "server/model/spans.h"

#define GW_K8S_UID 64
#define GW_K8S_BUCKETS 4096 /* a power of two */
#define GW_K8S_CLOSED 1024  /* submissions that are remembered when they are closed */
/* So many submissions are handed over at a time, and so many quests are out: an API server works at
 * some hundred requests at once, for all its clients, and turns the others down. */
#define GW_K8S_AT_ONCE 32

/* So long after its deadline a request that was sent may still be carried out: the API server gives
 * up one of these within a minute. */
#define GW_K8S_SETTLED_US (90 * GW_SECOND)

/* What is watched together: a namespace, or the whole cluster. */
struct gw_k8s_space {
        struct gw_k8s *backend;
        char *ns; /* NULL: all */
        struct gw_k8s_watch *jobs, *pods;
        bool has_jobs, has_pods; /* listed since it is watched */
        int64_t idle_at;         /* monotonic: when it is given up; 0: it has submissions */
        LIST_HEAD(, gw_k8s_job_entry) entries;
        LIST_ENTRY(gw_k8s_space) all;
};

/* A Pod of a submission; it stays when it is gone, for its outcome. */
struct gw_k8s_kept_pod_entry {
        json_t *pod;
        bool listed; /* in the list that is being told */
        bool gone;
        bool ending; /* its deletion was asked for, for its task is not wanted */
};

/* What the watches do not tell of a submission, and is asked for (quest.c). */
enum gw_k8s_quest {
        GW_K8S_NO_QUEST,
        GW_K8S_FIND_JOB,    /* a list lacks it: whether it is there */
        GW_K8S_FIND_PODS,   /* its Job has ended or is gone: what pods there are */
        GW_K8S_FIND_EVENTS, /* it has failed, and no pod says why */
};

/* One submission that the engine has not closed. */
struct gw_k8s_job_entry {
        struct gw_mark mark;
        struct gw_k8s_space *space;
        char *ns;
        char uid[GW_K8S_UID]; /* of its Job; "": it is not known to be there */
        bool is_array;
        struct gw_spans ordinals;      /* of an array's */
        int64_t accepted_us;           /* wall: since when it surely was there; 0: not known */
        int64_t send_before_us;        /* wall */
        bool asked;                    /* a submit is on its way */
        bool held;                     /* as it was told last */
        bool untold;                   /* what was told last was not taken, which was logged */
        struct gw_backend_ask *cancel; /* waits for the answer to the submit; or NULL */
        struct gw_spans unwanted;      /* of an array's tasks: each is ended when it has a pod */

        json_t *job; /* as it was seen last (kept.h); NULL: not yet */
        struct gw_k8s_kept_pod_entry *pods;
        size_t pod_count;
        json_t *events; /* or NULL */

        struct gw_k8s_wait *wait; /* it waits and does not say why; NULL: it does not */
        bool wait_asked;          /* its Events were asked for since */
        int64_t waits_since;      /* monotonic */

        bool is_doomed;     /* none of it can start */
        bool given_up;      /* and it was told so */
        int64_t give_up_at; /* monotonic */
        enum gw_reason doom;
        char *doom_words;

        bool listed;  /* in the list that is being told */
        bool gone;    /* its Job is, or was never there */
        bool seen_go; /* and that was seen */
        bool over;    /* it is gone, and what is known of it is all there will be */

        enum gw_k8s_quest quest;
        bool asking;
        bool pods_asked, events_asked; /* and answered, since its end is known */
        int64_t quest_at;              /* monotonic: when to ask */
        unsigned failures;

        uint64_t told; /* a digest of its facts; 0: nothing was */
        bool unreported;
        LIST_ENTRY(gw_k8s_job_entry) by_mark, in_space;
        TAILQ_ENTRY(gw_k8s_job_entry) report, quests, waits, doomed;
};

/* A call that is out, and who asked for it. */
struct gw_k8s_order {
        struct gw_k8s_call call;
        struct gw_k8s *backend;
        uint64_t epoch;                           /* led when it was made; 0: of any replica */
        void (*done)(struct gw_k8s_order *order); /* takes it: ends by gw_k8s_order_free() */
        struct gw_backend_ask *asked;             /* or NULL; freed with it */
        struct gw_mark mark;
        struct gw_k8s_manifest manifest; /* of a submit */
        char *ns;
        size_t next; /* of what is made before the Job */
        LIST_ENTRY(gw_k8s_order) out;
};

LIST_HEAD(gw_k8s_job_bucket, gw_k8s_job_entry);
LIST_HEAD(gw_k8s_spaces, gw_k8s_space);

struct gw_k8s {
        struct gw_queued_backend base; /* its queue: any thread */
        struct gw_backend_host host;
        struct gw_k8s_settings settings; /* any thread: never changes */
        pthread_t thread;
        struct gw_net *net;
        struct gw_mailbox home; /* where calls come home */
        struct gw_k8s_client *client;

        uint64_t epoch; /* led now; 0: none */
        int64_t led_at; /* wall: since when */
        uint64_t seen;  /* number of the observation within the epoch */
        bool synced;    /* the host was told that everything was reported */
        bool strangers; /* some submissions are of identities that cannot be read: nothing is known
                           of all */
        bool refused;   /* it took no facts: wait for resume */
        bool described, reachable;
        int64_t look_at; /* monotonic: when to ask the server whether it is there */
        bool looking;
        int64_t survey_at; /* monotonic: when to read what it offers */
        bool surveying;
        json_t *seen_offer; /* so far (offer.h); NULL: nothing */
        json_t *namespaces; /* by name, of submissions; NULL: none */
        size_t missing;     /* submissions whose quest is to be over before everything is known */

        struct gw_k8s_spaces spaces, leaving; /* watched; stopped, and not over yet */
        LIST_HEAD(, gw_k8s_order) orders;
        struct gw_work *line, **line_end; /* asks to hand over (line.c) */
        size_t handed_over, sought;       /* of what is out: orders of those; quests */
        LIST_HEAD(, gw_k8s_wait) waits;   /* by namespace */
        TAILQ_HEAD(, gw_k8s_job_entry) doomed;
        int64_t doom_at; /* monotonic: when the first of them is given up, or earlier */
        struct gw_k8s_job_bucket by_mark[GW_K8S_BUCKETS];
        TAILQ_HEAD(, gw_k8s_job_entry) report;
        TAILQ_HEAD(, gw_k8s_job_entry) quests;
        LIST_HEAD(, gw_k8s_tail) tails;
        size_t tail_count;
        struct gw_k8s_closed *closed; /* GW_K8S_CLOSED of them */
        size_t closed_next;
};

/* jobs.c: the set of submissions, and telling the engine of them. */
struct gw_k8s_job_entry *gw_k8s_entry_find(struct gw_k8s *b, struct gw_mark mark);
struct gw_k8s_entry_settings {
        const char *ns;
        int64_t send_before_us;
        const char *index_set; /* NULL: a plain job */
        const struct gw_span *spans;
        size_t span_count;
        bool held;
};
/* NULL: no memory. */
struct gw_k8s_job_entry *gw_k8s_entry_add(struct gw_k8s *b, struct gw_mark mark,
                                          const struct gw_k8s_entry_settings *settings);
void gw_k8s_entry_remove(struct gw_k8s *b, struct gw_k8s_job_entry *e); /* frees it */
void gw_k8s_entries_clear(struct gw_k8s *b);
/* Its Job is there, and is this one. */
void gw_k8s_entry_accept(struct gw_k8s *b, struct gw_k8s_job_entry *e, const char *uid);
/* It is to be told as it is now. */
void gw_k8s_entry_changed(struct gw_k8s *b, struct gw_k8s_job_entry *e);
/* Whether its Job has ended, as far as was seen. */
bool gw_k8s_entry_has_ended(const struct gw_k8s_job_entry *e);
/* Of an array's tasks those that have not ended. Returns 0, or -1 without memory; *ret is the
 * caller's to end. */
int gw_k8s_entry_open(const struct gw_k8s_job_entry *e, struct gw_spans *ret);
/* How many of its pods tell of it (jobs.c). */
size_t gw_k8s_entry_tellers(const struct gw_k8s_job_entry *e);
void gw_k8s_report(struct gw_k8s *b);

/* table.c: the watches. */
/* The space of a namespace, which is watched from then on; NULL: no memory. */
struct gw_k8s_space *gw_k8s_space_of(struct gw_k8s *b, const char *ns);
void gw_k8s_spaces_stop(struct gw_k8s *b);
void gw_k8s_spaces_serve(struct gw_k8s *b);
int64_t gw_k8s_spaces_wake_at(const struct gw_k8s *b);
/* Frees those that are over. Returns whether some are not yet. */
bool gw_k8s_spaces_bury(struct gw_k8s *b);
/* A Job or Pod of a submission, whoever said it. */
void gw_k8s_take_job(struct gw_k8s *b, struct gw_k8s_job_entry *e, const json_t *job);
void gw_k8s_take_pod(struct gw_k8s *b, struct gw_k8s_job_entry *e, const json_t *pod, bool removed);
/* Of its pods those that have not ended, and are there. */
size_t gw_k8s_entry_live_pods(const struct gw_k8s_job_entry *e);

/* unwanted.c: tasks of an array that are cancelled while others go on. */
/* Ends those, now and when they get a pod. Returns 0, or -1 without memory. */
int gw_k8s_unwanted_add(struct gw_k8s *b, struct gw_k8s_job_entry *e, const struct gw_spans *some);
/* A pod is there: if its task is not wanted, it is deleted. */
void gw_k8s_unwanted_see(struct gw_k8s *b, struct gw_k8s_job_entry *e,
                         struct gw_k8s_kept_pod_entry *p);

/* quest.c */
void gw_k8s_quest_begin(struct gw_k8s *b, struct gw_k8s_job_entry *e, enum gw_k8s_quest quest);
void gw_k8s_quest_end(struct gw_k8s *b, struct gw_k8s_job_entry *e);
void gw_k8s_quests_serve(struct gw_k8s *b);
int64_t gw_k8s_quests_wake_at(const struct gw_k8s *b);

/* waits.c: those that wait and do not say why. */
/* Whether it is one of them. */
void gw_k8s_wait_set(struct gw_k8s *b, struct gw_k8s_job_entry *e, bool waits);
/* It is none any more; with its Events. */
void gw_k8s_wait_leave(struct gw_k8s_job_entry *e);
void gw_k8s_waits_serve(struct gw_k8s *b);
int64_t gw_k8s_waits_wake_at(const struct gw_k8s *b);

/* doomed.c: those of which none can start. */
/* As one of its tasks tells; NULL: it is none of them. */
void gw_k8s_doom_set(struct gw_k8s *b, struct gw_k8s_job_entry *e,
                     const struct gw_k8s_meaning *doomed);
void gw_k8s_doom_leave(struct gw_k8s *b, struct gw_k8s_job_entry *e);
void gw_k8s_doomed_serve(struct gw_k8s *b);

/* beside.c: what was made beside a Job of this mark, as the Job says, goes. job: NULL: nothing. */
void gw_k8s_beside_drop(struct gw_k8s *b, struct gw_mark mark, const char *ns, const json_t *job);

/* closed.c: submissions that nobody waits for any more. */
int gw_k8s_closed_init(struct gw_k8s *b); /* 0 or -1 */
void gw_k8s_closed_clear(struct gw_k8s *b);
void gw_k8s_closed_done(struct gw_k8s *b);
void gw_k8s_closed_add(struct gw_k8s *b, const struct gw_k8s_job_entry *e);
/* A Job with a mark that is not open: if it was, it is deleted. */
void gw_k8s_closed_see(struct gw_k8s *b, struct gw_mark mark, const json_t *job);

/* orders.c */
/* NULL without memory, or when ns is. `asked` is the order's from then on, also when it fails. */
struct gw_k8s_order *gw_k8s_order_new(struct gw_k8s *b, struct gw_mark mark, const char *ns,
                                      struct gw_backend_ask *asked,
                                      void (*done)(struct gw_k8s_order *order));
void gw_k8s_order_free(struct gw_k8s_order *o);
/* After a call was begun with it, with what that returned: one that was not begun is done at once,
 * with a status that says so. */
void gw_k8s_order_begun(struct gw_k8s_order *o, int rc, const struct gw_error *err);
/* Those of leaders, or all, come home soon. */
void gw_k8s_orders_cancel(struct gw_k8s *b, bool all);
/* Deletes a Job and, after it, its pods, whatever comes of it. */
void gw_k8s_drop(struct gw_k8s *b, const char *ns, const char *name, const char *uid);

/* line.c: what is to be handed over waits its turn. */
void gw_k8s_line_init(struct gw_k8s *b);
/* Whether an ask is of those, and has a place while it is out. */
bool gw_k8s_line_is_for(const struct gw_backend_ask *a);
void gw_k8s_line_take(struct gw_k8s *b,
                      struct gw_backend_ask *a); /* takes it; runs others at once */
void gw_k8s_line_serve(struct gw_k8s *b);
void gw_k8s_line_clear(struct gw_k8s *b);

/* requests.c */
void gw_k8s_request_run(struct gw_k8s *b, struct gw_backend_ask *a); /* takes it */
/* again_us: of what is to be asked again, at least; 0: the usual. */
void gw_k8s_request_answer(struct gw_k8s *b, const struct gw_backend_ask *a, enum gw_answer answer,
                           const char *ref, const char *raw, int64_t again_us);

/* submit.c */
void gw_k8s_submit_run(struct gw_k8s *b, struct gw_backend_ask *a);  /* takes it */
void gw_k8s_resolve_run(struct gw_k8s *b, struct gw_backend_ask *a); /* takes it */

/* What an answer to the creation of something means. */
enum gw_answer gw_k8s_submit_answer(const struct gw_k8s_status *status);
/* Of what is made beside a Job. */
enum gw_k8s_kind gw_k8s_kind_of(const json_t *object);

/* dry.c: of any replica, leading or not. */
void gw_k8s_check_run(struct gw_k8s *b, struct gw_backend_ask *a); /* takes it */

/* logs.c: of any replica, leading or not. */
void gw_k8s_log_run(struct gw_k8s *b, struct gw_backend_ask *a); /* takes it */
void gw_k8s_tails_serve(struct gw_k8s *b);
int64_t gw_k8s_tails_wake_at(const struct gw_k8s *b);
/* Nobody is given any more. They are over soon: returns whether some are not yet. */
bool gw_k8s_tails_end(struct gw_k8s *b);

/* lead.c */
void gw_k8s_take_wish(struct gw_k8s *b);

/* look.c: whether the server is there. */
void gw_k8s_look_serve(struct gw_k8s *b);
void gw_k8s_look_soon(struct gw_k8s *b); /* something failed */

/* survey.c: what the cluster offers. */
void gw_k8s_survey_add(struct gw_k8s *b, const char *ns); /* jobs are in this namespace */
void gw_k8s_survey_serve(struct gw_k8s *b);
int64_t gw_k8s_survey_wake_at(const struct gw_k8s *b);
void gw_k8s_survey_stop(struct gw_k8s *b); /* what is out comes home and is dropped */

/* loop.c */
void *gw_k8s_loop(void *backend);

#endif
