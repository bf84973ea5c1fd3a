/*
 * A body as it arrives. What is accepted is what the contract says it is: decoding it again
 * changes nothing, and so does writing and reading it in between. What is refused says where
 * and why, in UTF-8.
 */
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "openapi/schemas.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"
#include "server/model/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_faults(const struct gw_faults *f)
{
        assert(f->count > 0 && f->code != GW_OK);
        for (size_t i = 0; i < f->count; i++) {
                const struct gw_fault *fault = &f->items[i];
                assert(fault->detail[0]);
                assert(gw_str_utf8(fault->detail, strlen(fault->detail)));
                assert(gw_str_utf8(fault->pointer, strlen(fault->pointer)));
        }
}

static void check_decoded(const struct gw_schema *schema, const json_t *value)
{
        struct gw_faults f;
        gw_faults_init(&f);
        gw_autofree char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        assert(text);
        json_auto_t *again = gw_json_parse(text, strlen(text), &f);
        assert(again && json_equal(value, again));
        assert(gw_decode(schema, again, "", &f) == 0);
        assert(json_equal(value, again));
}

static void try_schema(const struct gw_schema *schema, const char *text, size_t size)
{
        struct gw_faults f;
        gw_faults_init(&f);
        json_auto_t *value = gw_json_parse(text, size, &f);
        if (!value || gw_decode(schema, value, "", &f))
                check_faults(&f);
        else
                check_decoded(schema, value);
}

/* The same bytes as a text outside of JSON. */
static void try_text(const struct gw_schema *schema, const char *data, size_t size)
{
        struct gw_faults f;
        gw_faults_init(&f);
        gw_autofree char *text = strndup(data, size);
        assert(text);
        json_auto_t *value = gw_decode_parameter(schema, "p", text, &f);
        if (!value)
                check_faults(&f);
        else
                check_decoded(schema, value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *text = (const char *)data;
        if (size > 64 * 1024)
                return 0;
        try_schema(&gw_schema_JobSpec, text, size);
        try_schema(&gw_schema_CancelFilter, text, size);
        try_text(&gw_schema_parameter_listJobs_ids, text, size);
        try_text(&gw_schema_parameter_listJobs_label, text, size);
        try_text(&gw_schema_parameter_Fields, text, size);
        try_text(&gw_schema_parameter_Limit, text, size);
        try_text(&gw_schema_IdempotencyKey, text, size);
        try_text(&gw_schema_Time, text, size);
        return 0;
}
