/* Unix users. Whichever thread asks. */
#include "backends/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/cleanup.h"

#define PASSWD_BYTES 65536
#define MAX_GROUPS 65536 /* the kernel's */

static int fill_names(struct gw_account *a, const struct passwd *pw)
{
        a->uid = pw->pw_uid;
        a->gid = pw->pw_gid;
        a->name = strdup(pw->pw_name);
        a->home = strdup(pw->pw_dir);
        a->shell = strdup(pw->pw_shell[0] ? pw->pw_shell : "/bin/sh");
        return a->name && a->home && a->shell ? 0 : -1;
}

/* All its groups but 0. */
static int fill_groups(struct gw_account *a)
{
        int count = 0;
        getgrouplist(a->name, a->gid, NULL, &count);
        if (count < 1 || count > MAX_GROUPS)
                return -1;
        a->groups = calloc((size_t)count, sizeof *a->groups);
        if (!a->groups || getgrouplist(a->name, a->gid, a->groups, &count) < 0)
                return -1;
        for (int i = 0; i < count; i++)
                if (a->groups[i] != 0)
                        a->groups[a->group_count++] = a->groups[i];
        return 0;
}

static int check(const struct gw_account *a, struct gw_error *err)
{
        if (a->uid == 0 || a->gid == 0)
                return gw_fail(err, GW_ERR_INVALID,
                               "jobs never run as root: the user must have another user id and "
                               "primary group than 0");
        return 0;
}

static int find(const char *name, bool groups, struct gw_account *ret, struct gw_error *err)
{
        struct passwd pw, *found = NULL;
        struct gw_account a = {0};
        gw_autofree char *text = malloc(PASSWD_BYTES);
        if (!text)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        int rc = name ? getpwnam_r(name, &pw, text, PASSWD_BYTES, &found)
                      : getpwuid_r(geteuid(), &pw, text, PASSWD_BYTES, &found);
        if (!found && rc != 0 && rc != ENOENT && rc != ESRCH && rc != EBADF && rc != EPERM)
                return gw_fail(err, GW_ERR_UNAVAILABLE, "who %s is cannot be found out now: %s",
                               name ? name : "this process is", strerrordesc_np(rc));
        if (!found)
                return gw_fail(err, GW_ERR_INVALID, "there is no user %s on this machine%s%s",
                               name ? name : "of this process' id", rc ? ": " : "",
                               rc ? strerrordesc_np(rc) : "");
        if (fill_names(&a, found) || (groups && fill_groups(&a)))
                gw_fail(err, GW_ERR_NOMEM, "the user's groups cannot be read");
        else if (check(&a, err) == 0) {
                *ret = a;
                return 0;
        }
        gw_account_done(&a);
        return -1;
}

int gw_account_find(const char *name, struct gw_account *ret, struct gw_error *err)
{
        return find(name, true, ret, err);
}

int gw_account_find_user(const char *name, struct gw_account *ret, struct gw_error *err)
{
        return find(name, false, ret, err);
}

void gw_account_done(struct gw_account *a)
{
        free(a->name);
        free(a->home);
        free(a->shell);
        free(a->groups);
        *a = (struct gw_account){0};
}

static bool is_member(const struct gw_account *a, gid_t gid)
{
        for (int i = 0; i < a->group_count; i++)
                if (a->groups[i] == gid)
                        return true;
        return a->gid == gid;
}

bool gw_account_may_enter(const struct gw_account *a, const struct stat *st)
{
        if (st->st_uid == a->uid)
                return st->st_mode & S_IXUSR;
        if (is_member(a, st->st_gid))
                return st->st_mode & S_IXGRP;
        return st->st_mode & S_IXOTH;
}
