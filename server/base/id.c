/*
 * UUIDv7. Each thread keeps the time of its last id and a pool of random bytes, so
 * that making one takes no lock and a system call only now and then.
 */
#include "server/base/id.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>

#define POOL 256 /* what the kernel gives in one piece, whatever signals arrive */

static _Thread_local struct {
        uint64_t last; /* 48 bits of milliseconds, 12 bits of their fraction */
        size_t left;
        uint8_t random[POOL];
} maker;

static void take_random(uint8_t *dst, size_t len)
{
        if (maker.left < len) {
                if (getrandom(maker.random, POOL, 0) != POOL)
                        abort();
                maker.left = POOL;
        }
        maker.left -= len;
        memcpy(dst, maker.random + maker.left, len);
        memset(maker.random + maker.left, 0, len);
}

/* The time part: that of `us`, or one step after the last where time stood still. */
static uint64_t next_stamp(int64_t us)
{
        uint64_t t = us < 0 ? 0 : (uint64_t)us;
        uint64_t stamp = (t / 1000) << 12 | t % 1000 * 4096 / 1000;
        if (stamp <= maker.last)
                stamp = maker.last + 1;
        maker.last = stamp;
        return stamp;
}

struct gw_id gw_id_new(int64_t us)
{
        struct gw_id id;
        uint64_t stamp = next_stamp(us);
        for (int i = 0; i < 6; i++)
                id.bytes[i] = (uint8_t)(stamp >> (52 - 8 * i));
        id.bytes[6] = (uint8_t)(0x70 | (stamp >> 8 & 0x0F));
        id.bytes[7] = (uint8_t)stamp;
        take_random(id.bytes + 8, 8);
        id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3F));
        return id;
}

/* Where the text has its dashes: before these bytes. */
static bool dash_before(size_t byte)
{
        return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void gw_id_format(struct gw_id id, char out[GW_ID_TEXT])
{
        static const char hex[] = "0123456789abcdef";
        for (size_t i = 0; i < sizeof id.bytes; i++) {
                if (dash_before(i))
                        *out++ = '-';
                *out++ = hex[id.bytes[i] >> 4];
                *out++ = hex[id.bytes[i] & 15];
        }
        *out = '\0';
}

static int hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int gw_id_parse(const char *s, struct gw_id *ret)
{
        struct gw_id id;
        for (size_t i = 0; i < sizeof id.bytes; i++) {
                if (dash_before(i) && *s++ != '-')
                        return -1;
                int high = hex_value(s[0]);
                int low = high < 0 ? -1 : hex_value(s[1]);
                if (low < 0)
                        return -1;
                id.bytes[i] = (uint8_t)(high << 4 | low);
                s += 2;
        }
        if (*s)
                return -1;
        *ret = id;
        return 0;
}

int64_t gw_id_time_us(struct gw_id id)
{
        uint64_t ms = 0;
        for (int i = 0; i < 6; i++)
                ms = ms << 8 | id.bytes[i];
        return (int64_t)(ms * 1000);
}
