/* Any text: what is accepted is in range and survives being written and read again. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "server/model/duration.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char s[128], text[GW_DURATION_TEXT];
        if (size >= sizeof s)
                return 0;
        memcpy(s, data, size);
        s[size] = '\0';

        struct gw_error err = {0};
        int64_t v = -1, back = -1;
        if (gw_duration_parse(s, &v, &err)) {
                assert(err.message[0]);
                return 0;
        }
        assert(v >= 0 && v <= GW_MAX_DURATION_S && err.code == GW_OK);
        gw_duration_format(v, text);
        assert(gw_duration_parse(text, &back, &err) == 0 && back == v);
        return 0;
}
