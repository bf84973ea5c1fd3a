/* Ranges and tails. Any thread; gw_tail_find reads the file in blocks, from its end. */
#include "routes/byte_range.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define BLOCK 65536
#define MAX_DIGITS 18 /* fits in 64 bits */

/* The digits at *at; moves behind them. -1 when there are too many. */
static int read_number(const char **at, uint64_t *ret, int *ret_digits)
{
        uint64_t n = 0;
        int digits = 0;
        for (; **at >= '0' && **at <= '9'; ++*at)
                if (++digits <= MAX_DIGITS)
                        n = n * 10 + (uint64_t)(**at - '0');
        *ret = n;
        *ret_digits = digits;
        return digits <= MAX_DIGITS ? 0 : -1;
}

static enum gw_range_kind suffix(uint64_t count, uint64_t size, struct gw_byte_range *ret)
{
        if (count == 0 || size == 0)
                return GW_RANGE_BEYOND;
        if (count > size)
                count = size;
        *ret = (struct gw_byte_range){size - count, count};
        return GW_RANGE_PART;
}

enum gw_range_kind gw_byte_range_read(const char *field, uint64_t size, struct gw_byte_range *ret)
{
        uint64_t first, last;
        int first_digits, last_digits;
        if (!field || strncasecmp(field, "bytes=", 6) != 0)
                return GW_RANGE_WHOLE;
        const char *at = field + 6;
        if (read_number(&at, &first, &first_digits) || *at++ != '-' ||
            read_number(&at, &last, &last_digits) || *at)
                return GW_RANGE_WHOLE;
        if (first_digits == 0)
                return last_digits ? suffix(last, size, ret) : GW_RANGE_WHOLE;
        if (last_digits && last < first)
                return GW_RANGE_WHOLE;
        if (first >= size)
                return GW_RANGE_BEYOND;
        if (!last_digits || last >= size)
                last = size - 1;
        *ret = (struct gw_byte_range){first, last - first + 1};
        return GW_RANGE_PART;
}

static int read_block(int fd, char *block, size_t len, uint64_t at)
{
        size_t done = 0;
        while (done < len) {
                ssize_t n = pread(fd, block + done, len - done, (off_t)(at + done));
                if (n <= 0)
                        return -1;
                done += (size_t)n;
        }
        return 0;
}

/* The line feed that ends the last line is not the end of another. One before the bound is looked
 * for too: then a line begins there. */
int gw_tail_find(int fd, uint64_t size, uint64_t lines, uint64_t *ret_first)
{
        char block[BLOCK];
        bool bounded = size > GW_MAX_TAIL_BYTES;
        uint64_t bound = bounded ? size - GW_MAX_TAIL_BYTES : 0, floor = bounded ? bound - 1 : 0;
        uint64_t end = size, first = bound; /* of the earliest line seen */
        while (end > floor) {
                size_t len = end - floor < BLOCK ? (size_t)(end - floor) : BLOCK;
                uint64_t start = end - len;
                if (read_block(fd, block, len, start))
                        return -1;
                for (size_t i = len; i-- > 0;) {
                        if (block[i] != '\n' || start + i == size - 1)
                                continue;
                        first = start + i + 1;
                        if (--lines > 0)
                                continue;
                        *ret_first = first;
                        return 0;
                }
                end = start;
        }
        *ret_first = bounded ? first : 0;
        return 0;
}
