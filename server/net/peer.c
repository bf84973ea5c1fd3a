/*
 * A peer: its URL taken apart and put together again, so that nothing is in it that is not meant.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/net/internal.h"

struct gw_net_peer *gw_net_peer_ref(struct gw_net_peer *peer)
{
        atomic_fetch_add_explicit(&peer->references, 1, memory_order_relaxed);
        return peer;
}

static void wipe(char *text)
{
        if (text)
                explicit_bzero(text, strlen(text));
        free(text);
}

void gw_net_peer_unref(struct gw_net_peer *peer)
{
        if (!peer || atomic_fetch_sub_explicit(&peer->references, 1, memory_order_acq_rel) != 1)
                return;
        free(peer->base);
        free(peer->connect_to);
        free(peer->ca);
        free(peer->certificate);
        wipe(peer->key);
        free(peer);
}

/* ---- the URL --------------------------------------------------------------------------------- */

struct address {
        CURLU *url;
        char *scheme, *host, *port, *path;
};

static void address_done(struct address *a)
{
        curl_free(a->scheme);
        curl_free(a->host);
        curl_free(a->port);
        curl_free(a->path);
        curl_url_cleanup(a->url);
}

static bool has(CURLU *url, CURLUPart part)
{
        char *text = NULL;
        bool there = curl_url_get(url, part, &text, 0) == CURLUE_OK;
        curl_free(text);
        return there;
}

static bool is_this_machine(const char *host)
{
        return strcmp(host, "127.0.0.1") == 0 || strcmp(host, "[::1]") == 0 ||
               strcmp(host, "localhost") == 0;
}

/* What is wrong with it, or NULL. */
static const char *address_read(struct address *a, const char *text)
{
        a->url = curl_url();
        if (!a->url || curl_url_set(a->url, CURLUPART_URL, text, 0))
                return "is no URL";
        if (has(a->url, CURLUPART_USER) || has(a->url, CURLUPART_PASSWORD) ||
            has(a->url, CURLUPART_QUERY) || has(a->url, CURLUPART_FRAGMENT))
                return "may have no user, query or fragment";
        if (curl_url_get(a->url, CURLUPART_SCHEME, &a->scheme, 0) ||
            curl_url_get(a->url, CURLUPART_HOST, &a->host, 0) ||
            curl_url_get(a->url, CURLUPART_PORT, &a->port, CURLU_DEFAULT_PORT) ||
            curl_url_get(a->url, CURLUPART_PATH, &a->path, 0))
                return "is no URL";
        if (strcmp(a->scheme, "https") == 0)
                return NULL;
        if (strcmp(a->scheme, "http") != 0)
                return "must begin with https://";
        return is_this_machine(a->host) ? NULL : "must begin with https://";
}

/* With another name to verify, the URL has that name, and the connection goes to the host. */
static int set_address(struct gw_net_peer *peer, const struct address *a, const char *name)
{
        size_t len = strlen(a->path);
        while (len > 0 && a->path[len - 1] == '/')
                len--;
        peer->tls = strcmp(a->scheme, "https") == 0;
        if (asprintf(&peer->base, "%s://%s:%s%.*s", a->scheme, name ? name : a->host, a->port,
                     (int)len, a->path) < 0)
                peer->base = NULL;
        if (name && asprintf(&peer->connect_to, "%s:%s:%s:%s", name, a->port, a->host, a->port) < 0)
                peer->connect_to = NULL;
        return peer->base && (!name || peer->connect_to) ? 0 : -1;
}

/* ---- making one ------------------------------------------------------------------------------ */

static int copy(char **ret, const char *text)
{
        if (text)
                *ret = strdup(text);
        return text && !*ret ? -1 : 0;
}

static bool is_host_name(const char *s)
{
        return *s && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."
                               "_") == strlen(s);
}

static int fill(struct gw_net_peer *peer, const struct gw_net_peer_config *config,
                struct gw_error *err)
{
        struct address a = {0};
        const char *wrong = address_read(&a, config->url);
        if (wrong) {
                address_done(&a);
                return gw_fail(err, GW_ERR_INVALID, "the address of the server %s", wrong);
        }
        int rc = set_address(peer, &a, config->server_name);
        address_done(&a);
        if (rc || copy(&peer->ca, config->ca) || copy(&peer->certificate, config->certificate) ||
            copy(&peer->key, config->key))
                return gw_fail(err, GW_ERR_NOMEM, "no memory");
        return 0;
}

struct gw_net_peer *gw_net_peer_new(const struct gw_net_peer_config *config, struct gw_error *err)
{
        if (!config->certificate != !config->key) {
                gw_fail(err, GW_ERR_INVALID, "a client certificate and its key go together");
                return NULL;
        }
        if (config->server_name && !is_host_name(config->server_name)) {
                gw_fail(err, GW_ERR_INVALID, "the name to verify is no host name");
                return NULL;
        }
        struct gw_net_peer *peer = calloc(1, sizeof *peer);
        if (!peer) {
                gw_fail(err, GW_ERR_NOMEM, "no memory");
                return NULL;
        }
        atomic_init(&peer->references, 1);
        if (fill(peer, config, err)) {
                gw_net_peer_unref(peer);
                return NULL;
        }
        return peer;
}
