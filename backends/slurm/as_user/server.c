/* Accepting, forking, burying. The service's one thread; each child runs one session and ends. */
#include "backends/slurm/as_user/server.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/slurm/as_user/seats.h"
#include "backends/slurm/as_user/session.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/str.h"

#define NO_SEAT SIZE_MAX
#define BACKLOG 128
#define LOOK_MS 1000

struct server {
        const struct gw_as_user_options *options;
        struct gw_as_user_seats *seats;
        int listener, signals;
        pid_t sessions[GW_AS_USER_SESSIONS]; /* by their seats; 0: free */
        bool stopping;
};

/* ---- the socket ------------------------------------------------------------------------------ */

/* Removes a socket that nobody listens on any more, and nothing else. */
static int make_room(const struct sockaddr_un *address, struct gw_error *err)
{
        struct stat st;
        if (lstat(address->sun_path, &st))
                return 0;
        gw_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (!S_ISSOCK(st.st_mode))
                return gw_fail(err, GW_ERR_IO, "%s is there, and no socket", address->sun_path);
        if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
            errno != ECONNREFUSED)
                return gw_fail(err, GW_ERR_IO, "%s is in use", address->sun_path);
        return unlink(address->sun_path);
}

static int listen_on(const struct gw_as_user_options *o, struct gw_error *err)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        if (!gw_str_copy(address.sun_path, sizeof address.sun_path, o->socket))
                return gw_fail(err, GW_ERR_INVALID, "--socket: the path is too long");
        if (make_room(&address, err))
                return -1;
        gw_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        umask(0111); /* who connects is looked at; its path may be somebody else's by now */
        if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) ||
            listen(fd, BACKLOG))
                return gw_fail(err, GW_ERR_IO, "%s: %s", o->socket, strerrordesc_np(errno));
        umask(077);
        return GW_TAKE_FD(fd);
}

static int open_signals(void)
{
        sigset_t mask;
        sigemptyset(&mask);
        sigaddset(&mask, SIGCHLD);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* ---- sessions -------------------------------------------------------------------------------- */

/* Its seat, or NO_SEAT; pid 0: a free one. */
static size_t find_seat(const struct server *s, pid_t pid)
{
        for (size_t i = 0; i < GW_COUNT(s->sessions); i++)
                if (s->sessions[i] == pid)
                        return i;
        return NO_SEAT;
}

/* Nothing else that the parent has is a session's. Returns 0 or -1. */
static int keep_only(int a, int b)
{
        unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);
        unsigned first = STDERR_FILENO + 1;
        return (low > first && close_range(first, low - 1, 0)) ||
                               (high > low + 1 && close_range(low + 1, high - 1, 0)) ||
                               close_range(high + 1, ~0U, 0)
                       ? -1
                       : 0;
}

static _Noreturn void become_session(const struct server *s, int connection, size_t seat)
{
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (keep_only(connection, gw_as_user_seats_fd(s->seats)) == 0)
                gw_as_user_session(s->options, connection, s->seats, seat);
        _exit(0);
}

static bool is_client(const struct server *s, int connection)
{
        struct ucred who;
        socklen_t len = sizeof who;
        if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &who, &len))
                return false;
        if (who.uid == s->options->client)
                return true;
        gw_log(GW_LOG_WARN, "as_user.stranger", "{s:I, s:I}", "uid", (json_int_t)who.uid, "pid",
               (json_int_t)who.pid);
        return false;
}

static void accept_one(struct server *s, size_t seat)
{
        gw_autoclose int connection = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0 || !is_client(s, connection))
                return;
        gw_as_user_seat_begin(s->seats, seat,
                              gw_clock_mono_us() + GW_AS_USER_SESSION_S * GW_SECOND);
        pid_t pid = fork();
        if (pid == 0)
                become_session(s, connection, seat);
        if (pid < 0)
                gw_log(GW_LOG_ERROR, "as_user.fork", "{s:s}", "message", strerrordesc_np(errno));
        else
                s->sessions[seat] = pid;
}

static void bury(struct server *s)
{
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
                size_t seat = find_seat(s, pid);
                if (seat == NO_SEAT)
                        continue;
                s->sessions[seat] = 0;
                gw_as_user_seat_end(s->seats, seat);
        }
}

/* What it has started dies with it. One that does not die, for a file system that does not answer,
 * keeps its seat. */
static void kill_those_due(const struct server *s)
{
        int64_t now = gw_clock_mono_us();
        for (size_t i = 0; i < GW_COUNT(s->sessions); i++)
                if (s->sessions[i] > 0 &&
                    (s->stopping || now >= gw_as_user_seat_kill_us(s->seats, i)))
                        kill(s->sessions[i], SIGKILL);
}

/* Until the next is due; those that were killed are looked at now and then. */
static int next_look_ms(const struct server *s)
{
        int64_t now = gw_clock_mono_us(), left_us = LOOK_MS * INT64_C(1000);
        for (size_t i = 0; i < GW_COUNT(s->sessions); i++) {
                int64_t at = s->sessions[i] > 0 ? gw_as_user_seat_kill_us(s->seats, i) : INT64_MAX;
                if (at > now && at - now < left_us)
                        left_us = at - now;
        }
        return (int)(left_us / 1000) + 1;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void take_signals(struct server *s)
{
        struct signalfd_siginfo info;
        while (read(s->signals, &info, sizeof info) == sizeof info)
                if (info.ssi_signo != SIGCHLD)
                        s->stopping = true;
}

static void turn(struct server *s)
{
        size_t room = find_seat(s, 0);
        struct pollfd polls[] = {{.fd = s->signals, .events = POLLIN},
                                 {.fd = room != NO_SEAT ? s->listener : -1, .events = POLLIN},
                                 {.fd = gw_as_user_seats_fd(s->seats), .events = POLLIN}};
        (void)poll(polls, GW_COUNT(polls), next_look_ms(s));
        take_signals(s);
        gw_as_user_seats_heard(s->seats);
        bury(s);
        kill_those_due(s);
        if (polls[1].revents && !s->stopping)
                accept_one(s, room);
}

int gw_as_user_serve(const struct gw_as_user_options *o, struct gw_error *err)
{
        struct server s = {.options = o, .seats = gw_as_user_seats_new(err)};
        if (!s.seats)
                return -1;
        s.listener = listen_on(o, err);
        if (s.listener < 0)
                return -1;
        s.signals = open_signals();
        if (s.signals < 0) {
                close(s.listener);
                return gw_fail(err, GW_ERR_IO, "signalfd: %s", strerrordesc_np(errno));
        }
        gw_log(GW_LOG_INFO, "as_user.started", "{s:s}", "socket", o->socket);
        while (!s.stopping)
                turn(&s);
        (void)unlink(o->socket);
        close(s.listener);
        close(s.signals);
        return 0;
}
