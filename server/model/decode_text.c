/*
 * Values that stand outside of JSON: parameters, parts of the path, header fields. Any thread;
 * pure but for memory. A text becomes the JSON value it stands for, then gw_decode() judges it.
 */
#include "server/model/decode.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/str.h"

static json_t *read_text(const struct gw_schema *schema, const char *pointer, const char *text,
                         struct gw_faults *faults);

static json_t *fault_memory(const char *pointer, struct gw_faults *faults)
{
        gw_faults_add(faults, GW_ERR_NOMEM, pointer, "out of memory");
        return NULL;
}

static json_t *read_array(const struct gw_schema *schema, const char *pointer, const char *text,
                          struct gw_faults *faults)
{
        json_auto_t *array = json_array();
        gw_autofree char *copy = strdup(text);
        if (!array || !copy)
                return fault_memory(pointer, faults);

        char *rest = copy;
        for (char *s; (s = strsep(&rest, ","));) {
                json_t *item = read_text(schema->item, pointer, s, faults);
                if (!item)
                        return NULL;
                if (json_array_append_new(array, item))
                        return fault_memory(pointer, faults);
        }
        return GW_TAKE(array);
}

static json_t *read_integer(const struct gw_schema *schema, const char *pointer, const char *text,
                            struct gw_faults *faults)
{
        int64_t v;
        if (gw_str_int64(text, INT64_MIN, INT64_MAX, &v)) {
                gw_faults_add(faults, GW_ERR_INVALID, pointer,
                              "must be a whole number from %.16g to %.16g", schema->lo, schema->hi);
                return NULL;
        }
        json_t *value = json_integer(v);
        return value ? value : fault_memory(pointer, faults);
}

static json_t *read_boolean(const char *pointer, const char *text, struct gw_faults *faults)
{
        bool yes = strcmp(text, "true") == 0;
        if (yes || strcmp(text, "false") == 0)
                return json_boolean(yes);
        gw_faults_add(faults, GW_ERR_INVALID, pointer, "must be true or false");
        return NULL;
}

static json_t *read_text(const struct gw_schema *schema, const char *pointer, const char *text,
                         struct gw_faults *faults)
{
        switch (schema->type) {
        case GW_SCHEMA_ARRAY:
                return read_array(schema, pointer, text, faults);
        case GW_SCHEMA_INTEGER:
                return read_integer(schema, pointer, text, faults);
        case GW_SCHEMA_BOOLEAN:
                return read_boolean(pointer, text, faults);
        default: /* the generator lets no other type but strings be a parameter */
                assert(schema->type == GW_SCHEMA_STRING);
                json_t *value = json_string_nocheck(text);
                return value ? value : fault_memory(pointer, faults);
        }
}

json_t *gw_decode_text(const struct gw_schema *schema, const char *pointer, const char *text,
                       struct gw_faults *faults)
{
        if (!gw_str_utf8(text, strlen(text))) {
                gw_faults_add(faults, GW_ERR_INVALID, pointer, "is not valid UTF-8");
                return NULL;
        }
        json_auto_t *value = read_text(schema, pointer, text, faults);
        if (!value || gw_decode(schema, value, pointer, faults))
                return NULL;
        return GW_TAKE(value);
}

json_t *gw_decode_parameter(const struct gw_schema *schema, const char *name, const char *text,
                            struct gw_faults *faults)
{
        char pointer[GW_ERROR_POINTER];
        snprintf(pointer, sizeof pointer, "?%s", name);
        return gw_decode_text(schema, pointer, text, faults);
}
