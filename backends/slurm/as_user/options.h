/* What an administrator starts jobgate-slurm-as-user with. Constant once read. */
#ifndef GW_BACKENDS_SLURM_AS_USER_OPTIONS_H
#define GW_BACKENDS_SLURM_AS_USER_OPTIONS_H

#include <sys/types.h>

#include "server/base/error.h"

struct gw_as_user_options {
        const char *socket; /* path */
        uid_t client;       /* who may ask; never 0 */
        id_t min_uid;       /* nothing is done as a user or group below it */
        const char *users;  /* path of a list of users, a name a line; or NULL */
        const char *group;  /* name of a group of users; or NULL: one of the two is there */
        const char *sbatch; /* path */
        const char *conf;   /* path of the slurm.conf for sbatch */
};

extern const char gw_as_user_usage[];

/* Returns 0; or -1 with GW_ERR_INVALID. Texts are borrowed from argv. */
int gw_as_user_options_read(int argc, char **argv, struct gw_as_user_options *ret,
                            struct gw_error *err);

#endif
