/* Any text: a cursor has one spelling, so what is accepted is written the same again. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "server/model/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char s[128], text[GW_CURSOR_TEXT];
        if (size >= sizeof s)
                return 0;
        memcpy(s, data, size);
        s[size] = '\0';

        struct gw_error err = {0};
        struct gw_cursor c;
        if (gw_cursor_decode(s, 'j', GW_CURSOR_NO_FILTER, &c, &err)) {
                assert(err.code == GW_ERR_UNPROCESSABLE && err.message[0]);
                return 0;
        }
        gw_cursor_encode(&c, text);
        assert(strcmp(s, text) == 0);
        return 0;
}
