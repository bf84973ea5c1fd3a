/* Indices and matrix values by ordinal. Any thread, each array on its own. */
#include "backends/local/array.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/base/cleanup.h"
#include "server/model/matrix.h"

int gw_local_array_init(struct gw_local_array *a, const char *index_set, const json_t *matrix,
                        struct gw_error *err)
{
        *a = (struct gw_local_array){0};
        if (index_set ? gw_indexset_parse(index_set, &a->indices, err)
                      : gw_indexset_first(1, &a->indices, err))
                return -1;
        a->matrix = json_incref((json_t *)(uintptr_t)matrix);
        return 0;
}

void gw_local_array_done(struct gw_local_array *a)
{
        gw_indexset_done(&a->indices);
        json_decref(a->matrix);
        *a = (struct gw_local_array){0};
}

bool gw_local_array_has(const struct gw_local_array *a, const struct gw_span *spans, size_t count)
{
        uint64_t next = 0, end = a->indices.count;
        for (size_t i = 0; i < count; i++) {
                if (spans[i].first < next || spans[i].last < spans[i].first || spans[i].last >= end)
                        return false;
                next = (uint64_t)spans[i].last + 1;
        }
        return true;
}

uint32_t gw_local_array_index(const struct gw_local_array *a, uint32_t ordinal)
{
        uint32_t index = 0;
        gw_indexset_index(&a->indices, ordinal, &index);
        return index;
}

struct values {
        char **items;
        size_t count;
        bool failed;
};

static void add_value(void *arg, const char *name, const char *value)
{
        struct values *v = arg;
        if (!v->failed && asprintf(&v->items[v->count], "%s=%s", name, value) >= 0)
                v->count++;
        else
                v->failed = true;
}

char **gw_local_array_values(const struct gw_local_array *a, uint32_t ordinal)
{
        struct values v = {.items = calloc(json_object_size(a->matrix) + 1, sizeof(char *))};
        if (!v.items)
                return NULL;
        if (gw_task_values(&a->indices, a->matrix, ordinal, add_value, &v) == 0 && !v.failed)
                return v.items;
        v.items[v.count] = NULL;
        gw_local_array_free_values(v.items);
        return NULL;
}

void gw_local_array_free_values(char **values)
{
        for (char **v = values; v && *v; v++)
                free(*v);
        free(values);
}
