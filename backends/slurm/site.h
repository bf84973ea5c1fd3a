/* What a site has said of its cluster, for plans: parts of the settings, which never change. */
#ifndef GW_BACKENDS_SLURM_SITE_H
#define GW_BACKENDS_SLURM_SITE_H

#include <jansson.h>
#include <stdbool.h>

/* What runs container images. */
enum gw_slurm_runtime {
        GW_SLURM_NO_RUNTIME,
        GW_SLURM_APPTAINER, /* a command in front of the job's program */
        GW_SLURM_PYXIS,     /* a plugin of Slurm's, with an option of its own */
        GW_SLURM_BUNDLES,   /* Slurm itself: --container */
};

struct gw_slurm_site {
        bool has_sbatch;    /* scripts can be given to the site's own (the setting as_user) */
        json_t *features;   /* of node selectors: {"zone=a": "rack1"}, or NULL */
        json_t *priorities; /* least priority to QOS: {"1": "high"}, or NULL */
        enum gw_slurm_runtime runtime;
        json_t *container_command;       /* words; NULL: the default */
        json_t *container_gpu_arguments; /* words behind them for a job with GPUs; likewise */
};

/* A runtime by its name in the settings. Returns 0 or -1. */
int gw_slurm_runtime_parse(const char *name, enum gw_slurm_runtime *ret);

/* Adds what a site has said to a cluster's offer: node_selectors, container. Returns 0, or -1
 * without memory. */
int gw_slurm_site_describe(const struct gw_slurm_site *site, json_t *offer);

#define GW_SLURM_PRIORITY_MOST 1000

/* Whether it is the name of a feature and no expression of several. */
bool gw_slurm_is_feature(const char *text);

#endif
