/*
 * The other side of outgoing HTTP: where it is, and what it and we prove ourselves with. Constant
 * once made, and counted; any thread.
 */
#ifndef GW_NET_PEER_H
#define GW_NET_PEER_H

#include "server/base/error.h"

struct gw_net_peer;

/* All borrowed during the call; PEM texts, not paths. */
struct gw_net_peer_config {
        /* "https://host[:port][/path]", without user, query and fragment. Without TLS ("http://")
         * only to this machine: 127.0.0.1, [::1] or localhost. */
        const char *url;
        const char *server_name; /* the name in its certificate; NULL: the host of the URL */
        const char *ca;          /* who may have signed it; NULL: whom this machine trusts */
        const char *certificate; /* ours, with its chain; NULL: none */
        const char *key;         /* its private key, without a passphrase */
};

/* Returns a reference, or NULL with GW_ERR_INVALID (the URL, or one of certificate and key without
 * the other) or GW_ERR_NOMEM. What is in the PEM texts is only found out by connecting. */
struct gw_net_peer *gw_net_peer_new(const struct gw_net_peer_config *config, struct gw_error *err);
struct gw_net_peer *gw_net_peer_ref(struct gw_net_peer *peer);
void gw_net_peer_unref(struct gw_net_peer *peer); /* NULL allowed */

#endif
