/* What a backend leaves out of a spec that it can carry all the same. Pure; any thread. */
#ifndef GW_BACKENDS_ADVICE_H
#define GW_BACKENDS_ADVICE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "server/model/spec_check.h"

struct gw_ignored {
        const char *pointer; /* of the spec's member, one or two steps */
        const char *words;
};

/* A warning "ignored" for each of the table's members that says something, and for the options of
 * other types of backends. spec: as resolved. */
void gw_advise_ignored(const struct gw_ignored *table, size_t count, const char *type,
                       const json_t *spec, struct gw_warnings *warnings);

/* Whether a member says anything: not when it is missing, null, an empty collection, or a number
 * that is 1 or less. */
bool gw_says_something(const json_t *value);

#endif
