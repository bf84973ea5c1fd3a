/* Marks: what schedulers keep of us. Pure, any thread. */
#include <stdio.h>
#include <string.h>

#include "backends/backend.h"
#include "server/base/str.h"

void gw_mark_format(struct gw_mark mark, char out[GW_MARK_TEXT])
{
        gw_id_format(mark.job, out);
        snprintf(out + GW_ID_TEXT - 1, GW_MARK_TEXT - GW_ID_TEXT + 1, ".%u", mark.number);
}

/* The last 8 bytes of an id are random. */
uint64_t gw_mark_hash(struct gw_mark mark)
{
        uint64_t random;
        memcpy(&random, mark.job.bytes + 8, sizeof random);
        return random ^ mark.number;
}

int gw_mark_parse(const char *text, struct gw_mark *ret)
{
        char id[GW_ID_TEXT];
        struct gw_mark mark;
        int64_t number;
        if (strlen(text) < GW_ID_TEXT || text[GW_ID_TEXT - 1] != '.')
                return -1;
        memcpy(id, text, GW_ID_TEXT - 1);
        id[GW_ID_TEXT - 1] = '\0';
        if (gw_id_parse(id, &mark.job) || gw_str_int64(text + GW_ID_TEXT, 1, UINT32_MAX, &number))
                return -1;
        mark.number = (uint32_t)number;
        *ret = mark;
        return 0;
}
