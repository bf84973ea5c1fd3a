/*
 * The environment of a job, on its way through sbatch. Pure.
 *
 * sbatch hands its own environment on to the job. Variables that would steer sbatch itself or the
 * C library under it (another configuration, a library to be loaded) must not be in it: they would
 * run a user's code on this machine. The job gets them by a file (--export-file).
 */
#ifndef GW_BACKENDS_SLURM_AS_USER_ENVIRONMENT_H
#define GW_BACKENDS_SLURM_AS_USER_ENVIRONMENT_H

#include <jansson.h>

#include "server/base/buf.h"

struct gw_as_user_environment {
        char **own;         /* of sbatch, with SLURM_CONF, and a NULL behind; owned */
        struct gw_buf file; /* the rest, each "NAME=value" with a NUL behind; may be empty */
};

/* variables: texts "NAME=value", borrowed; conf: borrowed. Returns 0, or -1 without memory. */
int gw_as_user_environment_init(struct gw_as_user_environment *e, const json_t *variables,
                                const char *conf);
void gw_as_user_environment_done(struct gw_as_user_environment *e);

#endif
