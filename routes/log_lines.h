/*
 * The output of one task as lines that say whose they are: "[17] step=1 loss=0.93\n". Pure; one
 * thread.
 *
 * Bytes go in as they were read and come out in whole lines. A line that does not fit is broken:
 * each part is a line with the prefix of its own. The last line is ended if its task has not.
 */
#ifndef GW_ROUTES_LOG_LINES_H
#define GW_ROUTES_LOG_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_LOG_LINE_BYTES 8192 /* the longest that is not broken, without its end */

struct gw_log_lines {
        char prefix[16];
        size_t prefix_len;
        bool broken;       /* the line before was, and this is its rest */
        bool over;         /* no more bytes go in */
        bool begun;        /* the line at `first` is coming out: */
        size_t len;        /* its bytes without an end, */
        size_t skip;       /* and with it, */
        size_t sent;       /* and how many of prefix, bytes and end came out */
        size_t first, end; /* of data: what went in and did not come out */
        char data[GW_LOG_LINE_BYTES + 1];
};

void gw_log_lines_begin(struct gw_log_lines *l, uint32_t index);

/* Where more bytes go; *ret_room is how many, and not 0 when gw_log_lines_take() gave none. */
char *gw_log_lines_room(struct gw_log_lines *l, size_t *ret_room);
void gw_log_lines_added(struct gw_log_lines *l, size_t len);
void gw_log_lines_end(struct gw_log_lines *l);

/* Puts at most max bytes of whole lines to out; how many. 0: more must go in, or it is over. */
size_t gw_log_lines_take(struct gw_log_lines *l, char *out, size_t max);
/* Some of a line came out, and not all: its rest must come next. */
bool gw_log_lines_begun(const struct gw_log_lines *l);
bool gw_log_lines_empty(const struct gw_log_lines *l); /* nothing is left of what went in */

#endif
