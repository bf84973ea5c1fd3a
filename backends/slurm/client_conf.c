/*
 * The agents' slurm.conf. Nothing of it goes through a symbolic link, and whoever reads it
 * meanwhile finds the old one or the new one whole.
 */
#include "backends/slurm/client_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/cleanup.h"

/* Returns the folder's descriptor, or -1. */
static int open_folder(const char *directory, struct gw_error *err)
{
        struct stat st;
        if (mkdir(directory, 0700) && errno != EEXIST)
                return gw_fail(err, GW_ERR_INVALID, "directory: %.200s cannot be made: %s",
                               directory, strerrordesc_np(errno));
        int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st)) {
                gw_fail(err, GW_ERR_INVALID, "directory: %.200s cannot be opened: %s", directory,
                        strerrordesc_np(errno));
        } else if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH))) {
                gw_fail(err, GW_ERR_INVALID,
                        "directory: %.200s must belong to the gateway's user, and nobody else may "
                        "write there",
                        directory);
        } else {
                return fd;
        }
        if (fd >= 0)
                close(fd);
        return -1;
}

static int write_all(int fd, const char *text)
{
        size_t len = strlen(text);
        while (len > 0) {
                ssize_t n = write(fd, text, len);
                if (n <= 0)
                        return -1;
                text += n;
                len -= (size_t)n;
        }
        return 0;
}

/* Returns 0, or -1 with errno. */
static int write_file(int folder, const char *name, const char *text)
{
        gw_autofree char *fresh = NULL;
        if (asprintf(&fresh, "%s.%d", name, (int)getpid()) < 0) {
                fresh = NULL;
                errno = ENOMEM;
                return -1;
        }
        gw_autoclose int fd =
                openat(folder, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -1;
        return write_all(fd, text) || renameat(folder, fresh, folder, name) ? -1 : 0;
}

/* Of a line that is there twice the last is true. */
static char *text_of(const char *conf, int64_t message_timeout_s, bool tokens)
{
        char *text;
        int n = asprintf(&text,
                         "# Written at each start of the gateway.\n"
                         "Include %s\n"
                         "%s"
                         "MessageTimeout=%lld\n",
                         conf, tokens ? "AuthType=auth/jwt\n" : "", (long long)message_timeout_s);
        return n < 0 ? NULL : text;
}

char *gw_slurm_client_conf(const char *directory, const char *name, const char *conf,
                           int64_t message_timeout_s, bool tokens, struct gw_error *err)
{
        if (strpbrk(conf, " \t\r\n#\"\\")) {
                gw_fail(err, GW_ERR_INVALID,
                        "conf: a path with blanks, quotes or # cannot be included");
                return NULL;
        }
        char *path;
        gw_autofree char *text = text_of(conf, message_timeout_s, tokens);
        if (!text || asprintf(&path, "%s/%s.conf", directory, name) < 0) {
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        gw_autoclose int folder = open_folder(directory, err);
        if (folder < 0) {
                free(path);
                return NULL;
        }
        if (write_file(folder, path + strlen(directory) + 1, text)) {
                gw_fail(err, GW_ERR_INVALID, "directory: %.200s cannot be written: %s", path,
                        strerrordesc_np(errno));
                free(path);
                return NULL;
        }
        return path;
}
