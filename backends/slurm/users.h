/*
 * The Unix users that were looked up, kept for a while: where a directory service has them, each
 * look-up may take long, and whoever asks waits for it. One thread.
 */
#ifndef GW_BACKENDS_SLURM_USERS_H
#define GW_BACKENDS_SLURM_USERS_H

#include <stdint.h>

#include "backends/account.h"
#include "server/base/error.h"

struct gw_slurm_users;

/* look_up: as gw_account_find_user(). NULL without memory. */
struct gw_slurm_users *gw_slurm_users_new(int (*look_up)(const char *name, struct gw_account *ret,
                                                         struct gw_error *err));
void gw_slurm_users_free(struct gw_slurm_users *u); /* accepts NULL */

/* As gw_account_find_user(), which it calls when it does not know. Who was known and cannot be
 * looked up now is who he was. now_us: monotonic. */
int gw_slurm_users_find(struct gw_slurm_users *u, const char *name, int64_t now_us,
                        struct gw_account *ret, struct gw_error *err);

#endif
