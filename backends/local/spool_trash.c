/*
 * Deleting what jobs left, whatever it is: any number of files, any depth, links anywhere, by
 * small steps on the backend's thread. The tree is flattened: a folder found inside another is
 * first renamed to the top, so there is no recursion and no path is ever followed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/local/spool.h"
#include "server/base/clock.h"

#define STEPS 256 /* entries deleted in one go */

/* Should the name be taken by an empty folder, that one is gone: no harm. */
static int move_to_top(struct gw_local_spool *s, int from, const char *name)
{
        char fresh[64];
        snprintf(fresh, sizeof fresh, "%lld.%llu", (long long)gw_clock_wall_us(),
                 (unsigned long long)s->trashed++);
        if (renameat(from, name, s->trash, fresh) == 0)
                return 0;
        /* A job may take the rights off its own folders. Root needs none, and must not change
         * those of whatever the name may be a link to. */
        if (geteuid() == 0 || fchmodat(from, name, 0700, 0))
                return -1;
        return renameat(from, name, s->trash, fresh);
}

void gw_local_spool_purge(struct gw_local_spool *s, struct gw_id job)
{
        char id[GW_ID_TEXT];
        gw_id_format(job, id);
        if (move_to_top(s, s->jobs, id) == 0)
                s->untidy = true;
}

static DIR *open_entries(int at, const char *name)
{
        int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir && fd >= 0)
                close(fd);
        return dir;
}

static bool is_dot(const char *name)
{
        return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Empties and removes one folder at the top, as far as `left` goes. Sets untidy when something
 * went: what cannot be deleted must not be tried for ever. */
static void empty_folder(struct gw_local_spool *s, const char *name, int *left)
{
        DIR *dir = open_entries(s->trash, name);
        if (!dir && fchmodat(s->trash, name, 0700, 0) == 0)
                dir = open_entries(s->trash, name);
        if (!dir || fchmod(dirfd(dir), 0700)) {
                if (dir)
                        closedir(dir);
                return;
        }
        for (struct dirent *e; *left > 0 && (e = readdir(dir)); (*left)--)
                if (!is_dot(e->d_name) && (unlinkat(dirfd(dir), e->d_name, 0) == 0 ||
                                           move_to_top(s, dirfd(dir), e->d_name) == 0))
                        s->untidy = true;
        closedir(dir);
        if (unlinkat(s->trash, name, AT_REMOVEDIR) == 0)
                s->untidy = true;
}

void gw_local_spool_tidy(struct gw_local_spool *s)
{
        int left = STEPS;
        DIR *top = open_entries(s->trash, ".");
        if (!top)
                return;
        s->untidy = false;
        for (struct dirent *e; left > 0 && (e = readdir(top)); left--) {
                if (is_dot(e->d_name))
                        continue;
                if (unlinkat(s->trash, e->d_name, 0) == 0)
                        s->untidy = true;
                else
                        empty_folder(s, e->d_name, &left);
        }
        closedir(top);
}
