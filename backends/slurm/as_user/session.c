/*
 * One connection. Until the request is read and its user is known to be allowed the process is
 * root, and touches nothing but the socket, the users' data base and the list; after that it is
 * the user, and only then are the request's paths looked at.
 */
#include "backends/slurm/as_user/session.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "backends/slurm/as_user/identity.h"
#include "backends/slurm/as_user/verbs.h"
#include "backends/slurm/frame.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define PIECE (64 * 1024)
#define READ_US (10 * GW_SECOND)  /* for the request to arrive */
#define WRITE_US (10 * GW_SECOND) /* for the answer to be taken */
#define FILES_US (20 * GW_SECOND) /* for a folder, or to open a file; nobody waits as long */

/* ---- the socket ------------------------------------------------------------------------------ */

/* Returns 0 when the socket is ready, or -1 at the deadline. */
static int wait_for(int fd, short events, int64_t deadline_us)
{
        for (;;) {
                struct pollfd p = {.fd = fd, .events = events};
                int64_t left_us = deadline_us - gw_clock_mono_us();
                int n = left_us <= 0 ? 0 : poll(&p, 1, (int)(left_us / 1000) + 1);
                if (n > 0)
                        return 0;
                if (n == 0 || errno != EINTR)
                        return -1;
        }
}

static json_t *receive(int fd, struct gw_error *err)
{
        char piece[PIECE];
        struct gw_frames in;
        json_t *object = NULL;
        size_t total = 0;
        int64_t deadline_us = gw_clock_mono_us() + READ_US;
        gw_frames_init(&in);
        while (!object && !err->code) {
                ssize_t n =
                        wait_for(fd, POLLIN, deadline_us) ? 0 : recv(fd, piece, sizeof piece, 0);
                total += n > 0 ? (size_t)n : 0;
                if (n <= 0)
                        gw_fail(err, GW_ERR_IO, "the request ends in the middle");
                else if (total > GW_AS_USER_REQUEST_MAX)
                        gw_fail(err, GW_ERR_TOO_LARGE, "the request is too large");
                else if (gw_frames_add(&in, piece, (size_t)n, err) == 0)
                        (void)gw_frames_next(&in, &object, err);
        }
        gw_frames_done(&in);
        return object;
}

static ssize_t send_some(int fd, const char *data, size_t len, int passed)
{
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {0};
        struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        if (passed >= 0) {
                control.head = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                                .cmsg_type = SCM_RIGHTS,
                                                .cmsg_len = CMSG_LEN(sizeof(int))};
                memcpy(CMSG_DATA(&control.head), &passed, sizeof passed);
                message.msg_control = &control;
                message.msg_controllen = sizeof control.space;
        }
        return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void answer(int fd, const json_t *object, int passed)
{
        struct gw_buf out = GW_BUF_INIT(GW_FRAME_HEAD + GW_FRAME_MAX);
        int64_t deadline_us = gw_clock_mono_us() + WRITE_US;
        if (object)
                gw_frame_put(&out, object);
        for (size_t at = 0; gw_buf_ok(&out) && at < out.len;) {
                if (wait_for(fd, POLLOUT, deadline_us))
                        break;
                ssize_t n = send_some(fd, out.data + at, out.len - at, at == 0 ? passed : -1);
                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        break;
                at += n > 0 ? (size_t)n : 0;
        }
        gw_buf_done(&out);
}

/* ---- the request ----------------------------------------------------------------------------- */

static enum gw_as_user_outcome run(const struct gw_as_user_options *o,
                                   const struct gw_as_user_request *r, int connection,
                                   struct gw_as_user_result *ret, struct gw_error *err)
{
        switch (r->verb) {
        case GW_AS_USER_FOLDER:
                return gw_as_user_folder(r, err);
        case GW_AS_USER_OPEN:
                return gw_as_user_open(r, ret, err);
        case GW_AS_USER_REMOVE:
                return gw_as_user_remove(r, err);
        case GW_AS_USER_SBATCH:
                return gw_as_user_sbatch(o, r, connection, ret, err);
        }
        return GW_AS_USER_INVALID;
}

/* What the session was given by the parent. */
struct given {
        const struct gw_as_user_options *options;
        int connection;
        struct gw_as_user_seats *seats;
        size_t seat;
};

static int64_t kill_us(const struct gw_as_user_request *r)
{
        return r->verb == GW_AS_USER_SBATCH ? r->deadline_us + GW_AS_USER_GRACE_US
                                            : gw_clock_mono_us() + FILES_US;
}

/* What comes too late is answered: from when a seat is taken, its time is all that there is. */
static enum gw_as_user_outcome become(const struct given *g, const struct gw_as_user_request *r,
                                      const struct gw_account *account, struct gw_error *err)
{
        if (r->verb == GW_AS_USER_SBATCH && r->deadline_us <= gw_clock_mono_us()) {
                gw_fail(err, GW_ERR_UNAVAILABLE, "the time to run sbatch was over");
                return GW_AS_USER_BUSY;
        }
        if (gw_as_user_seat_take(g->seats, g->seat, account->uid, kill_us(r), err))
                return GW_AS_USER_BUSY;
        return gw_as_user_become(account, err) ? GW_AS_USER_FAILED : GW_AS_USER_DONE;
}

static enum gw_as_user_outcome serve(const struct given *g, const json_t *request,
                                     struct gw_as_user_result *ret, struct gw_error *err)
{
        struct gw_as_user_request r;
        struct gw_account account;
        if (gw_as_user_request_read(request, &r, err))
                return GW_AS_USER_INVALID;
        if (r.deadline_us > gw_clock_mono_us() + GW_AS_USER_SECONDS * GW_SECOND) {
                gw_fail(err, GW_ERR_INVALID, "the deadline is too far away");
                return GW_AS_USER_INVALID;
        }
        if (gw_as_user_find(g->options, r.user, &account, err))
                return err->code == GW_ERR_FORBIDDEN ? GW_AS_USER_REFUSED : GW_AS_USER_BUSY;
        enum gw_as_user_outcome outcome = become(g, &r, &account, err);
        gw_account_done(&account);
        return outcome == GW_AS_USER_DONE ? run(g->options, &r, g->connection, ret, err) : outcome;
}

void gw_as_user_session(const struct gw_as_user_options *o, int connection,
                        struct gw_as_user_seats *seats, size_t seat)
{
        const struct given given = {o, connection, seats, seat};
        struct gw_error err = {0};
        struct gw_as_user_result result = {.fd = -1};
        enum gw_as_user_outcome outcome = GW_AS_USER_INVALID;
        json_auto_t *request = receive(connection, &err);
        if (request)
                outcome = serve(&given, request, &result, &err);
        json_auto_t *said = json_pack("{s:s, s:s*}", "outcome", gw_as_user_outcome_name(outcome),
                                      "text", outcome == GW_AS_USER_DONE ? NULL : err.message);
        if (said && result.more)
                json_object_update(said, result.more);
        answer(connection, said, result.fd);
        json_decref(result.more);
        if (result.fd >= 0)
                close(result.fd);
}
