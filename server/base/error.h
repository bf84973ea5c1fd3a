/*
 * One error vocabulary for the whole process.
 *
 * Functions return 0 or -1 (or a pointer or NULL) and take `struct gw_error *err`
 * last; NULL is allowed. On failure they fill it once, the first error wins. On
 * success they leave it untouched. HTTP numbers do not exist here: routes/problem.c
 * is the only map from a code to a status.
 *
 * `message` is shown to the client: it holds no secret, no path of the server, no
 * SQL and no other tenant's data.
 */
#ifndef GW_BASE_ERROR_H
#define GW_BASE_ERROR_H

enum gw_error_code {
        GW_OK = 0,
        GW_ERR_INVALID,              /* wrong shape: a bad field, parameter, header or body */
        GW_ERR_UNPROCESSABLE,        /* right shape, wrong meaning */
        GW_ERR_UNAUTHENTICATED,      /* no token, or one that is unknown, expired or revoked */
        GW_ERR_FORBIDDEN,            /* known, but not allowed to */
        GW_ERR_NOT_FOUND,            /* does not exist, or not for this caller */
        GW_ERR_NOT_YET,              /* will exist: the result of a job that runs */
        GW_ERR_METHOD,               /* known path, unknown method */
        GW_ERR_CONFLICT,             /* the thing's state does not allow it */
        GW_ERR_GONE,                 /* existed, was removed */
        GW_ERR_IDEMPOTENCY_MISMATCH, /* same Idempotency-Key, another body */
        GW_ERR_TOO_LARGE,            /* body over its limit */
        GW_ERR_HEADERS_TOO_LARGE,    /* header fields over their limit */
        GW_ERR_URI_TOO_LONG,
        GW_ERR_UNSUPPORTED_MEDIA,
        GW_ERR_NOT_ACCEPTABLE,
        GW_ERR_RANGE,           /* byte range outside the representation */
        GW_ERR_REQUEST_TIMEOUT, /* the client sent too slowly */
        GW_ERR_TOO_MANY,        /* of what one user may have at a time */
        GW_ERR_OVERLOADED,      /* a bounded queue is full; try again soon */
        GW_ERR_UNAVAILABLE,     /* the database or a backend is away; try again */
        GW_ERR_NOMEM,
        GW_ERR_IO,
        GW_ERR_INTERNAL,
        GW_ERR_COUNT
};

#define GW_ERROR_MESSAGE 384
#define GW_ERROR_POINTER 160

struct gw_error {
        enum gw_error_code code;
        char pointer[GW_ERROR_POINTER]; /* JSON pointer of the field at fault, or "" */
        char message[GW_ERROR_MESSAGE]; /* UTF-8, one sentence, cut at a character boundary */
};

/* Fills *err unless it already holds an error, and returns -1: `return gw_fail(err, …)`. */
int gw_fail(struct gw_error *err, enum gw_error_code code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* The same, naming the field: `pointer` is an RFC 6901 JSON pointer. */
int gw_fail_at(struct gw_error *err, enum gw_error_code code, const char *pointer,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

/* "context: message" in front of an error already there; returns -1. */
int gw_fail_within(struct gw_error *err, const char *context);

/* The stable lower-case name of a code, as in a problem's `code` member. Never NULL. */
const char *gw_error_name(enum gw_error_code code);

#endif
