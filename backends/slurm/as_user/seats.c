/*
 * A row for each session. The parent alone gives rows away and takes them back; a session writes
 * its own, reads all, and lets go of them before it is a user's.
 */
#include "backends/slurm/as_user/seats.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/base/cleanup.h"

struct seat {
        _Atomic int64_t kill_us; /* monotonic */
        _Atomic uint32_t user;   /* 0: nobody's */
};

struct gw_as_user_seats {
        struct seat *shared; /* GW_AS_USER_SESSIONS of them */
        int event;
};

#define SHARED_BYTES (GW_AS_USER_SESSIONS * sizeof(struct seat))

struct gw_as_user_seats *gw_as_user_seats_new(struct gw_error *err)
{
        struct gw_as_user_seats *s = malloc(sizeof *s);
        void *shared =
                mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        gw_autoclose int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (!s || shared == MAP_FAILED || event < 0) {
                gw_fail(err, GW_ERR_IO, "no memory to share: %s", strerrordesc_np(errno));
                if (shared != MAP_FAILED)
                        munmap(shared, SHARED_BYTES);
                free(s);
                return NULL;
        }
        *s = (struct gw_as_user_seats){.shared = shared, .event = GW_TAKE_FD(event)};
        return s;
}

int gw_as_user_seats_fd(const struct gw_as_user_seats *s)
{
        return s->event;
}

void gw_as_user_seats_heard(struct gw_as_user_seats *s)
{
        eventfd_t count;
        (void)eventfd_read(s->event, &count);
}

void gw_as_user_seat_begin(struct gw_as_user_seats *s, size_t seat, int64_t kill_us)
{
        atomic_store(&s->shared[seat].user, 0);
        atomic_store(&s->shared[seat].kill_us, kill_us);
}

void gw_as_user_seat_end(struct gw_as_user_seats *s, size_t seat)
{
        gw_as_user_seat_begin(s, seat, INT64_MAX);
}

int64_t gw_as_user_seat_kill_us(const struct gw_as_user_seats *s, size_t seat)
{
        return atomic_load(&s->shared[seat].kill_us);
}

int gw_as_user_seat_take(struct gw_as_user_seats *s, size_t seat, uid_t user, int64_t kill_us,
                         struct gw_error *err)
{
        size_t count = 0;
        /* Its own first: of two that come at once neither overlooks the other. */
        atomic_store(&s->shared[seat].user, user);
        for (size_t i = 0; i < GW_AS_USER_SESSIONS; i++)
                count += atomic_load(&s->shared[i].user) == user;
        atomic_store(&s->shared[seat].kill_us, kill_us);
        (void)eventfd_write(s->event, 1);
        munmap(GW_TAKE(s->shared), SHARED_BYTES);
        close(GW_TAKE_FD(s->event));
        if (count > GW_AS_USER_SESSIONS_OF_ONE)
                return gw_fail(err, GW_ERR_UNAVAILABLE, "too much is done as this user now");
        return 0;
}
