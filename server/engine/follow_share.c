/*
 * How many logs each user follows, so that no one takes what all may have. Any thread.
 *
 * Invariant: a user has a share in the table exactly while it counts something.
 */
#include <stdlib.h>

#include "server/engine/follow_parts.h"

static struct follow_share **place_of(struct follow_shares *s, int64_t user)
{
        struct follow_share **place = &s->buckets[(uint64_t)user % FOLLOW_SHARE_BUCKETS];
        while (*place && (*place)->user != user)
                place = &(*place)->next;
        return place;
}

static int count_one(struct follow_shares *s, int64_t user, size_t max, struct gw_error *err)
{
        struct follow_share **place = place_of(s, user);
        if (!*place) {
                struct follow_share *share = calloc(1, sizeof *share);
                if (!share)
                        return gw_fail(err, GW_ERR_NOMEM, "out of memory");
                share->user = user;
                *place = share;
        }
        if ((*place)->count >= max)
                return gw_fail(err, GW_ERR_TOO_MANY,
                               "you follow %zu logs already, as many as one user may: end one of "
                               "these requests first",
                               max);
        (*place)->count++;
        return 0;
}

int follow_share_take(struct follow_shares *s, int64_t user, size_t max, struct gw_error *err)
{
        pthread_mutex_lock(&s->lock);
        int rc = count_one(s, user, max, err);
        pthread_mutex_unlock(&s->lock);
        return rc;
}

void follow_share_give(struct follow_shares *s, int64_t user)
{
        pthread_mutex_lock(&s->lock);
        struct follow_share **place = place_of(s, user), *share = *place;
        if (--share->count == 0) {
                *place = share->next;
                free(share);
        }
        pthread_mutex_unlock(&s->lock);
}
