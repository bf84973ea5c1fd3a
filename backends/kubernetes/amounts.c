/* Quantities of containers, nodes and quotas. Any thread; keeps nothing. */
#include "backends/kubernetes/amounts.h"

#include <stdbool.h>
#include <string.h>

#include "server/model/quantity.h"

#define MOST INT64_C(1000000000000000) /* a sum of these cannot overflow */

int gw_k8s_amount(const char *resource, const json_t *value, int64_t *ret)
{
        bool is_cpu = strcmp(resource, "cpu") == 0;
        const char *text = json_string_value(value);
        json_int_t n = json_integer_value(value);
        if (json_is_integer(value) && n >= 0 && n < MOST) {
                *ret = is_cpu ? n * 1000 : n;
                return 0;
        }
        if (!text || (is_cpu ? gw_cpus_parse(text, ret, NULL) : gw_quantity_parse(text, ret, NULL)))
                return -1;
        return 0;
}

int64_t gw_k8s_sum(const json_t *containers, const char *list, const char *resource)
{
        size_t i;
        const json_t *container;
        int64_t sum = 0;
        json_array_foreach(containers, i, container)
        {
                const json_t *all = json_object_get(json_object_get(container, "resources"), list);
                int64_t n;
                if (gw_k8s_amount(resource, json_object_get(all, resource), &n) == 0 && n < MOST &&
                    sum < MOST)
                        sum += n;
        }
        return sum;
}
