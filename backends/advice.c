/* Warnings by tables. Any thread. */
#include "backends/advice.h"

#include <stdio.h>
#include <string.h>

#include "server/model/pointer.h"

#define RULE "ignored"

bool gw_says_something(const json_t *v)
{
        if (json_is_object(v))
                return json_object_size(v) > 0;
        if (json_is_array(v))
                return json_array_size(v) > 0;
        return v && !json_is_null(v) && !(json_is_integer(v) && json_integer_value(v) <= 1);
}

static void advise_options(const char *type, const json_t *spec, struct gw_warnings *warnings)
{
        const char *name;
        json_t *value;
        json_object_foreach(json_object_get(spec, "options"), name, value)
        {
                char pointer[GW_ERROR_POINTER];
                if (strcmp(name, type) == 0 || !gw_says_something(value))
                        continue;
                snprintf(pointer, sizeof pointer, "/options/%s", name);
                gw_warnings_add(warnings, RULE, pointer,
                                "these are options of %s, and the job runs on a backend of the "
                                "type %s",
                                name, type);
        }
}

void gw_advise_ignored(const struct gw_ignored *table, size_t count, const char *type,
                       const json_t *spec, struct gw_warnings *warnings)
{
        for (size_t i = 0; i < count; i++)
                if (gw_says_something(gw_pointer_member(spec, table[i].pointer)))
                        gw_warnings_add(warnings, RULE, table[i].pointer, "%s", table[i].words);
        advise_options(type, spec, warnings);
}
