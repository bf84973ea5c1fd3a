/* Where the output of jobs is. Pure; any thread. */
#ifndef GW_BACKENDS_SLURM_OUTPUT_H
#define GW_BACKENDS_SLURM_OUTPUT_H

#include "backends/backend.h"

#define GW_SLURM_OUTPUT_PATHS 4

/* The folder that output goes to where jobgate-slurm-as-user can make and read it. The caller frees
 * it; NULL without memory. */
char *gw_slurm_output_folder(const char *home);

/* The file that has the output of a submission, in its folder. folder: NULL: in the home itself,
 * where both outputs are one file. task: NULL of a plain job; of an array Slurm's index of a task
 * ("17"), or "%a", which makes it the pattern that Slurm is told. The caller frees it; NULL without
 * memory. */
char *gw_slurm_output_path(const char *home, const char *folder, struct gw_mark mark,
                           const char *task, bool is_stderr);

/* Where a log of this user's may be, the likeliest first; the caller frees each. A script for
 * sbatch may have named its own files. Returns how many; 0 with GW_ERR_GONE when it can be nowhere,
 * and with GW_ERR_NOMEM. */
size_t gw_slurm_output_find(const char *user, const char *home, const struct gw_log_source *log,
                            char *paths[GW_SLURM_OUTPUT_PATHS], struct gw_error *err);

#endif
