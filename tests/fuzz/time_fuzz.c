/*
 * RFC 3339 from anyone: what is taken is written in one form, and that form means the
 * same moment.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"

static void check(const char *text)
{
        int64_t us, again;
        if (gw_time_parse(text, &us))
                return;
        char form[GW_TIME_TEXT];
        gw_time_format(us, form);
        if (strlen(form) != GW_TIME_TEXT - 1 || gw_time_parse(form, &again) || again != us)
                abort();
}

/* The input is a text, and its first eight bytes are a moment too. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = malloc(size + 1);
        if (!text)
                return 0;
        if (size > 0)
                memcpy(text, data, size);
        text[size] = '\0';
        check(text);
        free(text);

        int64_t us = 0;
        memcpy(&us, data, size < sizeof us ? size : sizeof us);
        char form[GW_TIME_TEXT];
        gw_time_format(us, form);
        if (gw_time_parse(form, &us))
                abort();
        return 0;
}
