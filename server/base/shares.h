/*
 * How much each user has of something that all share, so that no one takes what the others are
 * to have: a number for each, of things or of bytes. What is too much its owner says. Any thread.
 */
#ifndef GW_BASE_SHARES_H
#define GW_BASE_SHARES_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define GW_SHARES_BUCKETS 64

struct gw_share; /* one user's */

struct gw_shares {
        pthread_mutex_t lock;
        struct gw_share *buckets[GW_SHARES_BUCKETS];
};

void gw_shares_init(struct gw_shares *s);
void gw_shares_done(struct gw_shares *s); /* every reference was given back */

/* A reference to the user's share, which is nothing at first; NULL without memory. */
struct gw_share *gw_share_ref(struct gw_shares *s, int64_t user);
/* Whoever referred to it counts nothing in it any more. NULL allowed. */
void gw_share_unref(struct gw_share *share);

/* Counts more, or less, as size_t wraps. Returns what the user then has. */
size_t gw_share_add(struct gw_share *share, size_t more);

#endif
