/*
 * The stream of a watch: an object a line, which arrives in pieces that end anywhere. Holds the
 * line that has not ended, and no more. Belongs to one thread.
 */
#ifndef GW_BACKENDS_KUBERNETES_STREAM_H
#define GW_BACKENDS_KUBERNETES_STREAM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "server/base/error.h"
#include "server/base/lines.h"

enum gw_k8s_event {
        GW_K8S_ADDED,
        GW_K8S_MODIFIED,
        GW_K8S_DELETED,
        GW_K8S_BOOKMARK, /* nothing changed up to its version */
        GW_K8S_ERROR,    /* the object is a Status, and the last */
};

/* The object is borrowed until it returns. Returns false to be given no more. */
typedef bool (*gw_k8s_take_event)(void *arg, enum gw_k8s_event event, json_t *object);

struct gw_k8s_stream {
        struct gw_lines lines;
        gw_k8s_take_event take;
        void *arg;
        bool stopped;
        struct gw_error error;
};

/* max: bytes of a line; GW_MAX_K8S_LINE_BYTES but in tests. */
void gw_k8s_stream_init(struct gw_k8s_stream *s, size_t max, gw_k8s_take_event take, void *arg);
void gw_k8s_stream_done(struct gw_k8s_stream *s);

/* Takes a piece. Returns 0, also when take() wanted no more; or -1, now and from then on, with
 * GW_ERR_TOO_LARGE (a line over the bound, or over the memory there is) or GW_ERR_INVALID (a line
 * that is no event). What came before was given. A line that has not ended when the stream does is
 * none. */
int gw_k8s_stream_add(struct gw_k8s_stream *s, const char *data, size_t len, struct gw_error *err);

#endif
