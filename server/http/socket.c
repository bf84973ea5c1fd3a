/*
 * Opening the listening sockets. Runs on the thread that starts the server.
 *
 * SO_REUSEPORT would also let a second gateway of the same user join unnoticed. So the first
 * socket is bound without it, which fails when anyone else has the port, and is given it
 * afterwards, which lets the others join.
 */
#include "server/http/socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/cleanup.h"

#define BACKLOG 4096

static int set(int fd, int level, int option, int value)
{
        return setsockopt(fd, level, option, &value, sizeof value);
}

/* A client that vanished without a word is noticed after IDLE_S + PROBES * PROBE_S seconds. */
#define IDLE_S 60
#define PROBE_S 15
#define PROBES 4

static int watch_over(int fd)
{
        return set(fd, SOL_SOCKET, SO_KEEPALIVE, 1) || set(fd, IPPROTO_TCP, TCP_KEEPIDLE, IDLE_S) ||
               set(fd, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_S) ||
               set(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
}

/* Accepted sockets inherit the options: no call per connection. */
static int open_bound(const struct sockaddr *addr, socklen_t len, bool first)
{
        gw_autoclose int fd =
                socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
        if (fd < 0 || set(fd, SOL_SOCKET, SO_REUSEADDR, 1) || watch_over(fd))
                return -1;
        if (addr->sa_family == AF_INET6 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0))
                return -1;
        if (!first && set(fd, SOL_SOCKET, SO_REUSEPORT, 1))
                return -1;
        if (bind(fd, addr, len))
                return -1;
        if (first && set(fd, SOL_SOCKET, SO_REUSEPORT, 1))
                return -1;
        return GW_TAKE_FD(fd);
}

static in_port_t *port_of(struct sockaddr_storage *addr)
{
        return addr->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)addr)->sin6_port
                                           : &((struct sockaddr_in *)addr)->sin_port;
}

static int resolve(const char *address, uint16_t port, struct sockaddr_storage *ret,
                   socklen_t *ret_len, struct gw_error *err)
{
        char service[8];
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
        struct addrinfo *found = NULL;
        snprintf(service, sizeof service, "%u", port);
        if (getaddrinfo(address, service, &hints, &found))
                return gw_fail(err, GW_ERR_INVALID, "'%s' is not a numeric address", address);
        memcpy(ret, found->ai_addr, found->ai_addrlen);
        *ret_len = found->ai_addrlen;
        freeaddrinfo(found);
        return 0;
}

static int fail_open(const char *address, uint16_t port, struct gw_error *err)
{
        char reason[128];
        if (errno == EADDRINUSE)
                return gw_fail(err, GW_ERR_CONFLICT, "port %u of %s is in use by another process",
                               port, address);
        return gw_fail(err, GW_ERR_IO, "cannot listen on port %u of %s: %s", port, address,
                       strerror_r(errno, reason, sizeof reason));
}

int gw_socket_listen(const char *address, uint16_t port, size_t count, int *ret_fds,
                     uint16_t *ret_port, struct gw_error *err)
{
        struct sockaddr_storage addr = {0};
        socklen_t len;
        if (resolve(address, port, &addr, &len, err))
                return -1;

        for (size_t i = 0; i < count; i++) {
                ret_fds[i] = open_bound((struct sockaddr *)&addr, len, i == 0);
                if (ret_fds[i] < 0 || getsockname(ret_fds[i], (struct sockaddr *)&addr, &len) ||
                    listen(ret_fds[i], BACKLOG)) {
                        int result = fail_open(address, port, err);
                        for (size_t j = 0; j <= i; j++)
                                if (ret_fds[j] >= 0)
                                        close(ret_fds[j]);
                        return result;
                }
        }
        *ret_port = ntohs(*port_of(&addr));
        return 0;
}
