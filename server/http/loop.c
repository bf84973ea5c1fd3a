/*
 * The loop. One thread each: sleeps on {libmicrohttpd's epoll descriptor, the mailbox, the
 * streams' hanging up}, gives finished work to its exchanges, lets libmicrohttpd serve what is
 * ready, and looks at the lanes.
 *
 * Why the loop is ours: libmicrohttpd's own stalls when exactly 128 events are ready, and a
 * resume from another thread can be lost. Here connections are resumed by the thread that
 * then calls MHD_run(), which never waits.
 *
 * Invariant: MHD_stop_daemon() is reached only when nothing is suspended, or it aborts.
 */
#include "server/http/loop.h"

#include <limits.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/thread.h"
#include "server/http/exchange.h"

/* A connection's memory in libmicrohttpd: a header of twice GW_MAX_HEADER_BYTES still fits, so
 * that it is we who refuse it, and half of it is the read buffer of bodies. */
#define CONNECTION_BYTES (20 * 1024)
#define LINGER_US (5 * GW_SECOND)
#define MAILBOX_MAX 65536 /* posts to the loop; work that comes home is not counted */
#define LOOK_AT_ONCE 256  /* waiting clients looked at in one turn */
#define DRAIN_TURN_MS 20
#define HEAD_GRACE_US (2 * GW_SECOND) /* for a header that is on its way when the end begins */

uint64_t gw_loop_random(struct gw_loop *loop)
{
        /* xorshift128+ */
        uint64_t a = loop->random[0];
        uint64_t b = loop->random[1];
        loop->random[0] = b;
        a ^= a << 23;
        loop->random[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
        return loop->random[1] + b;
}

/* ---- connections ---------------------------------------------------------------------------- */

static void connection_opened(struct gw_loop *loop, struct MHD_Connection *mhd, void **context)
{
        struct gw_conn *conn = calloc(1, sizeof *conn);
        *context = conn;
        if (!conn) /* gw_exchange_begin() refuses it */
                return;
        conn->loop = loop;
        conn->mhd = mhd;
        conn->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        conn->next = loop->conns;
        if (conn->next)
                conn->next->prev = conn;
        loop->conns = conn;
        gw_lane_enter(&loop->idle, &conn->seat, gw_clock_mono_us());
        gw_metric_add(loop->http->connections, 0, 0, 1);
}

static void connection_closed(struct gw_loop *loop, struct gw_conn *conn)
{
        if (!conn)
                return;
        loop->made_room = true;
        if (conn->watched)
                epoll_ctl(loop->streams_fd, EPOLL_CTL_DEL, conn->fd, NULL);
        gw_lane_leave(&conn->seat);
        *(conn->prev ? &conn->prev->next : &loop->conns) = conn->next;
        if (conn->next)
                conn->next->prev = conn->prev;
        gw_metric_add(loop->http->connections, 0, 0, -1);
        free(conn);
}

static void connection_notify(void *cls, struct MHD_Connection *mhd, void **context,
                              enum MHD_ConnectionNotificationCode code)
{
        if (code == MHD_CONNECTION_NOTIFY_STARTED)
                connection_opened(cls, mhd, context);
        else
                connection_closed(cls, *context);
}

/* libmicrohttpd sees the end of the stream and closes. */
static void hang_up(struct gw_conn *conn)
{
        shutdown(conn->fd, SHUT_RDWR);
}

/* ---- lanes ---- */

static struct gw_conn *due(struct gw_lane *lane, int64_t now_us)
{
        struct gw_seat *seat = gw_lane_due(lane, now_us);
        return seat ? GW_CONTAINER(seat, struct gw_conn, seat) : NULL;
}

/* Suspended connections are in no epoll set, so whether their clients are still there must be
 * asked. Those that are go to the lane's end. */
static void look_at_waiting(struct gw_loop *loop, int64_t now_us)
{
        struct gw_conn *conns[LOOK_AT_ONCE];
        struct pollfd polls[LOOK_AT_ONCE];
        nfds_t count = 0;
        while (count < LOOK_AT_ONCE && (conns[count] = due(&loop->waiting, now_us))) {
                polls[count] = (struct pollfd){.fd = conns[count]->fd, .events = POLLRDHUP};
                count++;
        }
        if (count == 0 || poll(polls, count, 0) < 0)
                memset(polls, 0, sizeof polls);
        for (nfds_t i = 0; i < count; i++) {
                if (polls[i].revents)
                        gw_exchange_abandon(conns[i]->x);
                else
                        gw_lane_enter(&loop->waiting, &conns[i]->seat, now_us);
        }
}

/* A stream may last for days, so that its client left is not left to the lane. */
void gw_loop_watch(struct gw_conn *conn)
{
        struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = conn};
        if (!conn->watched)
                conn->watched =
                        epoll_ctl(conn->loop->streams_fd, EPOLL_CTL_ADD, conn->fd, &event) == 0;
}

static void look_at_streams(struct gw_loop *loop)
{
        struct epoll_event events[LOOK_AT_ONCE];
        int count = epoll_wait(loop->streams_fd, events, LOOK_AT_ONCE, 0);
        for (int i = 0; i < count; i++) {
                struct gw_conn *conn = events[i].data.ptr;
                if (conn->x)
                        gw_exchange_leave(conn->x);
        }
}

static void look_at_lanes(struct gw_loop *loop)
{
        int64_t now_us = gw_clock_mono_us();
        struct gw_conn *conn;
        while ((conn = due(&loop->idle, now_us)))
                hang_up(conn);
        while ((conn = due(&loop->linger, now_us)))
                hang_up(conn);
        while ((conn = due(&loop->head, now_us)) || (conn = due(&loop->body, now_us)))
                gw_exchange_expire(conn->x);
        look_at_waiting(loop, now_us);
}

static int64_t next_due_us(const struct gw_loop *loop)
{
        const struct gw_lane *lanes[] = {&loop->idle, &loop->head, &loop->body, &loop->linger,
                                         &loop->waiting};
        int64_t next = INT64_MAX;
        for (size_t i = 0; i < GW_COUNT(lanes); i++)
                if (gw_lane_next_us(lanes[i]) < next)
                        next = gw_lane_next_us(lanes[i]);
        return next;
}

/* How long poll() may sleep, or -1. At its connection limit libmicrohttpd does not watch the
 * listening socket; it returns to that at the beginning of a turn, but closes at the end. */
static int sleep_ms(struct gw_loop *loop)
{
        if (loop->made_room) {
                loop->made_room = false;
                return 0;
        }
        MHD_UNSIGNED_LONG_LONG mhd_ms;
        int64_t ms = INT_MAX;
        if (MHD_get_timeout(loop->daemon, &mhd_ms) == MHD_YES) {
                if (mhd_ms == 0)
                        return 0;
                if (mhd_ms < INT_MAX)
                        ms = (int64_t)mhd_ms;
        }
        int64_t next = next_due_us(loop);
        if (next != INT64_MAX) {
                int64_t left = (next - gw_clock_mono_us() + 999) / 1000;
                ms = left < ms ? left : ms;
        }
        if (loop->draining && ms > DRAIN_TURN_MS)
                ms = DRAIN_TURN_MS;
        return ms == INT_MAX ? -1 : ms < 0 ? 0 : (int)ms;
}

/* ---- the graceful end ---- */

/* Connections the kernel has completed were accepted as far as their clients can tell. */
static void accept_backlog(struct gw_loop *loop)
{
        struct pollfd p = {.fd = loop->listen_fd, .events = POLLIN};
        for (int turn = 0; turn < 1000 && poll(&p, 1, 0) == 1; turn++)
                MHD_run(loop->daemon);
}

static void begin_drain(struct gw_loop *loop)
{
        int64_t grace_us = atomic_load(&loop->grace_ms) * INT64_C(1000);
        loop->draining = true;
        loop->drain_until_us = gw_clock_mono_us() + grace_us;
        loop->heads_until_us = gw_clock_mono_us() + HEAD_GRACE_US;
        accept_backlog(loop);
        MHD_quiesce_daemon(loop->daemon);
        close(loop->listen_fd);
        loop->listen_fd = -1;
}

static bool has_unread_bytes(const struct gw_conn *conn)
{
        int unread = 0;
        return ioctl(conn->fd, FIONREAD, &unread) == 0 && unread > 0;
}

/* Keep-alive connections with nothing to say, and requests that do not come: libmicrohttpd does
 * not notice that a client left in the middle of a header. */
static void hang_up_idle(struct gw_loop *loop)
{
        bool late = gw_clock_mono_us() >= loop->heads_until_us;
        for (struct gw_conn *conn = loop->conns; conn; conn = conn->next)
                if (conn->x ? late && conn->seat.lane == &loop->head : !has_unread_bytes(conn))
                        hang_up(conn);
}

/* The grace is over. What waits is asked to come home; what does not wait is cut off. */
static void cut_off(struct gw_loop *loop)
{
        loop->cut = true;
        for (struct gw_conn *conn = loop->conns; conn; conn = conn->next) {
                hang_up(conn);
                if (conn->x && conn->seat.lane == &loop->waiting)
                        gw_exchange_abandon(conn->x);
        }
}

/* Returns whether all is done. */
static bool drain(struct gw_loop *loop)
{
        if (!loop->draining)
                begin_drain(loop);
        hang_up_idle(loop);
        if (gw_clock_mono_us() >= loop->drain_until_us)
                cut_off(loop);
        return loop->waiting_count == 0 && loop->kept == 0 && (loop->cut || !loop->conns);
}

/* ---- the loop ---- */

static void dispatch(struct gw_loop *loop)
{
        struct gw_work *work = gw_mailbox_take(&loop->box);
        while (work) {
                struct gw_work *next = work->next;
                if (work->done)
                        work->done(work);
                else
                        gw_exchange_resume(work->owner, work);
                work = next;
        }
}

/* A turn ends with everything that was resumed in it back in libmicrohttpd's hands. */
static void turn(struct gw_loop *loop, struct pollfd polls[3])
{
        int ms = sleep_ms(loop);
        if (ms)
                poll(polls, 3, ms);
        if (!ms || polls[2].revents)
                look_at_streams(loop);
        if (ms ? polls[1].revents != 0 : gw_mailbox_count(&loop->box) > 0)
                dispatch(loop);
        MHD_run(loop->daemon);
        look_at_lanes(loop);
}

static void *run(void *arg)
{
        struct gw_loop *loop = arg;
        struct pollfd polls[3] = {{.fd = loop->epoll_fd, .events = POLLIN},
                                  {.fd = loop->box.fd, .events = POLLIN},
                                  {.fd = loop->streams_fd, .events = POLLIN}};
        do
                turn(loop, polls);
        while (atomic_load_explicit(&loop->grace_ms, memory_order_relaxed) < 0 || !drain(loop));

        MHD_stop_daemon(loop->daemon);
        loop->daemon = NULL;
        gw_mailbox_close(&loop->box);
        dispatch(loop); /* messages that were not for an exchange */
        return NULL;
}

/* ---- start and stop, from outside ---- */

/* Paths and parameters are decoded by us. */
static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *s)
{
        (void)cls;
        (void)mhd;
        return strlen(s);
}

static struct MHD_Daemon *start_daemon(struct gw_loop *loop)
{
        const struct gw_http_settings *s = &loop->http->settings;
        unsigned limit = (s->max_connections + s->loops - 1) / s->loops;
        /* Only for clients that do not read their answers; all else has a lane. */
        unsigned timeout_s = s->idle_timeout_s + s->body_timeout_ms / 1000 + 10;
        return MHD_start_daemon(
                MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, gw_exchange_access, loop,
                MHD_OPTION_LISTEN_SOCKET, loop->listen_fd, MHD_OPTION_CONNECTION_LIMIT, limit,
                MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
                MHD_OPTION_CONNECTION_TIMEOUT, timeout_s, MHD_OPTION_STRICT_FOR_CLIENT, -1,
                MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_URI_LOG_CALLBACK,
                gw_exchange_begin, loop, MHD_OPTION_NOTIFY_CONNECTION, connection_notify, loop,
                MHD_OPTION_NOTIFY_COMPLETED, gw_exchange_completed, loop, MHD_OPTION_END);
}

static void init_lanes(struct gw_loop *loop)
{
        const struct gw_http_settings *s = &loop->http->settings;
        gw_lane_init(&loop->idle, s->idle_timeout_s * GW_SECOND);
        gw_lane_init(&loop->head, s->body_timeout_ms * INT64_C(1000));
        gw_lane_init(&loop->body, s->body_timeout_ms * INT64_C(1000));
        gw_lane_init(&loop->linger, LINGER_US);
        gw_lane_init(&loop->waiting, s->abandon_check_ms * INT64_C(1000));
}

static void close_streams(struct gw_loop *loop)
{
        if (loop->streams_fd >= 0)
                close(loop->streams_fd);
}

int gw_loop_init(struct gw_loop *loop, struct gw_http *http, unsigned number, int listen_fd,
                 struct gw_error *err)
{
        *loop = (struct gw_loop){.http = http, .number = number, .listen_fd = listen_fd};
        atomic_init(&loop->grace_ms, -1);
        init_lanes(loop);
        loop->streams_fd = epoll_create1(EPOLL_CLOEXEC);
        if (loop->streams_fd < 0 ||
            getrandom(loop->random, sizeof loop->random, 0) != sizeof loop->random ||
            gw_mailbox_init(&loop->box, MAILBOX_MAX)) {
                close(listen_fd);
                close_streams(loop);
                return gw_fail(err, GW_ERR_INTERNAL, "cannot make an HTTP loop");
        }
        loop->daemon = start_daemon(loop);
        if (!loop->daemon) { /* it has closed listen_fd */
                gw_mailbox_done(&loop->box);
                close_streams(loop);
                return gw_fail(err, GW_ERR_INTERNAL, "cannot start the HTTP server");
        }
        loop->epoll_fd = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
        return 0;
}

void gw_loop_done(struct gw_loop *loop)
{
        if (loop->daemon)
                MHD_stop_daemon(loop->daemon); /* closes listen_fd too */
        gw_pages_done(&loop->pages);
        gw_mailbox_done(&loop->box);
        close_streams(loop);
}

int gw_loop_start(struct gw_loop *loop, struct gw_error *err)
{
        char name[16];
        snprintf(name, sizeof name, "http-%u", loop->number % 1000);
        return gw_thread_start(&loop->thread, name, run, loop, err);
}

void gw_loop_stop(struct gw_loop *loop, int grace_ms)
{
        atomic_store(&loop->grace_ms, grace_ms);
        gw_mailbox_wake(&loop->box);
}

void gw_loop_release(struct gw_loop *loop)
{
        loop->kept--;
}

void gw_loop_join(struct gw_loop *loop)
{
        gw_thread_join(loop->thread);
}
