/*
 * The kernel's list of mounts. Whoever mounts a FUSE file system without being root has his user id
 * among its options, put there by fusermount.
 */
#include "backends/slurm/as_user/mount.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"

#define PATH_BYTES 64

struct lines {
        FILE *file;
        char *line;
        size_t size;
};

static const char *next_line(struct lines *l)
{
        return l->file && getline(&l->line, &l->size, l->file) > 0 ? l->line : NULL;
}

static void lines_done(struct lines *l)
{
        free(l->line);
        if (l->file)
                (void)fclose(l->file);
}

/* -1: not known. */
static int64_t mount_of(int fd)
{
        char path[PATH_BYTES];
        static const char name[] = "mnt_id:";
        int64_t id = -1;
        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
        struct lines lines = {.file = fopen(path, "re")};
        for (const char *line; id < 0 && (line = next_line(&lines));)
                if (strncmp(line, name, strlen(name)) == 0)
                        id = strtoll(line + strlen(name), NULL, 10);
        lines_done(&lines);
        return id;
}

/* "36 35 98:0 /root /at rw,noatime shared:1 - fuse.sshfs source rw,user_id=1000,group_id=100": type
 * and options stand behind the dash. */
static bool is_users(const char *line)
{
        static const char dash[] = " - ", option[] = "user_id=";
        const char *type = strstr(line, dash);
        if (!type)
                return true;
        type += strlen(dash);
        if (strncmp(type, "fuse", strlen("fuse")) != 0)
                return false;
        const char *source = strchr(type, ' ');
        const char *options = source ? strchr(source + 1, ' ') : NULL;
        const char *user = options ? strstr(options, option) : NULL;
        return !user || strtoul(user + strlen(option), NULL, 10) != 0;
}

bool gw_as_user_is_served_by_user(int fd)
{
        int64_t id = mount_of(fd);
        bool served = true;
        struct lines lines = {.file = id < 0 ? NULL : fopen("/proc/self/mountinfo", "re")};
        for (const char *line; (line = next_line(&lines));) {
                if (strtoll(line, NULL, 10) != id)
                        continue;
                served = is_users(line);
                break;
        }
        lines_done(&lines);
        return served;
}
