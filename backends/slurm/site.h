/* What a site has said of its cluster, for plans: parts of the settings, which never change. */
#ifndef GW_BACKENDS_SLURM_SITE_H
#define GW_BACKENDS_SLURM_SITE_H

#include <jansson.h>
#include <stdbool.h>

struct gw_slurm_site {
        json_t *features; /* of node selectors: {"zone=a": "rack1"}, or NULL */
};

/* Whether it is the name of a feature and no expression of several. */
bool gw_slurm_is_feature(const char *text);

#endif
