/*
 * YAML from anyone: either an error with a message, or JSON within the bounds that can
 * be written and read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/str.h"
#include "server/base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct gw_error err = {0};
        json_t *value = gw_yaml_parse("f", (const char *)data, size, &err);
        if (!value) {
                if (err.code == GW_OK || !gw_str_utf8(err.message, strlen(err.message)))
                        abort();
                return 0;
        }
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        json_t *again = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
        if (err.code != GW_OK || !again)
                abort();
        json_decref(again);
        free(text);
        json_decref(value);
        return 0;
}
