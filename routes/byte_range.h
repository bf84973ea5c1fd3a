/* Byte ranges (RFC 9110, section 14) and the ends of files. Pure but for reading the file. */
#ifndef GW_ROUTES_BYTE_RANGE_H
#define GW_ROUTES_BYTE_RANGE_H

#include <stdint.h>

struct gw_byte_range {
        uint64_t first, len;
};

enum gw_range_kind {
        GW_RANGE_WHOLE,  /* no range that is understood: the whole is the answer */
        GW_RANGE_PART,   /* *ret is within the size */
        GW_RANGE_BEYOND, /* none of it is there */
};

/* field: the Range header field, or NULL. One range is understood; several, other units and
 * malformed ones are ignored. *ret is set for a part only. */
enum gw_range_kind gw_byte_range_read(const char *field, uint64_t size, struct gw_byte_range *ret);

/* Where the last `lines` (> 0) lines of the file's first `size` bytes begin; or those of them that
 * begin at most GW_MAX_TAIL_BYTES from the end; or, when none does, that many bytes from the end.
 * Returns 0, or -1 when it cannot be read. */
#define GW_MAX_TAIL_BYTES (8 * 1024 * 1024)
int gw_tail_find(int fd, uint64_t size, uint64_t lines, uint64_t *ret_first);

#endif
