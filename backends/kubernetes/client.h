/*
 * The calls of the Kubernetes API that jobgate makes, to one cluster as one identity.
 *
 * A client belongs to one thread, which also takes works from `home` and runs their done(). Nothing
 * blocks, but the moment in which files with credentials are read: at the start, and then once a
 * minute and when the server did not take ours, so that what is rotated is found.
 *
 * A call is memory of the caller's, embedded where it likes. It is begun by one of the functions
 * below, which copies what it is given, and then untouched until it is home: done() is called once.
 * Then `status` says what came of it. Every call may be repeated: creates have the caller's names,
 * changes and deletes their preconditions; and it may reach the server twice (server/net/net.h).
 */
#ifndef GW_BACKENDS_KUBERNETES_CLIENT_H
#define GW_BACKENDS_KUBERNETES_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/kubernetes/status.h"
#include "server/net/net.h"

struct gw_k8s_client;

/* Where the credentials are; texts are copied. */
struct gw_k8s_source {
        const char *kubeconfig;  /* a path; NULL: as in a pod */
        const char *context;     /* NULL: its current one */
        const char *folder;      /* of the service account; NULL: where a pod has it */
        const char *host, *port; /* of the server, for a pod */
};

/* net and home outlive it. Returns NULL with the errors of kubeconfig.h and peer.h. */
struct gw_k8s_client *gw_k8s_client_new(struct gw_net *net, struct gw_mailbox *home,
                                        const struct gw_k8s_source *source, struct gw_error *err);
/* All its calls are home. NULL allowed. */
void gw_k8s_client_free(struct gw_k8s_client *client);
/* The namespace that is meant where none is named; "default" where there is none. */
const char *gw_k8s_client_home(const struct gw_k8s_client *client);

/* The kinds of objects; the table of their paths is in client.c. */
enum gw_k8s_kind {
        GW_K8S_JOBS,
        GW_K8S_PODS,
        GW_K8S_SERVICES,
        GW_K8S_CONFIG_MAPS,
        GW_K8S_EVENTS,
        GW_K8S_NODES,
        GW_K8S_PRIORITY_CLASSES,
        GW_K8S_RESOURCE_QUOTAS,
        GW_K8S_ACCESS_REVIEWS, /* SelfSubjectAccessReview: may be created, and is answered */
        GW_K8S_KIND_COUNT
};

struct gw_k8s_call {
        /* ---- the caller's, set before it is begun ---- */
        void (*done)(struct gw_k8s_call *call); /* home's thread; may free it or begin it again */
        /* Of a stream (a log, if it is to be one; a watch): each piece; text borrowed until it
         * returns, NULL and 0 when the server has agreed. Returns true to be given the next; false:
         * after gw_k8s_call_go_on(). Not called after gw_k8s_call_cancel(). */
        bool (*piece)(struct gw_k8s_call *call, const char *text, size_t len);
        void *owner;
        /* When it must be over, if that is sooner than usual: nothing of it is sent later. 0: as
         * usual. */
        int64_t within_ms;

        /* ---- what came, once it is home; of the call until it is ended or begun again ---- */
        struct gw_k8s_status status; /* OK of a stream: it ended cleanly */
        json_t *object;              /* of a verdict OK, where the answer is JSON; else NULL */
        const char *text;            /* where it is not (a log); with `len`, and a NUL behind */
        size_t len;

        /* ---- this module's ---- */
        struct gw_k8s_client *client;
        struct gw_net_request request;
        char *target, *body, *token;
        bool is_text, paused;
};

/* Frees what it holds, not the call; it is home. Accepts one that is all zero. */
void gw_k8s_call_done(struct gw_k8s_call *call);
/* It comes home soon: as CANCELLED, a change that may have been sent as UNKNOWN, or as it had ended
 * already. */
void gw_k8s_call_cancel(struct gw_k8s_call *call);
void gw_k8s_call_go_on(struct gw_k8s_call *call); /* after piece() returned false */

/* Copies the i-th warning of the server about a call that is home, as UTF-8 and cut to `size`
 * ("would violate PodSecurity …"). Returns false when there is none. */
bool gw_k8s_call_warning(const struct gw_k8s_call *call, unsigned i, char *text, size_t size);

/* All of these return 0, or -1 and the call was not begun: GW_ERR_OVERLOADED, GW_ERR_NOMEM.
 * ns NULL: of a kind without namespaces, or of all namespaces. */

int gw_k8s_get(struct gw_k8s_client *client, struct gw_k8s_call *call, enum gw_k8s_kind kind,
               const char *ns, const char *name, struct gw_error *err);
/* Unknown fields are refused (fieldValidation=Strict), also of a patch. dry_run: the server
 * checks, and records nothing; the uid that it answers will never exist. */
int gw_k8s_create(struct gw_k8s_client *client, struct gw_k8s_call *call, enum gw_k8s_kind kind,
                  const char *ns, const json_t *object, bool dry_run, struct gw_error *err);
/* A JSON merge patch (RFC 7396). metadata.uid and metadata.resourceVersion in it are
 * preconditions: CONFLICT. */
int gw_k8s_merge(struct gw_k8s_client *client, struct gw_k8s_call *call, enum gw_k8s_kind kind,
                 const char *ns, const char *name, const json_t *patch, bool dry_run,
                 struct gw_error *err);

/* What becomes of what the object owns. There is no default: the server's would leave the pods of
 * a Job running. */
enum gw_k8s_propagation {
        GW_K8S_BACKGROUND = 1, /* it goes at once, its pods after it */
        GW_K8S_FOREGROUND,     /* it is there until its pods have gone */
        GW_K8S_ORPHAN,         /* they stay */
};
/* uid: it is deleted only if it is that one (CONFLICT); never NULL. grace_s < 0: its own. */
int gw_k8s_delete(struct gw_k8s_client *client, struct gw_k8s_call *call, enum gw_k8s_kind kind,
                  const char *ns, const char *name, const char *uid,
                  enum gw_k8s_propagation propagation, int64_t grace_s, struct gw_error *err);

/* Which objects; NULL: all. Selectors as kubectl takes them. */
struct gw_k8s_selection {
        const char *labels, *fields;
};
/* A page of at most `limit` items from the page mark `from` (metadata.continue of the page before,
 * NULL: the first): EXPIRED when that is too old, TOO_LARGE: ask for fewer. */
int gw_k8s_list(struct gw_k8s_client *client, struct gw_k8s_call *call, enum gw_k8s_kind kind,
                const char *ns, const struct gw_k8s_selection *which, unsigned limit,
                const char *from, struct gw_error *err);

/* What changes from a version on, as a stream of lines; backends/kubernetes/watch.h is the way to
 * it. The server ends it after timeout_s; silence_ms as in server/net/net.h. */
int gw_k8s_watch_call(struct gw_k8s_client *client, struct gw_k8s_call *call, enum gw_k8s_kind kind,
                      const char *ns, const struct gw_k8s_selection *which, const char *version,
                      unsigned timeout_s, int64_t silence_ms, struct gw_error *err);

struct gw_k8s_log {
        const char *container; /* NULL: the only one */
        bool follow;           /* until the container has ended */
        bool previous;         /* of the container's last run before this one */
        bool timestamps;
        int64_t tail_lines;  /* < 0: all */
        int64_t limit_bytes; /* 0: all, as far as an answer goes */
};
int gw_k8s_pod_log(struct gw_k8s_client *client, struct gw_k8s_call *call, const char *ns,
                   const char *pod, const struct gw_k8s_log *log, struct gw_error *err);

/* The Events about one object, by its uid. */
int gw_k8s_events_of(struct gw_k8s_client *client, struct gw_k8s_call *call, const char *ns,
                     const char *uid, unsigned limit, struct gw_error *err);

/* Whether the server is ready, with what it stands on; a text. */
int gw_k8s_ready(struct gw_k8s_client *client, struct gw_k8s_call *call, struct gw_error *err);

/* {"major", "minor", "gitVersion", …} */
int gw_k8s_version(struct gw_k8s_client *client, struct gw_k8s_call *call, struct gw_error *err);

#endif
