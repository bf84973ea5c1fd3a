/* What the parts of server/net share; curl is known to them alone. */
#ifndef GW_NET_INTERNAL_H
#define GW_NET_INTERNAL_H

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "server/net/net.h"

struct gw_net_peer {
        _Atomic(unsigned) references;
        char *base;       /* scheme, name, port and path, without a slash at the end */
        char *connect_to; /* as CURLOPT_CONNECT_TO has it, or NULL */
        char *ca, *certificate, *key;
        bool tls;
};

struct gw_net {
        pthread_t thread;
        struct gw_mailbox box;
        struct gw_work stop;

        /* ---- the thread's ---- */
        bool stopping;
        CURLM *multi;
        struct gw_net_transfer *first;
        size_t count;
        int64_t look_at_us; /* no transfer is silent for too long before that */
};

/*
 * One request on its way. The thread's.
 *
 * Invariant: the request is touched while `mine` only. After `ended` nothing comes any more; what
 * is in body is given first, and then the end.
 */
struct gw_net_transfer {
        struct gw_net *net;
        struct gw_net_transfer *previous, *next;
        struct gw_net_request *request;
        bool mine;

        CURL *easy;
        struct curl_slist *fields, *connect_to;
        char *url;
        char words[CURL_ERROR_SIZE];

        bool stream;    /* asked for as one */
        bool streaming; /* and it is one */
        bool told;      /* that it is */
        bool paused;
        int64_t silence_us, heard_us;
        int status;
        size_t max_bytes;
        struct gw_buf header, body;

        bool ended;
        bool sent;
        enum gw_net_outcome outcome;
        struct gw_error error;
};

/* Begins to send a request that is the thread's. On failure (GW_ERR_NOMEM, GW_ERR_INVALID) nothing
 * is left of it. */
int gw_net_transfer_begin(struct gw_net *net, struct gw_net_request *request, struct gw_error *err);
/* It is over: frees all of it, curl's part included; the request stays. */
void gw_net_transfer_free(struct gw_net_transfer *t);

/* Curl is done with it. */
void gw_net_transfer_ended(struct gw_net_transfer *t, CURLcode result);
/* We are done with it: takes it from curl. */
void gw_net_transfer_break(struct gw_net_transfer *t, enum gw_net_outcome outcome,
                           enum gw_error_code code, const char *why);
/* Goes on reading, if it had stopped because nobody took what came. */
void gw_net_transfer_go_on(struct gw_net_transfer *t);

/* When its silence has been too long; INT64_MAX: never. */
int64_t gw_net_transfer_silent_at(const struct gw_net_transfer *t);

#endif
