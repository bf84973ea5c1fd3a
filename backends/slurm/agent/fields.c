/* Members of records by tables. Pure. */
#include "backends/slurm/agent/fields.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "backends/slurm/agent/libslurm.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

/* FNV-1a. */
#define DIGEST_START UINT64_C(0xcbf29ce484222325)
#define DIGEST_PRIME UINT64_C(0x100000001b3)

static const char *text_of(const struct gw_agent_field *f, const void *record)
{
        const char *text;
        memcpy(&text, (const char *)record + f->offset, sizeof text);
        return text ? text : "";
}

static uint64_t number_of(const struct gw_agent_field *f, const void *record)
{
        const void *member = (const char *)record + f->offset;
        switch (f->size) {
        case 1:
                return *(const uint8_t *)member;
        case 2:
                return *(const uint16_t *)member;
        case 4:
                return *(const uint32_t *)member;
        default:
                assert(f->size == 8);
                return *(const uint64_t *)member;
        }
}

/* Values that say "none" have the width of their member. */
static bool is_limit(const struct gw_agent_field *f, uint64_t n)
{
        uint64_t all = f->size == 8 ? UINT64_MAX : (UINT64_C(1) << f->size * 8) - 1;
        return n != all - (UINT32_MAX - NO_VAL) && n != all - (UINT32_MAX - INFINITE);
}

json_t *gw_agent_text(const char *text)
{
        json_t *string = json_string(text);
        if (string)
                return string;
        gw_autofree char *copy = strdup(text);
        if (!copy)
                return NULL;
        gw_str_clean(copy);
        return json_string(copy);
}

static int put_number(json_t *object, const char *name, uint64_t n)
{
        return json_object_set_new(object, name, json_integer((json_int_t)n));
}

static int put_text(const struct gw_agent_field *f, const char *text, json_t *object)
{
        return *text ? json_object_set_new(object, f->name, gw_agent_text(text)) : 0;
}

/* The unit of a job's memory is a bit of it. */
static int put_memory(const struct gw_agent_field *f, uint64_t n, json_t *object)
{
        bool per_cpu = n & MEM_PER_CPU;
        bool is_said = is_limit(f, n) && per_cpu == (f->kind == GW_AGENT_MEMORY_PER_CPU);
        uint64_t amount = n & ~MEM_PER_CPU;
        return is_said && amount ? put_number(object, f->name, amount) : 0;
}

static int put(const struct gw_agent_field *f, const void *record, json_t *object)
{
        uint64_t n = f->kind == GW_AGENT_TEXT ? 0 : number_of(f, record);
        switch (f->kind) {
        case GW_AGENT_TEXT:
                return put_text(f, text_of(f, record), object);
        case GW_AGENT_NUMBER:
                return n ? put_number(object, f->name, n) : 0;
        case GW_AGENT_MEMORY:
        case GW_AGENT_MEMORY_PER_CPU:
                return put_memory(f, n, object);
        case GW_AGENT_NICE:
                return is_limit(f, n) && n != NICE_OFFSET
                               ? put_number(object, f->name, n - NICE_OFFSET)
                               : 0;
        case GW_AGENT_MINUTES:
                return is_limit(f, n) ? put_number(object, f->name, n * 60) : 0;
        case GW_AGENT_INDEX:
        case GW_AGENT_LIMIT:
                break;
        }
        return is_limit(f, n) ? put_number(object, f->name, n) : 0;
}

int gw_agent_fields_put(const struct gw_agent_field *fields, size_t count, const void *record,
                        json_t *object)
{
        for (size_t i = 0; i < count; i++)
                if (put(&fields[i], record, object))
                        return -1;
        return 0;
}

static uint64_t digest_bytes(uint64_t digest, const void *bytes, size_t len)
{
        for (const uint8_t *at = bytes, *end = at + len; at < end; at++)
                digest = (digest ^ *at) * DIGEST_PRIME;
        return digest;
}

uint64_t gw_agent_fields_digest(const struct gw_agent_field *fields, size_t count,
                                const void *record)
{
        uint64_t digest = DIGEST_START;
        for (size_t i = 0; i < count; i++) {
                if (fields[i].kind == GW_AGENT_TEXT) {
                        const char *text = text_of(&fields[i], record);
                        digest = digest_bytes(digest, text, strlen(text) + 1);
                } else {
                        uint64_t n = number_of(&fields[i], record);
                        digest = digest_bytes(digest, &n, sizeof n);
                }
        }
        return digest;
}
