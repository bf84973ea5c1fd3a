/*
 * All objects of a kind as they are, from one list and one watch, for as long as wanted: pages,
 * versions and bookmarks, and whatever goes wrong. Whatever happens, what is told is true of the
 * server sooner or later; it may be told twice.
 *
 * Keeps no object. Belongs to its client's thread, which calls gw_k8s_watch_serve() when the time
 * has come. A list is asked anew only when the server has forgotten the version it is at
 * (410, as an answer or as an event in one of 200), or something was unreadable; all else goes on
 * from there: the server's end of a watch, a cut, silence. Between failures it waits, ever longer,
 * by chance a little less, and at least as long as the server said.
 */
#ifndef GW_BACKENDS_KUBERNETES_WATCH_H
#define GW_BACKENDS_KUBERNETES_WATCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/kubernetes/client.h"

struct gw_k8s_watch;

enum gw_k8s_change {
        GW_K8S_SEEN,    /* it is so, in a list or anew */
        GW_K8S_REMOVED, /* it is gone, and was so last */
};

/* Run by the thread, from within works of home. None may free the watch; any may stop it. */
struct gw_k8s_watch_ops {
        /* A list begins: what was not seen between here and listed() is gone. It may begin again
         * before it was listed. */
        void (*begin)(void *arg);
        void (*object)(void *arg, enum gw_k8s_change change, json_t *object); /* borrowed */
        void (*listed)(void *arg);
        /* It failed, and will be tried again; told each time. That a version was forgotten is
         * none. NULL: not wanted. */
        void (*trouble)(void *arg, const struct gw_k8s_status *status);
        void (*well)(void *arg); /* after trouble the server agreed to a watch; NULL: not wanted */
};

struct gw_k8s_watched {
        enum gw_k8s_kind kind;
        const char *ns; /* NULL: all; copied, as are selectors */
        struct gw_k8s_selection which;
        unsigned page;      /* items; 0: 200 */
        unsigned timeout_s; /* of a watch, after which the server ends it; 0: 290 */
        int64_t silence_ms; /* 0: 90 s; a server has a bookmark about each minute */
};

/* Nothing is asked before it is served. Returns NULL without memory. */
struct gw_k8s_watch *gw_k8s_watch_new(struct gw_k8s_client *client,
                                      const struct gw_k8s_watched *watched,
                                      const struct gw_k8s_watch_ops *ops, void *arg,
                                      struct gw_error *err);

/* Does what is due. */
void gw_k8s_watch_serve(struct gw_k8s_watch *watch);
/* When something is due, by the monotonic clock; INT64_MAX: when something comes home. */
int64_t gw_k8s_watch_wake_at(const struct gw_k8s_watch *watch);
/* When the server last said something of it, by the wall clock; 0: never. Until its next failure,
 * what is known is as old as a server may be silent. */
int64_t gw_k8s_watch_heard_us(const struct gw_k8s_watch *watch);

/* When the list that was told last, or is being told, was asked for, by the wall clock: what it
 * lacks was not there some time after that. */
int64_t gw_k8s_watch_listed_us(const struct gw_k8s_watch *watch);

/* Nothing more is told. It may be freed once it is over. */
void gw_k8s_watch_stop(struct gw_k8s_watch *watch);
bool gw_k8s_watch_is_over(const struct gw_k8s_watch *watch);
void gw_k8s_watch_free(struct gw_k8s_watch *watch); /* over, or never served; NULL allowed */

#endif
