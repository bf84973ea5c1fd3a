/*
 * The spool's folders and what concerns it as a whole. Its files are in spool_files.c, the
 * deletion of logs in spool_trash.c.
 */
#include "backends/local/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/cleanup.h"
#include "server/base/str.h"

/* Jobs run with another identity than the spool's and must get to their folders: every folder
 * on the way has to let them pass. */
static int check_folder(const char *path, const struct gw_account *account, struct gw_error *err)
{
        struct stat st;
        if (stat(path, &st))
                return gw_fail(err, GW_ERR_INVALID, "directory: %.200s: %s", path,
                               strerrordesc_np(errno));
        if (!gw_account_may_enter(account, &st))
                return gw_fail(err, GW_ERR_INVALID,
                               "directory: user %s may not pass through %.200s", account->name,
                               path);
        return 0;
}

static int check_way(const char *directory, const struct gw_account *account, struct gw_error *err)
{
        char path[4096];
        if (!gw_str_copy(path, sizeof path, directory))
                return gw_fail(err, GW_ERR_INVALID, "directory: is too long");
        for (char *slash = path; slash; slash = strchr(slash + 1, '/')) {
                char kept = slash[1];
                slash[1] = '\0';
                if (check_folder(path, account, err))
                        return -1;
                slash[1] = kept;
        }
        return check_folder(path, account, err);
}

static int open_folder(int at, const char *name, mode_t mode, struct gw_error *err)
{
        int made = mkdirat(at, name, mode);
        if (made && errno != EEXIST)
                return gw_fail(err, GW_ERR_IO, "directory: cannot make %.200s: %s", name,
                               strerrordesc_np(errno));
        int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        /* The process' umask is not ours to change. */
        if (fd < 0 || (made == 0 && fchmod(fd, mode))) {
                gw_fail(err, GW_ERR_IO, "directory: cannot open %.200s: %s", name,
                        strerrordesc_np(errno));
                if (fd >= 0)
                        close(fd);
                return -1;
        }
        return fd;
}

static int open_all(struct gw_local_spool *s, const char *directory, struct gw_error *err)
{
        if ((s->root = open_folder(AT_FDCWD, directory, 0711, err)) < 0 ||
            (s->live = open_folder(s->root, GW_LOCAL_LIVE, 0700, err)) < 0 ||
            (s->jobs = open_folder(s->root, GW_LOCAL_JOBS, 0711, err)) < 0 ||
            (s->trash = open_folder(s->root, GW_LOCAL_TRASH, 0700, err)) < 0)
                return -1;
        s->leader =
                openat(s->root, GW_LOCAL_LEADER, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (s->leader < 0)
                return gw_fail(err, GW_ERR_IO, "directory: cannot open its lock: %s",
                               strerrordesc_np(errno));
        return 0;
}

static void read_boot(int at, const char *path, char out[GW_LOCAL_BOOT_ID])
{
        gw_autoclose int fd = openat(at, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        ssize_t n = fd < 0 ? 0 : read(fd, out, GW_LOCAL_BOOT_ID - 1);
        out[n > 0 ? n : 0] = '\0';
        out[strcspn(out, "\n")] = '\0';
}

int gw_local_spool_open(struct gw_local_spool *s, const char *directory,
                        const struct gw_account *account, struct gw_error *err)
{
        *s = (struct gw_local_spool){
                .live = -1, .jobs = -1, .trash = -1, .root = -1, .leader = -1, .untidy = true};
        if (open_all(s, directory, err) || check_way(directory, account, err)) {
                gw_local_spool_close(s);
                return -1;
        }
        read_boot(AT_FDCWD, "/proc/sys/kernel/random/boot_id", s->boot);
        return 0;
}

void gw_local_spool_close(struct gw_local_spool *s)
{
        int *fds[] = {&s->live, &s->jobs, &s->trash, &s->root, &s->leader};
        for (size_t i = 0; i < GW_COUNT(fds); i++) {
                if (*fds[i] >= 0)
                        close(*fds[i]);
                *fds[i] = -1;
        }
}

bool gw_local_spool_lead(struct gw_local_spool *s)
{
        if (!s->leading)
                s->leading = flock(s->leader, LOCK_EX | LOCK_NB) == 0;
        return s->leading;
}

void gw_local_spool_yield(struct gw_local_spool *s)
{
        if (s->leading)
                flock(s->leader, LOCK_UN);
        s->leading = false;
}

/* "<mark><suffix>" with the mark taken off the front. */
static int parse_name(const char *name, struct gw_mark *ret, const char **ret_suffix)
{
        char mark[GW_MARK_TEXT];
        const char *dot = strchr(name, '.');
        const char *end = dot ? strchr(dot + 1, '.') : NULL;
        if (!end || (size_t)(end - name) >= sizeof mark)
                return -1;
        memcpy(mark, name, (size_t)(end - name));
        mark[end - name] = '\0';
        *ret_suffix = end;
        return gw_mark_parse(mark, ret);
}

/* A half-made task, or what belongs to a task that is gone, which goes first. */
static bool is_leftover(struct gw_local_spool *s, struct gw_mark mark, const char *suffix)
{
        return strcmp(suffix, ".new") == 0 ||
               (strcmp(suffix, ".cancel") == 0 && !gw_local_spool_has(s, mark));
}

int gw_local_spool_scan(struct gw_local_spool *s, void (*found)(void *arg, struct gw_mark mark),
                        void *arg)
{
        int fd = openat(s->live, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                if (fd >= 0)
                        close(fd);
                return -1;
        }
        errno = 0;
        for (struct dirent *e; (e = readdir(dir));) {
                struct gw_mark mark;
                const char *suffix;
                if (parse_name(e->d_name, &mark, &suffix))
                        continue;
                if (strcmp(suffix, ".task") == 0)
                        found(arg, mark);
                else if (is_leftover(s, mark, suffix))
                        unlinkat(s->live, e->d_name, 0);
                errno = 0;
        }
        int rc = errno ? -1 : 0;
        closedir(dir);
        return rc;
}

bool gw_local_spool_rebooted(const struct gw_local_spool *s)
{
        char noted[GW_LOCAL_BOOT_ID];
        read_boot(s->root, GW_LOCAL_BOOT, noted);
        return noted[0] && strcmp(s->boot, noted) != 0;
}

void gw_local_spool_note_boot(struct gw_local_spool *s)
{
        gw_autoclose int fd = openat(s->root, GW_LOCAL_BOOT,
                                     O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        /* Not noted, a restart is noticed once too seldom or too often: no harm. */
        ssize_t ignored = fd < 0 ? 0 : write(fd, s->boot, strlen(s->boot));
        (void)ignored;
}
