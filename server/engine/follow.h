/*
 * Following logs: one thread for all followers of the process.
 *
 * A follower belongs to one exchange and has a position in one log. Followers of the same log
 * share one open file, and the pieces that were read of it last (1 MiB; one follower alone, one
 * piece of 64 KiB): each piece is read once and counted, however many send it. Who falls behind
 * those pieces reads the file from its own position, on its own loop's thread, until it has caught
 * up; so a slow follower holds one piece, and costs the others nothing.
 *
 * The thread looks at the files that somebody waits for, all with one timer, and asks the
 * record after events of a job, once for all followers of a log, whether the attempt has ended.
 * When it has, everything that was printed is sent before the stream ends.
 */
#ifndef GW_ENGINE_FOLLOW_H
#define GW_ENGINE_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "backends/backend.h"
#include "db/db.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/base/mailbox.h"
#include "server/base/metrics.h"
#include "server/engine/hub.h"

struct gw_follow;
struct gw_follower;

struct gw_follow_settings {
        size_t max_followers, max_user_followers; /* in all; of one user */
        struct gw_hub *hub;                       /* both are borrowed for its life */
        struct gw_db_channel *reader;             /* where the record is asked */
        struct gw_metrics *metrics;               /* or NULL */
};

struct gw_follow *gw_follow_start(const struct gw_follow_settings *settings, struct gw_error *err);
/* Every follower was freed. Waits for what it asked the hub and the record, stops and frees. */
void gw_follow_stop(struct gw_follow *follow); /* NULL allowed */

/* From now on a follower fails unless its attempt has ended, for what it has would not be the
 * whole: for the end of the process, before the loops are stopped. Any thread. */
void gw_follow_drain(struct gw_follow *follow);
bool gw_follow_draining(const struct gw_follow *follow);

/* How long whoever follows waits before it looks again at what may have changed: */
#define GW_FOLLOW_LOOK_US (60 * GW_SECOND) /* the hub tells of every event; this is the net */
#define GW_FOLLOW_AGAIN_US GW_SECOND       /* when what was asked is away */
#define GW_FOLLOW_SOON_US (GW_SECOND / 5)  /* when no event will tell */
/* And when, monotonic, the next look may begin, if one that began then is over now. Events may
 * come fast, and most are about others: looks have a pause between them, a long one a long one. */
int64_t gw_follow_next_us(int64_t began_us);

/* ---- a follower: its exchange's loop thread ------------------------------------------------- */

/* Follows nothing yet. `home` has the home, the done() and the owner of its work. NULL with
 * GW_ERR_OVERLOADED when there are too many, GW_ERR_TOO_MANY when this user has too many. */
struct gw_follower *gw_follower_new(struct gw_follow *follow, int64_t user_id,
                                    const struct gw_work *home, struct gw_error *err);
/* Its work is at home. NULL allowed. */
void gw_follower_free(struct gw_follower *f);

/* From now on follows this log, from byte `position` of its file; source->fd is taken. Its work
 * is at home. */
void gw_follower_open(struct gw_follower *f, struct gw_log_source *source, uint64_t position);

enum {
        GW_FOLLOW_WAIT = 0,    /* its work went out; read again when it has come home */
        GW_FOLLOW_END = -1,    /* the attempt has ended, and that was all */
        GW_FOLLOW_FAILED = -2, /* the file cannot be read, there is no memory, or draining */
};
/* Copies at most max (> 0) bytes from the position to out and moves the position; or one of the
 * above. May read the file, and does not wait for it to grow. Its work is at home. */
ssize_t gw_follower_read(struct gw_follower *f, char *out, size_t max);

/* Its work is out, and nobody waits any more: it comes home soon. */
void gw_follower_abandon(struct gw_follower *f);

#endif
