/* A script from anyone: what is read of it is some of it, and an array is an index set. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/limits.h"
#include "server/model/directives.h"
#include "server/model/indexset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_array(const char *text)
{
        struct gw_error err = {0};
        struct gw_indexset set;
        struct gw_buf indices = GW_BUF_INIT(GW_MAX_INDEX_TEXT);
        uint32_t most = 0;
        if (gw_directives_array(text, &indices, &most, &err)) {
                assert(err.code == GW_ERR_UNPROCESSABLE && err.message[0]);
        } else {
                assert(most <= GW_MAX_ARRAY);
                assert(gw_indexset_parse(indices.data, &set, NULL) == 0);
                gw_indexset_done(&set);
        }
        gw_buf_done(&indices);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct gw_directives d;
        char *script = malloc(size + 1);
        assert(script);
        memcpy(script, data, size);
        script[size] = '\0';
        assert(gw_directives_read(script, &d) == 0);
        assert((!d.name && !d.array) || gw_directives_any(script));
        assert(!d.name || (*d.name && strlen(d.name) < size));
        if (d.array)
                check_array(d.array);
        gw_directives_done(&d);
        free(script);
        return 0;
}
