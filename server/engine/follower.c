/*
 * A follower from its exchange's side. Runs on the exchange's loop thread, while the follower's
 * work is at home.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/cleanup.h"
#include "server/engine/follow_parts.h"

/* Returns 0 when there is room for one more, which is then taken. */
static int take_room(struct gw_follow *follow, struct gw_share *share, struct gw_error *err)
{
        size_t max = follow->settings.max_user_followers;
        if (gw_share_add(share, 1) > max) {
                gw_share_add(share, (size_t)-1);
                return gw_fail(err, GW_ERR_TOO_MANY,
                               "you follow %zu logs already, as many as one user may: end one of "
                               "these requests first",
                               max);
        }
        if (atomic_fetch_add(&follow->count, 1) < follow->settings.max_followers)
                return 0;
        atomic_fetch_sub(&follow->count, 1);
        gw_share_add(share, (size_t)-1);
        return gw_fail(err, GW_ERR_OVERLOADED, "too many logs are being followed already");
}

/* Returns 0 when it has its place among all followers and those of its user. */
static int take_place(struct gw_follower *f, int64_t user_id, struct gw_error *err)
{
        f->share = gw_share_ref(&f->follow->shares, user_id);
        if (!f->share)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        if (take_room(f->follow, f->share, err) == 0)
                return 0;
        gw_share_unref(f->share);
        return -1;
}

struct gw_follower *gw_follower_new(struct gw_follow *follow, int64_t user_id,
                                    const struct gw_work *home, struct gw_error *err)
{
        struct gw_follower *f = calloc(1, sizeof *f);
        if (!f) {
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        f->follow = follow;
        if (take_place(f, user_id, err)) {
                free(f);
                return NULL;
        }
        f->work = (struct gw_work){.home = home->home, .owner = home->owner};
        f->done = home->done;
        f->fd = -1;
        atomic_init(&f->abandoned, false);
        gw_metric_add(follow->followers_gauge, 0, 0, 1);
        return f;
}

/* What the thread gave for the last log, or for the last position. */
static void give_back(struct gw_follower *f)
{
        follow_block_unref(GW_TAKE(f->block));
        follow_file_unref(GW_TAKE(f->file));
        f->known = 0;
        f->over = f->failed = false;
}

/* The inbox has no end and is never closed. To the thread it is not a thing that is done. */
static void send_out(struct gw_follower *f)
{
        f->work.done = NULL;
        int rc = gw_mailbox_post(&f->follow->inbox, &f->work);
        assert(rc == 0);
        (void)rc;
}

void gw_follower_free(struct gw_follower *f)
{
        if (!f)
                return;
        give_back(f);
        if (f->fd >= 0)
                close(GW_TAKE_FD(f->fd));
        gw_metric_add(f->follow->followers_gauge, 0, 0, -1);
        gw_share_add(f->share, (size_t)-1);
        gw_share_unref(GW_TAKE(f->share));
        if (f->log) {
                f->closing = true;
                f->work.home = NULL;
                send_out(f);
                return;
        }
        atomic_fetch_sub(&f->follow->count, 1);
        free(f);
}

void gw_follower_open(struct gw_follower *f, struct gw_log_source *source, uint64_t position)
{
        give_back(f);
        f->key = (struct follow_key){.mark = source->mark,
                                     .ordinal = source->ordinal,
                                     .attempt = source->attempt,
                                     .is_stderr = source->want_stderr};
        f->complete = source->complete;
        if (f->fd >= 0)
                close(f->fd);
        f->fd = GW_TAKE_FD(source->fd);
        f->position = position;
}

/* Bytes of the piece that holds the position; lets go of it behind its last. */
static ssize_t read_block(struct gw_follower *f, char *out, size_t max)
{
        const struct follow_block *block = f->block;
        size_t from = (size_t)(f->position - block->first);
        size_t len = block->len - from < max ? block->len - from : max;
        memcpy(out, block->data + from, len);
        f->position += len;
        if (from + len == block->len)
                follow_block_unref(GW_TAKE(f->block));
        return (ssize_t)len;
}

/* Catches up by itself. 0: the file has become shorter. */
static ssize_t read_file(struct gw_follower *f, char *out, size_t max)
{
        uint64_t left = f->known - f->position;
        size_t len = left < max ? (size_t)left : max;
        ssize_t n = pread(f->file->fd, out, len, (off_t)f->position);
        if (n < 0)
                return GW_FOLLOW_FAILED;
        f->position += (uint64_t)n;
        if (n == 0)
                f->known = f->position;
        return n;
}

ssize_t gw_follower_read(struct gw_follower *f, char *out, size_t max)
{
        ssize_t n = 0;
        if (f->failed)
                return GW_FOLLOW_FAILED;
        if (f->block)
                n = read_block(f, out, max);
        else if (f->position < f->known)
                n = read_file(f, out, max);
        if (n != 0)
                return n;
        if (f->over)
                return GW_FOLLOW_END;
        send_out(f);
        return GW_FOLLOW_WAIT;
}

void gw_follower_abandon(struct gw_follower *f)
{
        atomic_store(&f->abandoned, true);
        if (!atomic_exchange(&f->follow->hurry, true))
                gw_mailbox_wake(&f->follow->inbox);
}
