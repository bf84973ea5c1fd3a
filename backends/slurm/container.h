/*
 * Container images, by what a site runs them with. Pure; any thread.
 *
 * apptainer is a command that the batch script becomes, with the job's program behind it; a plugin
 * of Slurm's, and Slurm itself, are told the image by an option, and put the batch script into the
 * container.
 */
#ifndef GW_BACKENDS_SLURM_CONTAINER_H
#define GW_BACKENDS_SLURM_CONTAINER_H

#include "backends/slurm/site.h"
#include "server/base/buf.h"
#include "server/base/error.h"
#include "server/model/spec.h"

/* Appends the spec's image as this runtime names it, and nothing where the spec has none or the
 * site runs images with another one. Of a reference to a registry ("python:3.12",
 * "nvcr.io/nvidia/pytorch:25.01") apptainer wants the scheme docker://, and pyxis a # behind the
 * registry; an absolute path, and what has a scheme, stays as it is. Slurm itself runs bundles,
 * which are paths. Returns 0; or -1 with GW_ERR_UNPROCESSABLE at "/image". */
int gw_slurm_container_image(const struct gw_slurm_site *site, const struct gw_spec *spec,
                             enum gw_slurm_runtime runtime, struct gw_buf *out,
                             struct gw_error *err);

/* Whether the site runs images at all, or the spec has none. Returns 0, or -1 as above. */
int gw_slurm_container_check(const struct gw_slurm_site *site, const struct gw_spec *spec,
                             struct gw_error *err);

/* Appends the words, for a shell, that go in front of the job's program: " 'apptainer' 'exec'
 * 'docker://python:3.12'", or nothing. */
void gw_slurm_container_words(struct gw_buf *out, const struct gw_slurm_site *site,
                              const struct gw_spec *spec);

/* Whether there are such words. */
bool gw_slurm_container_wraps(const struct gw_slurm_site *site, const struct gw_spec *spec);

#endif
