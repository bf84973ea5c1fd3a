/*
 * The workers of a cluster: helper programs that speak to slurmctld as one Unix user each, with a
 * token of that user's. Belongs to one thread, which polls; nothing here blocks.
 *
 * A worker is asked one thing at a time, so of what was asked when it hangs or dies one thing is
 * unknown, and the rest was surely not sent. It is started when its user asks for something, and
 * ended when nothing was asked for a while, or in time before its token ends.
 */
#ifndef GW_BACKENDS_SLURM_WORKERS_H
#define GW_BACKENDS_SLURM_WORKERS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "backends/slurm/credential.h"
#include "server/base/error.h"

struct gw_slurm_workers;

struct gw_slurm_workers_settings {
        struct gw_slurm_credential credential;
        int64_t token_life_s; /* a worker lives for half of it */
        unsigned most;        /* workers of one user, from 1 */
};

/* protocol.h says what they mean. */
enum gw_slurm_outcome {
        GW_SLURM_DONE,
        GW_SLURM_REFUSED,
        GW_SLURM_NOT_SENT,
        GW_SLURM_BUSY,
        GW_SLURM_UNKNOWN,
        GW_SLURM_INVALID,
};

/* Embedded by whoever asks. */
struct gw_slurm_ask {
        /* in */
        const char *user; /* borrowed until it is done */
        json_t *request;  /* protocol.h, of `work`, without an id; its own reference, kept */
        /* How long it may wait for a worker: then it is not sent. And then again for the answer:
         * its worker is killed. Whoever asks behind an ask of that user's waits at least as long.
         */
        int64_t patience_us;
        void (*done)(
                struct gw_slurm_ask *ask); /* once, from ask(), serve() or free(); may ask again */
        void *owner;
        /* out */
        enum gw_slurm_outcome outcome;
        const json_t *answer; /* until done() returns; NULL: there is none */
        const char *text;     /* words for people, until done() returns; or NULL */
        /* private */
        int64_t deadline_us; /* monotonic: of what it waits for */
        TAILQ_ENTRY(gw_slurm_ask) link;
};

/* Returns NULL with GW_ERR_INTERNAL or GW_ERR_NOMEM. */
struct gw_slurm_workers *gw_slurm_workers_new(const struct gw_slurm_workers_settings *settings,
                                              struct gw_error *err);
/* Kills the workers; what is asked is done, as unknown or not sent. */
void gw_slurm_workers_free(struct gw_slurm_workers *w);

/* What cannot be is done as not sent. Serve after it. */
void gw_slurm_workers_ask(struct gw_slurm_workers *w, struct gw_slurm_ask *ask);

/* To poll for reading, until when at the latest (monotonic µs; INT64_MAX: no hurry), and what to
 * do then. */
int gw_slurm_workers_fd(const struct gw_slurm_workers *w);
int64_t gw_slurm_workers_wake_at(const struct gw_slurm_workers *w);
void gw_slurm_workers_serve(struct gw_slurm_workers *w);

/* How many there are now. */
size_t gw_slurm_workers_count(const struct gw_slurm_workers *w);

#endif
