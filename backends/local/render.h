/* The script a submission becomes. */
#ifndef GW_BACKENDS_LOCAL_RENDER_H
#define GW_BACKENDS_LOCAL_RENDER_H

#include "backends/backend.h"
#include "backends/local/settings.h"

/* Appends a shell script that does what the shim does with the job, the user's own variables
 * and those of the run left out. Deterministic. out NULL: only checks the spec. Returns 0, or -1 as
 * gw_local_plan_init does. */
int gw_local_render(const struct gw_local_settings *settings, const struct gw_submission *s,
                    struct gw_buf *out, struct gw_error *err);

#endif
