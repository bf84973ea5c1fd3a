/*
 * A request in curl's terms, and what curl says of it. Run by the thread of server/net.
 */
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/limits.h"
#include "server/net/internal.h"

/* A connection whose packets nobody acknowledges is given up: else HTTP/2 would go on putting new
 * requests on it. */
#define UNACKNOWLEDGED_MS 15000U
#define KEEPALIVE_S 15L

/* ---- the answer ------------------------------------------------------------------------------ */

static size_t refuse(struct gw_net_transfer *t, const char *what, size_t limit)
{
        gw_fail(&t->error, GW_ERR_TOO_LARGE, "its %s is over %zu bytes", what, limit);
        return 0;
}

/* A header is over. Interim answers (1xx) have one too. */
static void end_header(struct gw_net_transfer *t)
{
        long status = 0;
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        if (status < 200)
                return;
        t->status = (int)status;
        t->streaming = t->stream && status < 300;
        t->body.max = t->streaming ? GW_MAX_NET_PIECE : t->max_bytes;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
        struct gw_net_transfer *t = arg;
        size_t len = size * count;
        t->heard_us = gw_clock_mono_us();
        if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
                gw_buf_clear(&t->header);
        gw_buf_add(&t->header, line, len);
        if (!gw_buf_ok(&t->header))
                return refuse(t, "header", GW_MAX_NET_HEADER_BYTES);
        if (line[0] == '\r' || line[0] == '\n')
                end_header(t);
        return len;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
        struct gw_net_transfer *t = arg;
        size_t len = size * count;
        t->heard_us = gw_clock_mono_us();
        if (t->streaming && t->body.len > 0 && t->body.len + len > t->body.max) {
                t->paused = true;
                return CURL_WRITEFUNC_PAUSE;
        }
        gw_buf_add(&t->body, data, len);
        return gw_buf_ok(&t->body) ? len : refuse(t, "answer", t->body.max);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
        (void)arg;
        (void)purpose;
        unsigned ms = UNACKNOWLEDGED_MS;
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
        return CURL_SOCKOPT_OK;
}

static int add_field(struct gw_net_transfer *t, const char *name, const char *value)
{
        gw_autofree char *line = NULL;
        if (!value)
                return 0;
        if (asprintf(&line, "%s%s", name, value) < 0) {
                line = NULL;
                return -1;
        }
        struct curl_slist *fields = curl_slist_append(t->fields, line);
        explicit_bzero(line, strlen(line));
        if (!fields)
                return -1;
        t->fields = fields;
        return 0;
}

static int make_fields(struct gw_net_transfer *t, const struct gw_net_request *r)
{
        if (add_field(t, "User-Agent: ", "jobgate/" GW_VERSION) ||
            add_field(t, "Accept: ", r->accept ? r->accept : "*/*") ||
            add_field(t, "Content-Type: ", r->content_type) || add_field(t, "Expect:", "") ||
            add_field(t, "Authorization: Bearer ", r->token))
                return -1;
        if (!r->peer->connect_to)
                return 0;
        t->connect_to = curl_slist_append(NULL, r->peer->connect_to);
        return t->connect_to ? 0 : -1;
}

#define SET(option, value) failed |= curl_easy_setopt(t->easy, option, value) != CURLE_OK

static bool set_blob(CURL *easy, CURLoption option, char *text)
{
        struct curl_blob blob = {.data = text, .len = text ? strlen(text) : 0};
        return !text || curl_easy_setopt(easy, option, &blob) == CURLE_OK;
}

static bool set_trust(struct gw_net_transfer *t, const struct gw_net_peer *peer)
{
        bool failed = false;
        SET(CURLOPT_PROTOCOLS_STR, peer->tls ? "https" : "http");
        SET(CURLOPT_SSL_VERIFYPEER, 1L);
        SET(CURLOPT_SSL_VERIFYHOST, 2L);
        SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        SET(CURLOPT_SSLCERTTYPE, "PEM");
        SET(CURLOPT_SSLKEYTYPE, "PEM");
        SET(CURLOPT_PROXY, "");
        SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
        SET(CURLOPT_FOLLOWLOCATION, 0L);
        return !failed && set_blob(t->easy, CURLOPT_CAINFO_BLOB, peer->ca) &&
               set_blob(t->easy, CURLOPT_SSLCERT_BLOB, peer->certificate) &&
               set_blob(t->easy, CURLOPT_SSLKEY_BLOB, peer->key);
}

/* A stream that is not read would hold up all others of an HTTP/2 connection: it has its own. */
static bool set_connection(struct gw_net_transfer *t, const struct gw_net_request *r)
{
        bool failed = false;
        SET(CURLOPT_NOSIGNAL, 1L);
        SET(CURLOPT_HTTP_VERSION,
            (long)(r->stream ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
        SET(CURLOPT_FRESH_CONNECT, (long)r->stream);
        SET(CURLOPT_FORBID_REUSE, (long)r->stream);
        SET(CURLOPT_PIPEWAIT, (long)!r->stream);
        SET(CURLOPT_SOCKOPTFUNCTION, on_socket);
        SET(CURLOPT_TCP_KEEPALIVE, 1L);
        SET(CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
        SET(CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S / 3);
        SET(CURLOPT_CONNECT_TO, t->connect_to);
        SET(CURLOPT_CONNECTTIMEOUT_MS, (long)r->connect_ms);
        SET(CURLOPT_TIMEOUT_MS, (long)r->total_ms);
        return !failed;
}

static bool set_message(struct gw_net_transfer *t, const struct gw_net_request *r)
{
        bool failed = false;
        SET(CURLOPT_URL, t->url);
        SET(CURLOPT_PATH_AS_IS, 1L);
        SET(CURLOPT_CUSTOMREQUEST, r->method);
        SET(CURLOPT_HTTPHEADER, t->fields);
        if (r->body) {
                SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
                SET(CURLOPT_POSTFIELDS, r->body);
        }
        SET(CURLOPT_HEADERFUNCTION, on_header);
        SET(CURLOPT_HEADERDATA, t);
        SET(CURLOPT_WRITEFUNCTION, on_body);
        SET(CURLOPT_WRITEDATA, t);
        SET(CURLOPT_ERRORBUFFER, t->words);
        SET(CURLOPT_PRIVATE, t);
        return !failed;
}

static bool is_target(const char *target)
{
        if (target[0] != '/')
                return false;
        for (const char *c = target; *c; c++)
                if (*c <= ' ' || *c >= 0x7F || *c == '#')
                        return false;
        return true;
}

/* A field is a line: nothing in it may end one. */
static bool is_field(const char *value)
{
        for (const char *c = value ? value : ""; *c; c++)
                if (*c < ' ' || *c == 0x7F)
                        return false;
        return true;
}

static int check(const struct gw_net_request *r, struct gw_error *err)
{
        assert(r->connect_ms > 0 && (r->total_ms > 0 || r->stream) && r->max_bytes > 0);
        if (!is_target(r->target))
                return gw_fail(err, GW_ERR_INVALID, "the path is not one of a URL");
        if (!is_field(r->token))
                return gw_fail(err, GW_ERR_INVALID, "the token has a line end in it");
        return 0;
}

static int fill(struct gw_net_transfer *t, const struct gw_net_request *r)
{
        if (asprintf(&t->url, "%s%s", r->peer->base, r->target) < 0) {
                t->url = NULL;
                return -1;
        }
        t->easy = curl_easy_init();
        return t->easy && make_fields(t, r) == 0 && set_trust(t, r->peer) && set_connection(t, r) &&
                               set_message(t, r)
                       ? 0
                       : -1;
}

static void link_transfer(struct gw_net_transfer *t)
{
        struct gw_net *net = t->net;
        t->next = net->first;
        if (net->first)
                net->first->previous = t;
        net->first = t;
        net->count++;
}

static void unlink_transfer(struct gw_net_transfer *t)
{
        if (t->next)
                t->next->previous = t->previous;
        if (t->previous)
                t->previous->next = t->next;
        else
                t->net->first = t->next;
        t->net->count--;
}

int gw_net_transfer_begin(struct gw_net *net, struct gw_net_request *r, struct gw_error *err)
{
        if (check(r, err))
                return -1;
        struct gw_net_transfer *t = calloc(1, sizeof *t);
        if (!t)
                return gw_fail(err, GW_ERR_NOMEM, "no memory");
        *t = (struct gw_net_transfer){.net = net,
                                      .request = r,
                                      .mine = true,
                                      .stream = r->stream,
                                      .silence_us = r->silence_ms * 1000,
                                      .heard_us = gw_clock_mono_us(),
                                      .max_bytes = r->max_bytes};
        gw_buf_init(&t->header, GW_MAX_NET_HEADER_BYTES);
        gw_buf_init(&t->body, r->max_bytes);
        link_transfer(t);
        if (fill(t, r) || curl_multi_add_handle(net->multi, t->easy)) {
                gw_net_transfer_free(t);
                return gw_fail(err, GW_ERR_NOMEM, "no memory");
        }
        r->transfer = t;
        return 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void take_from_curl(struct gw_net_transfer *t)
{
        curl_off_t sending_at = 0;
        curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &sending_at);
        t->sent = sending_at > 0 || t->status > 0;
        curl_multi_remove_handle(t->net->multi, t->easy);
        curl_easy_cleanup(t->easy);
        t->easy = NULL;
}

void gw_net_transfer_free(struct gw_net_transfer *t)
{
        unlink_transfer(t);
        if (t->easy) {
                curl_multi_remove_handle(t->net->multi, t->easy);
                curl_easy_cleanup(t->easy);
        }
        for (struct curl_slist *field = t->fields; field; field = field->next)
                explicit_bzero(field->data, strlen(field->data));
        curl_slist_free_all(t->fields);
        curl_slist_free_all(t->connect_to);
        free(t->url);
        gw_buf_done(&t->header);
        gw_buf_done(&t->body);
        free(t);
}

void gw_net_transfer_ended(struct gw_net_transfer *t, CURLcode result)
{
        take_from_curl(t);
        t->ended = true;
        t->outcome = result == CURLE_OK ? GW_NET_DONE : GW_NET_FAILED;
        if (result != CURLE_OK)
                gw_fail(&t->error, GW_ERR_UNAVAILABLE, "%s",
                        t->words[0] ? t->words : curl_easy_strerror(result));
}

void gw_net_transfer_break(struct gw_net_transfer *t, enum gw_net_outcome outcome,
                           enum gw_error_code code, const char *why)
{
        if (t->ended)
                return;
        take_from_curl(t);
        t->ended = true;
        t->outcome = outcome;
        gw_fail(&t->error, code, "%s", why);
}

void gw_net_transfer_go_on(struct gw_net_transfer *t)
{
        if (!t->paused || t->ended)
                return;
        t->paused = false;
        t->heard_us = gw_clock_mono_us();
        curl_easy_pause(t->easy, CURLPAUSE_CONT);
}

int64_t gw_net_transfer_silent_at(const struct gw_net_transfer *t)
{
        if (t->silence_us == 0 || t->ended || t->paused)
                return INT64_MAX;
        return t->heard_us + t->silence_us;
}
