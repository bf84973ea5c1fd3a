/*
 * An answer sent past libmicrohttpd, which can answer only between requests' ends: for a body
 * that is too large, too slow, or not wanted and long. Runs on the loop's thread.
 *
 * Nothing was sent for this request before, except perhaps "100 Continue", so the answer goes
 * out as one piece into an empty socket buffer. Our half of the connection is closed behind
 * it, and the client's half is still read for a while: a close with unread bytes would send a
 * reset, and the reset can overtake the answer.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "server/http/exchange.h"

#define MAX_HEADER 4096

static void add_field(struct gw_buf *b, const char *name, const char *value)
{
        gw_buf_str(b, name);
        gw_buf_str(b, ": ");
        gw_buf_str(b, value);
        gw_buf_str(b, "\r\n");
}

static enum MHD_Result add_response_field(void *cls, enum MHD_ValueKind kind, const char *name,
                                          const char *value)
{
        (void)kind;
        add_field(cls, name, value);
        return MHD_YES;
}

static void add_date(struct gw_buf *b)
{
        struct tm tm;
        char text[32];
        time_t now = time(NULL);
        if (gmtime_r(&now, &tm) && strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
                add_field(b, "Date", text);
}

static void write_header(struct gw_buf *b, const struct gw_answer *a)
{
        gw_buf_printf(b, "HTTP/1.1 %u %s\r\n", a->status, MHD_get_reason_phrase_for(a->status));
        add_date(b);
        add_field(b, "Connection", "close");
        MHD_get_response_headers(a->response, add_response_field, b);
        gw_buf_printf(b, "Content-Length: %zu\r\n\r\n", a->len);
}

static bool sends_content(const struct gw_exchange *x)
{
        return strcmp(x->method, "HEAD") != 0 && x->answer.status != MHD_HTTP_NOT_MODIFIED;
}

void gw_farewell(struct gw_exchange *x)
{
        const struct gw_answer *a = &x->answer;
        int fd = x->conn->fd;
        struct gw_buf header = GW_BUF_INIT(MAX_HEADER);
        if (a->response)
                write_header(&header, a);
        if (gw_buf_ok(&header) && header.len) {
                struct iovec parts[2] = {
                        {.iov_base = header.data, .iov_len = header.len},
                        {.iov_base = (void *)(uintptr_t)a->content,
                         .iov_len = sends_content(x) ? a->len : 0},
                };
                struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
                /* What does not fit, or does not arrive, is lost: the client was told why its
                 * connection ends, or cannot be. */
                ssize_t ignored = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
                (void)ignored;
        }
        gw_buf_done(&header);
        shutdown(fd, SHUT_WR);
}
