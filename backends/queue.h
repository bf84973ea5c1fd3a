/*
 * What a backend is asked, on its way to its thread: the ops of backend.h copy what they are given
 * and leave it here. A wish about leadership replaces one that was not acted on; everything else
 * is taken in its order.
 */
#ifndef GW_BACKENDS_QUEUE_H
#define GW_BACKENDS_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>

#include "backends/backend.h"

enum gw_ask {
        GW_ASK_SUBMIT,
        GW_ASK_RESOLVE,
        GW_ASK_CANCEL,
        GW_ASK_CHANGE,
        GW_ASK_FORGET,
        GW_ASK_PURGE,
        GW_ASK_CHECK,
        GW_ASK_LOG,
        GW_ASK_COUNT
};

struct gw_backend_ask {
        struct gw_work work;
        enum gw_ask kind;
        uint64_t epoch; /* led when it was asked */
        struct gw_mark mark;
        struct gw_submission *submission; /* of submit and resolve: a copy, freed with it */
        struct gw_span *spans;            /* of cancel: a copy, freed with it; NULL: all */
        size_t span_count;
        int held; /* of change, as the next two */
        int64_t time_limit_s;
        uint32_t max_parallel;
        char *identities;               /* of purge: a copy, freed with it; or NULL */
        struct gw_backend_check *check; /* the caller's */
        struct gw_log_source *log;      /* the caller's */
};

/* A submission that a leader takes over, as far as it is needed here. */
struct gw_live {
        struct gw_mark mark;
        bool accepted, cancelling, held;
        int64_t send_before;
        uint32_t most_tasks;
        char *identity, *ref, *index_set; /* or NULL */
        struct gw_span *spans, *begun;    /* or NULL: a plain job; none */
        struct gw_span *open;             /* or NULL: all */
        size_t span_count, begun_count, open_count;
};

struct gw_leadership {
        bool any, lead, failed; /* failed: no memory to take it down */
        uint64_t epoch;
        struct gw_live *live; /* sorted by mark */
        size_t live_count;
};

struct gw_backend_queue {
        struct gw_mailbox mailbox;
        _Atomic uint64_t asked_epoch; /* of the last lead, 0 after yield; written by the engine */
        pthread_mutex_t wish_lock;
        struct gw_leadership wish; /* under wish_lock */
        atomic_bool resumed, stopping;
};

/* The beginning of a backend whose ops are these. */
struct gw_queued_backend {
        struct gw_backend head;
        struct gw_backend_queue queue;
        /* Its thread: the wish that is being carried out, and (monotonic) when that is tried. */
        struct gw_leadership next;
        int64_t next_at;
};

/* Returns 0, or -1 with GW_ERR_INTERNAL. */
int gw_backend_queue_init(struct gw_backend_queue *q, struct gw_error *err);
/* What nobody took comes home. After the backend's thread has ended. */
void gw_backend_queue_done(struct gw_backend_queue *q);

/* ---- any thread: the ops of backend.h ---- */

int gw_queued_submit(struct gw_backend *head, const struct gw_submission *s);
int gw_queued_resolve(struct gw_backend *head, const struct gw_submission *s);
int gw_queued_cancel(struct gw_backend *head, struct gw_mark mark, const struct gw_span *spans,
                     size_t span_count);
int gw_queued_change(struct gw_backend *head, struct gw_mark mark, int held, int64_t time_limit_s,
                     uint32_t max_parallel);
int gw_queued_forget(struct gw_backend *head, struct gw_mark mark);
int gw_queued_purge(struct gw_backend *head, struct gw_id job, const char *identities);
void gw_queued_check(struct gw_backend *head, struct gw_backend_check *check);
void gw_queued_log(struct gw_backend *head, struct gw_log_source *source);
void gw_queued_lead(struct gw_backend *head, uint64_t epoch, const struct gw_submission *live,
                    size_t count, const char *cursor); /* a cursor is not kept */
void gw_queued_yield(struct gw_backend *head);
void gw_queued_resume(struct gw_backend *head);

#define GW_QUEUED_OPS                                                                              \
        .check = gw_queued_check, .log = gw_queued_log, .lead = gw_queued_lead,                    \
        .yield = gw_queued_yield, .submit = gw_queued_submit, .resolve = gw_queued_resolve,        \
        .cancel = gw_queued_cancel, .change = gw_queued_change, .forget = gw_queued_forget,        \
        .purge = gw_queued_purge, .resume = gw_queued_resume

/* Asks the thread to end; it is joined by the caller. */
void gw_queue_stop(struct gw_backend_queue *q);

/* ---- the backend's thread ---- */

/* All that was asked, linked by work.next. Take it before the wish: a wish that is seen after
 * the asks was uttered no later than those that rely on it. */
struct gw_work *gw_queue_take(struct gw_backend_queue *q);
/* The latest wish, the caller's; any is false when there is none. */
struct gw_leadership gw_queue_take_wish(struct gw_backend_queue *q);
/* Carries out the latest wish: stop() ends what was led, and begin() leads what is wished; without
 * memory (-1) that is undone by stop() and tried again. */
void gw_queued_follow(struct gw_queued_backend *b,
                      int (*begin)(struct gw_queued_backend *b, const struct gw_leadership *wish),
                      void (*stop)(struct gw_queued_backend *b));
/* Monotonic: when to call it again at the latest; INT64_MAX: only when woken. */
int64_t gw_queued_follow_at(const struct gw_queued_backend *b);

/* Why an ask is put off where leading fails for want of memory only. */
extern const char gw_queued_not_led[];

/* What an engine's ask relies on is the epoch it was asked under. */
enum gw_turn {
        GW_TURN_NOW,
        GW_TURN_LATER, /* that is not led yet */
        GW_TURN_NEVER, /* nor any more */
};
/* led: the epoch, 0: none. */
enum gw_turn gw_queued_turn(const struct gw_queued_backend *b, const struct gw_backend_ask *a,
                            uint64_t led);

static inline bool gw_queue_take_resumed(struct gw_backend_queue *q)
{
        return atomic_exchange(&q->resumed, false);
}
static inline bool gw_queue_is_stopping(const struct gw_backend_queue *q)
{
        return atomic_load(&q->stopping);
}

void gw_backend_ask_free(struct gw_backend_ask *a); /* accepts NULL */
/* Answers a request of the engine's. retry_at: wall µs, 0: none. */
void gw_backend_ask_answer(const struct gw_backend_host *host, const struct gw_backend_ask *a,
                           enum gw_answer answer, const char *ref, const char *raw,
                           int64_t retry_at);

/* NULL: it is not among them. */
const struct gw_live *gw_leadership_find(const struct gw_leadership *l, struct gw_mark mark);
void gw_leadership_done(struct gw_leadership *l); /* usable again */

#endif
