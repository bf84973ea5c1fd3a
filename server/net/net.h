/*
 * Outgoing HTTP: one thread with all connections of the process to other services. HTTP/2 where
 * the other side has it, TLS always verified, no redirect, proxy, cookie or compression.
 *
 * A request is a message (server/base/mailbox.h). Its sender fills it in, posts it, and hears of it
 * in its own thread, which takes works from `home` and runs their done(). Between gw_net_post() and
 * done() nothing of it may be touched. It comes home exactly once; a stream once for each piece,
 * and it goes on when it is sent back with gw_net_next(): so nothing is read for whoever does not
 * take it, but one piece ahead.
 *
 * A request may reach the other side twice: when a kept connection was closed without a word, it
 * is sent again over a new one. So all must be repeatable.
 *
 * Nothing here blocks. Tokens and keys are in no error and no log.
 */
#ifndef GW_NET_NET_H
#define GW_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/error.h"
#include "server/base/mailbox.h"
#include "server/net/peer.h"

struct gw_net;
struct gw_net_transfer;

/* Returns NULL with GW_ERR_INTERNAL or GW_ERR_NOMEM. */
struct gw_net *gw_net_start(struct gw_error *err);
/* Every request has come home for good. Joins the thread. NULL allowed. */
void gw_net_stop(struct gw_net *net);

enum gw_net_outcome {
        GW_NET_MORE,      /* of a stream: a piece; gw_net_next() or gw_net_cancel() follows */
        GW_NET_DONE,      /* the answer is here to its end, whatever its status */
        GW_NET_FAILED,    /* error says why; `sent` whether it may have been heard */
        GW_NET_CANCELLED, /* likewise */
};

struct gw_net_request {
        /* ---- what to send: the sender's, unchanged until it is home for good; borrowed ---- */
        struct gw_net_peer *peer; /* gw_net_post() takes a reference of its own */
        const char *method;
        const char *target;       /* escaped path and query behind the peer's URL: "/api?x=1" */
        const char *accept;       /* a media type or NULL */
        const char *content_type; /* of body, or NULL */
        const void *body;         /* NULL: none */
        size_t body_len;
        const char *token;  /* for Authorization: Bearer; NULL: none */
        size_t max_bytes;   /* most of the answer's body; of a stream: of an answer that is none */
        int64_t connect_ms; /* until the connection stands */
        int64_t total_ms;   /* until the answer's end; 0: without end, for a stream */
        int64_t silence_ms; /* without a byte from there while we would read one; 0: any */
        /* An answer of 2xx comes in pieces of up to GW_MAX_NET_PIECE bytes, the first, if need be
         * of none, as soon as its header is here. It has a connection of its own, with HTTP/1.1. */
        bool stream;
        struct gw_mailbox *home;
        void (*done)(struct gw_net_request *request); /* run by home's thread; may free it when it
                                                         is home for good */
        void *owner;                                  /* the sender's */

        /* ---- what came of it: the sender's while it is home ---- */
        enum gw_net_outcome outcome;
        bool sent;             /* failed or cancelled: some of it may have reached the other side */
        int status;            /* 0: there was no answer */
        struct gw_buf header;  /* the answer's, as it came */
        struct gw_buf answer;  /* its body, or the piece */
        struct gw_error error; /* why it failed; GW_ERR_TOO_LARGE: the answer; GW_ERR_OVERLOADED:
                                  too many are out; else GW_ERR_UNAVAILABLE, or GW_ERR_INVALID or
                                  GW_ERR_NOMEM where it was never tried */

        /* ---- this module's ---- */
        struct gw_net *net;
        struct gw_work work, cancel;
        bool out, cancel_out, cancelled;  /* home's */
        bool stop;                        /* whoever has the request */
        struct gw_net_transfer *transfer; /* the thread's */
        struct gw_net_peer *referred;
};

/* All zero but what the sender fills in. May be posted again when it is home for good; what came of
 * it the last time is forgotten then. */
void gw_net_request_done(struct gw_net_request *request); /* frees what came; not the request */

/* Returns 0, or -1 with GW_ERR_OVERLOADED: it was not taken, and done() is not called. */
int gw_net_post(struct gw_net *net, struct gw_net_request *request, struct gw_error *err);
/* Home's thread, after GW_NET_MORE: the next piece. What `answer` has is forgotten. */
void gw_net_next(struct gw_net_request *request);
/* Home's thread, at any time from gw_net_post() until it is home for good, also in done() after
 * GW_NET_MORE: it will be home soon, without further pieces, as GW_NET_CANCELLED if it has not
 * ended by itself. May be repeated. */
void gw_net_cancel(struct gw_net_request *request);

/* Copies the i-th value of a header of the answer, cut to `size`; name in any case. Returns false
 * when there is none. */
bool gw_net_header(const struct gw_net_request *request, const char *name, unsigned i, char *value,
                   size_t size);

#endif
