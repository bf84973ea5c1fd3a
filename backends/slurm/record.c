/* Records as the agent says them. Pure; any thread. */
#include "backends/slurm/record.h"

#include <stddef.h>
#include <string.h>

#include "server/base/cleanup.h"

enum kind {
        TEXT,   /* const char * */
        OBJECT, /* const json_t * */
        NUMBER, /* uint32_t */
        INDEX,  /* int64_t, a uint32_t or -1 */
        TIME,   /* int64_t, seconds */
};

static const struct field {
        const char *name;
        enum kind kind;
        size_t offset;
} fields[] = {
        {"job", NUMBER, offsetof(struct gw_slurm_record, job)},
        {"array", NUMBER, offsetof(struct gw_slurm_record, array)},
        {"task", INDEX, offsetof(struct gw_slurm_record, task)},
        {"tasks", TEXT, offsetof(struct gw_slurm_record, tasks)},
        {"state", NUMBER, offsetof(struct gw_slurm_record, state)},
        {"reason", NUMBER, offsetof(struct gw_slurm_record, reason)},
        {"desc", TEXT, offsetof(struct gw_slurm_record, desc)},
        {"exit", NUMBER, offsetof(struct gw_slurm_record, exit)},
        {"derived", NUMBER, offsetof(struct gw_slurm_record, derived)},
        {"restart", NUMBER, offsetof(struct gw_slurm_record, restart)},
        {"requeue", NUMBER, offsetof(struct gw_slurm_record, requeue)},
        {"uid", NUMBER, offsetof(struct gw_slurm_record, uid)},
        {"by", INDEX, offsetof(struct gw_slurm_record, by)},
        {"comment", TEXT, offsetof(struct gw_slurm_record, comment)},
        {"node", TEXT, offsetof(struct gw_slurm_record, node)},
        {"about", OBJECT, offsetof(struct gw_slurm_record, about)},
        {"submit", TIME, offsetof(struct gw_slurm_record, submit_s)},
        {"eligible", TIME, offsetof(struct gw_slurm_record, eligible_s)},
        {"start", TIME, offsetof(struct gw_slurm_record, start_s)},
        {"end", TIME, offsetof(struct gw_slurm_record, end_s)},
        {"preempt", TIME, offsetof(struct gw_slurm_record, preempt_s)},
        {"priority", NUMBER, offsetof(struct gw_slurm_record, priority)},
};

static const struct field *find_field(const char *name)
{
        for (size_t i = 0; i < GW_COUNT(fields); i++)
                if (strcmp(fields[i].name, name) == 0)
                        return &fields[i];
        return NULL;
}

static int set_text(const json_t *value, const char **ret)
{
        *ret = json_string_value(value);
        return *ret ? 0 : -1;
}

static int set_object(const json_t *value, const json_t **ret)
{
        *ret = json_is_object(value) ? value : NULL;
        return *ret ? 0 : -1;
}

static int set_number(const json_t *value, json_int_t most, json_int_t *ret)
{
        json_int_t n = json_integer_value(value);
        if (!json_is_integer(value) || n < 0 || n > most)
                return -1;
        *ret = n;
        return 0;
}

static int set_field(const struct field *f, const json_t *value, struct gw_slurm_record *r)
{
        void *at = (char *)r + f->offset;
        json_int_t n;
        if (f->kind == TEXT)
                return set_text(value, at);
        if (f->kind == OBJECT)
                return set_object(value, at);
        if (set_number(value, f->kind == TIME ? INT64_MAX : UINT32_MAX, &n))
                return -1;
        if (f->kind == NUMBER)
                *(uint32_t *)at = (uint32_t)n;
        else
                *(int64_t *)at = n;
        return 0;
}

int gw_slurm_record_read(const json_t *json, struct gw_slurm_record *ret, struct gw_error *err)
{
        struct gw_slurm_record r = {.task = -1, .by = -1};
        const char *name;
        json_t *value;
        if (!json_is_object(json))
                return gw_fail(err, GW_ERR_INVALID, "a record is no object");
        json_object_foreach((json_t *)json, name, value)
        {
                const struct field *f = find_field(name);
                if (!f)
                        return gw_fail(err, GW_ERR_INVALID, "a record has no member %s", name);
                if (set_field(f, value, &r))
                        return gw_fail(err, GW_ERR_INVALID, "%s of a record: out of range", name);
        }
        if (r.job == 0)
                return gw_fail(err, GW_ERR_INVALID, "a record names no job");
        if (r.array == 0 && (r.task >= 0 || r.tasks))
                return gw_fail(err, GW_ERR_INVALID, "a record of tasks names no array");
        *ret = r;
        return 0;
}
