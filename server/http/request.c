/*
 * The request as the application sees it, and what HTTP itself demands of a header. Runs on
 * the loop's thread.
 *
 * libmicrohttpd decodes the path in place, so the URI is kept as it came before that. Header
 * values stay in libmicrohttpd's memory, which lasts as long as the exchange.
 */
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/base/str.h"
#include "server/http/exchange.h"
#include "server/http/query.h"

/* How much of an endless URI is kept for the log. */
#define CUT_URI_BYTES 256

int gw_request_init(struct gw_exchange *x, const char *uri)
{
        size_t len = strlen(uri);
        if (len > GW_MAX_URI_BYTES) {
                x->uri_cut = true;
                len = CUT_URI_BYTES;
        }
        char *copy = gw_exchange_alloc(x, len + 1);
        if (!copy)
                return -1;
        memcpy(copy, uri, len);
        char *query = strchr(copy, '?');
        if (query)
                *query++ = '\0';
        x->query = query;

        /* The absolute form, "http://host/path", is for proxies, but servers must take it. */
        if (strncasecmp(copy, "http://", 7) == 0) {
                char *path = strchr(copy + 7, '/');
                copy = path ? path : "/";
        }
        x->path = copy;
        return 0;
}

/* ---- the check --------------------------------------------------------------------------- */

struct header_check {
        struct gw_framing framing;
        int64_t length;
        unsigned hosts, lengths, encodings;
        bool bad; /* a value that cannot be */
};

static void see_host(struct header_check *c, const char *value)
{
        (void)value;
        c->hosts++;
}

static void see_length(struct header_check *c, const char *value)
{
        int64_t length;
        /* Leading zeros are legal here. */
        while (value[0] == '0' && value[1])
                value++;
        if (gw_str_int64(value, 0, INT64_MAX, &length) || (c->lengths && length != c->length))
                c->bad = true;
        else
                c->length = length;
        c->lengths++;
}

static void see_encoding(struct header_check *c, const char *value)
{
        c->encodings++;
        if (strcasecmp(value, "chunked") != 0)
                c->bad = true;
}

static void see_expect(struct header_check *c, const char *value)
{
        c->framing.expects_continue = strcasecmp(value, "100-continue") == 0;
}

static enum MHD_Result see_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
        static const struct {
                const char *name;
                void (*see)(struct header_check *c, const char *value);
        } known[] = {
                {"Host", see_host},
                {"Expect", see_expect},
                {"Content-Length", see_length},
                {"Transfer-Encoding", see_encoding},
        };
        (void)kind;
        for (size_t i = 0; i < GW_COUNT(known); i++)
                if (strcasecmp(name, known[i].name) == 0)
                        known[i].see(cls, value ? value : "");
        return MHD_YES;
}

static bool uri_is_clean(const char *s)
{
        for (; *s; s++)
                if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f)
                        return false;
        return true;
}

static size_t header_size(const struct gw_exchange *x)
{
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(x->conn->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
        return info ? info->header_size : 0;
}

static int check_sizes(struct gw_exchange *x, enum gw_refusal *ret_kind, struct gw_error *err)
{
        if (x->uri_cut) {
                *ret_kind = GW_REFUSED_URI;
                return gw_fail(err, GW_ERR_URI_TOO_LONG, "the URI is longer than %d bytes",
                               GW_MAX_URI_BYTES);
        }
        if (header_size(x) > GW_MAX_HEADER_BYTES) {
                *ret_kind = GW_REFUSED_HEADERS;
                return gw_fail(err, GW_ERR_HEADERS_TOO_LARGE,
                               "the request line and header fields are longer than %d bytes",
                               GW_MAX_HEADER_BYTES);
        }
        return 0;
}

int gw_request_check(struct gw_exchange *x, enum gw_refusal *ret_kind, struct gw_error *err)
{
        struct header_check c = {0};
        MHD_get_connection_values(x->conn->mhd, MHD_HEADER_KIND, see_header, &c);
        x->framing = c.framing;
        x->framing.chunked = c.encodings > 0;
        x->framing.length = c.encodings ? 0 : (uint64_t)c.length;
        x->framing.has_body = x->framing.chunked || x->framing.length > 0;

        /* Two readings of where a message ends are how requests are smuggled past a proxy. */
        *ret_kind = GW_REFUSED_MALFORMED;
        if (c.bad || c.encodings > 1 || (c.encodings && c.lengths))
                return gw_fail(err, GW_ERR_INVALID,
                               "Content-Length and Transfer-Encoding do not agree on one body");
        if (check_sizes(x, ret_kind, err))
                return -1;
        if (c.hosts > 1 || (c.hosts == 0 && strcmp(x->version, "HTTP/1.1") == 0))
                return gw_fail(err, GW_ERR_INVALID, "exactly one Host header field is needed");
        if (!uri_is_clean(x->path) || (x->query && !uri_is_clean(x->query)))
                return gw_fail(err, GW_ERR_INVALID,
                               "the URI holds a character that must be percent-encoded");
        return 0;
}

/* ---- what the application asks ------------------------------------------------------------ */

const char *gw_exchange_method(const struct gw_exchange *x)
{
        return x->method;
}

const char *gw_exchange_path(const struct gw_exchange *x)
{
        return x->path;
}

const char *gw_exchange_header(const struct gw_exchange *x, const char *name)
{
        return MHD_lookup_connection_value(x->conn->mhd, MHD_HEADER_KIND, name);
}

int gw_exchange_query(struct gw_exchange *x,
                      bool (*each)(void *arg, const char *name, const char *value), void *arg,
                      struct gw_error *err)
{
        if (!x->query)
                return 0;
        size_t len = strlen(x->query);
        char *copy = gw_exchange_alloc(x, len + 1);
        if (!copy)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        memcpy(copy, x->query, len);
        return gw_query_each(copy, each, arg, err);
}

const char *gw_exchange_body(const struct gw_exchange *x, size_t *ret_len)
{
        *ret_len = x->body.len;
        return x->body.data ? x->body.data : "";
}

void gw_exchange_limit_body(struct gw_exchange *x, size_t max_bytes)
{
        assert(x->phase <= GW_PHASE_HEAD_WAIT);
        x->limit = max_bytes;
}

void gw_exchange_stream_body(struct gw_exchange *x, size_t max_bytes)
{
        gw_exchange_limit_body(x, max_bytes);
        x->in_parts = true;
}

const char *gw_exchange_request_id(const struct gw_exchange *x)
{
        return x->request_id;
}

int64_t gw_exchange_started_us(const struct gw_exchange *x)
{
        return x->started_us;
}

struct gw_mailbox *gw_exchange_home(struct gw_exchange *x)
{
        return &x->conn->loop->box;
}

struct gw_loop *gw_exchange_keep_loop(struct gw_exchange *x)
{
        x->conn->loop->kept++;
        return x->conn->loop;
}

unsigned gw_exchange_loop(const struct gw_exchange *x)
{
        return x->conn->loop->number;
}

void gw_exchange_set_state(struct gw_exchange *x, void *state)
{
        x->state = state;
}

void *gw_exchange_state(const struct gw_exchange *x)
{
        return x->state;
}

void *gw_exchange_alloc(struct gw_exchange *x, size_t size)
{
        return gw_arena_alloc(&x->arena, size);
}
