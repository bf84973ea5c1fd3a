/*
 * The life of an exchange: libmicrohttpd's callbacks and the loop's events move it from phase
 * to phase. Runs on the loop's thread.
 *
 * Invariants: an exchange is suspended exactly in the four WAIT phases, and its seat is then in
 * the waiting lane unless its client has left. libmicrohttpd calls back with no data twice: when
 * the header is complete and when the request is; between those the answer cannot be queued, and
 * one that is queued at the first makes it close the connection. So a plain answer always waits for
 * the second.
 */
#include "server/http/exchange.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "server/base/clock.h"
#include "server/base/limits.h"

/* How much of a refused body is read for the sake of the connection. */
#define DRAIN_BYTES (64 * 1024)
/* Most that is reserved on the word of a Content-Length. */
#define FIRST_BODY_BYTES (64 * 1024)
/* How much is read behind an answer that closes it. */
#define LINGER_BYTES (32 * 1024 * 1024)

static const struct gw_http_app *app_of(const struct gw_exchange *x)
{
        return &x->conn->loop->http->app;
}

void gw_exchange_refuse(struct gw_exchange *x, enum gw_refusal kind, const struct gw_error *err)
{
        gw_metric_add(x->conn->loop->http->refused, kind, 0, 1);
        app_of(x)->refuse(app_of(x)->self, x, err);
}

void gw_exchange_suspend(struct gw_exchange *x, enum gw_phase phase)
{
        struct gw_loop *loop = x->conn->loop;
        x->phase = phase;
        loop->waiting_count++;
        gw_lane_enter(&loop->waiting, &x->conn->seat, gw_clock_mono_us());
        MHD_suspend_connection(x->conn->mhd);
}

static enum MHD_Result suspend(struct gw_exchange *x, enum gw_phase phase)
{
        gw_exchange_suspend(x, phase);
        return MHD_YES;
}

static enum MHD_Result send_answer(struct gw_exchange *x)
{
        struct MHD_Response *response = x->answer.response;
        gw_lane_leave(&x->conn->seat);
        if (!response) /* no memory for it */
                return MHD_NO;
        if (x->conn->loop->draining)
                MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
        enum MHD_Result sent = MHD_queue_response(x->conn->mhd, x->answer.status, response);
        MHD_destroy_response(response);
        x->answer.response = NULL;
        x->phase = GW_PHASE_SENT;
        return sent;
}

static void say_farewell(struct gw_exchange *x)
{
        x->phase = GW_PHASE_FAREWELL;
        gw_lane_enter(&x->conn->loop->linger, &x->conn->seat, gw_clock_mono_us());
        gw_farewell(x);
}

/* An answer is set and the body, or its rest, is not wanted. */
static enum MHD_Result turn_away(struct gw_exchange *x)
{
        const struct gw_framing *f = &x->framing;
        if (f->expects_continue && x->phase <= GW_PHASE_HEAD_WAIT)
                return send_answer(x); /* it closes, and the body stays where it is */
        if (x->late || (f->chunked ? x->received > 0 : f->length - x->received > DRAIN_BYTES))
                say_farewell(x);
        else
                x->phase = GW_PHASE_DRAIN;
        return MHD_YES;
}

static enum MHD_Result refuse_body(struct gw_exchange *x, enum gw_refusal kind,
                                   enum gw_error_code code, const char *message)
{
        struct gw_error err = {0};
        gw_fail(&err, code, "%s", message);
        gw_exchange_refuse(x, kind, &err);
        return turn_away(x);
}

static enum MHD_Result refuse_large_body(struct gw_exchange *x)
{
        char message[96];
        snprintf(message, sizeof message, "the body is larger than %zu bytes", x->limit);
        return refuse_body(x, GW_REFUSED_BODY, GW_ERR_TOO_LARGE, message);
}

static enum MHD_Result begin_body(struct gw_exchange *x)
{
        struct gw_loop *loop = x->conn->loop;
        gw_buf_init(&x->body, x->limit);
        if (x->framing.has_body)
                gw_lane_enter(&loop->body, &x->conn->seat, gw_clock_mono_us());
        if (!x->framing.chunked && x->framing.length > x->limit)
                return refuse_large_body(x);
        x->phase = x->in_parts ? GW_PHASE_PARTS : GW_PHASE_BODY;
        return MHD_YES;
}

static enum MHD_Result after_head(struct gw_exchange *x, enum gw_next next)
{
        switch (next) {
        case GW_NEXT_WAIT:
                return suspend(x, GW_PHASE_HEAD_WAIT);
        case GW_NEXT_BODY:
                return begin_body(x);
        case GW_NEXT_RESPOND:
                break;
        }
        if (!x->framing.has_body) {
                x->phase = GW_PHASE_ANSWER;
                return MHD_YES;
        }
        gw_lane_enter(&x->conn->loop->body, &x->conn->seat, gw_clock_mono_us());
        return turn_away(x);
}

static enum MHD_Result after_body(struct gw_exchange *x, enum gw_next next)
{
        assert(next != GW_NEXT_BODY);
        if (next == GW_NEXT_WAIT)
                return suspend(x, GW_PHASE_BODY_WAIT);
        return send_answer(x);
}

static enum MHD_Result after_part(struct gw_exchange *x, enum gw_next next)
{
        if (next == GW_NEXT_WAIT)
                return suspend(x, GW_PHASE_PARTS_WAIT);
        gw_lane_enter(&x->conn->loop->body, &x->conn->seat, gw_clock_mono_us());
        return next == GW_NEXT_BODY ? MHD_YES : turn_away(x);
}

/* ---- one function per phase: what libmicrohttpd's call means there ---------------------- */

/* The bytes at data are read, and wanted or not the connection goes on. */
static uint64_t take_size(size_t *size)
{
        uint64_t taken = *size;
        *size = 0;
        return taken;
}

static enum MHD_Result in_head(struct gw_exchange *x, const char *data, size_t *size)
{
        (void)data;
        (void)size;
        enum gw_refusal kind = GW_REFUSED_MALFORMED;
        struct gw_error err = {0};
        gw_lane_leave(&x->conn->seat);
        x->seen = true;
        if (gw_request_check(x, &kind, &err) == 0)
                return after_head(x, app_of(x)->head(app_of(x)->self, x));
        gw_exchange_refuse(x, kind, &err);
        if (kind != GW_REFUSED_MALFORMED)
                return after_head(x, GW_NEXT_RESPOND);
        say_farewell(x); /* where the message ends is not known */
        return MHD_YES;
}

static enum MHD_Result in_head_wait(struct gw_exchange *x, const char *data, size_t *size)
{
        (void)data;
        (void)size;
        return after_head(x, x->next);
}

/* Counts more (or less, as size_t wraps) against the budget of all bodies; returns what they hold.
 */
static size_t count_held(struct gw_http *http, size_t more)
{
        gw_metric_add(http->bodies_held, 0, 0, (int64_t)more);
        return atomic_fetch_add_explicit(&http->bodies_bytes, more, memory_order_relaxed) + more;
}

/* Streams, which may last, leave half of the budget to bodies that are collected. */
static size_t most_held(const struct gw_exchange *x)
{
        size_t most = x->conn->loop->http->settings.max_bodies_bytes;
        return x->in_parts ? most / 2 : most;
}

int gw_exchange_hold(struct gw_exchange *x, size_t bytes)
{
        size_t before = x->charged;
        if (bytes == before)
                return 0;
        x->charged = bytes;
        size_t held = count_held(x->conn->loop->http, bytes - before);
        return bytes < before || held <= most_held(x) ? 0 : -1;
}

size_t gw_exchange_keep_held(struct gw_exchange *x)
{
        size_t bytes = x->charged;
        x->charged = 0;
        return bytes;
}

void gw_loop_release_held(struct gw_loop *loop, size_t bytes)
{
        count_held(loop->http, -bytes);
}

/* Makes room for len more bytes, which are counted in received. -1 over the budget of all
 * bodies, or without memory. */
static int reserve_body(struct gw_exchange *x, size_t len)
{
        size_t room = len;
        if (!x->body.data && !x->framing.chunked)
                room = x->framing.length < FIRST_BODY_BYTES ? x->framing.length : FIRST_BODY_BYTES;
        if (gw_buf_reserve(&x->body, room > len ? room : len))
                return -1;
        return gw_exchange_hold(x, x->body.cap);
}

static void release_body(struct gw_exchange *x)
{
        gw_exchange_hold(x, 0);
        gw_buf_done(&x->body);
}

static enum MHD_Result collect(struct gw_exchange *x, const char *data, size_t *size)
{
        size_t len = take_size(size);
        x->received += len;
        gw_metric_add(x->conn->loop->http->body_bytes, 0, 0, (int64_t)len);
        if (x->received > x->limit) {
                release_body(x);
                return refuse_large_body(x);
        }
        if (reserve_body(x, len)) {
                release_body(x);
                return refuse_body(x, GW_REFUSED_OVERLOADED, GW_ERR_OVERLOADED,
                                   "too many request bodies are being received");
        }
        gw_buf_add(&x->body, data, len);
        return MHD_YES;
}

static enum MHD_Result in_body(struct gw_exchange *x, const char *data, size_t *size)
{
        if (*size)
                return collect(x, data, size);
        gw_lane_leave(&x->conn->seat);
        return after_body(x, app_of(x)->body(app_of(x)->self, x));
}

static enum MHD_Result in_body_wait(struct gw_exchange *x, const char *data, size_t *size)
{
        (void)data;
        (void)size;
        return after_body(x, x->next);
}

/* When the end of the client's sending half came together with bytes, libmicrohttpd has read the
 * bytes and is not told again. Our end of it closes without loss, and that is an event. */
static void notice_end(const struct gw_exchange *x)
{
        char byte;
        if (recv(x->conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
                shutdown(x->conn->fd, SHUT_RD);
}

static enum MHD_Result in_parts(struct gw_exchange *x, const char *data, size_t *size)
{
        if (*size == 0)
                return in_body(x, data, size);
        size_t len = *size;
        notice_end(x);
        enum gw_next next = app_of(x)->part(app_of(x)->self, x, data, &len);
        assert(len == *size || (len < *size && next == GW_NEXT_WAIT));
        *size -= len;
        x->received += len;
        gw_metric_add(x->conn->loop->http->body_bytes, 0, 0, (int64_t)len);
        return after_part(x, next);
}

/* libmicrohttpd has more in its buffer: it stays there. */
static enum MHD_Result in_parts_wait(struct gw_exchange *x, const char *data, size_t *size)
{
        (void)x;
        (void)data;
        (void)size;
        return MHD_YES;
}

static enum MHD_Result in_drain(struct gw_exchange *x, const char *data, size_t *size)
{
        (void)data;
        if (*size == 0)
                return send_answer(x);
        x->swallowed += take_size(size);
        if (x->swallowed > DRAIN_BYTES)
                say_farewell(x);
        return MHD_YES;
}

static enum MHD_Result in_farewell(struct gw_exchange *x, const char *data, size_t *size)
{
        (void)data;
        if (*size == 0)
                return MHD_NO; /* nothing more can come: close */
        x->swallowed += take_size(size);
        return x->swallowed > LINGER_BYTES ? MHD_NO : MHD_YES;
}

static enum MHD_Result in_answer(struct gw_exchange *x, const char *data, size_t *size)
{
        (void)data;
        (void)size;
        return send_answer(x);
}

static enum MHD_Result in_sent(struct gw_exchange *x, const char *data, size_t *size)
{
        (void)x;
        (void)data;
        *size = 0;
        return MHD_YES;
}

enum MHD_Result gw_exchange_access(void *cls, struct MHD_Connection *mhd, const char *url,
                                   const char *method, const char *version, const char *data,
                                   size_t *size, void **ctx)
{
        static enum MHD_Result (*const phases[GW_PHASE_COUNT])(struct gw_exchange *, const char *,
                                                               size_t *) = {
                [GW_PHASE_HEAD] = in_head,        [GW_PHASE_HEAD_WAIT] = in_head_wait,
                [GW_PHASE_BODY] = in_body,        [GW_PHASE_BODY_WAIT] = in_body_wait,
                [GW_PHASE_PARTS] = in_parts,      [GW_PHASE_PARTS_WAIT] = in_parts_wait,
                [GW_PHASE_DRAIN] = in_drain,      [GW_PHASE_FAREWELL] = in_farewell,
                [GW_PHASE_ANSWER] = in_answer,    [GW_PHASE_SENT] = in_sent,
                [GW_PHASE_STREAM_WAIT] = in_sent,
        };
        (void)cls;
        (void)mhd;
        (void)url;
        struct gw_exchange *x = *ctx;
        if (!x) /* there was no memory when it began */
                return MHD_NO;
        x->method = method;
        x->version = version;
        return phases[x->phase](x, data, size);
}

/* ---- birth and death -------------------------------------------------------------------- */

static void make_request_id(struct gw_loop *loop, char out[GW_REQUEST_ID_TEXT])
{
        for (int half = 0; half < 2; half++) {
                uint64_t r = gw_loop_random(loop);
                for (int i = 0; i < 16; i++, r >>= 4)
                        *out++ = "0123456789abcdef"[r & 15];
        }
        *out = '\0';
}

void *gw_exchange_begin(void *cls, const char *uri, struct MHD_Connection *mhd)
{
        struct gw_loop *loop = cls;
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        struct gw_conn *conn = info->socket_context;
        struct gw_arena arena = {.pages = &loop->pages};
        struct gw_exchange *x = conn ? gw_arena_alloc(&arena, sizeof *x) : NULL;
        if (!x)
                return NULL;
        x->arena = arena;
        x->conn = conn;
        x->limit = loop->http->settings.max_body_bytes;
        x->started_us = gw_clock_mono_us();
        make_request_id(loop, x->request_id);
        if (gw_request_init(x, uri)) {
                gw_arena_done(&x->arena);
                return NULL;
        }
        conn->x = x;
        gw_lane_enter(&loop->head, &conn->seat, x->started_us);
        gw_metric_add(loop->http->exchanges, 0, 0, 1);
        return x;
}

void gw_exchange_completed(void *cls, struct MHD_Connection *mhd, void **ctx,
                           enum MHD_RequestTerminationCode code)
{
        struct gw_loop *loop = cls;
        (void)mhd;
        (void)code;
        struct gw_exchange *x = *ctx;
        if (!x)
                return;
        *ctx = NULL;
        gw_metric_add(loop->http->exchanges, 0, 0, -1);
        if (x->seen)
                app_of(x)->end(app_of(x)->self, x);
        gw_lane_enter(&loop->idle, &x->conn->seat, gw_clock_mono_us());
        x->conn->x = NULL;
        release_body(x);
        gw_answer_clear(x);
        gw_arena_done(&x->arena);
}

/* ---- the loop's events ------------------------------------------------------------------ */

static void go_on(struct gw_exchange *x, enum gw_next next)
{
        x->next = next;
        x->conn->loop->waiting_count--;
        gw_lane_leave(&x->conn->seat);
        MHD_resume_connection(x->conn->mhd);
}

void gw_exchange_resume(struct gw_exchange *x, struct gw_work *work)
{
        assert(x->phase == GW_PHASE_HEAD_WAIT || x->phase == GW_PHASE_BODY_WAIT ||
               x->phase == GW_PHASE_PARTS_WAIT || x->phase == GW_PHASE_STREAM_WAIT);
        enum gw_next next = app_of(x)->resume(app_of(x)->self, x, work);
        if (next == GW_NEXT_WAIT)
                return;
        if (x->phase == GW_PHASE_PARTS_WAIT) {
                gw_exchange_wake(x, next);
                return;
        }
        if (x->phase == GW_PHASE_STREAM_WAIT)
                x->phase = GW_PHASE_SENT;
        go_on(x, next);
}

void gw_exchange_wake(struct gw_exchange *x, enum gw_next next)
{
        assert(x->phase == GW_PHASE_PARTS_WAIT || x->phase == GW_PHASE_BODY_WAIT ||
               x->phase == GW_PHASE_STREAM_WAIT);
        assert(next != GW_NEXT_WAIT);
        go_on(x, next);
        if (x->phase == GW_PHASE_BODY_WAIT)
                return;
        if (x->phase == GW_PHASE_STREAM_WAIT) {
                x->phase = GW_PHASE_SENT;
                return;
        }
        x->phase = GW_PHASE_PARTS;
        after_part(x, next);
}

/* Its lines may have made something: the application says what. */
static enum gw_next stop_parts(struct gw_exchange *x, const struct gw_error *err)
{
        gw_metric_add(x->conn->loop->http->refused, GW_REFUSED_TIMEOUT, 0, 1);
        return app_of(x)->stop(app_of(x)->self, x, err);
}

/* libmicrohttpd gives the method with the header only. */
static void refuse_late_head(struct gw_exchange *x)
{
        struct gw_error err = {0};
        gw_fail(&err, GW_ERR_REQUEST_TIMEOUT, "the header took too long to arrive");
        x->seen = true;
        x->method = x->version = "";
        gw_exchange_refuse(x, GW_REFUSED_TIMEOUT, &err);
        say_farewell(x);
}

static enum gw_next refuse_late_body(struct gw_exchange *x)
{
        struct gw_error err = {0};
        gw_fail(&err, GW_ERR_REQUEST_TIMEOUT, "the body took too long to arrive");
        x->late = true;
        if (x->phase == GW_PHASE_PARTS && app_of(x)->stop)
                return stop_parts(x, &err);
        gw_exchange_refuse(x, GW_REFUSED_TIMEOUT, &err);
        return GW_NEXT_RESPOND;
}

void gw_exchange_expire(struct gw_exchange *x)
{
        bool is_read = x->phase == GW_PHASE_BODY || x->phase == GW_PHASE_PARTS;
        if (x->phase == GW_PHASE_HEAD)
                refuse_late_head(x);
        else if (is_read && refuse_late_body(x) == GW_NEXT_WAIT)
                gw_exchange_suspend(x, GW_PHASE_PARTS_WAIT);
        else
                say_farewell(x);
}

void gw_exchange_abandon(struct gw_exchange *x)
{
        if (x->abandoned)
                return;
        x->abandoned = true;
        if (app_of(x)->abandon)
                app_of(x)->abandon(app_of(x)->self, x);
}

void gw_exchange_leave(struct gw_exchange *x)
{
        if (x->phase == GW_PHASE_STREAM_WAIT)
                gw_exchange_abandon(x);
        else if (x->phase == GW_PHASE_SENT)
                x->abandoned = true; /* libmicrohttpd notices when it sends on */
}
