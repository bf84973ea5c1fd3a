/* Spec to plan. Any thread: it also serves dry runs. */
#include "backends/local/plan.h"

#include <inttypes.h>
#include <string.h>

#include "backends/advice.h"
#include "backends/local/format.h"
#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/model/duration.h"
#include "server/model/quantity.h"

#define DEFAULT_CPUS_MILLI 1000

/* Members of a spec that mean something no local job can have. */
static const struct refusal {
        const char *pointer, *outer, *member, *words;
} refusals[] = {
        {"/image", NULL, "image", "a local backend runs no container images"},
        {"/manifest", NULL, "manifest", "a local backend knows no manifests"},
        {"/secrets", NULL, "secrets", "a local backend has no secrets"},
        {"/volumes", NULL, "volumes", "a local backend has no volumes"},
        {"/node_selector", NULL, "node_selector", "a local backend has one machine only"},
        {"/resources/gpu_type", "resources", "gpu_type",
         "a local backend knows GPUs by count only"},
        {"/resources/nodes", "resources", "nodes", "a local backend has one machine only"},
        {"/resources/tasks_per_node", "resources", "tasks_per_node",
         "a local backend starts one process for each task"},
};

static int refuse(const json_t *spec, struct gw_error *err)
{
        for (size_t i = 0; i < GW_COUNT(refusals); i++) {
                const struct refusal *r = &refusals[i];
                const json_t *outer = r->outer ? json_object_get(spec, r->outer) : spec;
                if (gw_says_something(json_object_get(outer, r->member)))
                        return gw_fail_at(err, GW_ERR_UNPROCESSABLE, r->pointer, "%s", r->words);
        }
        return 0;
}

static int read_cpus(const json_t *v, int64_t *ret, struct gw_error *err)
{
        *ret = DEFAULT_CPUS_MILLI;
        if (json_is_number(v))
                return gw_cpus_from_number(json_number_value(v), ret, err);
        return json_is_string(v) ? gw_cpus_parse(json_string_value(v), ret, err) : 0;
}

static int read_amount(const json_t *v, int64_t *ret, struct gw_error *err)
{
        *ret = json_integer_value(v);
        return json_is_string(v) ? gw_quantity_parse(json_string_value(v), ret, err) : 0;
}

/* Said as it is, or for each whole core. */
static int read_memory(struct gw_local_plan *p, const json_t *resources, struct gw_error *err)
{
        int64_t per_cpu, cpus = (p->cpus_milli + 999) / 1000;
        const json_t *given = json_object_get(resources, "memory_per_cpu");
        if (!given)
                return read_amount(json_object_get(resources, "memory"), &p->memory, err);
        if (read_amount(given, &per_cpu, err))
                return -1;
        if (__builtin_mul_overflow(per_cpu, cpus, &p->memory))
                return gw_fail(err, GW_ERR_INTERNAL, "the spec has too large an amount");
        return 0;
}

static int read_duration(const json_t *v, int64_t *ret, struct gw_error *err)
{
        *ret = json_is_real(v) ? (int64_t)json_real_value(v) : json_integer_value(v);
        return json_is_string(v) ? gw_duration_parse(json_string_value(v), ret, err) : 0;
}

static int read_needs(struct gw_local_plan *p, struct gw_error *err)
{
        const json_t *resources = json_object_get(p->spec, "resources");
        if (read_cpus(json_object_get(resources, "cpus"), &p->cpus_milli, err) ||
            read_memory(p, resources, err) ||
            read_duration(json_object_get(p->spec, "time_limit"), &p->time_limit_s, err))
                return -1;
        p->gpus = json_integer_value(json_object_get(resources, "gpus"));
        if (p->cpus_milli < 0 || p->memory < 0 || p->gpus < 0 || p->time_limit_s < 0)
                return gw_fail(err, GW_ERR_INTERNAL, "the spec has a negative amount");
        return 0;
}

static int read_spec(struct gw_local_plan *p, const struct gw_submission *s, struct gw_error *err)
{
        p->spec = s->json ? json_incref((json_t *)(uintptr_t)s->json)
                          : json_loadb(s->spec, s->spec_len, 0, NULL);
        p->command = json_object_get(p->spec, "command");
        p->script = json_string_value(json_object_get(p->spec, "script"));
        p->setup = json_object_get(p->spec, "setup");
        p->directory = json_string_value(json_object_get(p->spec, "working_directory"));
        p->matrix = json_object_get(json_object_get(p->spec, "array"), "matrix");
        if (!json_is_object(p->matrix))
                p->matrix = NULL;
        if (refuse(p->spec, err))
                return -1;
        if (!p->script && json_array_size(p->command) == 0)
                return gw_fail(err, GW_ERR_INTERNAL, "the spec has no command");
        return read_needs(p, err);
}

static const struct gw_ignored ignored[] = {
        {"/resources/scratch", "a local backend does not look at how much room there is"},
        {"/resources/shared_memory",
         "a local backend sets no shared memory apart: a job finds the machine's /dev/shm"},
};

void gw_local_advise(const struct gw_spec *spec, struct gw_warnings *warnings)
{
        gw_advise_ignored(ignored, GW_COUNT(ignored), "local", spec->json, warnings);
}

int gw_local_plan_init(struct gw_local_plan *plan, const struct gw_submission *s,
                       struct gw_error *err)
{
        struct gw_local_plan p = {0};
        if (read_spec(&p, s, err)) {
                gw_local_plan_done(&p);
                return -1;
        }
        *plan = p;
        return 0;
}

void gw_local_plan_done(struct gw_local_plan *plan)
{
        json_decref(plan->spec);
        *plan = (struct gw_local_plan){0};
}

int gw_local_plan_fits(const struct gw_local_plan *plan, const struct gw_local_settings *settings,
                       struct gw_error *err)
{
        char want[GW_QUANTITY_TEXT], have[GW_QUANTITY_TEXT];
        if (plan->cpus_milli > settings->cpus_milli) {
                gw_cpus_format(plan->cpus_milli, want);
                gw_cpus_format(settings->cpus_milli, have);
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/resources/cpus",
                                  "%s cpus are asked for, and this backend has %s", want, have);
        }
        if (plan->memory > settings->memory) {
                gw_quantity_format(plan->memory, want);
                gw_quantity_format(settings->memory, have);
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/resources/memory",
                                  "%s of memory is asked for, and this backend has %s", want, have);
        }
        if (plan->gpus > settings->gpus)
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/resources/gpus",
                                  "%" PRId64 " GPUs are asked for, and this backend has %" PRId64,
                                  plan->gpus, settings->gpus);
        return 0;
}
