/*
 * The child and its two descriptors. When the child ends, what it had said before is heard first.
 */
#include "backends/slurm/link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/cleanup.h"

#define PIECE (64 * 1024)
#define OUT_MAX (2 * (size_t)GW_FRAME_MAX) /* a frame that is being sent, and one behind it */

/* ---- starting -------------------------------------------------------------------------------- */

static int spawn_actions(posix_spawn_file_actions_t *actions, int end, int errors)
{
        if (posix_spawn_file_actions_init(actions))
                return -1;
        /* Descriptors are closed on exec, but for copies: so first onto what is free of them. */
        int rc = posix_spawn_file_actions_adddup2(actions, errors, STDERR_FILENO);
        rc |= posix_spawn_file_actions_adddup2(actions, end, GW_LINK_FD);
        rc |= posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        rc |= posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        /* Ours are closed by exec; whoever started this process may have left it others. */
        rc |= posix_spawn_file_actions_addclosefrom_np(actions, GW_LINK_FD + 1);
        if (rc)
                posix_spawn_file_actions_destroy(actions);
        return rc ? -1 : 0;
}

static int spawn_attributes(posix_spawnattr_t *attr)
{
        sigset_t all, none;
        sigfillset(&all);
        sigemptyset(&none);
        if (posix_spawnattr_init(attr))
                return -1;
        int rc = posix_spawnattr_setsigmask(attr, &none);
        rc |= posix_spawnattr_setsigdefault(attr, &all);
        rc |= posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                     POSIX_SPAWN_SETSID);
        if (rc)
                posix_spawnattr_destroy(attr);
        return rc ? -1 : 0;
}

/* Returns 0 with *ret, or the error's number. */
static int spawn(pid_t *ret, char *const argv[], char *const environment[], int end, int errors)
{
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attr;
        if (spawn_actions(&actions, end, errors))
                return ENOMEM;
        int rc = spawn_attributes(&attr) ? ENOMEM : 0;
        if (rc == 0) {
                rc = posix_spawn(ret, argv[0], &actions, &attr, argv, environment);
                posix_spawnattr_destroy(&attr);
        }
        posix_spawn_file_actions_destroy(&actions);
        return rc;
}

/* Above the child's own numbers, so that none of them is overwritten before it was copied. */
static int raise_fd(int fd)
{
        int high = fcntl(fd, F_DUPFD_CLOEXEC, GW_LINK_FD + 1);
        close(fd);
        return high;
}

static void close_fd(int fd)
{
        if (fd >= 0)
                close(fd);
}

int gw_link_open(struct gw_link *l, char *const argv[], char *const environment[],
                 struct gw_error *err)
{
        int pair[2] = {-1, -1}, errors[2] = {-1, -1};
        *l = (struct gw_link){.fd = -1, .errors_fd = -1, .line_ended = true};
        int rc =
                socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) || pipe2(errors, O_CLOEXEC)
                        ? errno
                        : 0;
        if (rc == 0) {
                pair[1] = raise_fd(pair[1]);
                errors[1] = raise_fd(errors[1]);
                rc = pair[1] < 0 || errors[1] < 0 || fcntl(pair[0], F_SETFL, O_NONBLOCK) ||
                                     fcntl(errors[0], F_SETFL, O_NONBLOCK)
                             ? errno
                             : spawn(&l->pid, argv, environment, pair[1], errors[1]);
        }
        close_fd(pair[1]);
        close_fd(errors[1]);
        if (rc) {
                close_fd(pair[0]);
                close_fd(errors[0]);
                l->pid = 0;
                return gw_fail(err, GW_ERR_IO, "%s cannot be started: %s", argv[0],
                               strerrordesc_np(rc));
        }
        l->fd = pair[0];
        l->errors_fd = errors[0];
        gw_frames_init(&l->in);
        gw_buf_init(&l->out, OUT_MAX);
        return 0;
}

void gw_link_close(struct gw_link *l)
{
        if (!gw_link_is_open(l))
                return;
        kill(l->pid, SIGKILL);
        while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        close(l->fd);
        close(l->errors_fd);
        gw_frames_done(&l->in);
        gw_buf_done(&l->out);
        *l = (struct gw_link){.fd = -1, .errors_fd = -1};
}

void gw_link_polls(const struct gw_link *l, struct pollfd polls[GW_LINK_POLLS])
{
        short out = l->sent < l->out.len ? POLLOUT : 0;
        polls[0] = (struct pollfd){.fd = l->fd, .events = (short)(POLLIN | out)};
        polls[1] = (struct pollfd){.fd = l->errors_fd, .events = POLLIN};
        if (!gw_link_is_open(l))
                polls[0].fd = polls[1].fd = -1;
}

/* ---- its words ------------------------------------------------------------------------------- */

/* Keeps the last line; of one that is long its beginning. */
static void keep_word(struct gw_link *l, char c)
{
        if (c == '\n') {
                l->line_ended = true;
                return;
        }
        if (l->line_ended)
                l->words_len = 0;
        l->line_ended = false;
        if (l->words_len < sizeof l->words - 1)
                l->words[l->words_len++] = c >= ' ' && c < 127 ? c : '?';
        l->words[l->words_len] = '\0';
}

static void read_words(struct gw_link *l)
{
        char piece[1024];
        ssize_t n;
        while ((n = read(l->errors_fd, piece, sizeof piece)) > 0)
                for (ssize_t i = 0; i < n; i++)
                        keep_word(l, piece[i]);
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* A child that has ended is noticed when it is read from. */
static void send_some(struct gw_link *l)
{
        while (l->sent < l->out.len) {
                ssize_t n = send(l->fd, l->out.data + l->sent, l->out.len - l->sent, MSG_NOSIGNAL);
                if (n < 0)
                        return;
                l->sent += (size_t)n;
        }
        gw_buf_clear(&l->out);
        l->sent = 0;
}

int gw_link_send(struct gw_link *l, const json_t *object, struct gw_error *err)
{
        gw_frame_put(&l->out, object);
        if (!gw_buf_ok(&l->out)) {
                l->out.failed = false; /* nothing of it was added */
                return gw_fail(err, GW_ERR_OVERLOADED, "the helper program does not take more now");
        }
        send_some(l);
        return 0;
}

static int receive(struct gw_link *l, void (*each)(void *arg, json_t *object), void *arg,
                   struct gw_error *err)
{
        char piece[PIECE];
        for (;;) {
                ssize_t n = recv(l->fd, piece, sizeof piece, 0);
                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return 0;
                if (n <= 0)
                        return gw_fail(err, GW_ERR_IO, "it ended");
                if (gw_frames_add(&l->in, piece, (size_t)n, err))
                        return -1;
                for (;;) {
                        json_t *object;
                        if (gw_frames_next(&l->in, &object, err))
                                return -1;
                        if (!object)
                                break;
                        each(arg, object);
                        json_decref(object);
                }
        }
}

int gw_link_serve(struct gw_link *l, void (*each)(void *arg, json_t *object), void *arg,
                  struct gw_error *err)
{
        struct gw_error why = {0};
        send_some(l);
        int rc = receive(l, each, arg, &why);
        read_words(l);
        if (rc == 0)
                return 0;
        if (l->words_len > 0)
                return gw_fail(err, GW_ERR_IO, "%s: %s", why.message, l->words);
        return gw_fail(err, GW_ERR_IO, "%s", why.message);
}
