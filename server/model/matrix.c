/* Combinations of a matrix. Any thread; runs on every submit and on every start of a task. */
#include "server/model/matrix.h"

#include "server/model/spec_text.h"

#define MAX_NUMBER_TEXT 64

static uint64_t count_values(const json_t *values)
{
        size_t i;
        const json_t *value;
        json_array_foreach(values, i, value)
        {
                if (!json_is_string(value) && !json_is_number(value) && !json_is_boolean(value))
                        return 0;
        }
        return json_array_size(values);
}

uint64_t gw_matrix_count(const json_t *matrix)
{
        const char *name;
        json_t *values;
        uint64_t count = json_object_size(matrix) > 0;
        json_object_foreach((json_t *)matrix, name, values)
        {
                uint64_t n = count_values(values);
                if (n == 0)
                        return 0;
                if (__builtin_mul_overflow(count, n, &count))
                        count = UINT64_MAX; /* and stays there: n is at least 1 */
        }
        return count;
}

const char *gw_matrix_text(const json_t *value, struct gw_buf *text)
{
        if (json_is_string(value))
                return json_string_value(value);
        gw_buf_clear(text);
        gw_spec_text(text, value);
        return gw_buf_ok(text) ? text->data : NULL;
}

static int give(const char *name, const json_t *value, struct gw_buf *scratch, gw_matrix_each each,
                void *arg)
{
        const char *text = gw_matrix_text(value, scratch);
        if (!text)
                return -1;
        each(arg, name, text);
        return 0;
}

int gw_matrix_values(const json_t *matrix, uint64_t ordinal, gw_matrix_each each, void *arg)
{
        struct gw_buf text = GW_BUF_INIT(MAX_NUMBER_TEXT);
        const char *name;
        json_t *values;
        uint64_t stride = gw_matrix_count(matrix);
        int rc = ordinal < stride ? 0 : -1;

        json_object_foreach((json_t *)matrix, name, values)
        {
                if (rc)
                        break;
                uint64_t n = json_array_size(values);
                stride /= n;
                rc = give(name, json_array_get(values, (size_t)(ordinal / stride % n)), &text, each,
                          arg);
        }
        gw_buf_done(&text);
        return rc;
}

int gw_task_values(const struct gw_indexset *indices, const json_t *matrix, uint32_t ordinal,
                   gw_matrix_each each, void *arg)
{
        uint32_t index;
        if (gw_indexset_index(indices, ordinal, &index) < 0)
                return -1;
        return matrix ? gw_matrix_values(matrix, index, each, arg) : 0;
}
