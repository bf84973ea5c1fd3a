/*
 * A job spec from anyone, on its whole way: parsed, decoded, resolved, stored as text, read
 * back. Either faults, or a spec that reads back as what it was.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "openapi/schemas.h"
#include "server/base/clock.h"
#include "server/base/str.h"
#include "server/model/decode.h"
#include "server/model/json.h"
#include "server/model/matrix.h"
#include "server/model/spec.h"

#define NOW (INT64_C(1795004800) * GW_SECOND)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
        if (!good)
                abort();
}

static void check_faults(const struct gw_faults *faults)
{
        check(gw_faults_any(faults) && faults->code != GW_OK);
        for (size_t i = 0; i < faults->count; i++)
                check(gw_str_utf8(faults->items[i].detail, strlen(faults->items[i].detail)));
}

static void check_value(void *arg, const char *name, const char *value)
{
        check(*name && gw_str_utf8(value, strlen(value)));
        --*(size_t *)arg;
}

/* Every task has an index, and a value of each name. */
static void check_tasks(const struct gw_spec *spec)
{
        uint32_t last = spec->task_count - 1, index, ordinal;
        size_t left = json_object_size(spec->matrix);
        check(spec->task_count > 0 && spec->task_count == spec->indices.count);
        check(gw_indexset_index(&spec->indices, last, &index) == 0);
        check(gw_indexset_ordinal(&spec->indices, index, &ordinal) == 0 && ordinal == last);
        check(gw_task_values(&spec->indices, spec->matrix, last, check_value, &left) == 0 &&
              left == 0);
}

static void check_load(const struct gw_spec *spec)
{
        struct gw_spec again = {0};
        check(gw_spec_load(spec->text, spec->text_len, &again, NULL) == 0);
        check(strcmp(again.name, spec->name) == 0 && again.cpus_milli == spec->cpus_milli);
        check(again.memory_bytes == spec->memory_bytes && again.gpus == spec->gpus);
        check(again.deadline_s == spec->deadline_s && again.not_before_us == spec->not_before_us);
        check(again.retry.reasons == spec->retry.reasons);
        check(again.is_array == spec->is_array);
        check(again.task_count == spec->task_count && !again.matrix == !spec->matrix);
        check(json_equal(again.json, spec->json));
        gw_spec_done(&again);
}

static void check_spec(const uint8_t *data, size_t size, bool reads_scripts)
{
        static struct gw_faults faults;
        static struct gw_warnings warnings;
        struct gw_spec spec = {0};

        gw_faults_init(&faults);
        gw_warnings_init(&warnings);
        json_t *json = gw_json_parse((const char *)data, size, &faults);
        if (json && gw_decode(&gw_schema_JobSpec, json, "", &faults) == 0 &&
            gw_spec_resolve(json, reads_scripts, NOW, &spec, &warnings, &faults) == 0) {
                check(!gw_faults_any(&faults));
                check(gw_str_utf8(spec.text, spec.text_len) &&
                      (spec.cpus_milli > 0 || spec.is_raw));
                check_tasks(&spec);
                check_load(&spec);
        } else {
                check_faults(&faults);
        }
        gw_spec_done(&spec);
        json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        check_spec(data, size, false);
        check_spec(data, size, true);
        return 0;
}
