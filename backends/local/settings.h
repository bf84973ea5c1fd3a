/* The settings of a local backend. */
#ifndef GW_BACKENDS_LOCAL_SETTINGS_H
#define GW_BACKENDS_LOCAL_SETTINGS_H

#include <jansson.h>
#include <stdint.h>

#include "backends/account.h"
#include "backends/backend.h"
#include "server/base/error.h"

#define GW_LOCAL_NODE 65

struct gw_local_settings {
        char *directory;           /* the spool, absolute */
        char *shim;                /* path of jobgate-shim */
        char *url;                 /* JOBGATE_URL, or NULL */
        char *user;                /* as written, or NULL */
        int64_t cpus_milli;        /* what jobs may have together */
        int64_t memory;            /* bytes */
        int64_t gpus;              /* at most GW_LOCAL_MAX_GPUS */
        int64_t grace_s;           /* between SIGTERM and SIGKILL */
        struct gw_account account; /* whom jobs run as unless their project has another */
        char node[GW_LOCAL_NODE];  /* this machine's name */
};

/* gw_backend_type.setting */
bool gw_local_setting(size_t i, struct gw_backend_setting *ret);

/* Checks all and fills in defaults. Messages begin with the setting's name. Returns 0 or -1,
 * then with nothing to free. */
int gw_local_settings_init(struct gw_local_settings *s, const json_t *section,
                           struct gw_error *err);
/* Whom jobs of `user` run as; NULL: the process' own. A gateway that is not root has no other.
 * Returns 0, or -1 with GW_ERR_INVALID. */
int gw_local_account_find(const char *user, struct gw_account *ret, struct gw_error *err);
void gw_local_settings_done(struct gw_local_settings *s);

#endif
