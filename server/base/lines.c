/*
 * Lines of a stream. Belongs to whoever reads the stream.
 *
 * Invariant: held has no LF, and is empty while cut.
 */
#include "server/base/lines.h"

#include <string.h>

void gw_lines_init(struct gw_lines *l, size_t max, gw_line_fn each, void *arg)
{
        *l = (struct gw_lines){.each = each, .arg = arg, .max = max};
        gw_buf_init(&l->held, max + 1); /* a CR may follow */
}

void gw_lines_done(struct gw_lines *l)
{
        gw_buf_done(&l->held);
}

static void give_up(struct gw_lines *l)
{
        gw_buf_done(&l->held);
        gw_buf_init(&l->held, l->max + 1);
        l->cut = true;
}

static void hold(struct gw_lines *l, const char *data, size_t len)
{
        if (l->cut || len == 0)
                return;
        gw_buf_add(&l->held, data, len);
        if (!gw_buf_ok(&l->held))
                give_up(l);
}

static bool is_blank(const struct gw_buf *b)
{
        return b->len == 0 || strspn(b->data, " \t\r") == b->len;
}

static bool end_line(struct gw_lines *l)
{
        struct gw_buf *b = &l->held;
        bool more = true;
        l->no++;
        if (b->len > 0 && b->data[b->len - 1] == '\r')
                b->data[--b->len] = '\0';
        if (b->len > l->max)
                give_up(l);
        if (l->cut)
                more = l->each(l->arg, &(struct gw_line){.no = l->no});
        else if (!is_blank(b))
                more = l->each(l->arg, &(struct gw_line){b->data, b->len, l->no});
        gw_buf_clear(b);
        l->cut = false;
        return more;
}

size_t gw_lines_add(struct gw_lines *l, const char *data, size_t len)
{
        const char *at = data, *end = data + len, *lf;
        while (at < end && (lf = memchr(at, '\n', (size_t)(end - at)))) {
                hold(l, at, (size_t)(lf - at));
                at = lf + 1;
                if (!end_line(l))
                        return (size_t)(at - data);
        }
        hold(l, at, (size_t)(end - at));
        return len;
}

void gw_lines_end(struct gw_lines *l)
{
        if (l->held.len > 0 || l->cut)
                end_line(l);
}
