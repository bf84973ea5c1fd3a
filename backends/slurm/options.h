/* What a spec asks of Slurm, as sbatch's long options. Pure; any thread. */
#ifndef GW_BACKENDS_SLURM_OPTIONS_H
#define GW_BACKENDS_SLURM_OPTIONS_H

#include <jansson.h>

#include "backends/backend.h"
#include "backends/slurm/site.h"
#include "server/model/spec.h"
#include "server/model/spec_check.h"

/*
 * The mapping, sbatch's option from the spec's field: partition from queue · nodes,
 * ntasks-per-node from resources.nodes and tasks_per_node · cpus-per-task from resources.cpus,
 * rounded up · mem or mem-per-cpu from resources.memory or memory_per_cpu, and tmp from
 * resources.scratch, in MiB, rounded up · gres from resources.gpus and gpu_type · constraint from
 * node_selector, by the site's map · container or container-image from image (container.h) · time
 * from time_limit · nice from a priority below 0 (only administrators raise one), qos from one
 * above, by the site's map.
 *
 * Then options.slurm, as they are. Where one says what a field says, the field gives way if it has
 * its default, and otherwise it is an error. account: the project's, which no option changes, or
 * NULL.
 *
 * Returns an object of texts, "" for an option without a value, the caller's; or NULL with
 * GW_ERR_UNPROCESSABLE (the pointer is the spec's) or GW_ERR_NOMEM.
 */
json_t *gw_slurm_options(const struct gw_spec *spec, const char *account,
                         const struct gw_slurm_site *site, struct gw_error *err);

/* Appends what Slurm leaves out of the spec, and what people usually regret there. */
void gw_slurm_advise(const struct gw_spec *spec, struct gw_warnings *warnings);

#endif
