/*
 * The names of output files as Slurm's nodes make them of patterns. Pure; any thread.
 *
 * What a pattern may have: %j and %J the job's number · %A that of the array, of a
 * plain job its own · %a the task's index · %N the node's host name · %n, %t 0 · %s "batch" · %u
 * the user · %x the job's name, "(null)" where it has none of its own · %% a percent sign. A number
 * between the percent sign and the letter is a width, with zeros in front, for those that are
 * numbers. Where there is a backslash nothing is replaced, and backslashes go.
 */
#ifndef GW_BACKENDS_SLURM_PATTERN_H
#define GW_BACKENDS_SLURM_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"

struct gw_slurm_names {
        uint32_t job;   /* its number; 0: not known */
        uint32_t array; /* of an array that of the whole */
        bool is_task;
        uint32_t task;    /* of an array's task its index */
        const char *host; /* or NULL: not known */
        const char *user;
        const char *name;   /* that was given to the job, or NULL */
        const char *folder; /* of a pattern that is no absolute path; absolute */
};

/* Appends the path. Returns 0; or -1 when the pattern needs what is not known. */
int gw_slurm_pattern_expand(const char *pattern, const struct gw_slurm_names *names,
                            struct gw_buf *out);

#endif
