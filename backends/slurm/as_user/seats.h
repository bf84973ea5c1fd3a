/*
 * What the parent knows of its sessions, in memory that it shares with them while they are root's:
 * as whom each works, and when the parent is to kill it. A user may stop a process that has become
 * him; so it is not left to that process to end in time.
 */
#ifndef GW_BACKENDS_SLURM_AS_USER_SEATS_H
#define GW_BACKENDS_SLURM_AS_USER_SEATS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/base/error.h"

#define GW_AS_USER_SESSIONS 256       /* at a time; more wait to be accepted */
#define GW_AS_USER_SESSIONS_OF_ONE 16 /* as one user */

struct gw_as_user_seats;

/* Never freed: it is the service's for its life. NULL with GW_ERR_IO. */
struct gw_as_user_seats *gw_as_user_seats_new(struct gw_error *err);
/* To poll for reading: some session has said when it is to be killed. */
int gw_as_user_seats_fd(const struct gw_as_user_seats *s);
void gw_as_user_seats_heard(struct gw_as_user_seats *s); /* what was to be read */

/* The parent: a session begins there, nobody's yet; and when to kill it, monotonic. */
void gw_as_user_seat_begin(struct gw_as_user_seats *s, size_t seat, int64_t kill_us);
void gw_as_user_seat_end(struct gw_as_user_seats *s, size_t seat);
int64_t gw_as_user_seat_kill_us(const struct gw_as_user_seats *s, size_t seat);

/* A session, once, before it becomes the user: works as this one from now on, and is killed then.
 * After that it has nothing of the seats any more. Returns 0, or -1 with GW_ERR_UNAVAILABLE: as
 * many work as this user already. */
int gw_as_user_seat_take(struct gw_as_user_seats *s, size_t seat, uid_t user, int64_t kill_us,
                         struct gw_error *err);

#endif
