/*
 * The rules across a job spec's members, as two tables: what is refused, and what is only
 * remarked on. Pure; any thread. Every rule stands alone and is told all it finds.
 */
#include "server/model/spec_check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/str.h"
#include "server/model/duration.h"
#include "server/model/pointer.h"
#include "server/model/quantity.h"
#include "server/model/spec.h"

#define RESERVED "JOBGATE_"
#define RESERVED_WORDS "is reserved: names that begin with " RESERVED " are set by the gateway"
#define MOST_RETRIES 5
#define LEAST_CPUS_PER_GPU 2000 /* thousandths */
#define MOST_CPUS_PER_GPU 4000
#define LEAST_MEMORY_PER_GPU (INT64_C(4) << 30)
#define MOST_MEMORY_PER_GPU (INT64_C(8) << 30)

/* ---- what is refused ------------------------------------------------------------------- */

static void refuse(struct gw_faults *faults, const char *pointer, const char *detail)
{
        gw_faults_add(faults, GW_ERR_UNPROCESSABLE, pointer, "%s", detail);
}

static void check_program(const struct gw_spec *spec, int64_t now_us, struct gw_faults *faults)
{
        (void)now_us;
        const json_t *command = json_object_get(spec->json, "command");
        const json_t *script = json_object_get(spec->json, "script");
        const json_t *program = json_array_get(command, 0);

        if (!command && !script && !json_object_get(spec->json, "manifest"))
                refuse(faults, "/command", "is missing: a job needs a command or a script");
        if (command && script)
                refuse(faults, "/script", "must not stand beside command: a job has one of them");
        if (json_is_string(program) && json_string_length(program) == 0)
                refuse(faults, "/command/0", "must name a program");
}

static bool says_something(const json_t *value)
{
        return value && (!json_is_array(value) || json_array_size(value) > 0);
}

/* A manifest has a program, and what is about it. */
static void check_manifest(const struct gw_spec *spec, int64_t now_us, struct gw_faults *faults)
{
        static const char *const members[] = {
                "/command",
                "/script",
                "/setup",
                "/working_directory",
                "/volumes",
                "/array/matrix",
                "/resources/nodes",
                "/resources/tasks_per_node",
                "/resources/memory_per_cpu",
                "/resources/gpu_type",
                "/resources/scratch",
                "/resources/shared_memory",
        };
        (void)now_us;
        if (!json_object_get(spec->json, "manifest"))
                return;
        for (size_t i = 0; i < GW_COUNT(members); i++)
                if (says_something(gw_pointer_member(spec->json, members[i])))
                        refuse(faults, members[i],
                               "must not stand beside manifest, which says it itself");
}

/* A first line that no kernel can follow: the job would only fail later. What goes to a submit
 * command is refused by that in its own words. */
static void check_interpreter(const struct gw_spec *spec, int64_t now_us, struct gw_faults *faults)
{
        (void)now_us;
        const char *script = json_string_value(json_object_get(spec->json, "script"));
        if (!script || spec->is_raw || strncmp(script, "#!", 2) != 0)
                return;
        const char *path = script + 2 + strspn(script + 2, " \t");
        size_t len = strcspn(path, "\n");
        if (*path != '/')
                refuse(faults, "/script",
                       "has no interpreter: #! is followed by an absolute path, as in #!/bin/sh");
        else if (path[len - 1] == '\r')
                refuse(faults, "/script",
                       "has lines that end with a carriage return: #! would look for an "
                       "interpreter of that name; save it with Unix line ends");
}

static bool is_reserved(const char *name)
{
        return strncmp(name, RESERVED, strlen(RESERVED)) == 0;
}

static void check_array(const struct gw_spec *spec, int64_t now_us, struct gw_faults *faults)
{
        (void)now_us;
        const json_t *array = json_object_get(spec->json, "array");
        bool indices = json_object_get(array, "indices") != NULL;
        bool matrix = json_object_get(array, "matrix") != NULL;

        if (array && !indices && !matrix)
                refuse(faults, "/array", "has no tasks: it needs indices or a matrix");
}

/* Names of variables of a task's environment, which has one value for each: none is the gateway's,
 * nor stands in one of the `others`, members of the spec (NULL: the last). */
static void check_variables(const struct gw_spec *spec, json_t *variables, const char *home,
                            const char *const *others, struct gw_faults *faults)
{
        const char *name;
        json_t *value;
        json_object_foreach(variables, name, value)
        {
                char pointer[GW_ERROR_POINTER];
                snprintf(pointer, sizeof pointer, "%s/%s", home, name);
                if (is_reserved(name))
                        refuse(faults, pointer, RESERVED_WORDS);
                for (const char *const *other = others; *other; other++)
                        if (json_object_get(json_object_get(spec->json, *other), name))
                                gw_faults_add(faults, GW_ERR_UNPROCESSABLE, pointer,
                                              "stands in %s too: a variable has one value", *other);
        }
}

static void check_environment(const struct gw_spec *spec, int64_t now_us, struct gw_faults *faults)
{
        (void)now_us;
        static const char *const none[] = {NULL};
        check_variables(spec, json_object_get(spec->json, "environment"), "/environment", none,
                        faults);
}

static void check_secrets(const struct gw_spec *spec, int64_t now_us, struct gw_faults *faults)
{
        (void)now_us;
        static const char *const others[] = {"environment", NULL};
        check_variables(spec, json_object_get(spec->json, "secrets"), "/secrets", others, faults);
}

/* A task finds its values in its environment, beside what stands there already. */
static void check_matrix(const struct gw_spec *spec, int64_t now_us, struct gw_faults *faults)
{
        (void)now_us;
        static const char *const others[] = {"environment", "secrets", NULL};
        const json_t *array = json_object_get(spec->json, "array");
        check_variables(spec, json_object_get(array, "matrix"), "/array/matrix", others, faults);
}

static void check_gpus(const struct gw_spec *spec, int64_t now_us, struct gw_faults *faults)
{
        (void)now_us;
        const json_t *resources = json_object_get(spec->json, "resources");
        if (json_object_get(resources, "gpu_type") && spec->gpus == 0)
                refuse(faults, "/resources/gpu_type", "asks for no GPU: set gpus too");
}

static void check_memory(const struct gw_spec *spec, int64_t now_us, struct gw_faults *faults)
{
        (void)now_us;
        const json_t *resources = json_object_get(spec->json, "resources");
        if (json_object_get(resources, "memory") && spec->memory_per_cpu > 0)
                refuse(faults, "/resources/memory_per_cpu",
                       "must not stand beside memory: it is said per machine or per CPU");
}

/* What is kept there is memory. */
static void check_shared_memory(const struct gw_spec *spec, int64_t now_us,
                                struct gw_faults *faults)
{
        (void)now_us;
        char memory[GW_QUANTITY_TEXT];
        if (spec->memory_bytes == 0 || spec->shared_memory_bytes <= spec->memory_bytes)
                return;
        gw_quantity_format(spec->memory_bytes, memory);
        gw_faults_add(faults, GW_ERR_UNPROCESSABLE, "/resources/shared_memory",
                      "is a part of the memory, which is %s: ask for more of that", memory);
}

/* Longer than the whole job may take, it could never be reached. */
static void check_deadlines(const struct gw_spec *spec, int64_t now_us, struct gw_faults *faults)
{
        (void)now_us;
        if (spec->deadline_s > 0 && spec->start_deadline_s > spec->deadline_s)
                refuse(faults, "/start_deadline", "must not be longer than deadline");
}

static void check_not_before(const struct gw_spec *spec, int64_t now_us, struct gw_faults *faults)
{
        const struct {
                const char *name;
                int64_t seconds;
        } ends[] = {{"deadline", spec->deadline_s}, {"start_deadline", spec->start_deadline_s}};

        for (size_t i = 0; i < GW_COUNT(ends); i++) {
                if (ends[i].seconds == 0 ||
                    (spec->not_before_us - now_us) / GW_SECOND < ends[i].seconds)
                        continue;
                gw_faults_add(faults, GW_ERR_UNPROCESSABLE, "/not_before",
                              "must be before %s is over: it could never start", ends[i].name);
                return;
        }
}

void gw_spec_check(const struct gw_spec *spec, int64_t now_us, struct gw_faults *faults)
{
        static void (*const rules[])(const struct gw_spec *, int64_t, struct gw_faults *) = {
                check_program, check_manifest,      check_interpreter, check_environment,
                check_array,   check_matrix,        check_secrets,     check_gpus,
                check_memory,  check_shared_memory, check_deadlines,   check_not_before,
        };
        for (size_t i = 0; i < GW_COUNT(rules); i++)
                rules[i](spec, now_us, faults);
}

/* ---- what is remarked on --------------------------------------------------------------- */

/* Returns true and fills the detail when the rule is not kept. */
typedef bool rule_of_thumb(const struct gw_spec *spec, char *detail, size_t size);

static bool advise_time_limit(const struct gw_spec *spec, char *detail, size_t size)
{
        if (spec->time_limit_s > 0 || spec->is_raw)
                return false;
        gw_str_copy(detail, size,
                    "no time limit: give every job one, so that one that hangs does not hold its "
                    "place for ever");
        return true;
}

static bool is_launcher(const char *text)
{
        static const char *const launchers[] = {
                "torchrun", "torch.distributed", "accelerate", "deepspeed",
                "mpirun",   "mpiexec",           "horovodrun", "srun"};
        for (size_t i = 0; text && i < GW_COUNT(launchers); i++)
                if (strstr(text, launchers[i]))
                        return true;
        return false;
}

bool gw_spec_has_launcher(const json_t *spec)
{
        const json_t *command = json_object_get(spec, "command");
        for (size_t i = 0; i < json_array_size(command); i++)
                if (is_launcher(json_string_value(json_array_get(command, i))))
                        return true;
        return is_launcher(json_string_value(json_object_get(spec, "script")));
}

static bool advise_gpu_per_process(const struct gw_spec *spec, char *detail, size_t size)
{
        if (spec->gpus <= spec->tasks_per_node || gw_spec_has_launcher(spec->json))
                return false;
        snprintf(detail, size,
                 "%d GPUs for what looks like one process: a trainer uses one GPU per process; "
                 "start one for each, as torchrun --nproc-per-node=%d does",
                 spec->gpus, spec->gpus);
        return true;
}

static bool is_within(int64_t v, int64_t lo, int64_t hi)
{
        return v >= lo && v <= hi;
}

static bool advise_cpus_per_gpu(const struct gw_spec *spec, char *detail, size_t size)
{
        char cpus[GW_QUANTITY_TEXT];
        int64_t n = spec->gpus, all = spec->cpus_milli * spec->tasks_per_node;
        /* The preset is rounded up for each process: it may be more. */
        if (n == 0 || all == 0 || spec->cpus_preset ||
            is_within(all, n * LEAST_CPUS_PER_GPU, n * MOST_CPUS_PER_GPU))
                return false;
        gw_cpus_format(all, cpus);
        snprintf(detail, size, "%s cpus with %d gpus: 2 to 4 cores for each GPU are usual", cpus,
                 spec->gpus);
        return true;
}

static bool advise_memory_per_gpu(const struct gw_spec *spec, char *detail, size_t size)
{
        char memory[GW_QUANTITY_TEXT];
        int64_t n = spec->memory_bytes > 0 ? spec->gpus : 0;
        if (n == 0 ||
            is_within(spec->memory_bytes, n * LEAST_MEMORY_PER_GPU, n * MOST_MEMORY_PER_GPU))
                return false;
        gw_quantity_format(spec->memory_bytes, memory);
        snprintf(detail, size, "memory is %s with gpus %d: 4Gi to 8Gi for each GPU are usual",
                 memory, spec->gpus);
        return true;
}

static bool advise_retry_limit(const struct gw_spec *spec, char *detail, size_t size)
{
        if (spec->retry.limit <= MOST_RETRIES)
                return false;
        snprintf(detail, size,
                 "up to %u retries: 3 to 5 are enough for what passes; more hide what does not",
                 spec->retry.limit);
        return true;
}

static const struct {
        const char *rule, *pointer;
        rule_of_thumb *advise;
} rules_of_thumb[] = {
        {"time_limit", "/time_limit", advise_time_limit},
        {"gpu_per_process", "/resources/gpus", advise_gpu_per_process},
        {"cpus_per_gpu", "/resources/cpus", advise_cpus_per_gpu},
        {"memory_per_gpu", "/resources/memory", advise_memory_per_gpu},
        {"retry_limit", "/retry/limit", advise_retry_limit},
};

void gw_warnings_init(struct gw_warnings *w)
{
        w->count = 0;
}

void gw_warnings_add(struct gw_warnings *w, const char *rule, const char *pointer,
                     const char *format, ...)
{
        if (w->count == GW_MAX_WARNINGS)
                return;
        struct gw_warning *item = &w->items[w->count++];
        va_list args;
        va_start(args, format);
        vsnprintf(item->detail, sizeof item->detail, format, args);
        va_end(args);
        item->rule = rule;
        gw_str_copy(item->pointer, sizeof item->pointer, pointer);
}

void gw_spec_advise(const struct gw_spec *spec, struct gw_warnings *warnings)
{
        char detail[GW_ERROR_MESSAGE];
        for (size_t i = 0; i < GW_COUNT(rules_of_thumb); i++)
                if (rules_of_thumb[i].advise(spec, detail, sizeof detail))
                        gw_warnings_add(warnings, rules_of_thumb[i].rule, rules_of_thumb[i].pointer,
                                        "%s", detail);
}
