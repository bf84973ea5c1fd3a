/* See log_lines.h. */
#include "routes/log_lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void gw_log_lines_begin(struct gw_log_lines *l, uint32_t index)
{
        l->prefix_len = (size_t)snprintf(l->prefix, sizeof l->prefix, "[%" PRIu32 "] ", index);
        l->broken = l->over = l->begun = false;
        l->first = l->end = 0;
}

char *gw_log_lines_room(struct gw_log_lines *l, size_t *ret_room)
{
        if (!l->begun && l->first > 0) {
                memmove(l->data, l->data + l->first, l->end - l->first);
                l->end -= l->first;
                l->first = 0;
        }
        *ret_room = sizeof l->data - l->end;
        return l->data + l->end;
}

void gw_log_lines_added(struct gw_log_lines *l, size_t len)
{
        l->end += len;
}

void gw_log_lines_end(struct gw_log_lines *l)
{
        l->over = true;
}

static bool begin_line(struct gw_log_lines *l, size_t len, size_t skip, bool broken)
{
        l->begun = true;
        l->len = len;
        l->skip = skip;
        l->sent = 0;
        l->broken = broken;
        return true;
}

/* Whether there is a line. With its end, the longest fills the data exactly. */
static bool find_line(struct gw_log_lines *l)
{
        const char *data = l->data + l->first;
        size_t held = l->end - l->first;
        const char *end = memchr(data, '\n', held);
        if (end == data && l->broken) { /* of the line that was broken just before it */
                l->broken = false;
                l->first++;
                return find_line(l);
        }
        if (end)
                return begin_line(l, (size_t)(end - data), (size_t)(end - data) + 1, false);
        if (held > GW_LOG_LINE_BYTES)
                return begin_line(l, GW_LOG_LINE_BYTES, GW_LOG_LINE_BYTES, true);
        return held > 0 && l->over ? begin_line(l, held, held, false) : false;
}

/* Copies what of part, which begins at `at` of the line, did not come out yet. */
static size_t put(struct gw_log_lines *l, char *out, size_t max, const char *part, size_t len,
                  size_t at)
{
        if (l->sent < at || l->sent >= at + len)
                return 0;
        size_t from = l->sent - at;
        size_t n = len - from < max ? len - from : max;
        memcpy(out, part + from, n);
        l->sent += n;
        return n;
}

static size_t put_line(struct gw_log_lines *l, char *out, size_t max)
{
        size_t n = put(l, out, max, l->prefix, l->prefix_len, 0);
        n += put(l, out + n, max - n, l->data + l->first, l->len, l->prefix_len);
        n += put(l, out + n, max - n, "\n", 1, l->prefix_len + l->len);
        if (l->sent == l->prefix_len + l->len + 1) {
                l->first += l->skip;
                l->begun = false;
        }
        return n;
}

size_t gw_log_lines_take(struct gw_log_lines *l, char *out, size_t max)
{
        size_t n = 0;
        while (n < max && (l->begun || find_line(l)))
                n += put_line(l, out + n, max - n);
        return n;
}

bool gw_log_lines_begun(const struct gw_log_lines *l)
{
        return l->begun;
}

bool gw_log_lines_empty(const struct gw_log_lines *l)
{
        return l->first == l->end;
}
