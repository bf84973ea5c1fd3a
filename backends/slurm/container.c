/* Images and commands. Any thread. */
#include "backends/slurm/container.h"

#include <string.h>

#include "backends/shell.h"

#define MAX_IMAGE 1024 /* as the longest runtime names it */

static const char *image_of(const struct gw_spec *spec)
{
        return json_string_value(json_object_get(spec->json, "image"));
}

/* ---- how each runtime names an image --------------------------------------------------------- */

static bool is_reference(const char *image)
{
        return image[0] != '/' && !strstr(image, "://");
}

static int name_apptainer(const char *image, struct gw_buf *out, struct gw_error *err)
{
        (void)err;
        gw_buf_printf(out, "%s%s", is_reference(image) ? "docker://" : "", image);
        return 0;
}

/* Whether the first part of a reference, as long as that, is a registry and no folder of the
 * default one: as docker tells them apart. */
static bool is_registry(const char *image, size_t len)
{
        static const char local[] = "localhost";
        return memchr(image, '.', len) || memchr(image, ':', len) ||
               (len == sizeof local - 1 && strncmp(image, local, len) == 0);
}

static int name_pyxis(const char *image, struct gw_buf *out, struct gw_error *err)
{
        size_t len = strcspn(image, "/");
        (void)err;
        if (!is_reference(image) || strchr(image, '#') || !image[len] || !is_registry(image, len))
                gw_buf_str(out, image);
        else
                gw_buf_printf(out, "%.*s#%s", (int)len, image, image + len + 1);
        return 0;
}

static int name_bundle(const char *image, struct gw_buf *out, struct gw_error *err)
{
        if (image[0] != '/')
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/image",
                                  "must be the absolute path of an OCI bundle: this cluster runs "
                                  "no other images");
        gw_buf_str(out, image);
        return 0;
}

/* ---- the interface --------------------------------------------------------------------------- */

int gw_slurm_container_image(const struct gw_slurm_site *site, const struct gw_spec *spec,
                             enum gw_slurm_runtime runtime, struct gw_buf *out,
                             struct gw_error *err)
{
        static int (*const names[])(const char *, struct gw_buf *, struct gw_error *) = {
                [GW_SLURM_APPTAINER] = name_apptainer,
                [GW_SLURM_PYXIS] = name_pyxis,
                [GW_SLURM_BUNDLES] = name_bundle,
        };
        const char *image = image_of(spec);
        if (!image || site->runtime != runtime)
                return 0;
        return names[runtime](image, out, err);
}

int gw_slurm_container_check(const struct gw_slurm_site *site, const struct gw_spec *spec,
                             struct gw_error *err)
{
        if (!image_of(spec))
                return 0;
        if (site->runtime == GW_SLURM_APPTAINER && spec->is_raw)
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/image",
                                  "cannot be put around a script that sbatch reads: run apptainer "
                                  "in the script, or leave its #SBATCH lines out");
        if (site->runtime != GW_SLURM_NO_RUNTIME)
                return 0;
        return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/image",
                          "this cluster has no way to run container images");
}

bool gw_slurm_container_wraps(const struct gw_slurm_site *site, const struct gw_spec *spec)
{
        return site->runtime == GW_SLURM_APPTAINER && image_of(spec);
}

void gw_slurm_container_words(struct gw_buf *out, const struct gw_slurm_site *site,
                              const struct gw_spec *spec)
{
        struct gw_buf image = GW_BUF_INIT(MAX_IMAGE);
        if (!gw_slurm_container_wraps(site, spec))
                return;
        if (site->container_command)
                gw_shell_words(out, site->container_command);
        else
                gw_buf_str(out, " apptainer exec");
        if (spec->gpus > 0 && site->container_gpu_arguments)
                gw_shell_words(out, site->container_gpu_arguments);
        else if (spec->gpus > 0)
                gw_buf_str(out, " --nv");
        (void)gw_slurm_container_image(site, spec, GW_SLURM_APPTAINER, &image, NULL);
        gw_buf_char(out, ' ');
        gw_shell_word(out, image.data ? image.data : "");
        out->failed |= image.failed;
        gw_buf_done(&image);
}
