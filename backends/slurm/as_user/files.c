/* The verbs folder, open and remove: paths are looked at by a process that is the user already. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/slurm/as_user/mount.h"
#include "backends/slurm/as_user/verbs.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

/* ---- what an error means --------------------------------------------------------------------- */

static bool has_folder(const char *path)
{
        char folder[PATH_MAX];
        struct stat st;
        gw_str_copy(folder, sizeof folder, path);
        *strrchr(folder, '/') = '\0';
        return stat(folder[0] ? folder : "/", &st) == 0 && S_ISDIR(st.st_mode);
}

static const struct {
        int error;
        enum gw_as_user_outcome outcome;
} meanings[] = {
        {EACCES, GW_AS_USER_FORBIDDEN}, {EPERM, GW_AS_USER_FORBIDDEN}, {ELOOP, GW_AS_USER_WRONG},
        {ENXIO, GW_AS_USER_WRONG},      {EISDIR, GW_AS_USER_WRONG},    {ENOTDIR, GW_AS_USER_UNSEEN},
        {EMFILE, GW_AS_USER_BUSY},      {ENFILE, GW_AS_USER_BUSY},     {ENOMEM, GW_AS_USER_BUSY},
};

static enum gw_as_user_outcome fail(const char *path, int error, struct gw_error *err)
{
        enum gw_as_user_outcome outcome = GW_AS_USER_FAILED;
        for (size_t i = 0; i < GW_COUNT(meanings); i++)
                if (meanings[i].error == error)
                        outcome = meanings[i].outcome;
        if (error == ENOENT)
                outcome = has_folder(path) ? GW_AS_USER_ABSENT : GW_AS_USER_UNSEEN;
        gw_fail(err, GW_ERR_IO, "%s", strerrordesc_np(error));
        return outcome;
}

static enum gw_as_user_outcome wrong(struct gw_error *err, const char *words)
{
        gw_fail(err, GW_ERR_IO, "%s", words);
        return GW_AS_USER_WRONG;
}

/* ---- the verbs ------------------------------------------------------------------------------- */

static enum gw_as_user_outcome check_folder(const char *path, struct gw_error *err)
{
        struct stat st;
        if (lstat(path, &st))
                return fail(path, errno, err);
        if (!S_ISDIR(st.st_mode))
                return wrong(err, "it is there and no folder");
        if (st.st_uid != geteuid())
                return wrong(err, "the folder is there and another user's");
        return GW_AS_USER_DONE;
}

enum gw_as_user_outcome gw_as_user_folder(const struct gw_as_user_request *r, struct gw_error *err)
{
        if (mkdir(r->path, 0700) == 0)
                return GW_AS_USER_DONE;
        return errno == EEXIST ? check_folder(r->path, err) : fail(r->path, errno, err);
}

enum gw_as_user_outcome gw_as_user_open(const struct gw_as_user_request *r,
                                        struct gw_as_user_result *ret, struct gw_error *err)
{
        struct stat st;
        /* Not to wait for a writer of a FIFO, nor to be given a terminal. */
        gw_autoclose int fd =
                open(r->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 && errno == ELOOP)
                return wrong(err, "it is a symbolic link");
        if (fd < 0 || fstat(fd, &st))
                return fail(r->path, errno, err);
        if (!S_ISREG(st.st_mode))
                return wrong(err, "it is no regular file");
        if (gw_as_user_is_served_by_user(fd))
                return wrong(err, "it is on a file system that a user serves");
        ret->more = json_pack("{s:I}", "size", (json_int_t)st.st_size);
        if (!ret->more)
                return fail(r->path, ENOMEM, err);
        ret->fd = GW_TAKE_FD(fd);
        return GW_AS_USER_DONE;
}

/* ---- removing -------------------------------------------------------------------------------- */

static const char *skip_digits(const char *text)
{
        while (isdigit((unsigned char)*text))
                text++;
        return text;
}

/* "UUID.1.out", "UUID.1_17.err". */
static bool is_output(const char *name, const char *job)
{
        size_t len = strlen(job);
        if (strncmp(name, job, len) != 0 || name[len] != '.')
                return false;
        const char *number = name + len + 1, *end = skip_digits(number);
        if (end == number)
                return false;
        if (*end == '_') {
                number = end + 1;
                end = skip_digits(number);
                if (end == number)
                        return false;
        }
        return strcmp(end, ".out") == 0 || strcmp(end, ".err") == 0;
}

/* Whatever is in its way now, nothing but a name in this folder goes. */
static int remove_outputs(DIR *folder, const char *job)
{
        struct stat st;
        int error = 0;
        for (const struct dirent *entry; (entry = readdir(folder));) {
                if (!is_output(entry->d_name, job) ||
                    fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
                    !S_ISREG(st.st_mode))
                        continue;
                if (unlinkat(dirfd(folder), entry->d_name, 0))
                        error = errno;
        }
        return error;
}

enum gw_as_user_outcome gw_as_user_remove(const struct gw_as_user_request *r, struct gw_error *err)
{
        struct stat st;
        gw_autoclose int fd = open(r->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st))
                return fail(r->path, errno, err);
        if (st.st_uid != geteuid())
                return wrong(err, "the folder is another user's");
        DIR *folder = fdopendir(fd);
        if (!folder)
                return fail(r->path, errno, err);
        (void)GW_TAKE_FD(fd);
        int error = remove_outputs(folder, r->job);
        closedir(folder);
        return error ? fail(r->path, error, err) : GW_AS_USER_DONE;
}
