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

#include "backends/slurm/as_user/session.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/str.h"

#define CONNECTION_FD 3
#define BACKLOG 128
#define LOOK_MS 1000

struct server {
        const struct gw_as_user_options *options;
        int listener, signals;
        struct session {
                pid_t pid; /* 0: free */
                int64_t kill_us;
        } sessions[GW_AS_USER_SESSIONS];
        bool stopping;
};

/* ---- the socket
 * ------------------------------------------------------------------------------------- */

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

/* ---- sessions
 * --------------------------------------------------------------------------------------- */

static struct session *find_session(struct server *s, pid_t pid)
{
        for (size_t i = 0; i < GW_COUNT(s->sessions); i++)
                if (s->sessions[i].pid == pid)
                        return &s->sessions[i];
        return NULL;
}

static _Noreturn void become_session(const struct server *s, int connection)
{
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (dup2(connection, CONNECTION_FD) >= 0 && close_range(CONNECTION_FD + 1, ~0U, 0) == 0)
                gw_as_user_session(s->options, CONNECTION_FD);
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

static void accept_one(struct server *s, struct session *session)
{
        gw_autoclose int connection = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0 || !is_client(s, connection))
                return;
        pid_t pid = fork();
        if (pid == 0)
                become_session(s, connection);
        if (pid < 0)
                gw_log(GW_LOG_ERROR, "as_user.fork", "{s:s}", "message", strerrordesc_np(errno));
        else
                *session = (struct session){pid,
                                            gw_clock_mono_us() + GW_AS_USER_SESSION_S * GW_SECOND};
}

static void bury(struct server *s)
{
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
                struct session *session = find_session(s, pid);
                if (session)
                        session->pid = 0;
        }
}

static void kill_those_due(const struct server *s)
{
        int64_t now = gw_clock_mono_us();
        for (size_t i = 0; i < GW_COUNT(s->sessions); i++)
                if (s->sessions[i].pid > 0 && (s->stopping || now >= s->sessions[i].kill_us))
                        kill(s->sessions[i].pid, SIGKILL);
}

/* ---- the loop
 * --------------------------------------------------------------------------------------- */

static void take_signals(struct server *s)
{
        struct signalfd_siginfo info;
        while (read(s->signals, &info, sizeof info) == sizeof info)
                if (info.ssi_signo != SIGCHLD)
                        s->stopping = true;
}

static void turn(struct server *s)
{
        struct session *room = find_session(s, 0);
        struct pollfd polls[] = {{.fd = s->signals, .events = POLLIN},
                                 {.fd = room ? s->listener : -1, .events = POLLIN}};
        (void)poll(polls, GW_COUNT(polls), LOOK_MS);
        take_signals(s);
        bury(s);
        kill_those_due(s);
        if (polls[1].revents && !s->stopping)
                accept_one(s, room);
}

int gw_as_user_serve(const struct gw_as_user_options *o, struct gw_error *err)
{
        struct server s = {.options = o};
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
