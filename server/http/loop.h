/*
 * A loop: one thread, one MHD daemon, one listening socket and the connections accepted from
 * it. Private to server/http. Everything here belongs to the loop's thread, except what is
 * atomic, the mailbox, and the fields of gw_http that never change after the start.
 */
#ifndef GW_HTTP_LOOP_H
#define GW_HTTP_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/http/arena.h"
#include "server/http/http.h"
#include "server/http/lane.h"

struct MHD_Connection;
struct MHD_Daemon;

/* Why http itself refuses a request: the label of its counter. */
enum gw_refusal {
        GW_REFUSED_MALFORMED,
        GW_REFUSED_URI,
        GW_REFUSED_HEADERS,
        GW_REFUSED_BODY,
        GW_REFUSED_TIMEOUT,
        GW_REFUSED_OVERLOADED,
};

struct gw_http {
        struct gw_http_settings settings; /* zeros replaced by the defaults */
        struct gw_http_app app;
        uint16_t port;
        atomic_size_t bodies_bytes;  /* held by all bodies together */
        atomic_size_t answers_bytes; /* held by all large answers together */
        struct gw_metric_family *connections, *exchanges, *body_bytes, *bodies_held, *refused;
        unsigned loop_count;
        struct gw_loop *loops;
};

/* One TCP connection. */
struct gw_conn {
        struct gw_loop *loop;
        struct MHD_Connection *mhd;
        int fd;
        struct gw_exchange *x; /* the one going on, or NULL */
        bool watched;          /* in streams_fd, until it is closed */
        struct gw_seat seat;
        struct gw_conn *prev, *next;
};

struct gw_loop {
        struct gw_http *http;
        unsigned number;
        pthread_t thread;
        struct MHD_Daemon *daemon;
        int listen_fd, epoll_fd;
        int streams_fd; /* epoll: streams whose clients hang up */
        struct gw_mailbox box;
        struct gw_pages pages;
        uint64_t random[2];

        struct gw_conn *conns;
        bool made_room;         /* a connection was closed: the next turn must not sleep */
        struct gw_lane idle;    /* between requests, up to a request's first line */
        struct gw_lane head;    /* sending the rest of its header */
        struct gw_lane body;    /* sending a body */
        struct gw_lane linger;  /* answered for good, may still be sending */
        struct gw_lane waiting; /* suspended; looked at now and then */
        size_t waiting_count;
        size_t kept; /* by work that may outlive its exchange */

        atomic_int grace_ms; /* -1 until gw_http_stop() */
        bool draining;
        int64_t drain_until_us;
        int64_t heads_until_us; /* when headers that are still incomplete are given up */
        bool cut;               /* the grace is over */
};

/* Starts the daemon on listen_fd, which is taken, also on failure; not yet the thread. */
int gw_loop_init(struct gw_loop *loop, struct gw_http *http, unsigned number, int listen_fd,
                 struct gw_error *err);
/* Undoes gw_loop_init; the thread was not started, or has been joined. */
void gw_loop_done(struct gw_loop *loop);

int gw_loop_start(struct gw_loop *loop, struct gw_error *err);
/* Any thread: begins the graceful end. */
void gw_loop_stop(struct gw_loop *loop, int grace_ms);
void gw_loop_join(struct gw_loop *loop);

/* The loop's thread: from now on its hanging up is noticed at once. */
void gw_loop_watch(struct gw_conn *conn);

/* 64 random bits, good enough for a request's name. */
uint64_t gw_loop_random(struct gw_loop *loop);

#endif
