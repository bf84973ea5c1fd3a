/* Lists of nodes as Slurm writes them: "n[1-3,07],login,gpu[01-02]x". Pure; any thread. */
#ifndef GW_BACKENDS_SLURM_HOSTS_H
#define GW_BACKENDS_SLURM_HOSTS_H

#include <stdbool.h>

#define GW_SLURM_HOST_NAME 128 /* bytes, with the NUL */

/* Whether every node of the list passes, asked in order until one does not. False also for what is
 * no such list, or an empty one. */
bool gw_slurm_hosts_all(const char *list, bool (*passes)(void *arg, const char *name), void *arg);

#endif
