/*
 * What sbatch reads in a script, as far as the gateway has to know it: whether there is anything
 * for it to read, the job's name and array, where its output goes, its comment, what decides in
 * which partitions it may start, and what would take it from here. All else is sbatch's own to
 * read.
 *
 * Options stand in lines that begin with #SBATCH (or #SLURM) before the first command, and in
 * lines that begin with #BSUB, or where there is none of those #PBS, further down too. The last of
 * several wins, and those of the other two win over #SBATCH. A script that sbatch would refuse is
 * read as far as it goes: what comes out means nothing then. Pure; any thread.
 */
#ifndef GW_MODEL_DIRECTIVES_H
#define GW_MODEL_DIRECTIVES_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/error.h"

struct gw_directives {
        char *name;      /* --job-name, or NULL */
        char *array;     /* --array as it is written, or NULL: no array */
        char *output;    /* --output, a pattern, or NULL */
        char *error;     /* --error, likewise: NULL: it goes to the output */
        char *directory; /* --chdir, or NULL */
        char *comment;   /* --comment, or NULL */
        char *clusters;  /* --clusters, or NULL */
        char *partition; /* --partition, names with commas between, or NULL */
        char *time;      /* --time as it is written, or NULL */
        char *account;   /* --account, or NULL */
        char *qos;       /* --qos, or NULL */
        bool waits;      /* --wait */
};

/* Whether a script has lines for sbatch. */
bool gw_directives_any(const char *script);

/* Returns 0, or -1 without memory. */
int gw_directives_read(const char *script, struct gw_directives *ret);

/* Whether an option of sbatch's, by its long name, takes what follows as its value where it has
 * none. */
bool gw_directives_needs_value(const char *option);

/* Accepts one that is all zero or done already. */
void gw_directives_done(struct gw_directives *d);

/*
 * An array as sbatch writes it ("0-15:4%2,20"): appends its indices as an index set's text, and
 * says how many tasks run at once (*ret_max_parallel; 0: no limit). Returns 0; or -1 with
 * GW_ERR_UNPROCESSABLE, when slurmctld would refuse it or it is more than an index set can be, or
 * GW_ERR_NOMEM.
 */
int gw_directives_array(const char *text, struct gw_buf *indices, uint32_t *ret_max_parallel,
                        struct gw_error *err);

#endif
