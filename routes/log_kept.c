/* See log_kept.h. Files are made on the thread that reads the record. */
#include "routes/log_kept.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/cleanup.h"
#include "server/base/limits.h"

#define LINE 80

/* ---- room ------------------------------------------------------------------------------------ */

void gw_log_kept_room_init(struct gw_log_kept_room *room)
{
        atomic_init(&room->bytes, 0);
        gw_shares_init(&room->users);
}

void gw_log_kept_room_done(struct gw_log_kept_room *room)
{
        gw_shares_done(&room->users);
}

int gw_log_kept_place_take(struct gw_log_kept_place *place, struct gw_log_kept_room *room,
                           int64_t user_id, size_t bytes, struct gw_error *err)
{
        struct gw_share *share = gw_share_ref(&room->users, user_id);
        if (!share)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        *place = (struct gw_log_kept_place){.room = room, .share = share, .bytes = bytes};
        size_t users = gw_share_add(share, bytes);
        size_t all = atomic_fetch_add(&room->bytes, bytes) + bytes;
        if (users > GW_MAX_USER_KEPT_BYTES)
                gw_fail(err, GW_ERR_TOO_MANY,
                        "you read as much kept output already as one user may: end one of these "
                        "requests first");
        else if (all > GW_MAX_KEPT_BYTES)
                gw_fail(err, GW_ERR_OVERLOADED, "too much kept output is being read already");
        else
                return 0;
        gw_log_kept_place_give_back(place);
        return -1;
}

void gw_log_kept_place_give_back(struct gw_log_kept_place *place)
{
        if (place->room) {
                gw_share_add(place->share, (size_t)0 - place->bytes);
                gw_share_unref(place->share);
                atomic_fetch_sub(&place->room->bytes, place->bytes);
        }
        *place = (struct gw_log_kept_place){0};
}

void gw_log_kept_place_move(struct gw_log_kept_place *to, struct gw_log_kept_place *from)
{
        gw_log_kept_place_give_back(to);
        *to = *from;
        *from = (struct gw_log_kept_place){0};
}

/* ---- files ----------------------------------------------------------------------------------- */

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

static uint64_t omitted_of(const struct gw_log_text *text)
{
        return (uint64_t)text->size - text->head_len - text->tail_len;
}

size_t gw_log_kept_size(const struct gw_log_text *text)
{
        char line[LINE] = "";
        if (omitted_of(text) > 0)
                write_line(text, omitted_of(text), line);
        return text->head_len + strlen(line) + text->tail_len;
}

int gw_log_kept_file(const struct gw_log_text *text, uint64_t *ret_size, uint64_t *ret_omitted,
                     struct gw_error *err)
{
        char line[LINE] = "";
        uint64_t omitted = omitted_of(text);
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
