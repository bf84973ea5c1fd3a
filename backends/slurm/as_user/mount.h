/* Which file system a file is on. In a session's process. */
#ifndef GW_BACKENDS_SLURM_AS_USER_MOUNT_H
#define GW_BACKENDS_SLURM_AS_USER_MOUNT_H

#include <stdbool.h>

/* Whether what is behind the descriptor is served by a process of somebody who is not root (FUSE):
 * reading it, or only closing it, may take as long as that process likes. Also true where it cannot
 * be told. Asks the kernel only, never that process. */
bool gw_as_user_is_served_by_user(int fd);

#endif
