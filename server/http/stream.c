/*
 * Answers that are made while they are sent: libmicrohttpd asks for the next piece when the
 * client has taken the last. Runs on the loop's thread.
 *
 * Invariant: work of the exchange is out only while it is suspended, so a connection that
 * libmicrohttpd closes has none.
 */
#include <string.h>
#include <sys/socket.h>

#include "server/http/exchange.h"

/* Only used for clients of HTTP/1.0; chunks are made in the connection's own memory. */
#define BLOCK_BYTES (16 * 1024)

/* At once, which closing with SO_LINGER is not: libmicrohttpd closes its half before. */
static void reset(int fd)
{
        const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
        if (connect(fd, &nowhere, sizeof nowhere))
                shutdown(fd, SHUT_RDWR);
}

/* A client of HTTP/1.1 misses the last chunk, or some of the length it was told; one of HTTP/1.0
 * would take a connection that is closed for the end of the answer. */
ssize_t gw_exchange_cut(struct gw_exchange *x, char *out)
{
        if (strcmp(x->version, "HTTP/1.0") == 0)
                reset(x->conn->fd);
        else
                shutdown(x->conn->fd, SHUT_RDWR);
        *out = '\0';
        return 1;
}

static ssize_t read_stream(void *cls, uint64_t pos, char *out, size_t max)
{
        struct gw_exchange *x = cls;
        (void)pos;
        if (x->abandoned || x->answer.response)
                return gw_exchange_cut(x, out);
        ssize_t n = x->stream.read(x->stream.arg, out, max);
        switch (n) {
        case GW_STREAM_WAIT:
                gw_loop_watch(x->conn);
                gw_exchange_suspend(x, GW_PHASE_STREAM_WAIT);
                return 0;
        case GW_STREAM_END:
                return MHD_CONTENT_READER_END_OF_STREAM;
        case GW_STREAM_CUT:
                return gw_exchange_cut(x, out);
        default:
                return n;
        }
}

void gw_respond_stream(struct gw_exchange *x, unsigned status, const char *content_type,
                       gw_stream_read read, void *arg)
{
        struct MHD_Response *response = MHD_create_response_from_callback(
                MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, x, NULL);
        /* libmicrohttpd 0.9.75 ends the chunks of a HEAD, which has none; without chunks nothing
         * comes behind its header. */
        if (response && strcmp(x->method, "HEAD") == 0)
                MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
        x->stream = (struct gw_stream){read, arg};
        gw_answer_set(x, status, response, content_type);
}
