/*
 * What a submission becomes here: the rules a spec must keep to be carried at all, what it
 * needs, and its environment. Pure; a plan belongs to one thread.
 */
#ifndef GW_BACKENDS_LOCAL_PLAN_H
#define GW_BACKENDS_LOCAL_PLAN_H

#include <jansson.h>
#include <stdint.h>

#include "backends/backend.h"
#include "backends/local/settings.h"
#include "server/model/spec.h"

struct gw_local_plan {
        json_t *spec; /* what the pointers go into */
        const json_t *command;
        const json_t *setup;   /* or NULL */
        const char *script;    /* or NULL, then command */
        const json_t *matrix;  /* or NULL */
        const char *directory; /* working directory, or NULL: one of its own */
        int64_t cpus_milli;    /* what is set aside */
        int64_t memory;        /* bytes, 0: no limit */
        int64_t gpus;
        int64_t time_limit_s; /* 0: none */
};

/* Returns 0; or -1 with GW_ERR_UNPROCESSABLE (the pointer is the spec's) when this backend
 * cannot carry it, GW_ERR_INTERNAL when it is no spec. */
int gw_local_plan_init(struct gw_local_plan *plan, const struct gw_submission *s,
                       struct gw_error *err);
void gw_local_plan_done(struct gw_local_plan *plan);

/* Whether it could ever run within these settings. Returns 0, or -1 with
 * GW_ERR_UNPROCESSABLE naming the limit. */
int gw_local_plan_fits(const struct gw_local_plan *plan, const struct gw_local_settings *settings,
                       struct gw_error *err);

/* Appends what this backend leaves out of a spec that it can carry. */
void gw_local_advise(const struct gw_spec *spec, struct gw_warnings *warnings);

#endif
