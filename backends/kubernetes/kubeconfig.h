/*
 * How a cluster is reached and who we are there: from a kubeconfig, or as a pod finds it.
 *
 * Of a kubeconfig: server, certificate-authority, tls-server-name; client-certificate with
 * client-key, token, tokenFile; each of those that are files may be inline (…-data). Whatever else
 * would change who is trusted, or who we are, is refused by name: programs (exec, auth-provider),
 * passwords, impersonation, proxies, and not to verify at all. Paths are relative to the
 * kubeconfig.
 *
 * Files are read, so it may block for the moment that takes; else pure. Any thread.
 */
#ifndef GW_BACKENDS_KUBERNETES_KUBECONFIG_H
#define GW_BACKENDS_KUBERNETES_KUBECONFIG_H

#include <stddef.h>

#include "server/base/error.h"

/* Where a pod's service account is. */
#define GW_K8S_ACCOUNT_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"

/* All NULL where there is none; PEM texts, not paths. */
struct gw_k8s_access {
        char *server; /* its URL */
        char *server_name;
        char *ca;
        char *certificate, *key;
        char *token;
        char *home; /* the namespace that is meant where none is named */
};

/* From a kubeconfig's text; name is what messages call it, folder what its paths are relative to,
 * context NULL for its current-context. Returns 0 with *ret to be ended, or -1 with
 * GW_ERR_INVALID, GW_ERR_IO (a file that it names) or GW_ERR_NOMEM and *ret empty. No message
 * has anything of a credential. */
int gw_k8s_access_parse(const char *name, const char *text, size_t len, const char *folder,
                        const char *context, struct gw_k8s_access *ret, struct gw_error *err);

/* Likewise, from a file. */
int gw_k8s_access_read(const char *path, const char *context, struct gw_k8s_access *ret,
                       struct gw_error *err);

/* As in a pod: ca.crt, token and namespace in the folder, the server by host and port (as in
 * KUBERNETES_SERVICE_HOST and _PORT). The token there is replaced from time to time. */
int gw_k8s_access_in_cluster(const char *folder, const char *host, const char *port,
                             struct gw_k8s_access *ret, struct gw_error *err);

/* Wipes and frees. Accepts an empty one. */
void gw_k8s_access_done(struct gw_k8s_access *access);

#endif
