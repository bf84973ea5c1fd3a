/* The settings of a Slurm backend. */
#ifndef GW_BACKENDS_SLURM_SETTINGS_H
#define GW_BACKENDS_SLURM_SETTINGS_H

#include <jansson.h>
#include <stdint.h>

#include "backends/backend.h"
#include "backends/slurm/credential.h"
#include "backends/slurm/site.h"
#include "server/base/error.h"

#define GW_SLURM_KEY_MAX 4096 /* bytes of a key of auth/jwt */

struct gw_slurm_settings {
        char *conf;                /* the cluster's slurm.conf, absolute */
        char *directory;           /* absolute */
        char *agent;               /* path of jobgate-slurm-agent */
        char *jwt_key;             /* path of the key of auth/jwt; NULL: we are SlurmUser */
        char *user;                /* whom the table of jobs is read as */
        json_t *users;             /* who may submit: names; NULL: everybody */
        char *url;                 /* JOBGATE_URL, or NULL */
        int64_t munge_life_s;      /* of a credential for sbatch */
        char *as_user;             /* path of jobgate-slurm-as-user's socket, or NULL */
        int64_t message_timeout_s; /* of one question to slurmctld */
        int64_t token_life_s;
        int64_t workers; /* of one user, at most */
        int64_t min_uid; /* nobody below it submits */
        struct gw_slurm_site site;

        char *client_conf; /* of the agents: made from conf, in directory */
        unsigned char key[GW_SLURM_KEY_MAX];
        size_t key_len;
};

/* gw_backend_type.setting */
bool gw_slurm_setting(size_t i, struct gw_backend_setting *ret);

/* Checks all, fills in defaults, reads the key, and writes the agents' slurm.conf, which is called
 * after the backend. Messages begin with the setting's name. Returns 0 or -1, then with nothing to
 * free. */
int gw_slurm_settings_init(struct gw_slurm_settings *s, const char *name, const json_t *section,
                           struct gw_error *err);
/* What agents are started with; borrowed from *s. */
struct gw_slurm_credential gw_slurm_settings_credential(const struct gw_slurm_settings *s);
void gw_slurm_settings_done(struct gw_slurm_settings *s); /* forgets the key */

#endif
