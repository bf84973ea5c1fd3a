/* Leadership: an advisory lock on the leader's own connection, and an epoch that fences. */
#ifndef GW_DB_LEASES_H
#define GW_DB_LEASES_H

#include "db/db.h"

/* Takes the lease `name` on this session if nobody holds it and raises its epoch. *ret_epoch is 0
 * when another holds it. It ends with the session. Returns 0, or -1 when the database is away. */
int gw_db_lease_take(struct gw_db_session *s, const char *name, const char *holder,
                     int64_t *ret_epoch, struct gw_error *err);

/* Who leads now, for people: the holder's text, or "". */
struct gw_db_lease_holder {
        struct gw_db_command cmd;
        const char *name;
        char holder[128];
        int64_t epoch;
};
void gw_db_lease_holder_init(struct gw_db_lease_holder *c);

#endif
