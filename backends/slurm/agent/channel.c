/* Frames in and out of a socket. The agent's one thread. */
#include "backends/slurm/agent/channel.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "server/base/buf.h"

#define PIECE (64 * 1024)

int gw_agent_channel_init(struct gw_agent_channel *c, int fd, struct gw_error *err)
{
        int type;
        socklen_t size = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) || type != SOCK_STREAM)
                return gw_fail(err, GW_ERR_INVALID, "descriptor %d is no stream socket", fd);
        c->fd = fd;
        gw_frames_init(&c->in);
        return 0;
}

void gw_agent_channel_done(struct gw_agent_channel *c)
{
        gw_frames_done(&c->in);
}

static int send_all(int fd, const char *data, size_t len, struct gw_error *err)
{
        while (len > 0) {
                ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
                if (sent < 0 && errno == EINTR)
                        continue;
                if (sent < 0)
                        return gw_fail(err, GW_ERR_GONE, "the other end is closed");
                data += sent;
                len -= (size_t)sent;
        }
        return 0;
}

int gw_agent_send(struct gw_agent_channel *c, json_t *object, struct gw_error *err)
{
        struct gw_buf out = GW_BUF_INIT(GW_FRAME_MAX + sizeof(uint32_t));
        int rc;
        if (object)
                gw_frame_put(&out, object);
        if (object && gw_buf_ok(&out))
                rc = send_all(c->fd, out.data, out.len, err);
        else
                rc = gw_fail(err, GW_ERR_NOMEM, "no memory for a frame, or it is too large");
        json_decref(object);
        gw_buf_done(&out);
        return rc;
}

/* Waits until there is something to read or the other end is closed. *ret_closed: it is. */
static int wait_for(int fd, int timeout_ms, bool *ret_ready, bool *ret_closed, struct gw_error *err)
{
        struct pollfd p = {.fd = fd, .events = POLLIN | POLLRDHUP};
        int n = poll(&p, 1, timeout_ms);
        if (n < 0 && errno != EINTR)
                return gw_fail(err, GW_ERR_IO, "poll: %s", strerrordesc_np(errno));
        *ret_ready = n > 0;
        *ret_closed = n > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
        return 0;
}

static int read_more(struct gw_agent_channel *c, struct gw_error *err)
{
        char piece[PIECE];
        ssize_t got = recv(c->fd, piece, sizeof piece, 0);
        if (got < 0 && errno == EINTR)
                return 0;
        if (got <= 0)
                return gw_fail(err, GW_ERR_GONE, "the other end is closed");
        return gw_frames_add(&c->in, piece, (size_t)got, err);
}

int gw_agent_receive(struct gw_agent_channel *c, int timeout_ms, json_t **ret, struct gw_error *err)
{
        bool ready, closed;
        *ret = NULL;
        for (;;) {
                json_t *frame = NULL;
                if (gw_frames_next(&c->in, &frame, err))
                        return -1;
                /* What was asked by somebody who is gone is not begun any more. */
                if (wait_for(c->fd, frame ? 0 : timeout_ms, &ready, &closed, err) == 0 && !closed) {
                        *ret = frame;
                        if (frame || !ready)
                                return 0;
                        if (read_more(c, err))
                                return -1;
                        continue;
                }
                json_decref(frame);
                return gw_fail(err, GW_ERR_GONE, "the other end is closed");
        }
}
