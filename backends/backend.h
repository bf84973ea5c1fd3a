/*
 * The backend contract: how the engine hands work to a cluster and hears of it.
 *
 * The engine knows this page and no concrete backend. Ops only copy their arguments,
 * enqueue and return; they never block and never call back from inside. Answers and facts
 * come from the backend's own thread through the host's functions. What a callback is given
 * is borrowed until it returns. Every op may be repeated, also after a restart of the
 * gateway: what identifies a hand-over is its mark, which the scheduler keeps. What is asked about
 * one mark is done in the order in which it was asked.
 *
 * One backend object is one configured cluster. One gateway process leads it at a time, under
 * an epoch; everything said to the host carries the epoch it was said under.
 */
#ifndef GW_BACKENDS_BACKEND_H
#define GW_BACKENDS_BACKEND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/error.h"
#include "server/base/id.h"
#include "server/base/mailbox.h"
#include "server/model/spans.h"
#include "server/model/state.h"

/* What the scheduler keeps of us: job id and submission number (from 1). Text form
 * "<uuid>.<number>". */
struct gw_mark {
        struct gw_id job;
        uint32_t number;
};

#define GW_MARK_TEXT 48
void gw_mark_format(struct gw_mark mark, char out[GW_MARK_TEXT]);
int gw_mark_parse(const char *text, struct gw_mark *ret);
/* For tables of them. */
uint64_t gw_mark_hash(struct gw_mark mark);
static inline bool gw_mark_equal(struct gw_mark a, struct gw_mark b)
{
        return a.number == b.number && gw_id_equal(a.job, b.job);
}

/* One attempt of a set of tasks of one job: the unit of hand-over. */
struct gw_submission {
        struct gw_mark mark;
        const char *spec; /* the job's spec as resolved: JSON text of schema JobSpec */
        size_t spec_len;
        const json_t *json;    /* the same, read, or NULL */
        const char *name;      /* the job's name */
        const char *project;   /* the project's name */
        const char *index_set; /* the array's indices ("0-99:2"), or NULL for a plain job */
        const struct gw_span *spans;
        size_t span_count;
        const char *identity;  /* JSON text: the project's identity on this backend, or NULL */
        uint32_t attempt;      /* from 1 */
        uint32_t max_parallel; /* of its tasks, at a time; 0: no limit, or none to keep here */
        bool held;
        /* How many tasks one could have when this one was made, which may differ now; of one that
         * is only rendered, as the record has it of whoever led last, so that every replica makes
         * the same of it. 0: not known. */
        uint32_t most_tasks;
        const char *ref;     /* the scheduler's own id, once known, or NULL */
        int64_t send_before; /* wall µs: not to be sent later than this */
        const struct gw_span
                *begun; /* at lead: of the spans, what was told to run, and not to end */
        size_t begun_count;
        const struct gw_span *open; /* at lead: of an array's spans, what has not ended; or NULL */
        size_t open_count;
        bool accepted;   /* at lead: known to have been handed over */
        bool cancelling; /* at lead: a cancel was asked for */
};

enum gw_phase {
        GW_PHASE_PENDING,
        GW_PHASE_RUNNING,
        GW_PHASE_ENDING, /* an outcome is known, but something may still run */
        GW_PHASE_ENDED,  /* cannot run any more: the only phase that ends an attempt */
};

/* What is true of some tasks of a submission: a level, not an edge. Repeating one is harmless,
 * one with a lower `seen` than the last is ignored. */
struct gw_fact {
        struct gw_mark mark;
        struct gw_span span;
        uint64_t seen;    /* observation number, rising within the epoch */
        uint32_t restart; /* runs the scheduler began by itself; 0 is ours */
        enum gw_phase phase;
        enum gw_reason reason;                    /* of the lists of state.h, fitting the phase */
        int exit_code;                            /* 0–255, or -1 when there is none */
        int signal;                               /* 0 when there is none */
        int64_t pending_us, started_us, ended_us; /* wall; 0 when not known */
        const char *ref;                          /* the scheduler's id, or NULL */
        const char *node;                         /* where it runs, or NULL */
        const char *raw;   /* the backend's own words, for `message`, or NULL */
        const char *usage; /* JSON text: {"max_memory": bytes, "cpu_seconds": n}, or NULL */
        /* What the scheduler has made of the submission, JSON text of a job's `scheduler` in the
         * contract: with one of the first facts, and when it has changed. NULL: as it was said. */
        const char *about;
};

enum gw_answer {
        GW_ANSWER_DONE,     /* it is so (submit: the backend has it; resolve: it has it) */
        GW_ANSWER_REFUSED,  /* the backend refused the spec; raw says why. Final */
        GW_ANSWER_NOT_SENT, /* surely nothing left this process; may be tried again */
        GW_ANSWER_UNKNOWN,  /* it may or may not have arrived: resolve, never resubmit */
        GW_ANSWER_ABSENT,   /* resolve: it surely never arrived, and never will */
        GW_ANSWER_BUSY,     /* try again at retry_at; nothing was sent */
        GW_ANSWER_FULL, /* submit: the same; it has as many as it takes, of anybody or of this one
                         */
        GW_ANSWER_COUNT
};

enum gw_request {
        GW_REQUEST_SUBMIT,
        GW_REQUEST_RESOLVE,
        GW_REQUEST_CANCEL,
        GW_REQUEST_CHANGE,
        GW_REQUEST_FORGET
};

/* What the engine gives a backend. Callable from the backend's thread only. */
struct gw_backend_host {
        void *self;
        /* Facts seen under this epoch. Returns 0; or -1 when the mailbox is full or the epoch
         * is over: keep them, and offer what is true then after `resume`. */
        int (*facts)(void *self, uint64_t epoch, const struct gw_fact *facts, size_t count);
        /* Everything of ours was reported, as of a read begun at asked_at (wall µs) whose facts
         * all carry the observation number `seen` or a higher one: a submission accepted before
         * and not reported is gone. cursor: text given back at the next lead, or NULL. Returns as
         * facts does. */
        int (*synced)(void *self, uint64_t epoch, uint64_t seen, int64_t asked_at,
                      const char *cursor);
        /* The answer to a request about a mark. Cannot be refused: one is outstanding per
         * mark and request, and room for it was made when the op was called. */
        void (*answer)(void *self, uint64_t epoch, enum gw_request request, struct gw_mark mark,
                       enum gw_answer answer, const char *ref, const char *raw, int64_t retry_at);
        /* What the cluster offers now, JSON text of the contract's BackendOffer, NULL for as it was
         * said last; and whether it answers. Where who may use it is known for each of its users,
         * "users": {NAME: [BackendGrant…]} is in it too, which a project is shown of its own; and
         * so are "namespaces": {NAME: [BackendQuota…]}. */
        void (*describe)(void *self, const char *offer, bool reachable);
};

/* A log, asked for by any replica that can reach it. Finished from the backend's thread. */
struct gw_log_source {
        struct gw_work work; /* home and owner set by the caller */
        /* in */
        struct gw_mark mark;
        uint32_t ordinal, attempt;
        bool want_stderr; /* stdout otherwise */
        /* What the record says of the submission and the attempt, for types that need it
         * (log_by_record); borrowed until it comes home. Texts are NULL when there is none. */
        const char *identity, *ref, *index_set, *ordinals;
        const char *spec; /* JSON text, of a script with lines for a submit command */
        const char *node;
        bool ended; /* the attempt has */
        /* out */
        int fd; /* a regular file that only grows, opened for reading, caller closes; -1: none */
        uint64_t size;         /* when it was opened */
        bool complete;         /* the attempt ended: it will not grow */
        struct gw_error error; /* GW_ERR_GONE, GW_ERR_NOT_FOUND (nothing yet), GW_ERR_UNAVAILABLE */
};

/* A dry run on the backend's side. Finished from the backend's thread. */
struct gw_backend_check {
        struct gw_work work;
        const struct gw_submission *submission; /* borrowed until finished */
        struct gw_error error;                  /* code GW_OK: it would be accepted */
        bool not_tested; /* out: not all that the cluster could say: it is another's to ask */
        char note[GW_ERROR_MESSAGE]; /* out: what it says of one that it would accept; "": nothing
                                      */
};

/* What the reference of settings says of one setting of a type's section; Markdown. */
struct gw_backend_setting {
        const char *name;
        const char *value;  /* what may be written: "a size such as `64Gi`" */
        const char *preset; /* the default; NULL: there must be a value */
        const char *help;
};

struct gw_backend;
struct gw_spec;
struct gw_warnings;

struct gw_backend_type {
        const char *name; /* "local" */

        /* A script with lines for the scheduler's own submit command (server/model/directives.h)
         * goes to it as it is, and what the spec says is put over what they say: so its spec gets
         * no defaults. Elsewhere such lines are comments. */
        bool reads_scripts;

        /* The settings of its section, i from 0; false after the last. Pure, any thread. */
        bool (*setting)(size_t i, struct gw_backend_setting *ret);

        /* settings: this backend's section, checked here; messages name the setting. host is
         * copied. Starts the backend's thread. NULL on error. */
        struct gw_backend *(*open)(const char *name, const json_t *settings,
                                   const struct gw_backend_host *host, struct gw_error *err);
        /* Stops the thread and frees; jobs run on. Waits for its own thread only. */
        void (*close)(struct gw_backend *b);

        /* Pure and deterministic, any thread: whether the spec can be carried at all (rules
         * that need no cluster), and the script or manifest it becomes; out NULL: only whether.
         * Return 0 or -1. */
        int (*render)(const struct gw_backend *b, const struct gw_submission *s, struct gw_buf *out,
                      struct gw_error *err);
        /* Pure, any thread: appends what it leaves out of a spec that it can carry, and what people
         * usually regret there. */
        void (*advise)(const struct gw_backend *b, const struct gw_spec *spec,
                       struct gw_warnings *warnings);
        /* Pure, any thread: what people have in the scheduler's own words, a manifest (UTF-8), as
         * members of a spec, which are then decoded and resolved as any; the caller's. Appends what
         * is not then exactly as it was. NULL on error, with the manifest's pointer; the op is NULL
         * where there is no such thing. */
        json_t *(*import)(const char *text, size_t len, struct gw_warnings *warnings,
                          struct gw_error *err);
        /* An array is one thing to its scheduler, however many of its tasks wait, and max_parallel
         * is kept there too: a submission may have all tasks of the array, and fills one place of
         * the window. */
        bool whole_arrays;
        /* How many tasks one submission may have; 0: not known yet, and then no array is handed
         * over. NULL: any number. Any thread. */
        uint32_t (*most_tasks)(const struct gw_backend *b);
        /* Of these tasks, which could go together, how many of the first one submission may have,
         * at least one. NULL: all of any. Pure, any thread. */
        uint32_t (*most_together)(const struct gw_backend *b, const struct gw_submission *s);

        /* Any replica. The caller keeps them until they come home. */
        void (*check)(struct gw_backend *b, struct gw_backend_check *check);
        void (*log)(struct gw_backend *b, struct gw_log_source *source);
        bool log_by_record; /* log needs what the record says */
        bool foreign_logs;  /* whoever owns its files may remove them: the gateway keeps some */
        /* Whether log can have any, as it is set up. NULL: it can. Any thread. */
        bool (*reads_logs)(const struct gw_backend *b);

        /* Leadership. lead: start watching under this epoch; live are the submissions that are
         * not closed; an earlier epoch's unsent work is dropped. yield: drop what is unsent,
         * say nothing more. */
        void (*lead)(struct gw_backend *b, uint64_t epoch, const struct gw_submission *live,
                     size_t count, const char *cursor);
        void (*yield)(struct gw_backend *b);

        /* The leader's requests; each is answered through host.answer. They return 0, or -1
         * when the queue is full (ask again after a while) or memory is short. */
        int (*submit)(struct gw_backend *b, const struct gw_submission *s);
        int (*resolve)(struct gw_backend *b, const struct gw_submission *s);
        /* Also before the submit is answered: what that brought and has not begun by then does not
         * begin, and if nothing of it is there (yet), the answer is absent and the cancel has no
         * effect. It is asked once more when the submission is known to be there. */
        int (*cancel)(struct gw_backend *b, struct gw_mark mark, const struct gw_span *spans,
                      size_t span_count);
        /* For what still waits. held: 1, 0, or < 0: as it is. time_limit_s: of each attempt; 0:
         * none, < 0: as it is. max_parallel: of the submission, asked of one with whole_arrays; 0:
         * as it is. Elsewhere the engine keeps it by handing over no more. */
        int (*change)(struct gw_backend *b, struct gw_mark mark, int held, int64_t time_limit_s,
                      uint32_t max_parallel);
        /* Everything of it is recorded: its objects, but not its logs, may go. */
        int (*forget)(struct gw_backend *b, struct gw_mark mark);
        /* The job's record was removed: its logs too. identities: JSON text, a list of all that it
         * was handed over as, or NULL. */
        int (*purge)(struct gw_backend *b, struct gw_id job, const char *identities);
        /* The host's mailbox has room again. */
        void (*resume)(struct gw_backend *b);
};

/* The common head of every backend object. */
struct gw_backend {
        const struct gw_backend_type *type;
        char name[32];
};

/* backends/registry.c: the types compiled in. NULL when there is none of that name. */
const struct gw_backend_type *gw_backend_type_find(const char *name);
const struct gw_backend_type *gw_backend_type_at(size_t i); /* i from 0; NULL after the last */
const char *gw_backend_type_names(void); /* "local", comma-separated, for messages */

#endif
