/*
 * A small application on the real server, and a client that speaks bytes, for the tests of
 * server/http. Every wait has a deadline.
 */
#ifndef GW_TESTS_HTTP_HARNESS_H
#define GW_TESTS_HTTP_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/thread.h"
#include "server/http/http.h"

#define PATIENCE_MS 20000

#define UNUSED __attribute__((unused))

/* ---- the application ------------------------------------------------------------------------ */

/* Paths: /refuse answers 401 from head. /head-wait waits in head, then echoes. /limit takes 10
 * bytes. /wait and /wait-twice wait for the worker. /hold waits until release_held() or
 * abandon. /shared and /shared-plain send counted answers, /file a file, /stream three short
 * pieces, /query its parameters, /nothing 204. All others echo "METHOD path\n" and the body. */
struct site {
        struct gw_http *http;
        struct gw_mailbox inbox; /* the worker's */
        pthread_t worker;
        atomic_bool stop;
        atomic_bool hold; /* the worker keeps what it gets */
        atomic_int heads, ends, abandons, waiting, refusals;
        atomic_int last_refusal; /* enum gw_error_code */
        atomic_int last_end;     /* status */
        struct gw_response *shared, *shared_plain;
        pthread_mutex_t lock;
        struct call *held; /* under the lock */
};

struct call {
        struct gw_work work;
        struct site *site;
        int rounds;
        bool in_head;
        struct call *next;
};

static void *site_work(void *arg)
{
        struct site *site = arg;
        struct pollfd p = {.fd = site->inbox.fd, .events = POLLIN};
        while (!atomic_load(&site->stop)) {
                if (!atomic_load(&site->hold))
                        gw_work_finish_list(gw_mailbox_take(&site->inbox));
                poll(&p, 1, atomic_load(&site->hold) ? 1 : 1000);
        }
        gw_work_finish_list(gw_mailbox_take(&site->inbox));
        return NULL;
}

static enum gw_next site_post(struct site *site, struct gw_exchange *x, struct call *call)
{
        call->site = site;
        call->work = (struct gw_work){.home = gw_exchange_home(x), .owner = x};
        assert_int_equal(gw_mailbox_post(&site->inbox, &call->work), 0);
        atomic_fetch_add(&site->waiting, 1);
        return GW_NEXT_WAIT;
}

static enum gw_next site_hold(struct site *site, struct gw_exchange *x, struct call *call)
{
        call->site = site;
        call->work = (struct gw_work){.home = gw_exchange_home(x), .owner = x};
        pthread_mutex_lock(&site->lock);
        call->next = site->held;
        site->held = call;
        pthread_mutex_unlock(&site->lock);
        atomic_fetch_add(&site->waiting, 1);
        return GW_NEXT_WAIT;
}

/* Lets go of the exchange's call, or of all with x == NULL. Returns how many. */
static UNUSED int release_held(struct site *site, const struct gw_exchange *x)
{
        int count = 0;
        pthread_mutex_lock(&site->lock);
        for (struct call **at = &site->held; *at;) {
                struct call *call = *at;
                if (x && call->work.owner != x) {
                        at = &call->next;
                        continue;
                }
                *at = call->next;
                gw_work_finish(&call->work);
                count++;
        }
        pthread_mutex_unlock(&site->lock);
        return count;
}

static struct call *call_of(struct gw_exchange *x)
{
        struct call *call = gw_exchange_state(x);
        if (!call) {
                call = gw_exchange_alloc(x, sizeof *call);
                gw_exchange_set_state(x, call);
        }
        return call;
}

static void respond_text(struct gw_exchange *x, unsigned status, const char *text)
{
        gw_respond(x, status, "text/plain", strdup(text), strlen(text));
}

static void respond_echo(struct gw_exchange *x)
{
        size_t len;
        const char *body = gw_exchange_body(x, &len);
        struct gw_buf b = GW_BUF_INIT(16 << 20);
        gw_buf_printf(&b, "%s %s\n", gw_exchange_method(x), gw_exchange_path(x));
        gw_buf_add(&b, body, len);
        size_t size;
        char *content = gw_buf_take(&b, &size);
        gw_respond(x, 200, "text/plain", content, size);
        gw_respond_header(x, "X-Echo", "yes");
        gw_respond_header(x, "X-Evil", "a\r\nX-Injected: b");
        gw_respond_header(x, "X-Bell", "\a");
}

static bool add_parameter(void *arg, const char *name, const char *value)
{
        gw_buf_printf(arg, "[%s=%s]", name, value);
        return strcmp(name, "stop") != 0;
}

static void respond_query(struct gw_exchange *x)
{
        struct gw_buf b = GW_BUF_INIT(1 << 20);
        struct gw_error err = {0};
        int result = gw_exchange_query(x, add_parameter, &b, &err);
        gw_buf_str(&b, result ? err.message : "");
        size_t size;
        char *content = gw_buf_take(&b, &size);
        gw_respond(x, result ? 400 : 200, "text/plain", content, size);
}

static void respond_file(struct gw_exchange *x, uint64_t offset, uint64_t len)
{
        char name[] = "/tmp/http_test_XXXXXX";
        int fd = mkstemp(name);
        unlink(name);
        static const size_t size = 1000000;
        char *content = malloc(size);
        for (size_t i = 0; i < size; i++)
                content[i] = (char)('0' + i % 10);
        assert_int_equal(write(fd, content, size), size);
        free(content);
        gw_respond_file(x, 206, "text/plain", fd, offset, len);
}

static ssize_t read_piece(void *arg, char *out, size_t max)
{
        struct call *call = arg;
        if (call->rounds-- == 0)
                return GW_STREAM_END;
        return snprintf(out, max, "piece\n");
}

static void respond_stream(struct gw_exchange *x, struct call *call)
{
        call->rounds = 3;
        gw_respond_stream(x, 200, "text/plain", read_piece, call);
}

static bool path_is(const struct gw_exchange *x, const char *path)
{
        return strcmp(gw_exchange_path(x), path) == 0;
}

static enum gw_next site_head(void *self, struct gw_exchange *x)
{
        struct site *site = self;
        atomic_fetch_add(&site->heads, 1);
        if (path_is(x, "/refuse")) {
                respond_text(x, 401, "no");
                return GW_NEXT_RESPOND;
        }
        if (path_is(x, "/limit"))
                gw_exchange_limit_body(x, 10);
        if (path_is(x, "/head-wait") || path_is(x, "/head-wait-refuse")) {
                call_of(x)->in_head = true;
                return site_post(site, x, call_of(x));
        }
        return GW_NEXT_BODY;
}

static enum gw_next site_body(void *self, struct gw_exchange *x)
{
        struct site *site = self;
        if (path_is(x, "/wait") || path_is(x, "/wait-twice")) {
                call_of(x)->rounds = path_is(x, "/wait") ? 1 : 2;
                return site_post(site, x, call_of(x));
        }
        if (path_is(x, "/hold"))
                return site_hold(site, x, call_of(x));
        if (path_is(x, "/shared"))
                gw_respond_shared(x, 200, site->shared);
        else if (path_is(x, "/shared-plain"))
                gw_respond_shared(x, 200, site->shared_plain);
        else if (path_is(x, "/file"))
                respond_file(x, 5, 900000);
        else if (path_is(x, "/file-small"))
                respond_file(x, 5, 10);
        else if (path_is(x, "/file-past-end"))
                respond_file(x, 999990, 11);
        else if (path_is(x, "/file-large-past-end"))
                respond_file(x, 5, 1000000);
        else if (path_is(x, "/file-empty"))
                respond_file(x, 1000000, 0);
        else if (path_is(x, "/stream"))
                respond_stream(x, call_of(x));
        else if (path_is(x, "/query"))
                respond_query(x);
        else if (path_is(x, "/nothing"))
                gw_respond(x, 204, NULL, NULL, 0);
        else
                respond_echo(x);
        return GW_NEXT_RESPOND;
}

static enum gw_next site_resume(void *self, struct gw_exchange *x, struct gw_work *work)
{
        struct site *site = self;
        struct call *call = gw_exchange_state(x);
        assert_ptr_equal(&call->work, work);
        atomic_fetch_sub(&site->waiting, 1);
        if (call->in_head) {
                call->in_head = false;
                if (path_is(x, "/head-wait"))
                        return GW_NEXT_BODY;
                respond_text(x, 403, "no");
                return GW_NEXT_RESPOND;
        }
        if (--call->rounds > 0)
                return site_post(site, x, call);
        respond_echo(x);
        return GW_NEXT_RESPOND;
}

static unsigned status_of(enum gw_error_code code)
{
        switch (code) {
        case GW_ERR_TOO_LARGE:
                return 413;
        case GW_ERR_URI_TOO_LONG:
                return 414;
        case GW_ERR_HEADERS_TOO_LARGE:
                return 431;
        case GW_ERR_REQUEST_TIMEOUT:
                return 408;
        case GW_ERR_OVERLOADED:
                return 503;
        default:
                return 400;
        }
}

static void site_refuse(void *self, struct gw_exchange *x, const struct gw_error *err)
{
        struct site *site = self;
        atomic_fetch_add(&site->refusals, 1);
        atomic_store(&site->last_refusal, (int)err->code);
        respond_text(x, status_of(err->code), err->message);
        gw_respond_header(x, "X-Refused", gw_error_name(err->code));
}

static void site_abandon(void *self, struct gw_exchange *x)
{
        struct site *site = self;
        atomic_fetch_add(&site->abandons, 1);
        release_held(site, x);
}

static void site_end(void *self, struct gw_exchange *x)
{
        struct site *site = self;
        atomic_store(&site->last_end, (int)gw_exchange_status(x));
        atomic_fetch_add(&site->ends, 1);
}

static struct site *site_open(struct gw_http_settings settings, struct gw_metrics *metrics)
{
        struct site *site = calloc(1, sizeof *site);
        struct gw_error err = {0};
        struct gw_http_app app = {.self = site,
                                  .head = site_head,
                                  .body = site_body,
                                  .resume = site_resume,
                                  .refuse = site_refuse,
                                  .abandon = site_abandon,
                                  .end = site_end};
        pthread_mutex_init(&site->lock, NULL);
        assert_int_equal(gw_mailbox_init(&site->inbox, 100000), 0);
        assert_int_equal(gw_thread_start(&site->worker, "site", site_work, site, &err), 0);
        site->shared = gw_response_new("text/plain", "\"tag\"", strdup("shared"), 6);
        site->shared_plain = gw_response_new("text/plain", NULL, strdup("plain"), 5);
        settings.address = settings.address ? settings.address : "127.0.0.1";
        site->http = gw_http_start(&settings, &app, metrics, &err);
        if (!site->http)
                fail_msg("start: %s", err.message);
        return site;
}

/* After gw_http_stop(). */
static void site_free(struct site *site)
{
        atomic_store(&site->stop, true);
        gw_mailbox_wake(&site->inbox);
        gw_thread_join(site->worker);
        gw_mailbox_done(&site->inbox);
        gw_response_unref(site->shared);
        gw_response_unref(site->shared_plain);
        pthread_mutex_destroy(&site->lock);
        free(site);
}

static UNUSED void site_close(struct site *site, unsigned grace_ms)
{
        gw_http_stop(site->http, grace_ms);
        site_free(site);
}

/* ---- the client ----------------------------------------------------------------------------- */

struct client {
        int fd;
        char *bytes; /* received, not yet taken as a reply */
        size_t len, cap;
        bool ended; /* the server closed */
};

struct reply {
        int status; /* 0: the connection ended instead */
        char header[4096];
        char *body;
        size_t len;
};

static int64_t now_ms(void)
{
        return gw_clock_mono_us() / 1000;
}

static int dial(uint16_t port)
{
        struct sockaddr_in addr = {.sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
        return fd;
}

static struct client client_open(const struct site *site)
{
        return (struct client){.fd = dial(gw_http_port(site->http))};
}

static void client_close(struct client *c)
{
        if (c->fd >= 0)
                close(c->fd);
        free(c->bytes);
        *c = (struct client){.fd = -1};
}

/* Returns false when the server does not take all of it. */
static bool client_send(struct client *c, const void *data, size_t len)
{
        const char *at = data;
        while (len) {
                ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL);
                if (n <= 0)
                        return false;
                at += n;
                len -= (size_t)n;
        }
        return true;
}

static void client_say(struct client *c, const char *text)
{
        assert_true(client_send(c, text, strlen(text)));
}

/* Reads more. Returns false at the end of the stream, a reset, or the deadline. */
static bool client_fill(struct client *c, int64_t deadline_ms)
{
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        int64_t left = deadline_ms - now_ms();
        if (left <= 0 || poll(&p, 1, (int)left) != 1)
                return false;
        if (c->cap - c->len < 65536)
                c->bytes = realloc(c->bytes, c->cap += 1 << 20);
        ssize_t n = recv(c->fd, c->bytes + c->len, 65536, 0);
        if (n <= 0) {
                c->ended = true;
                return false;
        }
        c->len += (size_t)n;
        return true;
}

static const char *reply_field(const struct reply *r, const char *name)
{
        static _Thread_local char value[512];
        size_t len = strlen(name);
        for (const char *line = r->header; (line = strstr(line, "\r\n"));) {
                line += 2;
                if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
                        snprintf(value, sizeof value, "%.*s", (int)strcspn(line + len + 2, "\r"),
                                 line + len + 2);
                        return value;
                }
        }
        return NULL;
}

static void reply_done(struct reply *r)
{
        free(r->body);
        *r = (struct reply){0};
}

static void client_take(struct client *c, struct reply *r, size_t header, size_t body)
{
        r->body = malloc(body + 1);
        memcpy(r->body, c->bytes + header, body);
        r->body[body] = '\0';
        r->len = body;
        c->len -= header + body;
        memmove(c->bytes, c->bytes + header + body, c->len);
}

/* How much content a header announces; of one in chunks as much as there is up to its end, and
 * SIZE_MAX before. */
static size_t content_size(const struct client *c, const struct reply *r, size_t header)
{
        static const char end[] = "\r\n0\r\n\r\n";
        const char *length = reply_field(r, "Content-Length");
        if (length || !reply_field(r, "Transfer-Encoding"))
                return length ? strtoul(length, NULL, 10) : 0;
        const char *at = memmem(c->bytes + header, c->len - header, end, sizeof end - 1);
        return at ? (size_t)(at - c->bytes) + sizeof end - 1 - header : SIZE_MAX;
}

/* The next reply; r->status is 0 when the connection ends first. headless: to a HEAD. */
static void client_read_for(struct client *c, struct reply *r, bool headless, int patience_ms)
{
        int64_t deadline = now_ms() + patience_ms;
        char *end = NULL;
        *r = (struct reply){0};
        while (!(end = c->len ? memmem(c->bytes, c->len, "\r\n\r\n", 4) : NULL))
                if (!client_fill(c, deadline))
                        return;
        size_t header = (size_t)(end - c->bytes) + 4;
        assert_true(header < sizeof r->header);
        memcpy(r->header, c->bytes, header);
        int status = atoi(r->header + 9);
        bool empty = headless || status == 304 || status == 204 || status == 100;
        size_t body;
        while (c->len - header < (body = empty ? 0 : content_size(c, r, header)))
                if (!client_fill(c, deadline))
                        return;
        r->status = status;
        client_take(c, r, header, body);
}

static UNUSED void client_read(struct client *c, struct reply *r)
{
        client_read_for(c, r, false, PATIENCE_MS);
}

/* Whether the server closes without another byte. */
static UNUSED bool client_sees_end(struct client *c)
{
        int64_t deadline = now_ms() + PATIENCE_MS;
        while (client_fill(c, deadline))
                ;
        return c->ended && c->len == 0;
}

static UNUSED int client_status(struct client *c)
{
        struct reply r;
        client_read(c, &r);
        int status = r.status;
        reply_done(&r);
        return status;
}

static UNUSED int client_get(struct client *c, const char *path)
{
        char request[8192];
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", path);
        client_say(c, request);
        return client_status(c);
}

/* Waits until *value is at least `least`. */
static UNUSED void wait_for(atomic_int *value, int least)
{
        int64_t deadline = now_ms() + PATIENCE_MS;
        while (atomic_load(value) < least) {
                if (now_ms() > deadline)
                        fail_msg("waited for %d, saw %d", least, atomic_load(value));
                poll(NULL, 0, 1);
        }
}

#endif
