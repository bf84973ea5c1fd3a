/*
 * What an answer of the API server means for whoever asked: the table of its errors, in one place.
 * Pure; any thread.
 */
#ifndef GW_BACKENDS_KUBERNETES_STATUS_H
#define GW_BACKENDS_KUBERNETES_STATUS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"
#include "server/base/limits.h"

enum gw_k8s_verdict {
        GW_K8S_OK,
        /* Not done, and this is why. */
        GW_K8S_EXISTS,          /* an object of this name is there: perhaps ours */
        GW_K8S_CONFLICT,        /* it is not as was supposed (a precondition, a version); of a
                                   create: a quota was counted by another at that moment */
        GW_K8S_ABSENT,          /* the object, its namespace or its kind is not there */
        GW_K8S_EXPIRED,         /* the version or page that was asked for is forgotten: list anew */
        GW_K8S_REFUSED,         /* and as it is it never will be */
        GW_K8S_FORBIDDEN,       /* by rights, a quota or an admission rule: the message says */
        GW_K8S_UNAUTHENTICATED, /* our credential is not taken */
        GW_K8S_LATER,           /* too much at a time: after retry_after_us */
        GW_K8S_NOT_SENT,        /* the server was not reached */
        GW_K8S_CANCELLED,       /* by us; of a change: before it was sent */
        /* Of what only reads: there is no answer. Of a change nobody knows whether it was done. */
        GW_K8S_TOO_LARGE, /* the answer is over its bound */
        GW_K8S_UNKNOWN,
        GW_K8S_VERDICT_COUNT
};

/* The verdict's name, for messages and tests: "ok", "exists", … */
const char *gw_k8s_verdict_name(enum gw_k8s_verdict verdict);

#define GW_K8S_REASON 64
#define GW_K8S_FIELD 192

struct gw_k8s_cause {
        char field[GW_K8S_FIELD]; /* as the server names it: spec.template.spec.containers[0].image
                                   */
        char reason[GW_K8S_REASON];
        char message[GW_ERROR_MESSAGE];
};

/* An error of the API server: its `Status`. */
struct gw_k8s_status {
        enum gw_k8s_verdict verdict;
        int code;                       /* 0: there was no answer */
        char reason[GW_K8S_REASON];     /* "AlreadyExists"; "": none was given */
        char message[GW_ERROR_MESSAGE]; /* the server's words, or ours where it has none */
        int64_t retry_after_us;         /* 0: it does not say */
        struct gw_k8s_cause causes[GW_MAX_K8S_CAUSES]; /* the first of them */
        size_t cause_count;
};

/* From an answer's HTTP status and body, which may be anything; body NULL: no JSON. For an answer
 * of 2xx the verdict is OK, and the rest is empty. */
void gw_k8s_status_read(int code, const json_t *body, struct gw_k8s_status *ret);

/* Writes the fields that the server names with what it says of each, else its message. */
#define GW_K8S_STATUS_WORDS 1024
void gw_k8s_status_words(const struct gw_k8s_status *status, char words[GW_K8S_STATUS_WORDS]);

/* From a Status inside an answer of 200: a watch's ERROR event. Never OK. */
void gw_k8s_status_of_event(const json_t *object, struct gw_k8s_status *ret);

#endif
