/*
 * An exchange from the inside. Private to server/http; the loop's thread only.
 *
 *   HEAD ─┬────────────► BODY ─┬────────────► ANSWER ──► SENT ◄──► STREAM_WAIT
 *         ├► HEAD_WAIT ─┘      └► BODY_WAIT ─┘
 *         └► PARTS ◄─► PARTS_WAIT            (PARTS in the place of BODY)
 *
 * An answer that is set while a body is still to come takes one of two ways: DRAIN swallows
 * a short rest and keeps the connection; FAREWELL writes the answer to the socket at once,
 * past libmicrohttpd (which has no answer for a request half read), and swallows what comes
 * until the client hangs up or the linger lane says enough.
 */
#ifndef GW_HTTP_EXCHANGE_H
#define GW_HTTP_EXCHANGE_H

#include <microhttpd.h>

#include "server/http/arena.h"
#include "server/http/loop.h"

enum gw_phase {
        GW_PHASE_HEAD,
        GW_PHASE_HEAD_WAIT,
        GW_PHASE_BODY,
        GW_PHASE_BODY_WAIT,
        GW_PHASE_PARTS,
        GW_PHASE_PARTS_WAIT,
        GW_PHASE_DRAIN,
        GW_PHASE_FAREWELL,
        GW_PHASE_ANSWER,
        GW_PHASE_SENT,
        GW_PHASE_STREAM_WAIT,
        GW_PHASE_COUNT
};

struct gw_answer {
        unsigned status;
        struct MHD_Response *response;
        const char *content; /* within response; NULL when empty or a file */
        size_t len;
        size_t charged; /* of gw_http.answers_bytes, until the exchange is completed */
};

/* Where the content of a stream comes from. It outlives the answer that announced it. */
struct gw_stream {
        gw_stream_read read;
        void *arg;
};

/* What the header says about the message. */
struct gw_framing {
        bool has_body;
        bool chunked;
        bool expects_continue;
        uint64_t length; /* of the body; 0 when chunked */
};

struct gw_exchange {
        struct gw_conn *conn;
        struct gw_arena arena; /* this lies in its first page */
        enum gw_phase phase;
        enum gw_next next; /* what the last resume said */
        bool seen;         /* by the application: it is told the end */
        bool abandoned;
        bool uri_cut;
        bool late;                    /* its body is waited for no more */
        bool in_parts;                /* its body is given to the application as it arrives */
        const char *method, *version; /* from the head phase on */
        char *path;
        const char *query; /* after the '?', or NULL */
        char request_id[GW_REQUEST_ID_TEXT];
        int64_t started_us;
        void *state;

        struct gw_framing framing;
        size_t limit;
        struct gw_buf body;
        size_t charged; /* of gw_http.bodies_bytes */
        uint64_t received;
        uint64_t swallowed;
        struct gw_answer answer;
        struct gw_stream stream;
};

/* ---- libmicrohttpd's callbacks (exchange.c); cls is the loop, *ctx the exchange ------- */

void *gw_exchange_begin(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result gw_exchange_access(void *cls, struct MHD_Connection *mhd, const char *url,
                                   const char *method, const char *version, const char *data,
                                   size_t *size, void **ctx);
void gw_exchange_completed(void *cls, struct MHD_Connection *mhd, void **ctx,
                           enum MHD_RequestTerminationCode code);

/* Takes the connection from libmicrohttpd until the work that is out comes home; phase is one of
 * the four WAIT phases. */
void gw_exchange_suspend(struct gw_exchange *x, enum gw_phase phase);

/* ---- the loop's ----------------------------------------------------------------------- */

/* Work came home to its exchange. */
void gw_exchange_resume(struct gw_exchange *x, struct gw_work *work);
/* The header, of which the first line is there, or the body took too long. */
void gw_exchange_expire(struct gw_exchange *x);
/* The client hung up while work is out. */
void gw_exchange_abandon(struct gw_exchange *x);
/* The client of a stream hung up, whether or not work is out. */
void gw_exchange_leave(struct gw_exchange *x);

/* ---- request.c ------------------------------------------------------------------------ */

/* Keeps the URI. -1 without memory. */
int gw_request_init(struct gw_exchange *x, const char *uri);
/* Reads the framing and checks what HTTP and our limits demand of a header. Returns 0, or -1
 * with the error and its kind. */
int gw_request_check(struct gw_exchange *x, enum gw_refusal *ret_kind, struct gw_error *err);

/* Answers with the application's words and counts it. */
void gw_exchange_refuse(struct gw_exchange *x, enum gw_refusal kind, const struct gw_error *err);

/* ---- response.c ----------------------------------------------------------------------- */

void gw_answer_clear(struct gw_exchange *x);
/* Replaces the answer. response is taken; NULL leaves the exchange without one, and its
 * connection is closed instead. */
void gw_answer_set(struct gw_exchange *x, unsigned status, struct MHD_Response *response,
                   const char *content_type);

/* ---- stream.c ------------------------------------------------------------------------- */

/* From a function that gives content: ends the connection so that the client notices, for the
 * rest cannot be given. What it returns is to be returned, a byte that cannot be sent any more:
 * told of an error instead, libmicrohttpd keeps the closed connection until its time-out. */
ssize_t gw_exchange_cut(struct gw_exchange *x, char *out);

/* ---- farewell.c ----------------------------------------------------------------------- */

/* Writes the answer that was set to the socket and closes our half of the connection. */
void gw_farewell(struct gw_exchange *x);

#endif
