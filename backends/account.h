/* The Unix user a job runs as. Never user 0, and never a member of group 0. */
#ifndef GW_BACKENDS_ACCOUNT_H
#define GW_BACKENDS_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "server/base/error.h"

struct gw_account {
        char *name, *home, *shell;
        uid_t uid;
        gid_t gid;
        gid_t *groups;
        int group_count;
};

/* Looks the user up by name; NULL: the process' own. May read files and ask the network (NSS).
 * Returns 0, or -1 with GW_ERR_INVALID (there is none, or it is root), GW_ERR_UNAVAILABLE (that
 * cannot be found out now) or GW_ERR_NOMEM. */
int gw_account_find(const char *name, struct gw_account *ret, struct gw_error *err);
/* The same without its groups, which may take much longer to find. */
int gw_account_find_user(const char *name, struct gw_account *ret, struct gw_error *err);
void gw_account_done(struct gw_account *a);

/* Whether its processes may pass through a folder with this owner and mode. */
bool gw_account_may_enter(const struct gw_account *a, const struct stat *st);

#endif
