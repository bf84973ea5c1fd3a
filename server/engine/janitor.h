/* The janitor: one slow thread that keeps the record in shape (db/housekeeping.h). */
#ifndef GW_ENGINE_JANITOR_H
#define GW_ENGINE_JANITOR_H

#include <stdint.h>

#include "server/base/error.h"
#include "server/base/metrics.h"

struct gw_janitor;

struct gw_janitor_settings {
        const char *conninfo;          /* borrowed for its life */
        int64_t retention_s;           /* finished jobs are kept at least this long; 0: for ever */
        struct gw_metric_family *jobs; /* gauge by state, in the order of state.h; or NULL */
};

struct gw_janitor *gw_janitor_start(const struct gw_janitor_settings *settings,
                                    struct gw_error *err);
void gw_janitor_stop(struct gw_janitor *j); /* NULL allowed */

#endif
