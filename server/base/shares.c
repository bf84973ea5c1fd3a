/*
 * Shares of users. Any thread: the table and the references are under its lock, the numbers are
 * atomic.
 *
 * Invariant: a user's share is in the table exactly while there is a reference to it.
 */
#include "server/base/shares.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct gw_share {
        struct gw_share *next; /* of its bucket */
        struct gw_shares *shares;
        int64_t user;
        size_t refs;
        atomic_size_t amount;
};

void gw_shares_init(struct gw_shares *s)
{
        *s = (struct gw_shares){0};
        pthread_mutex_init(&s->lock, NULL);
}

void gw_shares_done(struct gw_shares *s)
{
        pthread_mutex_destroy(&s->lock);
}

static struct gw_share **place_of(struct gw_shares *s, int64_t user)
{
        struct gw_share **place = &s->buckets[(uint64_t)user % GW_SHARES_BUCKETS];
        while (*place && (*place)->user != user)
                place = &(*place)->next;
        return place;
}

static struct gw_share *share_new(struct gw_shares *s, int64_t user)
{
        struct gw_share *share = calloc(1, sizeof *share);
        if (!share)
                return NULL;
        share->shares = s;
        share->user = user;
        atomic_init(&share->amount, 0);
        return share;
}

struct gw_share *gw_share_ref(struct gw_shares *s, int64_t user)
{
        pthread_mutex_lock(&s->lock);
        struct gw_share **place = place_of(s, user);
        if (!*place)
                *place = share_new(s, user);
        struct gw_share *share = *place;
        if (share)
                share->refs++;
        pthread_mutex_unlock(&s->lock);
        return share;
}

void gw_share_unref(struct gw_share *share)
{
        if (!share)
                return;
        struct gw_shares *s = share->shares;
        pthread_mutex_lock(&s->lock);
        if (--share->refs == 0) {
                assert(atomic_load(&share->amount) == 0);
                *place_of(s, share->user) = share->next;
                free(share);
        }
        pthread_mutex_unlock(&s->lock);
}

size_t gw_share_add(struct gw_share *share, size_t more)
{
        return atomic_fetch_add(&share->amount, more) + more;
}
