/* Which tasks a spec has. Any thread; runs on every submit and whenever a spec is loaded. */
#include "server/model/spec_array.h"

#include <inttypes.h>

#include "server/base/limits.h"
#include "server/model/matrix.h"

/* A set that cannot be is a fault of meaning: the form of its text was checked before. */
static void keep_error(const struct gw_error *err, struct gw_faults *faults)
{
        gw_faults_add(faults, err->code == GW_ERR_INVALID ? GW_ERR_UNPROCESSABLE : err->code,
                      "/array/indices", "%s", err->message);
}

static void damaged(struct gw_faults *faults, const char *pointer)
{
        gw_faults_add(faults, GW_ERR_INVALID, pointer, "is not what it should be");
}

static void read_indices(const json_t *text, struct gw_spec *spec, struct gw_faults *faults)
{
        struct gw_error err = {.code = GW_OK};
        if (!json_is_string(text))
                damaged(faults, "/array/indices");
        else if (gw_indexset_parse(json_string_value(text), &spec->indices, &err))
                keep_error(&err, faults);
        spec->task_count = spec->indices.count;
}

/* The indices 0 … count-1. */
static void count_up(uint32_t count, struct gw_spec *spec, struct gw_faults *faults)
{
        struct gw_error err = {.code = GW_OK};
        if (gw_indexset_first(count, &spec->indices, &err))
                keep_error(&err, faults);
        spec->task_count = spec->indices.count;
}

/* Some of the combinations. */
static void choose(const json_t *indices, uint32_t count, struct gw_spec *spec,
                   struct gw_faults *faults)
{
        read_indices(indices, spec, faults);
        for (size_t i = 0; i < spec->indices.run_count; i++) {
                if (spec->indices.runs[i].last < count)
                        continue;
                gw_faults_add(faults, GW_ERR_UNPROCESSABLE, "/array/indices",
                              "names %" PRIu32 ": the matrix has %" PRIu32 " combinations, from 0",
                              spec->indices.runs[i].last, count);
                return;
        }
}

static void read_matrix(const json_t *matrix, const json_t *indices, struct gw_spec *spec,
                        struct gw_faults *faults)
{
        uint64_t count = gw_matrix_count(matrix);
        if (count == 0) {
                damaged(faults, "/array/matrix");
        } else if (count == UINT64_MAX) {
                gw_faults_add(faults, GW_ERR_UNPROCESSABLE, "/array/matrix",
                              "has more combinations than can be counted: at most %d",
                              GW_MAX_ARRAY);
        } else if (count > GW_MAX_ARRAY) {
                gw_faults_add(faults, GW_ERR_UNPROCESSABLE, "/array/matrix",
                              "has %" PRIu64 " combinations: at most %d", count, GW_MAX_ARRAY);
        } else {
                spec->matrix = matrix;
                if (indices)
                        choose(indices, (uint32_t)count, spec, faults);
                else
                        count_up((uint32_t)count, spec, faults);
        }
}

void gw_spec_read_array(const json_t *json, struct gw_spec *spec, struct gw_faults *faults)
{
        const json_t *array = json_object_get(json, "array");
        const json_t *indices = json_object_get(array, "indices");
        const json_t *matrix = json_object_get(array, "matrix");

        spec->is_array = array != NULL;
        if (!array)
                count_up(1, spec, faults);
        else if (!json_is_object(array))
                damaged(faults, "/array");
        else if (matrix)
                read_matrix(matrix, indices, spec, faults);
        else if (indices)
                read_indices(indices, spec, faults);
}
