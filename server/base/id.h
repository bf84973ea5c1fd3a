/* UUIDs, version 7 (RFC 9562): 48 bits of milliseconds, then 12 bits of sub-millisecond
 * time, then 62 random bits. Ids made by one thread sort in the order they were made. */
#ifndef GW_BASE_ID_H
#define GW_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct gw_id {
        uint8_t bytes[16];
};

#define GW_ID_TEXT 37 /* 36 characters and NUL */

/* A new id for the wall time `us`. Aborts only if the kernel has no randomness. */
struct gw_id gw_id_new(int64_t us);

/* The lower-case text form. */
void gw_id_format(struct gw_id id, char out[GW_ID_TEXT]);

/* The canonical 8-4-4-4-12 text, either case, any version. Returns 0 or -1. */
int gw_id_parse(const char *s, struct gw_id *ret);

/* The wall time a version 7 id carries, in microseconds to the millisecond. */
int64_t gw_id_time_us(struct gw_id id);

static inline int gw_id_compare(const struct gw_id *a, const struct gw_id *b)
{
        return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

static inline bool gw_id_equal(struct gw_id a, struct gw_id b)
{
        return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

static inline bool gw_id_is_nil(struct gw_id id)
{
        static const struct gw_id nil;
        return gw_id_equal(id, nil);
}

#endif
