/*
 * Requests to jobgate-slurm-as-user.
 *
 *   ask ─► the line ─► connected: its frame goes out ─► its answer, or an end ─► done
 *
 * Invariants: of a call in line nothing was sent; one that is under way has a socket, which is in
 * the epoll set, and at most GW_AS_USER_CALLS are.
 */
#include "backends/slurm/as_user.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/str.h"

#define PIECE (64 * 1024)
#define EVENTS 32
#define AGAIN_US (GW_SECOND / 20) /* after the service had no room */

struct gw_as_user {
        struct sockaddr_un address;
        int epoll;
        size_t count;     /* under way */
        int64_t again_us; /* monotonic: nobody connects before; 0: at once */
        TAILQ_HEAD(calls, gw_as_user_call) line, calls;
};

/* ---- the end of a call ----------------------------------------------------------------------- */

static void finish(struct gw_as_user_call *call, enum gw_as_user_outcome outcome,
                   const json_t *answer, const char *text)
{
        call->outcome = outcome;
        call->answer = answer;
        call->text = text;
        json_decref(GW_TAKE(call->request));
        call->done(call);
}

static void leave(struct gw_as_user *a, struct gw_as_user_call *call)
{
        TAILQ_REMOVE(&a->calls, call, link);
        a->count--;
        close(GW_TAKE_FD(call->socket)); /* and out of the epoll set */
        gw_buf_done(&call->out);
        gw_frames_done(&call->in);
}

static void end(struct gw_as_user *a, struct gw_as_user_call *call, enum gw_as_user_outcome outcome,
                const json_t *answer, const char *text)
{
        leave(a, call);
        if (outcome != GW_AS_USER_DONE && call->fd >= 0)
                close(GW_TAKE_FD(call->fd));
        finish(call, outcome, answer, text);
}

static void lose(struct gw_as_user *a, struct gw_as_user_call *call, const char *text)
{
        bool asked = call->sent == call->out.len;
        end(a, call, asked ? GW_AS_USER_LATE : GW_AS_USER_BUSY, NULL, text);
}

/* ---- beginning ------------------------------------------------------------------------------- */

static bool is_root(int fd)
{
        struct ucred who;
        socklen_t len = sizeof who;
        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.uid == 0;
}

/* A socket that was connected, or -1 with words; *ret_later: the service has no room now. */
static int connect_to(const struct gw_as_user *a, const char **ret_text, bool *ret_later)
{
        gw_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        *ret_later = false;
        *ret_text = "the service jobgate-slurm-as-user cannot be reached";
        if (fd < 0)
                return -1;
        if (connect(fd, (const struct sockaddr *)&a->address, sizeof a->address)) {
                *ret_later = errno == EAGAIN;
                return -1;
        }
        *ret_text = "what is at the socket of jobgate-slurm-as-user is not root's";
        return is_root(fd) ? GW_TAKE_FD(fd) : -1;
}

static void watch(const struct gw_as_user *a, struct gw_as_user_call *call, int op)
{
        uint32_t out = call->sent < call->out.len ? EPOLLOUT : 0;
        struct epoll_event event = {.events = EPOLLIN | out, .data.ptr = call};
        (void)epoll_ctl(a->epoll, op, call->socket, &event);
}

/* A service that has gone is noticed when it is read from. */
static void send_some(struct gw_as_user_call *call)
{
        while (call->sent < call->out.len) {
                ssize_t n = send(call->socket, call->out.data + call->sent,
                                 call->out.len - call->sent, MSG_NOSIGNAL);
                if (n < 0)
                        return;
                call->sent += (size_t)n;
        }
}

/* False: later. */
static bool begin(struct gw_as_user *a, struct gw_as_user_call *call)
{
        const char *text;
        bool later;
        call->socket = connect_to(a, &text, &later);
        if (call->socket < 0 && later)
                return false;
        TAILQ_REMOVE(&a->line, call, link);
        call->out = GW_BUF_INIT(GW_FRAME_HEAD + GW_AS_USER_REQUEST_MAX);
        if (call->socket >= 0)
                gw_frame_put(&call->out, call->request);
        if (call->socket >= 0 && gw_buf_ok(&call->out)) {
                gw_frames_init(&call->in);
                TAILQ_INSERT_TAIL(&a->calls, call, link);
                a->count++;
                send_some(call);
                watch(a, call, EPOLL_CTL_ADD);
                return true;
        }
        if (call->socket >= 0) {
                close(GW_TAKE_FD(call->socket));
                text = "the request is too large, or there is no memory for it";
        }
        gw_buf_done(&call->out);
        finish(call, GW_AS_USER_BUSY, NULL, text);
        return true;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Keeps the first descriptor that comes, and closes all others. */
static void take_descriptors(struct gw_as_user_call *call, struct msghdr *message)
{
        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < count; i++) {
                        gw_autoclose int fd = -1;
                        memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
                        if (call->fd < 0)
                                call->fd = GW_TAKE_FD(fd);
                }
        }
}

static ssize_t receive(struct gw_as_user_call *call, char piece[PIECE])
{
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(4 * sizeof(int))];
        } control;
        struct iovec part = {.iov_base = piece, .iov_len = PIECE};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof control.space};
        ssize_t n = recvmsg(call->socket, &message, MSG_CMSG_CLOEXEC);
        if (n > 0)
                take_descriptors(call, &message);
        return n;
}

static void take_answer(struct gw_as_user *a, struct gw_as_user_call *call, const json_t *answer)
{
        enum gw_as_user_outcome outcome;
        if (gw_as_user_outcome_read(answer, &outcome))
                lose(a, call, "jobgate-slurm-as-user does not speak as it should");
        else
                end(a, call, outcome, answer, json_string_value(json_object_get(answer, "text")));
}

static void serve(struct gw_as_user *a, struct gw_as_user_call *call)
{
        char piece[PIECE];
        json_t *answer = NULL;
        struct gw_error err = {0};
        send_some(call);
        for (;;) {
                ssize_t n = receive(call, piece);
                if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
                        watch(a, call, EPOLL_CTL_MOD);
                        return;
                }
                if (n <= 0)
                        gw_fail(&err, GW_ERR_IO, "jobgate-slurm-as-user did not answer");
                else if (gw_frames_add(&call->in, piece, (size_t)n, &err) == 0)
                        (void)gw_frames_next(&call->in, &answer, &err);
                if (answer || err.code)
                        break;
        }
        if (answer)
                take_answer(a, call, answer);
        else
                lose(a, call, err.message);
        json_decref(answer);
}

/* ---- the line, and time ---------------------------------------------------------------------- */

static void drop_late(struct gw_as_user *a, int64_t now)
{
        struct gw_as_user_call *call, *next;
        for (call = TAILQ_FIRST(&a->line); call; call = next) {
                next = TAILQ_NEXT(call, link);
                if (now < call->deadline_us)
                        continue;
                TAILQ_REMOVE(&a->line, call, link);
                finish(call, GW_AS_USER_BUSY, NULL, "jobgate-slurm-as-user had no time");
        }
        for (call = TAILQ_FIRST(&a->calls); call; call = next) {
                next = TAILQ_NEXT(call, link);
                if (now >= call->deadline_us)
                        lose(a, call, "jobgate-slurm-as-user did not answer in time");
        }
}

static const char *user_of(const struct gw_as_user_call *call)
{
        const char *user = json_string_value(json_object_get(call->request, "user"));
        return user ? user : "";
}

static bool has_enough(const struct gw_as_user *a, const char *user)
{
        size_t count = 0;
        const struct gw_as_user_call *call;
        TAILQ_FOREACH(call, &a->calls, link)
        {
                count += strcmp(user_of(call), user) == 0;
        }
        return count >= GW_AS_USER_CALLS_OF_ONE;
}

/* The first in line that may begin, or NULL. */
static struct gw_as_user_call *next_call(const struct gw_as_user *a)
{
        struct gw_as_user_call *call;
        if (a->count >= GW_AS_USER_CALLS)
                return NULL;
        TAILQ_FOREACH(call, &a->line, link)
        {
                if (!has_enough(a, user_of(call)))
                        return call;
        }
        return NULL;
}

static void serve_line(struct gw_as_user *a, int64_t now)
{
        struct gw_as_user_call *call;
        if (now < a->again_us)
                return;
        a->again_us = 0;
        while ((call = next_call(a)))
                if (!begin(a, call)) {
                        a->again_us = now + AGAIN_US;
                        return;
                }
}

/* A call that ended is in no event behind it: each has one descriptor, and so one event. */
void gw_as_user_serve(struct gw_as_user *a)
{
        struct epoll_event events[EVENTS];
        int count = epoll_wait(a->epoll, events, EVENTS, 0);
        for (int i = 0; i < count; i++)
                serve(a, events[i].data.ptr);
        int64_t now = gw_clock_mono_us();
        drop_late(a, now);
        serve_line(a, now);
}

int64_t gw_as_user_wake_at(const struct gw_as_user *a)
{
        int64_t at = INT64_MAX;
        const struct gw_as_user_call *call;
        if (next_call(a))
                return a->again_us;
        TAILQ_FOREACH(call, &a->line, link)
        {
                if (call->deadline_us < at)
                        at = call->deadline_us;
        }
        TAILQ_FOREACH(call, &a->calls, link)
        {
                if (call->deadline_us < at)
                        at = call->deadline_us;
        }
        return at;
}

/* ---- the outside ----------------------------------------------------------------------------- */

struct gw_as_user *gw_as_user_new(const char *path, struct gw_error *err)
{
        struct gw_as_user *a = calloc(1, sizeof *a);
        if (!a) {
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        TAILQ_INIT(&a->line);
        TAILQ_INIT(&a->calls);
        a->address.sun_family = AF_UNIX;
        a->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (a->epoll >= 0 && gw_str_copy(a->address.sun_path, sizeof a->address.sun_path, path))
                return a;
        gw_fail(err, GW_ERR_INTERNAL, "as_user: the path is too long, or there is no descriptor");
        gw_as_user_free(a);
        return NULL;
}

void gw_as_user_free(struct gw_as_user *a)
{
        struct gw_as_user_call *call;
        if (!a)
                return;
        while ((call = TAILQ_FIRST(&a->line))) {
                TAILQ_REMOVE(&a->line, call, link);
                finish(call, GW_AS_USER_BUSY, NULL, "the gateway stops");
        }
        while ((call = TAILQ_FIRST(&a->calls)))
                lose(a, call, "the gateway stops");
        if (a->epoll >= 0)
                close(a->epoll);
        free(a);
}

void gw_as_user_ask(struct gw_as_user *a, struct gw_as_user_call *call)
{
        call->fd = call->socket = -1;
        call->sent = 0;
        TAILQ_INSERT_TAIL(&a->line, call, link);
}

int gw_as_user_fd(const struct gw_as_user *a)
{
        return a->epoll;
}
