/* See log_kept.h. Runs on the thread that reads the record. */
#include "routes/log_kept.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/cleanup.h"

#define LINE 80

static int write_all(int fd, const char *data, size_t len)
{
        while (len > 0) {
                ssize_t n = write(fd, data, len);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return -1;
                data += n;
                len -= (size_t)n;
        }
        return 0;
}

/* The line in the place of what is missing; it begins one. */
static void write_line(const struct gw_log_text *text, uint64_t omitted, char line[LINE])
{
        bool inside = text->head_len > 0 && text->head[text->head_len - 1] != '\n';
        snprintf(line, LINE, "%s[jobgate: %" PRIu64 " bytes are not kept]\n", inside ? "\n" : "",
                 omitted);
}

static int open_file(void)
{
        const char *folder = getenv("TMPDIR");
        return open(folder && *folder ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

int gw_log_kept_file(const struct gw_log_text *text, uint64_t *ret_size, uint64_t *ret_omitted,
                     struct gw_error *err)
{
        char line[LINE] = "";
        uint64_t omitted = (uint64_t)text->size - text->head_len - text->tail_len;
        if (omitted > 0)
                write_line(text, omitted, line);
        gw_autoclose int fd = open_file();
        if (fd < 0 || write_all(fd, text->head, text->head_len) ||
            write_all(fd, line, strlen(line)) || write_all(fd, text->tail, text->tail_len)) {
                gw_fail(err, GW_ERR_UNAVAILABLE,
                        "there is no room for a temporary file with the kept output");
                return -1;
        }
        *ret_size = text->head_len + strlen(line) + text->tail_len;
        *ret_omitted = omitted;
        return GW_TAKE_FD(fd);
}
