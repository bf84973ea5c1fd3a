/*
 * Answers. An exchange's answer is an MHD_Response of its own, because each carries its own
 * X-Request-Id; a shared answer's content is counted and never copied. Runs on the loop's
 * thread, except for counting, which is any thread's.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/http/exchange.h"

#define SMALL_FILE_BYTES (64 * 1024)
#define FILE_BLOCK_BYTES (128 * 1024) /* read at a time, and held while the answer is sent */
/* Smaller answers are not counted: connections are. */
#define LARGE_ANSWER_BYTES (64 * 1024)

struct gw_response {
        atomic_uint refs;
        char *content_type; /* in `text` */
        char *etag;         /* in `text`, quoted, or NULL */
        char *content;
        size_t len;
        char text[];
};

void gw_answer_clear(struct gw_exchange *x)
{
        atomic_fetch_sub_explicit(&x->conn->loop->http->answers_bytes, x->answer.charged,
                                  memory_order_relaxed);
        if (x->answer.response)
                MHD_destroy_response(x->answer.response);
        x->answer = (struct gw_answer){0};
}

static bool is_clean(const char *value)
{
        for (; *value; value++)
                if (((unsigned char)*value < ' ' && *value != '\t') || *value == 0x7f)
                        return false;
        return true;
}

void gw_respond_header(struct gw_exchange *x, const char *name, const char *value)
{
        if (x->answer.response && is_clean(name) && is_clean(value))
                MHD_add_response_header(x->answer.response, name, value);
}

void gw_answer_set(struct gw_exchange *x, unsigned status, struct MHD_Response *response,
                   const char *content_type)
{
        const struct gw_http_app *app = &x->conn->loop->http->app;
        gw_answer_clear(x);
        if (!response)
                return;
        x->answer.status = status;
        x->answer.response = response;
        gw_respond_header(x, "X-Request-Id", x->request_id);
        if (content_type)
                gw_respond_header(x, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
        if (app->mark)
                app->mark(app->self, x);
}

/* Counts len bytes against the budget of all large answers; -1 when they are too many. */
static int charge(struct gw_exchange *x, size_t len)
{
        struct gw_http *http = x->conn->loop->http;
        size_t held = atomic_fetch_add_explicit(&http->answers_bytes, len, memory_order_relaxed);
        if (held + len <= http->settings.max_answers_bytes)
                return 0;
        atomic_fetch_sub_explicit(&http->answers_bytes, len, memory_order_relaxed);
        return -1;
}

/* The client is to know what it has made, whatever became of it. */
static bool tells_of_new(const struct gw_exchange *x, unsigned status)
{
        return status == MHD_HTTP_CREATED ||
               (status == MHD_HTTP_FAILED_DEPENDENCY && strcmp(x->method, "POST") == 0);
}

/* The answer to a streamed body is of the budget of bodies: the application counts it there. */
static bool is_charged(const struct gw_exchange *x, unsigned status, size_t len)
{
        return len > LARGE_ANSWER_BYTES && !x->in_parts && !tells_of_new(x, status);
}

static void refuse_large(struct gw_exchange *x)
{
        struct gw_error err = {0};
        gw_fail(&err, GW_ERR_OVERLOADED,
                "too many large answers are being sent; ask for less, or later");
        gw_exchange_refuse(x, GW_REFUSED_OVERLOADED, &err);
}

void gw_respond(struct gw_exchange *x, unsigned status, const char *content_type, char *content,
                size_t len)
{
        size_t charged = is_charged(x, status, len) ? len : 0;
        if (charged && charge(x, charged)) {
                free(content);
                refuse_large(x);
                return;
        }
        struct MHD_Response *response =
                MHD_create_response_from_buffer(len, content, MHD_RESPMEM_MUST_FREE);
        if (!response) {
                free(content);
                content = NULL;
        }
        gw_answer_set(x, status, response, content_type);
        if (response) {
                x->answer.content = content;
                x->answer.len = len;
        }
        x->answer.charged = charged;
}

/* All of the range, or NULL. */
static char *read_range(int fd, uint64_t offset, uint64_t len)
{
        char *content = malloc(len);
        uint64_t have = 0;
        while (content && have < len) {
                ssize_t n = pread(fd, content + have, len - have, (off_t)(offset + have));
                if (n <= 0) {
                        free(content);
                        return NULL;
                }
                have += (uint64_t)n;
        }
        return content;
}

/* What is left of a file to send. */
struct file_content {
        struct gw_exchange *x;
        int fd;
        uint64_t offset;
};

/* A file that became shorter ends the connection: the client was told another length. */
static ssize_t read_block(void *cls, uint64_t pos, char *out, size_t max)
{
        const struct file_content *f = cls;
        ssize_t n = pread(f->fd, out, max, (off_t)(f->offset + pos));
        return n > 0 ? n : gw_exchange_cut(f->x, out);
}

static void free_file(void *cls)
{
        struct file_content *f = cls;
        close(f->fd);
        free(f);
}

static struct MHD_Response *new_file_response(struct gw_exchange *x, int fd, uint64_t offset,
                                              uint64_t len)
{
        struct file_content *f = malloc(sizeof *f);
        if (!f) {
                close(fd);
                return NULL;
        }
        *f = (struct file_content){x, fd, offset};
        struct MHD_Response *response =
                MHD_create_response_from_callback(len, FILE_BLOCK_BYTES, read_block, f, free_file);
        if (!response)
                free_file(f);
        return response;
}

static void respond_small_file(struct gw_exchange *x, unsigned status, const char *content_type,
                               int fd, uint64_t offset, uint64_t len)
{
        char *content = len ? read_range(fd, offset, len) : NULL;
        close(fd);
        if (content || len == 0)
                gw_respond(x, status, content_type, content, len);
        else
                gw_answer_clear(x);
}

/* A short piece goes in one send with its header. A long one is read in blocks by us, because
 * libmicrohttpd reads files 4 KiB at a time. */
void gw_respond_file(struct gw_exchange *x, unsigned status, const char *content_type, int fd,
                     uint64_t offset, uint64_t len)
{
        if (len <= SMALL_FILE_BYTES) {
                respond_small_file(x, status, content_type, fd, offset, len);
                return;
        }
        if (charge(x, FILE_BLOCK_BYTES)) {
                close(fd);
                refuse_large(x);
                return;
        }
        gw_answer_set(x, status, new_file_response(x, fd, offset, len), content_type);
        x->answer.charged = FILE_BLOCK_BYTES;
}

unsigned gw_exchange_status(const struct gw_exchange *x)
{
        return x->answer.status;
}

/* ---- shared answers ------------------------------------------------------------------------ */

struct gw_response *gw_response_new(const char *content_type, const char *etag, char *content,
                                    size_t len)
{
        size_t type_size = strlen(content_type) + 1;
        size_t etag_size = etag ? strlen(etag) + 1 : 0;
        struct gw_response *r = malloc(sizeof *r + type_size + etag_size);
        if (!r) {
                free(content);
                return NULL;
        }
        atomic_init(&r->refs, 1);
        r->content = content;
        r->len = len;
        r->content_type = memcpy(r->text, content_type, type_size);
        r->etag = etag ? memcpy(r->text + type_size, etag, etag_size) : NULL;
        return r;
}

struct gw_response *gw_response_ref(struct gw_response *r)
{
        atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
        return r;
}

void gw_response_unref(struct gw_response *r)
{
        if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) > 1)
                return;
        free(r->content);
        free(r);
}

size_t gw_response_size(const struct gw_response *r)
{
        return r->len;
}

static void unref_response(void *cls)
{
        gw_response_unref(cls);
}

/* Whether a list of entity tags names ours, by the weak comparison of RFC 9110. */
static bool names_etag(const char *list, const char *etag)
{
        size_t len = strlen(etag);
        for (;;) {
                list += strspn(list, " \t,");
                if (*list == '*')
                        return true;
                if (strncmp(list, "W/", 2) == 0)
                        list += 2;
                const char *end = *list == '"' ? strchr(list + 1, '"') : NULL;
                if (!end)
                        return false;
                if ((size_t)(end + 1 - list) == len && memcmp(list, etag, len) == 0)
                        return true;
                list = end + 1;
        }
}

/* A 304 states the length of what it stands for; libmicrohttpd sends no content with it. */
void gw_respond_shared(struct gw_exchange *x, unsigned status, struct gw_response *r)
{
        const char *known = r->etag && status == MHD_HTTP_OK
                                    ? gw_exchange_header(x, MHD_HTTP_HEADER_IF_NONE_MATCH)
                                    : NULL;
        bool fresh = known && names_etag(known, r->etag);
        struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
                r->len, r->content, unref_response, gw_response_ref(r));
        if (!response)
                gw_response_unref(r);
        gw_answer_set(x, fresh ? MHD_HTTP_NOT_MODIFIED : status, response,
                      fresh ? NULL : r->content_type);
        if (!response)
                return;
        x->answer.content = r->content;
        x->answer.len = r->len;
        if (r->etag)
                gw_respond_header(x, MHD_HTTP_HEADER_ETAG, r->etag);
}
