/*
 * The verbs, done by a process that has become the user. Each returns its outcome; in *err
 * are words for people where it is not GW_AS_USER_DONE.
 */
#ifndef GW_BACKENDS_SLURM_AS_USER_VERBS_H
#define GW_BACKENDS_SLURM_AS_USER_VERBS_H

#include "backends/slurm/as_user/options.h"
#include "backends/slurm/as_user_request.h"

/* What an answer has besides. */
struct gw_as_user_result {
        int fd;       /* of open: the caller closes it; -1: none */
        json_t *more; /* an object to be merged into the answer, the caller's; or NULL */
};

enum gw_as_user_outcome gw_as_user_folder(const struct gw_as_user_request *r, struct gw_error *err);
enum gw_as_user_outcome gw_as_user_open(const struct gw_as_user_request *r,
                                        struct gw_as_user_result *ret, struct gw_error *err);
enum gw_as_user_outcome gw_as_user_remove(const struct gw_as_user_request *r, struct gw_error *err);
/* Ends sbatch at the deadline, and when the connection (a socket) is closed. */
enum gw_as_user_outcome gw_as_user_sbatch(const struct gw_as_user_options *o,
                                          const struct gw_as_user_request *r, int connection,
                                          struct gw_as_user_result *ret, struct gw_error *err);

#endif
