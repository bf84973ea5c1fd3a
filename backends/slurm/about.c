/* The agent's words to the contract's. Pure. */
#include "backends/slurm/about.h"

#include <stdio.h>

#include "server/base/cleanup.h"

#define MIB (1024 * 1024)
#define MAX_NUMBER (INT64_C(1) << 42) /* and not below its negative */

static const struct {
        const char *from, *to;
        int64_t factor; /* of a number; 0: it is a text */
} members[] = {
        {"partition", "queue", 0},
        {"account", "account", 0},
        {"qos", "qos", 0},
        {"reservation", "reservation", 0},
        {"time_limit_s", "time_limit", 1},
        {"nodes", "nodes", 1},
        {"tasks", "tasks", 1},
        {"cpus", "cpus", 1},
        {"memory_mib", "memory", MIB},
        {"memory_per_cpu_mib", "memory_per_cpu", MIB},
        {"tres", "resources", 0},
        {"tres_allocated", "resources", 0}, /* in its place */
        {"features", "features", 0},
        {"nice", "nice", 1},
        {"work_dir", "working_directory", 0},
        {"stdout", "stdout", 0},
        {"stderr", "stderr", 0},
};

/* A reference; NULL: it is not what it should be. */
static json_t *convert(json_t *value, int64_t factor)
{
        json_int_t n = json_integer_value(value);
        if (factor == 0)
                return json_is_string(value) ? json_incref(value) : NULL;
        return json_is_integer(value) && n > -MAX_NUMBER && n < MAX_NUMBER
                       ? json_integer(n * factor)
                       : NULL;
}

char *gw_slurm_about(uint32_t number, const json_t *said)
{
        char id[16];
        snprintf(id, sizeof id, "%u", number);
        json_auto_t *about = json_pack("{s:s}", "id", id);
        for (size_t i = 0; i < GW_COUNT(members); i++) {
                json_t *value = convert(json_object_get(said, members[i].from), members[i].factor);
                if (value && json_object_set_new(about, members[i].to, value))
                        return NULL;
        }
        return about ? json_dumps(about, JSON_COMPACT) : NULL;
}

/* FNV-1a. */
uint64_t gw_slurm_about_digest(const char *text)
{
        uint64_t digest = UINT64_C(0xcbf29ce484222325);
        for (; *text; text++)
                digest = (digest ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
        return digest ? digest : 1;
}
