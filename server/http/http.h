/*
 * The HTTP server: loops, exchanges and answers. The only part that knows libmicrohttpd.
 *
 * One loop per core: an MHD daemon with the external epoll loop and its own SO_REUSEPORT
 * socket, run by one thread. An exchange is one request and its answer; it is born, lives
 * and dies on its loop's thread, and everything below that takes one is called there only.
 *
 *   head ──► body ──► resume … ──► end
 *   head ──► part … ──► body ──► resume … ──► end      when the body is streamed
 *
 * The application's functions say what comes next. After GW_NEXT_WAIT the exchange is
 * suspended until work whose home is gw_exchange_home() and whose owner is the exchange
 * comes back; every work sent out comes back, so an exchange outlives its work. With several
 * out, resume says GW_NEXT_WAIT until it has seen the last.
 *
 * While a body is streamed, or an answer is made while it is sent, work may be out and the
 * exchange is not suspended, so that both overlap. Such work has a done() of its own, and belongs
 * to something that may outlive the exchange (gw_exchange_keep_loop()); done() wakes the exchange
 * when it is suspended. Work that the body itself has to wait for comes home through resume, as
 * ever.
 */
#ifndef GW_HTTP_HTTP_H
#define GW_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/base/buf.h"
#include "server/base/error.h"
#include "server/base/id.h"
#include "server/base/mailbox.h"
#include "server/base/metrics.h"

struct gw_http;
struct gw_loop;
struct gw_exchange;
struct gw_response;

enum gw_next {
        GW_NEXT_RESPOND, /* an answer was set: send it */
        GW_NEXT_WAIT,    /* work is out: suspend until it returns */
        GW_NEXT_BODY,    /* from head (or a resume before the body): go on and collect the body;
                            from part: go on with it */
};

struct gw_http_app {
        void *self;
        /* The header is complete, nothing of the body was read. May set
         * gw_exchange_limit_body(). */
        enum gw_next (*head)(void *self, struct gw_exchange *x);
        /* *len bytes of a streamed body, borrowed. After GW_NEXT_WAIT nothing more is read until
         * gw_exchange_wake(), or a resume that says GW_NEXT_BODY; only with it may *len be set to
         * fewer, and the rest is given again then. May be NULL without such bodies. */
        enum gw_next (*part)(void *self, struct gw_exchange *x, const char *data, size_t *len);
        /* A streamed body does not arrive in time (408), and nothing more of it is read: set an
         * answer for this error, now or, after GW_NEXT_WAIT, when the application wakes the
         * exchange. NULL: refuse does it. */
        enum gw_next (*stop)(void *self, struct gw_exchange *x, const struct gw_error *err);
        /* The body is complete. Not called when head answered. */
        enum gw_next (*body)(void *self, struct gw_exchange *x);
        /* Work came home. */
        enum gw_next (*resume)(void *self, struct gw_exchange *x, struct gw_work *work);
        /* http itself refuses (413, 408, 431 …): set an answer for this error. */
        void (*refuse)(void *self, struct gw_exchange *x, const struct gw_error *err);
        /* An answer was set, by whomever: add what every answer carries. May be NULL. */
        void (*mark)(void *self, struct gw_exchange *x);
        /* The client hung up while work is out; called once, may be NULL. Cancel what can be
         * cancelled: the work must still come home, and resume is called as ever. Noticed
         * within about abandon_check_ms. A client that closes only its sending half counts as
         * gone. Also called for every exchange that still waits when gw_http_stop()'s grace is
         * over. */
        void (*abandon)(void *self, struct gw_exchange *x);
        /* Answered, or the client is gone: release what gw_exchange_set_state holds, log,
         * count. */
        void (*end)(void *self, struct gw_exchange *x);
};

/* 0 stands for the default of server/base/limits.h, unless it says otherwise. */
struct gw_http_settings {
        const char *address;      /* "127.0.0.1", "::" (both families) …; borrowed during start */
        uint16_t port;            /* 0: any; see gw_http_port() */
        unsigned loops;           /* 0: one per core */
        unsigned max_connections; /* in equal parts for the loops */
        size_t max_body_bytes;    /* default of gw_exchange_limit_body */
        size_t max_bodies_bytes;  /* held for all bodies together */
        size_t max_answers_bytes; /* held for all large answers together */
        unsigned body_timeout_ms; /* from the header's end to the body's end, then 408; of a
                                     streamed body from one part to the next; and from a header's
                                     first line to its end */
        unsigned idle_timeout_s;  /* from the last answer to the next header's first line, then
                                     closed */
        unsigned abandon_check_ms; /* how often waiting clients are looked at; 0: 5000 */
};

/* Opens the sockets and starts the loops. A port in use is GW_ERR_CONFLICT with a message that
 * names it. app is copied; metrics may be NULL. */
struct gw_http *gw_http_start(const struct gw_http_settings *settings,
                              const struct gw_http_app *app, struct gw_metrics *metrics,
                              struct gw_error *err);
uint16_t gw_http_port(const struct gw_http *http);

/* Graceful end: closes the listening sockets, lets every exchange that was accepted finish
 * (answers say Connection: close), at most grace_ms; then stops the loops and frees. All
 * receivers of work must still be running. */
void gw_http_stop(struct gw_http *http, unsigned grace_ms);

/* ---- the request -------------------------------------------------------------------- */

const char *gw_exchange_method(const struct gw_exchange *x); /* as sent */
const char *gw_exchange_path(const struct gw_exchange *x);   /* raw, without the query */
/* First field of that name, or NULL. Names compare without case. */
const char *gw_exchange_header(const struct gw_exchange *x, const char *name);
/* Calls each(arg, name, value) per query parameter in order, decoded ('+' is a space), value ""
 * when there is none; stops when it returns false. Returns 0; or -1 with GW_ERR_INVALID for a
 * malformed escape, a value that is not UTF-8 or holds a NUL, or too many parameters: those
 * before it were reported. The strings live as long as the exchange. */
int gw_exchange_query(struct gw_exchange *x,
                      bool (*each)(void *arg, const char *name, const char *value), void *arg,
                      struct gw_error *err);
/* Never NULL, and a NUL follows it. Complete from the body call on. */
const char *gw_exchange_body(const struct gw_exchange *x, size_t *ret_len);
/* Only before the body, that is from head, or from a resume that answers head's wait. */
void gw_exchange_limit_body(struct gw_exchange *x, size_t max_bytes);
/* Likewise: the body is not collected but given to part as it arrives. A Content-Length over the
 * limit is refused (413) before anything is read; what is sent in chunks the application counts
 * itself. The answer of such an exchange tells of what was made: it is sent though large answers
 * are over their budget, and is none of them. What it takes the application keeps counted with
 * gw_exchange_hold() until the end. */
void gw_exchange_stream_body(struct gw_exchange *x, size_t max_bytes);
/* Counts what the application holds of such an exchange against the budget of all bodies, in
 * place of what was counted before. Returns 0; or -1 when it has grown and the budget is exceeded,
 * half of it where the body is streamed: it is counted all the same, and must not grow further. */
int gw_exchange_hold(struct gw_exchange *x, size_t bytes);

#define GW_REQUEST_ID_TEXT 33
/* Made by the server: 32 hexadecimal digits, also in the answer's X-Request-Id. */
const char *gw_exchange_request_id(const struct gw_exchange *x);
int64_t gw_exchange_started_us(const struct gw_exchange *x); /* monotonic */
/* The loop's mailbox. Work that comes home with done == NULL has the exchange as its owner and
 * goes to resume(); other work is given to its own done() on the loop's thread. */
struct gw_mailbox *gw_exchange_home(struct gw_exchange *x);
unsigned gw_exchange_loop(const struct gw_exchange *x); /* number of its loop, from 0 */

/* For work that may come home after its exchange has ended: the loop does not stop before it is
 * released. Both on the loop's thread. */
struct gw_loop *gw_exchange_keep_loop(struct gw_exchange *x);
void gw_loop_release(struct gw_loop *loop);
/* What such work holds: returns what is counted for the exchange, which counts nothing then; it is
 * the caller's to give back before it releases the loop. */
size_t gw_exchange_keep_held(struct gw_exchange *x);
void gw_loop_release_held(struct gw_loop *loop, size_t bytes);
/* Ends the wait of such an exchange, as a resume that returns `next` would. */
void gw_exchange_wake(struct gw_exchange *x, enum gw_next next);

/* The application's own state. */
void gw_exchange_set_state(struct gw_exchange *x, void *state);
void *gw_exchange_state(const struct gw_exchange *x);

/* Zeroed memory that lives as long as the exchange; NULL without memory. */
void *gw_exchange_alloc(struct gw_exchange *x, size_t size);

/* ---- the answer ---------------------------------------------------------------------- */

/* An answer of its own: content is taken (malloc'ed, may be NULL when len is 0). A HEAD request
 * is sent the same header fields without the content. A large one is refused instead, and the
 * status is another, when clients that do not read hold too much already; but never one that tells
 * of what was made: a 201, or the 424 to a POST. */
void gw_respond(struct gw_exchange *x, unsigned status, const char *content_type, char *content,
                size_t len);
/* Bytes [offset, offset + len) of a regular file; fd is taken. When the file turns out to be
 * shorter the connection is closed. A long piece counts as a large answer of one block. */
void gw_respond_file(struct gw_exchange *x, unsigned status, const char *content_type, int fd,
                     uint64_t offset, uint64_t len);
/* An answer of a length that nobody knows, made while it is sent. read() fills at most max bytes
 * at out and returns how many, or one of these; it runs on the loop's thread when the client has
 * taken what it was sent. After GW_STREAM_WAIT the work that is out comes home through resume as
 * ever; GW_NEXT_RESPOND then means that read() is called again. An answer that is set meanwhile
 * is too late to be sent: it cuts the stream. A HEAD request never calls read(). */
enum {
        GW_STREAM_WAIT = 0, /* work is out: suspend until it returns */
        GW_STREAM_END = -1, /* that was all */
        GW_STREAM_CUT = -2, /* close the connection, so that the client sees that some is missing */
};
typedef ssize_t (*gw_stream_read)(void *arg, char *out, size_t max);
void gw_respond_stream(struct gw_exchange *x, unsigned status, const char *content_type,
                       gw_stream_read read, void *arg);
/* Adds a field to the answer that was set. One with a control character in it is left out: it
 * could end the field and begin another. */
void gw_respond_header(struct gw_exchange *x, const char *name, const char *value);
unsigned gw_exchange_status(const struct gw_exchange *x); /* of the answer set, or 0 */

/* A counted, immutable answer that several exchanges, on any loop, may send. */
struct gw_response *gw_response_new(const char *content_type, const char *etag, char *content,
                                    size_t len);
struct gw_response *gw_response_ref(struct gw_response *r);
void gw_response_unref(struct gw_response *r); /* NULL allowed */
size_t gw_response_size(const struct gw_response *r);
/* Sends it; what is to be a 200 is a 304 when If-None-Match names its ETag. r stays the
 * caller's. */
void gw_respond_shared(struct gw_exchange *x, unsigned status, struct gw_response *r);

#endif
