/* Any text: what is accepted survives being written and read again. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "server/model/quantity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char s[128], text[GW_QUANTITY_TEXT];
        if (size >= sizeof s)
                return 0;
        memcpy(s, data, size);
        s[size] = '\0';

        struct gw_error err = {0};
        int64_t v = -1, back = -1;
        if (gw_quantity_parse(s, &v, &err) == 0) {
                assert(v >= 0 && err.code == GW_OK);
                gw_quantity_format(v, text);
                assert(gw_quantity_parse(text, &back, &err) == 0 && back == v);
        } else {
                assert(err.message[0]);
        }

        err = (struct gw_error){0};
        if (gw_cpus_parse(s, &v, &err) == 0) {
                assert(v >= 0 && err.code == GW_OK);
                gw_cpus_format(v, text);
                assert(gw_cpus_parse(text, &back, &err) == 0 && back == v);
        } else {
                assert(err.message[0]);
        }
        return 0;
}
