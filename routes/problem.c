/*
 * Errors as answers. Pure but for the answer itself; runs on the exchange's loop thread.
 *
 * Invariant: every code has a row, so that no error is ever answered with a made-up status.
 */
#include "routes/problem.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PROBLEM_TYPE "application/problem+json"

struct row {
        unsigned status;
        const char *title;
        bool retryable;
        const char *retry_after; /* seconds, or NULL */
};

static const struct row rows[GW_ERR_COUNT] = {
        [GW_OK] = {500, "Internal Server Error", true, NULL},
        [GW_ERR_INVALID] = {400, "Bad Request", false, NULL},
        [GW_ERR_UNPROCESSABLE] = {422, "Unprocessable Content", false, NULL},
        [GW_ERR_UNAUTHENTICATED] = {401, "Unauthorized", false, NULL},
        [GW_ERR_FORBIDDEN] = {403, "Forbidden", false, NULL},
        [GW_ERR_NOT_FOUND] = {404, "Not Found", false, NULL},
        [GW_ERR_NOT_YET] = {404, "Not Found", true, "5"},
        [GW_ERR_METHOD] = {405, "Method Not Allowed", false, NULL},
        [GW_ERR_CONFLICT] = {409, "Conflict", false, NULL},
        [GW_ERR_GONE] = {410, "Gone", false, NULL},
        [GW_ERR_IDEMPOTENCY_MISMATCH] = {422, "Unprocessable Content", false, NULL},
        [GW_ERR_TOO_LARGE] = {413, "Content Too Large", false, NULL},
        [GW_ERR_HEADERS_TOO_LARGE] = {431, "Request Header Fields Too Large", false, NULL},
        [GW_ERR_URI_TOO_LONG] = {414, "URI Too Long", false, NULL},
        [GW_ERR_UNSUPPORTED_MEDIA] = {415, "Unsupported Media Type", false, NULL},
        [GW_ERR_NOT_ACCEPTABLE] = {406, "Not Acceptable", false, NULL},
        [GW_ERR_RANGE] = {416, "Range Not Satisfiable", true, NULL},
        [GW_ERR_REQUEST_TIMEOUT] = {408, "Request Timeout", true, NULL},
        [GW_ERR_TOO_MANY] = {429, "Too Many Requests", true, "1"},
        [GW_ERR_OVERLOADED] = {503, "Service Unavailable", true, "1"},
        [GW_ERR_UNAVAILABLE] = {503, "Service Unavailable", true, "1"},
        [GW_ERR_NOMEM] = {503, "Service Unavailable", true, "1"},
        [GW_ERR_IO] = {500, "Internal Server Error", true, NULL},
        [GW_ERR_INTERNAL] = {500, "Internal Server Error", true, NULL},
};

static const struct row *row_of(enum gw_error_code code)
{
        assert((size_t)code < GW_ERR_COUNT && rows[code].status);
        return &rows[code];
}

unsigned gw_problem_status(enum gw_error_code code)
{
        return row_of(code)->status;
}

static void write_errors(struct gw_buf *out, const struct gw_faults *faults)
{
        gw_buf_str(out, ",\"errors\":[");
        for (size_t i = 0; i < faults->count; i++) {
                gw_buf_str(out, i ? ",{\"pointer\":" : "{\"pointer\":");
                gw_buf_json_str(out, faults->items[i].pointer);
                gw_buf_str(out, ",\"detail\":");
                gw_buf_json_str(out, faults->items[i].detail);
                gw_buf_char(out, '}');
        }
        gw_buf_char(out, ']');
}

void gw_problem_write(struct gw_buf *out, enum gw_error_code code, const char *detail,
                      const struct gw_faults *faults, const char *request_id)
{
        const struct row *row = row_of(code);
        gw_buf_str(out, "{\"type\":\"about:blank\",\"title\":");
        gw_buf_json_str(out, row->title);
        gw_buf_str(out, ",\"status\":");
        gw_buf_int(out, row->status);
        gw_buf_str(out, ",\"detail\":");
        gw_buf_json_str(out, detail);
        gw_buf_str(out, ",\"code\":");
        gw_buf_json_str(out, code == GW_OK ? gw_error_name(GW_ERR_INTERNAL) : gw_error_name(code));
        gw_buf_str(out, row->retryable ? ",\"retryable\":true" : ",\"retryable\":false");
        gw_buf_str(out, ",\"request_id\":");
        gw_buf_json_str(out, request_id);
        if (faults && faults->count > 0)
                write_errors(out, faults);
        gw_buf_char(out, '}');
}

static void respond(struct gw_exchange *x, enum gw_error_code code, const char *detail,
                    const struct gw_faults *faults)
{
        const struct row *row = row_of(code);
        struct gw_buf body = GW_BUF_INIT(GW_MAX_PROBLEM);
        size_t len = 0;
        gw_problem_write(&body, code, detail, faults, gw_exchange_request_id(x));
        char *content = gw_buf_take(&body, &len);
        gw_buf_done(&body);
        gw_respond(x, row->status, PROBLEM_TYPE, content, content ? len : 0);
        if (row->retry_after)
                gw_respond_header(x, "Retry-After", row->retry_after);
        if (row->status == 401)
                gw_respond_header(x, "WWW-Authenticate", "Bearer, Basic realm=\"jobgate\"");
}

void gw_problem_respond(struct gw_exchange *x, const struct gw_error *err)
{
        if (!err->pointer[0]) {
                respond(x, err->code, err->message, NULL);
                return;
        }
        struct gw_faults faults;
        gw_faults_init(&faults);
        gw_faults_add(&faults, err->code, err->pointer, "%s", err->message);
        respond(x, err->code, err->message, &faults);
}

#define DETAIL (GW_ERROR_POINTER + GW_ERROR_MESSAGE + 8)

static void describe(const struct gw_faults *faults, char detail[DETAIL])
{
        size_t count = faults->count + faults->dropped;
        const struct gw_fault *first = &faults->items[0];
        if (count == 1 && first->pointer[0])
                snprintf(detail, DETAIL, "%s %s", first->pointer, first->detail);
        else if (count == 1)
                snprintf(detail, DETAIL, "%s", first->detail);
        else
                snprintf(detail, DETAIL, "%zu fields are wrong", count);
}

void gw_problem_respond_faults(struct gw_exchange *x, const struct gw_faults *faults)
{
        char detail[DETAIL];
        describe(faults, detail);
        respond(x, faults->code, detail, faults);
}

unsigned gw_problem_write_found(struct gw_buf *out, const struct gw_faults *faults,
                                const struct gw_error *err, bool brief, const char *request_id)
{
        char detail[DETAIL];
        if (!gw_faults_any(faults)) {
                gw_problem_write(out, err->code, err->message, NULL, request_id);
                return gw_problem_status(err->code);
        }
        describe(faults, detail);
        gw_problem_write(out, faults->code, detail, brief ? NULL : faults, request_id);
        return gw_problem_status(faults->code);
}
