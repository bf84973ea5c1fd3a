/* libslurm's records as JSON, by tables of their members. Pure; any thread. */
#ifndef GW_BACKENDS_SLURM_AGENT_FIELDS_H
#define GW_BACKENDS_SLURM_AGENT_FIELDS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum gw_agent_kind {
        GW_AGENT_TEXT,           /* char *; left out when NULL or "" */
        GW_AGENT_NUMBER,         /* left out when 0 */
        GW_AGENT_INDEX,          /* left out when NO_VAL, but not when 0 */
        GW_AGENT_LIMIT,          /* left out when NO_VAL or INFINITE: there is none */
        GW_AGENT_MINUTES,        /* the same, said in seconds */
        GW_AGENT_NICE,           /* less NICE_OFFSET; left out when that is 0, or NO_VAL */
        GW_AGENT_MEMORY,         /* of a node; left out when 0, or of a CPU */
        GW_AGENT_MEMORY_PER_CPU, /* the other way round */
};

struct gw_agent_field {
        const char *name; /* in the JSON object */
        enum gw_agent_kind kind;
        size_t offset, size; /* of the member */
};

/* A row: the name, the kind without its GW_AGENT_, the record's type and its member. Numbers may
 * have any width: it is not the same in all versions. */
#define GW_AGENT_FIELD(name, kind, type, member)                                                   \
        {                                                                                          \
                name, GW_AGENT_##kind, offsetof(type, member), sizeof(((type *)NULL)->member)      \
        }

/* Sets the members of an object. Returns 0, or -1 when memory is short. */
int gw_agent_fields_put(const struct gw_agent_field *fields, size_t count, const void *record,
                        json_t *object);

/* A digest of the members: records with the same are taken to be the same. */
uint64_t gw_agent_fields_digest(const struct gw_agent_field *fields, size_t count,
                                const void *record);

/* The text as a JSON string; what is no UTF-8 in it becomes '?'. NULL when memory is short. */
json_t *gw_agent_text(const char *text);

#endif
