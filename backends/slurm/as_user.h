/*
 * The gateway's side of jobgate-slurm-as-user (as_user_request.h): requests under way, each on a
 * connection of its own. Belongs to one thread, which polls; nothing here blocks.
 */
#ifndef GW_BACKENDS_SLURM_AS_USER_H
#define GW_BACKENDS_SLURM_AS_USER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "backends/slurm/as_user_request.h"
#include "backends/slurm/frame.h"
#include "server/base/error.h"

#define GW_AS_USER_CALLS 32       /* under way at a time; more wait in line */
#define GW_AS_USER_CALLS_OF_ONE 8 /* as one user */

struct gw_as_user;

/* Embedded by whoever asks. */
struct gw_as_user_call {
        /* in */
        json_t *request;     /* its own reference, kept until it is done */
        int64_t deadline_us; /* monotonic: not answered then, it is given up */
        void (*done)(
                struct gw_as_user_call *call); /* once, from serve() or free(); may ask again */
        void *owner;
        /* out, until done() returns */
        enum gw_as_user_outcome outcome; /* what came to nothing is busy where it surely was not
                                          * done, late where it may have been */
        const json_t *answer;            /* NULL: there is none */
        const char *text;                /* words for people, or NULL */
        int fd;                          /* that came with `done`, done()'s to close; or -1 */
        /* private */
        int socket;
        struct gw_buf out;
        size_t sent;
        struct gw_frames in;
        TAILQ_ENTRY(gw_as_user_call) link;
};

/* path: of the service's socket; borrowed. Returns NULL with GW_ERR_INTERNAL or GW_ERR_NOMEM. */
struct gw_as_user *gw_as_user_new(const char *path, struct gw_error *err);
/* What is under way is done as `late`, what waits as `busy`. Accepts NULL. */
void gw_as_user_free(struct gw_as_user *a);

void gw_as_user_ask(struct gw_as_user *a, struct gw_as_user_call *call);

/* To poll for reading, until when at the latest (monotonic µs; INT64_MAX: no hurry), and what to
 * do then. */
int gw_as_user_fd(const struct gw_as_user *a);
int64_t gw_as_user_wake_at(const struct gw_as_user *a);
void gw_as_user_serve(struct gw_as_user *a);

#endif
