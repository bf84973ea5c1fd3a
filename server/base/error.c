/*
 * Filling struct gw_error. Pure functions, any thread.
 *
 * Invariant: message and pointer are always terminated valid UTF-8, whatever the
 * arguments were, so that they can be written into JSON unchecked.
 */
#include "server/base/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "server/base/cleanup.h"
#include "server/base/str.h"

/* The room a cut needs to see whether it falls inside a character. */
#define CUT_ROOM 4

static const char *const names[GW_ERR_COUNT] = {
        [GW_OK] = "ok",
        [GW_ERR_INVALID] = "invalid",
        [GW_ERR_UNPROCESSABLE] = "unprocessable",
        [GW_ERR_UNAUTHENTICATED] = "unauthenticated",
        [GW_ERR_FORBIDDEN] = "forbidden",
        [GW_ERR_NOT_FOUND] = "not_found",
        [GW_ERR_NOT_YET] = "not_yet",
        [GW_ERR_METHOD] = "method_not_allowed",
        [GW_ERR_CONFLICT] = "conflict",
        [GW_ERR_GONE] = "gone",
        [GW_ERR_IDEMPOTENCY_MISMATCH] = "idempotency_mismatch",
        [GW_ERR_TOO_LARGE] = "too_large",
        [GW_ERR_HEADERS_TOO_LARGE] = "headers_too_large",
        [GW_ERR_URI_TOO_LONG] = "uri_too_long",
        [GW_ERR_UNSUPPORTED_MEDIA] = "unsupported_media_type",
        [GW_ERR_NOT_ACCEPTABLE] = "not_acceptable",
        [GW_ERR_RANGE] = "range_not_satisfiable",
        [GW_ERR_REQUEST_TIMEOUT] = "request_timeout",
        [GW_ERR_TOO_MANY] = "too_many",
        [GW_ERR_OVERLOADED] = "overloaded",
        [GW_ERR_UNAVAILABLE] = "unavailable",
        [GW_ERR_NOMEM] = "no_memory",
        [GW_ERR_IO] = "io",
        [GW_ERR_INTERNAL] = "internal",
};

static void set_message(struct gw_error *err, const char *format, va_list ap)
        __attribute__((format(printf, 2, 0)));

static void set_message(struct gw_error *err, const char *format, va_list ap)
{
        char text[GW_ERROR_MESSAGE + CUT_ROOM];
        if (vsnprintf(text, sizeof text, format, ap) < 0)
                text[0] = '\0';
        gw_str_copy(err->message, sizeof err->message, text);
        gw_str_clean(err->message);
}

int gw_fail(struct gw_error *err, enum gw_error_code code, const char *format, ...)
{
        if (!err || err->code != GW_OK)
                return -1;

        va_list ap;
        va_start(ap, format);
        err->code = code;
        err->pointer[0] = '\0';
        set_message(err, format, ap);
        va_end(ap);
        return -1;
}

int gw_fail_at(struct gw_error *err, enum gw_error_code code, const char *pointer,
               const char *format, ...)
{
        if (!err || err->code != GW_OK)
                return -1;

        va_list ap;
        va_start(ap, format);
        err->code = code;
        gw_str_copy(err->pointer, sizeof err->pointer, pointer);
        gw_str_clean(err->pointer);
        set_message(err, format, ap);
        va_end(ap);
        return -1;
}

static void prefix_message(struct gw_error *err, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

static void prefix_message(struct gw_error *err, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        set_message(err, format, ap);
        va_end(ap);
}

int gw_fail_within(struct gw_error *err, const char *context)
{
        if (!err || err->code == GW_OK)
                return -1;

        char message[GW_ERROR_MESSAGE];
        gw_str_copy(message, sizeof message, err->message);
        prefix_message(err, "%s: %s", context, message);
        return -1;
}

const char *gw_error_name(enum gw_error_code code)
{
        if ((size_t)code >= GW_COUNT(names))
                return names[GW_ERR_INTERNAL];
        return names[code];
}
