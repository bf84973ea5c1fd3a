/*
 * Keeping output: where a backend's files are not the gateway's to keep, the beginning and the end
 * of what an attempt printed go to the record once it has ended (db/kept_logs.h). One slow thread
 * for all backends that this process leads. What is left to do is in the record, so that a crash
 * costs nothing but to do it again.
 */
#ifndef GW_ENGINE_KEEPER_H
#define GW_ENGINE_KEEPER_H

#include <stddef.h>

#include "server/base/error.h"
#include "server/engine/service.h"

struct gw_keeper;

struct gw_keeper_settings {
        const char *conninfo; /* borrowed for its life, as the backends */
        const struct gw_service_backend *backends;
        size_t backend_count;
        size_t head_bytes, tail_bytes; /* kept of each output, at most; with 0 of both: nothing */
};

/* Whether any of them has output to keep. */
bool gw_keeper_is_needed(const struct gw_service_backend *backends, size_t count);

struct gw_keeper *gw_keeper_start(const struct gw_keeper_settings *settings, struct gw_error *err);
/* Waits for what it asked the backends, which are not closed yet. NULL allowed. */
void gw_keeper_stop(struct gw_keeper *k);

#endif
