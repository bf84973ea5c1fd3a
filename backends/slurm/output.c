/* Paths of output, for those that make the request and those that read. */
#include "backends/slurm/output.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/base/cleanup.h"
#include "server/model/indexset.h"

#define FOLDER ".jobgate"

char *gw_slurm_output_folder(const char *home)
{
        char *path;
        return asprintf(&path, "%s/" FOLDER, home) < 0 ? NULL : path;
}

char *gw_slurm_output_path(const char *home, const char *folder, struct gw_mark mark,
                           const char *task, bool is_stderr)
{
        char name[GW_MARK_TEXT], *path;
        gw_mark_format(mark, name);
        if (asprintf(&path, "%s/%s%s%s%s.%s", folder ? folder : home, folder ? "" : "jobgate-",
                     name, task ? "_" : "", task ? task : "",
                     is_stderr && folder ? "err" : "out") < 0)
                return NULL;
        return path;
}

/* What Slurm calls the task of a log. False: it has no such task. */
static bool find_task(const struct gw_log_source *log, char out[16])
{
        struct gw_indexset set;
        uint32_t index;
        if (gw_indexset_parse(log->index_set, &set, NULL))
                return false;
        bool found = gw_indexset_index(&set, log->ordinal, &index) == 0;
        gw_indexset_done(&set);
        snprintf(out, 16, "%u", index);
        return found;
}

size_t gw_slurm_output_find(const char *home, const struct gw_log_source *log,
                            char *paths[GW_SLURM_OUTPUT_PATHS])
{
        char task[16];
        gw_autofree char *folder = gw_slurm_output_folder(home);
        if (!folder || (log->index_set && !find_task(log, task)))
                return 0;
        const char *name = log->index_set ? task : NULL;
        size_t count = 0;
        paths[count] = gw_slurm_output_path(home, folder, log->mark, name, log->want_stderr);
        count += paths[count] != NULL;
        /* From before there was the folder: both outputs are one. */
        paths[count] =
                log->want_stderr ? NULL : gw_slurm_output_path(home, NULL, log->mark, name, false);
        return count + (paths[count] != NULL);
}
