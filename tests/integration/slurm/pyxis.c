/*
 * A plugin of Slurm's with pyxis's option and name, which runs nothing: it writes whose job has
 * which image, where the node begins the job. Its argument is the file.
 */
#include <slurm/spank.h>
#include <stdint.h>
#include <stdio.h>

SPANK_PLUGIN(pyxis, 1)

static char image[1024];

static int keep(int value, const char *given, int remote)
{
        (void)value, (void)remote;
        snprintf(image, sizeof image, "%s", given);
        return 0;
}

int slurm_spank_init(spank_t spank, int count, char **arguments)
{
        static struct spank_option option = {"container-image", "IMAGE", "the image", 1, 0, keep};
        (void)count, (void)arguments;
        return spank_context() == S_CTX_SLURMD ? 0 : spank_option_register(spank, &option);
}

int slurm_spank_task_init(spank_t spank, int count, char **arguments)
{
        uint32_t job = 0;
        FILE *f = count == 1 && image[0] ? fopen(arguments[0], "ae") : NULL;
        if (!f)
                return 0;
        spank_get_item(spank, S_JOB_ID, &job);
        fprintf(f, "%u %s\n", job, image);
        return fclose(f);
}
