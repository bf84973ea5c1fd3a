/* Output that is kept in the record (db/kept_logs.h), as a file: then it is read as any other. */
#ifndef GW_ROUTES_LOG_KEPT_H
#define GW_ROUTES_LOG_KEPT_H

#include <stdatomic.h>

#include "db/kept_logs.h"
#include "server/base/shares.h"

/* How much of it is served now, in bytes of files: of all, and of each user. Any thread. */
struct gw_log_kept_room {
        atomic_size_t bytes;
        struct gw_shares users;
};
void gw_log_kept_room_init(struct gw_log_kept_room *room);
void gw_log_kept_room_done(struct gw_log_kept_room *room); /* all places were given back */

/* What one file has of it; zero: nothing. Whoever has the file has its place. */
struct gw_log_kept_place {
        struct gw_log_kept_room *room;
        struct gw_share *share;
        size_t bytes;
};
/* Returns 0; or -1 with GW_ERR_OVERLOADED, GW_ERR_TOO_MANY when it is this user who has too much,
 * or GW_ERR_NOMEM. */
int gw_log_kept_place_take(struct gw_log_kept_place *place, struct gw_log_kept_room *room,
                           int64_t user_id, size_t bytes, struct gw_error *err);
void gw_log_kept_place_give_back(struct gw_log_kept_place *place); /* usable again */
/* Gives back what `to` has. */
void gw_log_kept_place_move(struct gw_log_kept_place *to, struct gw_log_kept_place *from);

/* How large such a file is. */
size_t gw_log_kept_size(const struct gw_log_text *text);

/* Makes a file without a name that has the head, the tail, and between them a line that says how
 * much is missing (*ret_omitted bytes, 0: nothing, and no line). Any thread; writes to a temporary
 * folder. Returns its descriptor, or -1 with GW_ERR_UNAVAILABLE. */
int gw_log_kept_file(const struct gw_log_text *text, uint64_t *ret_size, uint64_t *ret_omitted,
                     struct gw_error *err);

#endif
