/*
 * Who may be, and becoming it. The list of users is read for each request, so that a change of it
 * holds at once; it is believed only while nobody but root can write it.
 */
#include "backends/slurm/as_user/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/cleanup.h"

#define LIST_BYTES (1024 * 1024)
#define GROUP_BYTES (4 * 1024 * 1024) /* with the names of its members */

/* ---- who may be ------------------------------------------------------------------------------ */

static bool has_line(const char *text, const char *name)
{
        size_t len = strlen(name);
        for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                line += strspn(line, " \t");
                size_t word = strcspn(line, " \t\r\n#");
                if (word == len && memcmp(line, name, len) == 0)
                        return true;
        }
        return false;
}

/* Returns 1, 0, or -1: it cannot be read or believed. */
static int is_listed(const char *path, const char *name)
{
        struct stat st;
        gw_autofree char *text = calloc(1, LIST_BYTES + 1);
        gw_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (!text || fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != 0 ||
            (st.st_mode & (S_IWGRP | S_IWOTH)) || st.st_size > LIST_BYTES)
                return -1;
        ssize_t n = read(fd, text, LIST_BYTES);
        return n != st.st_size ? -1 : has_line(text, name);
}

int gw_as_user_group(const char *name, gid_t *ret)
{
        struct group gr, *found = NULL;
        gw_autofree char *text = malloc(GROUP_BYTES);
        if (!text || getgrnam_r(name, &gr, text, GROUP_BYTES, &found) || !found || gr.gr_gid == 0)
                return -1;
        *ret = gr.gr_gid;
        return 0;
}

/* Returns 1, 0, or -1: that is not known now. */
static int is_member(const char *group, const struct gw_account *a)
{
        gid_t gid;
        if (gw_as_user_group(group, &gid))
                return -1;
        for (int i = 0; i < a->group_count; i++)
                if (a->groups[i] == gid)
                        return 1;
        return a->gid == gid;
}

int gw_as_user_find(const struct gw_as_user_options *o, const char *name, struct gw_account *ret,
                    struct gw_error *err)
{
        struct gw_error why = {0};
        struct gw_account a = {0};
        if (gw_account_find(name, &a, &why))
                return gw_fail(err,
                               why.code == GW_ERR_INVALID ? GW_ERR_FORBIDDEN : GW_ERR_UNAVAILABLE,
                               "%s", why.message);
        int allowed = o->users ? is_listed(o->users, a.name) : is_member(o->group, &a);
        if (a.uid < o->min_uid || a.gid < o->min_uid)
                allowed = 0;
        if (allowed > 0) {
                *ret = a;
                return 0;
        }
        gw_account_done(&a);
        if (allowed < 0)
                return gw_fail(err, GW_ERR_UNAVAILABLE, "the list of users cannot be read");
        return gw_fail(err, GW_ERR_FORBIDDEN, "nothing is done as this user: it is not allowed");
}

/* ---- becoming it ----------------------------------------------------------------------------- */

/* Each of these must fail now. */
static bool can_come_back(void)
{
        return setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 || setegid(0) == 0 ||
               setgroups(0, NULL) == 0;
}

static bool is_that(const struct gw_account *a)
{
        uid_t u[3];
        gid_t g[3], groups[NGROUPS_MAX];
        if (getresuid(&u[0], &u[1], &u[2]) || getresgid(&g[0], &g[1], &g[2]))
                return false;
        for (int i = 0; i < 3; i++)
                if (u[i] != a->uid || g[i] != a->gid || u[i] == 0 || g[i] == 0)
                        return false;
        int count = getgroups(GW_COUNT(groups), groups);
        for (int i = 0; i < count; i++)
                if (groups[i] == 0)
                        return false;
        return count == a->group_count;
}

int gw_as_user_become(const struct gw_account *a, struct gw_error *err)
{
        if (a->uid == 0 || a->gid == 0)
                return gw_fail(err, GW_ERR_INTERNAL, "nothing is done as root");
        if (setgroups((size_t)a->group_count, a->groups) || setresgid(a->gid, a->gid, a->gid) ||
            setresuid(a->uid, a->uid, a->uid))
                return gw_fail(err, GW_ERR_INTERNAL, "the user cannot be become: %s",
                               strerrordesc_np(errno));
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ||
            !is_that(a) || can_come_back())
                return gw_fail(err, GW_ERR_INTERNAL, "the user was not become whole");
        return 0;
}
