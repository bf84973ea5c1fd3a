/*
 * How threads talk: a message is owned by exactly one side, and moves.
 *
 * A gw_mailbox belongs to one thread, which sleeps in poll() or epoll on its
 * descriptor and takes all messages at once. Any thread may post. Requests are posted
 * with gw_mailbox_post(), which refuses when the box is full; the sender then tells
 * its client to come back. Answers go home with gw_work_finish(), which cannot fail:
 * the message is the memory, and the room was made when the request was accepted.
 *
 * One eventfd write wakes the owner for the whole batch: it happens only when the box
 * goes from empty to non-empty.
 */
#ifndef GW_BASE_MAILBOX_H
#define GW_BASE_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct gw_mailbox;

/* Embedded in every message. Between post and finish it belongs to the receiver. */
struct gw_work {
        struct gw_work *next;
        struct gw_mailbox *home;            /* where it goes when done; NULL: nowhere */
        void (*done)(struct gw_work *work); /* run by home's thread, for its dispatch */
        void *owner;                        /* the sender's, untouched by others */
};

struct gw_mailbox {
        pthread_mutex_t lock;
        struct gw_work *first;
        struct gw_work **last;
        size_t count;
        size_t max;
        int fd;      /* eventfd, non-blocking, readable while there may be messages */
        bool raised; /* the descriptor is readable */
        bool closed;
};

/* max: most messages that gw_mailbox_post() lets wait. Returns 0, or -1 without a
 * descriptor. */
int gw_mailbox_init(struct gw_mailbox *box, size_t max);
void gw_mailbox_done(struct gw_mailbox *box); /* the box is empty */

/* Posts a request. Returns 0, or -1 when the box is full or closed: the sender keeps it. */
int gw_mailbox_post(struct gw_mailbox *box, struct gw_work *work);

/* From now on gw_mailbox_post() refuses; what is inside can still be taken. */
void gw_mailbox_close(struct gw_mailbox *box);

/* The owner: clears the descriptor and takes everything, oldest first, NULL when empty. */
struct gw_work *gw_mailbox_take(struct gw_mailbox *box);

/* The owner, or anyone who counts: how many wait now. */
size_t gw_mailbox_count(struct gw_mailbox *box);

/* Wakes the owner without a message. */
void gw_mailbox_wake(struct gw_mailbox *box);

/* Returns finished work to its home, or a whole list linked by `next`, in order. Consecutive
 * works of one home are handed over under one lock. Cannot fail. */
void gw_work_finish(struct gw_work *work);
void gw_work_finish_list(struct gw_work *first);

#endif
