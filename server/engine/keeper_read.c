/* See keeper_read.h. The keeper's thread. */
#include "server/engine/keeper_read.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Up to the file's end. Returns how many, or -1. */
static ssize_t read_at(int fd, char *out, size_t len, off_t at)
{
        size_t have = 0;
        while (have < len) {
                ssize_t n = pread(fd, out + have, len - have, at + (off_t)have);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -1;
                if (n == 0)
                        break;
                have += (size_t)n;
        }
        return (ssize_t)have;
}

static void cut_between_lines(struct gw_log_text *text)
{
        const char *last = memrchr(text->head, '\n', text->head_len);
        const char *first = memchr(text->tail, '\n', text->tail_len);
        if (last)
                text->head_len = (size_t)(last + 1 - text->head);
        if (first && first + 1 < text->tail + text->tail_len) {
                text->tail_len -= (size_t)(first + 1 - text->tail);
                text->tail = first + 1;
        }
}

int gw_keeper_read(int fd, size_t head_max, size_t tail_max, char *memory, struct gw_log_text *ret)
{
        struct stat st;
        if (fstat(fd, &st))
                return -1;
        uint64_t size = (uint64_t)st.st_size;
        bool whole = size <= head_max + tail_max;
        ssize_t head = read_at(fd, memory, whole ? head_max + tail_max : head_max, 0);
        ssize_t tail =
                whole ? 0 : read_at(fd, memory + head_max, tail_max, (off_t)(size - tail_max));
        if (head < 0 || tail < 0)
                return -1;
        *ret = (struct gw_log_text){.size = whole ? head : st.st_size,
                                    .head = memory,
                                    .head_len = (size_t)head,
                                    .tail = memory + head_max,
                                    .tail_len = (size_t)tail};
        if (!whole)
                cut_between_lines(ret);
        return 0;
}
