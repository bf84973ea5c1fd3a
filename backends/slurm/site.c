/* Words of a site. Any thread. */
#include "backends/slurm/site.h"

#include <ctype.h>
#include <string.h>

#include "server/base/cleanup.h"

#define MAX_FEATURE 63

static const char *const runtimes[] = {
        [GW_SLURM_APPTAINER] = "apptainer",
        [GW_SLURM_PYXIS] = "pyxis",
        [GW_SLURM_BUNDLES] = "slurm",
};

bool gw_slurm_is_feature(const char *text)
{
        size_t len =
                strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-");
        return isalnum((unsigned char)text[0]) && text[len] == '\0' && len <= MAX_FEATURE;
}

int gw_slurm_runtime_parse(const char *name, enum gw_slurm_runtime *ret)
{
        for (size_t i = 0; i < GW_COUNT(runtimes); i++) {
                if (!runtimes[i] || strcmp(runtimes[i], name) != 0)
                        continue;
                *ret = (enum gw_slurm_runtime)i;
                return 0;
        }
        return -1;
}

static json_t *selectors_of(const struct gw_slurm_site *site)
{
        const char *name;
        json_t *feature, *list = json_array();
        json_object_foreach(site->features, name, feature)
        {
                if (json_array_append_new(list, json_string(name)) == 0)
                        continue;
                json_decref(list);
                return NULL;
        }
        return list;
}

int gw_slurm_site_describe(const struct gw_slurm_site *site, json_t *offer)
{
        if (json_object_set_new(offer, "node_selectors", selectors_of(site)))
                return -1;
        if (!runtimes[site->runtime])
                return 0;
        return json_object_set_new(offer, "container",
                                   json_pack("{s:s}", "runtime", runtimes[site->runtime]));
}
