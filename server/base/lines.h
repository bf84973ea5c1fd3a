/*
 * Cuts a stream of bytes into its lines as they arrive, holding one line at most.
 *
 * A line ends with LF or CR LF; the last one may end with the stream. Lines of blanks only are
 * counted and not given. A line over the limit is given without its text, which is not kept.
 */
#ifndef GW_BASE_LINES_H
#define GW_BASE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"

struct gw_line {
        const char *text; /* followed by a NUL; borrowed until the function returns; NULL: it was
                             too long, or did not fit in memory */
        size_t len;       /* without its end */
        uint64_t no;      /* from 1, blank lines counted */
};
/* Returns false to be given no more for now. */
typedef bool (*gw_line_fn)(void *arg, const struct gw_line *line);

struct gw_lines {
        gw_line_fn each;
        void *arg;
        size_t max; /* bytes of a line without its end */
        uint64_t no;
        struct gw_buf held; /* of the line that has not ended */
        bool cut;           /* its text was given up */
};

void gw_lines_init(struct gw_lines *l, size_t max, gw_line_fn each, void *arg);
void gw_lines_done(struct gw_lines *l);
/* Calls each() for every line that these bytes end. Returns how many bytes were taken: all, or
 * those up to the end of the line at which each() returned false. */
size_t gw_lines_add(struct gw_lines *l, const char *data, size_t len);
/* The stream has ended: a line that has begun is the last. */
void gw_lines_end(struct gw_lines *l);

#endif
