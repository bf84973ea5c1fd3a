/*
 * Resolving a job's spec, and reading a stored one back. Any thread; pure but for memory;
 * gw_spec_resolve() runs on every submit.
 *
 * Both ways end in read_spec(), so that what the engine reads later is what the client was
 * told. A decoded spec has the right shape; a stored one is not believed to.
 */
#include "server/model/spec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/limits.h"
#include "server/base/str.h"
#include "server/model/decode_formats.h"
#include "server/model/directives.h"
#include "server/model/duration.h"
#include "server/model/pointer.h"
#include "server/model/quantity.h"
#include "server/model/spec_array.h"
#include "server/model/spec_text.h"

#define DEFAULT_NAME "job"
#define DEFAULT_CPUS 1
#define DEFAULT_MEMORY (INT64_C(1) << 30)
#define CPUS_PER_GPU 4
#define MEMORY_PER_GPU (INT64_C(8) << 30)
#define MAX_GPUS 65536
#define MAX_NODES 65536
#define MAX_TASKS_PER_NODE 4096
#define MAX_MEMORY (INT64_C(1) << 50)

/* ---- reading --------------------------------------------------------------------------- */

static bool damaged(struct gw_faults *faults, const char *pointer)
{
        gw_faults_add(faults, GW_ERR_INVALID, pointer, "is not what it should be");
        return false;
}

/* An optional whole number in [lo, hi], else 0. */
static int64_t read_integer(const json_t *spec, const char *pointer, int64_t lo, int64_t hi,
                            struct gw_faults *faults)
{
        const json_t *v = gw_pointer_member(spec, pointer);
        int64_t n = json_integer_value(v);
        if (v && (!json_is_integer(v) || n < lo || n > hi))
                return damaged(faults, pointer);
        return n;
}

static int read_amount_text(const json_t *v, int64_t *ret,
                            int (*parse)(const char *, int64_t *, struct gw_error *),
                            const char *pointer, struct gw_faults *faults)
{
        struct gw_error err = {.code = GW_OK};
        if (parse(json_string_value(v), ret, &err) == 0)
                return 0;
        gw_faults_add(faults, err.code, pointer, "%s", err.message);
        return -1;
}

/* An optional duration in seconds or size in bytes, else 0. */
static int64_t read_amount(const json_t *spec, const char *pointer,
                           int (*parse)(const char *, int64_t *, struct gw_error *),
                           struct gw_faults *faults)
{
        const json_t *v = gw_pointer_member(spec, pointer);
        int64_t n = 0;
        if (!json_is_string(v))
                return read_integer(spec, pointer, 0, INT64_MAX, faults);
        return read_amount_text(v, &n, parse, pointer, faults) ? 0 : n;
}

static int64_t read_cpus(const json_t *spec, const char *pointer, bool is_raw,
                         struct gw_faults *faults)
{
        const json_t *v = gw_pointer_member(spec, pointer);
        int64_t milli = 0;
        if (json_is_string(v))
                return read_amount_text(v, &milli, gw_cpus_parse, pointer, faults) ? 0 : milli;
        if (!v && is_raw)
                return 0;
        if (!json_is_number(v) || gw_cpus_from_number(json_number_value(v), &milli, NULL))
                return damaged(faults, pointer);
        return milli;
}

static int64_t read_time(const json_t *spec, const char *pointer, struct gw_faults *faults)
{
        const json_t *v = gw_pointer_member(spec, pointer);
        int64_t us = 0;
        if (v && (!json_is_string(v) || gw_time_parse(json_string_value(v), &us)))
                return damaged(faults, pointer);
        return us;
}

static const char *read_string(const json_t *spec, const char *pointer, struct gw_faults *faults)
{
        const json_t *v = gw_pointer_member(spec, pointer);
        if (v && !json_is_string(v))
                damaged(faults, pointer);
        return json_string_value(v);
}

static bool read_boolean(const json_t *spec, const char *pointer, struct gw_faults *faults)
{
        const json_t *v = gw_pointer_member(spec, pointer);
        if (v && !json_is_boolean(v))
                return damaged(faults, pointer);
        return json_is_true(v);
}

/* An optional whole number from 1, which is also what it is when it is left out. */
static int read_count(const json_t *spec, const char *pointer, int64_t hi, struct gw_faults *faults)
{
        int64_t n = read_integer(spec, pointer, 1, hi, faults);
        return n > 0 ? (int)n : 1;
}

static int64_t preset_cpus(int64_t gpus, int64_t tasks)
{
        return gpus > 0 ? (gpus * CPUS_PER_GPU + tasks - 1) / tasks : DEFAULT_CPUS;
}

static int64_t preset_memory(int64_t gpus, int64_t tasks)
{
        return gpus > 0 ? gpus * MEMORY_PER_GPU : tasks * DEFAULT_MEMORY;
}

/* Said per machine, or per CPU: then as many of them count as are there. */
static void read_memory(const json_t *json, struct gw_spec *spec, struct gw_faults *faults)
{
        static const char per_cpu[] = "/resources/memory_per_cpu";
        int64_t cpus = (spec->cpus_milli + 999) / 1000 * spec->tasks_per_node;
        spec->memory_bytes = read_amount(json, "/resources/memory", gw_quantity_parse, faults);
        spec->memory_per_cpu = read_amount(json, per_cpu, gw_quantity_parse, faults);
        if (spec->memory_per_cpu == 0 || spec->memory_bytes > 0)
                return;
        if (cpus > 0 && spec->memory_per_cpu > MAX_MEMORY / cpus)
                gw_faults_add(faults, GW_ERR_UNPROCESSABLE, per_cpu,
                              "is too much for %" PRId64 " cpus: at most 1 PiB on a machine", cpus);
        else
                spec->memory_bytes = spec->memory_per_cpu * cpus;
}

static void read_resources(const json_t *json, struct gw_spec *spec, struct gw_faults *faults)
{
        spec->nodes = read_count(json, "/resources/nodes", MAX_NODES, faults);
        spec->tasks_per_node =
                read_count(json, "/resources/tasks_per_node", MAX_TASKS_PER_NODE, faults);
        spec->gpus = (int)read_integer(json, "/resources/gpus", 0, MAX_GPUS, faults);
        spec->cpus_milli = read_cpus(json, "/resources/cpus", spec->is_raw, faults);
        read_memory(json, spec, faults);
        spec->scratch_bytes = read_amount(json, "/resources/scratch", gw_quantity_parse, faults);
        spec->shared_memory_bytes =
                read_amount(json, "/resources/shared_memory", gw_quantity_parse, faults);
        spec->cpus_preset =
                spec->cpus_milli == 1000 * preset_cpus(spec->gpus, spec->tasks_per_node);
        spec->memory_preset = spec->memory_per_cpu == 0 &&
                              spec->memory_bytes == preset_memory(spec->gpus, spec->tasks_per_node);
}

static void read_numbers(const json_t *json, struct gw_spec *spec, struct gw_faults *faults)
{
        read_resources(json, spec, faults);
        spec->priority = (int)read_integer(json, "/priority", INT32_MIN, INT32_MAX, faults);
        spec->time_limit_s = read_amount(json, "/time_limit", gw_duration_parse, faults);
        spec->deadline_s = read_amount(json, "/deadline", gw_duration_parse, faults);
        spec->start_deadline_s = read_amount(json, "/start_deadline", gw_duration_parse, faults);
        spec->not_before_us = read_time(json, "/not_before", faults);
}

static void read_name(const json_t *json, struct gw_spec *spec, struct gw_faults *faults)
{
        spec->name = read_string(json, "/name", faults);
        if (!spec->name && spec->is_raw)
                spec->name = spec->script_name ? spec->script_name : DEFAULT_NAME;
        if (!spec->name)
                damaged(faults, "/name");
}

/* Fills all that is read from the JSON, which *spec then owns a reference of. */
static void read_spec(json_t *json, struct gw_spec *spec, struct gw_faults *faults)
{
        spec->json = json_incref(json);
        read_name(json, spec, faults);
        spec->project = read_string(json, "/project", faults);
        spec->backend = read_string(json, "/backend", faults);
        spec->hold = read_boolean(json, "/hold", faults);
        read_numbers(json, spec, faults);
        gw_retry_from_json(json_object_get(json, "retry"), &spec->retry, faults);
        gw_spec_read_array(json, spec, faults);
}

/* ---- writing --------------------------------------------------------------------------- */

/* Text of up to GW_MAX_SPEC_TEXT bytes. NULL with a fault. */
static char *write_json(const json_t *json, size_t *ret_len, struct gw_faults *faults)
{
        struct gw_buf out = GW_BUF_INIT(GW_MAX_SPEC_TEXT);
        gw_buf_reserve(&out, 1024);
        gw_spec_text(&out, json);
        char *text = gw_buf_take(&out, ret_len);
        if (!text)
                gw_faults_add(faults, GW_ERR_TOO_LARGE, "",
                              "must be at most %d bytes once resolved", GW_MAX_SPEC_TEXT);
        gw_buf_done(&out);
        return text;
}

static void write_texts(struct gw_spec *spec, struct gw_faults *faults)
{
        const json_t *labels = json_object_get(spec->json, "labels");
        size_t len;

        spec->text = write_json(spec->json, &spec->text_len, faults);
        if (json_object_size(labels) > 0)
                spec->labels = write_json(labels, &len, faults);
}

/* ---- the defaults that depend on other members ------------------------------------------ */

static int complete_memory(json_t *resources, int64_t gpus, int64_t tasks)
{
        char text[GW_QUANTITY_TEXT];
        if (json_object_get(resources, "memory") || json_object_get(resources, "memory_per_cpu"))
                return 0;
        gw_quantity_format(preset_memory(gpus, tasks), text);
        return json_object_set_new(resources, "memory", json_string(text));
}

static int complete_cpus(json_t *resources, int64_t gpus, int64_t tasks)
{
        if (json_object_get(resources, "cpus"))
                return 0;
        return json_object_set_new(resources, "cpus", json_integer(preset_cpus(gpus, tasks)));
}

/* A whole number of the resources as far as it is within bounds; it is a fault later otherwise. */
static int64_t count_of(const json_t *resources, const char *name, int64_t lo, int64_t hi)
{
        int64_t n = json_integer_value(json_object_get(resources, name));
        return n < lo || n > hi ? lo : n;
}

static int complete_member(json_t *home, const char *name, json_t *value)
{
        if (!json_object_get(home, name))
                return json_object_set_new(home, name, value);
        json_decref(value);
        return 0;
}

static int complete(json_t *spec)
{
        if (complete_member(spec, "name", json_string(DEFAULT_NAME)) ||
            complete_member(spec, "priority", json_integer(0)) ||
            complete_member(spec, "resources", json_object()))
                return -1;
        json_t *resources = json_object_get(spec, "resources");
        if (complete_member(resources, "gpus", json_integer(0)))
                return -1;
        int64_t gpus = count_of(resources, "gpus", 0, MAX_GPUS);
        int64_t tasks = count_of(resources, "tasks_per_node", 1, MAX_TASKS_PER_NODE);
        return complete_cpus(resources, gpus, tasks) || complete_memory(resources, gpus, tasks) ? -1
                                                                                                : 0;
}

/* ---- a script that speaks for itself ----------------------------------------------------- */

static int put_array(json_t *array, const char *text, struct gw_faults *faults)
{
        struct gw_error err = {0};
        struct gw_buf indices = GW_BUF_INIT(GW_MAX_INDEX_TEXT + 1);
        uint32_t most = 0;
        int rc = 0;
        if (gw_directives_array(text, &indices, &most, &err))
                gw_faults_add(faults, err.code, "/script", "%s", err.message);
        else
                rc = json_object_set_new(array, "indices",
                                         json_stringn(indices.data, indices.len)) ||
                                     (most > 0 &&
                                      complete_member(array, "max_parallel", json_integer(most)))
                             ? -1
                             : 0;
        gw_buf_done(&indices);
        return rc;
}

/* The script's array is the job's, unless the client names other tasks. */
static int complete_array(json_t *spec, const char *text, struct gw_faults *faults)
{
        json_t *array = json_object_get(spec, "array");
        if (json_object_get(array, "indices") || json_object_get(array, "matrix"))
                return 0;
        if (complete_member(spec, "array", json_object()))
                return -1;
        return put_array(json_object_get(spec, "array"), text, faults);
}

static bool is_name(const char *text)
{
        size_t len = text ? strlen(text) : 0;
        return len > 0 && len <= GW_MAX_NAME && gw_str_utf8(text, len) &&
               gw_format_check(GW_FORMAT_NAME, text, len);
}

/* What of the script the gateway needs. */
static int read_script(struct gw_spec *spec, const char *script, json_t *json,
                       struct gw_faults *faults)
{
        struct gw_directives directives;
        if (gw_directives_read(script, &directives))
                return -1;
        spec->is_raw = true;
        if (is_name(directives.name))
                spec->script_name = GW_TAKE(directives.name);
        int rc = json && directives.array ? complete_array(json, directives.array, faults) : 0;
        gw_directives_done(&directives);
        return rc;
}

static const char *script_of(const json_t *spec)
{
        const char *script = json_string_value(json_object_get(spec, "script"));
        return script && gw_directives_any(script) ? script : NULL;
}

/* ---- the interface --------------------------------------------------------------------- */

static size_t count_faults(const struct gw_faults *faults)
{
        return faults->count + faults->dropped;
}

int gw_spec_resolve(json_t *spec, bool reads_scripts, int64_t now_us, struct gw_spec *ret,
                    struct gw_warnings *warnings, struct gw_faults *faults)
{
        const char *script = reads_scripts ? script_of(spec) : NULL;
        size_t before = count_faults(faults);
        struct gw_spec s = {0};

        if (script ? read_script(&s, script, spec, faults) : complete(spec))
                gw_faults_add(faults, GW_ERR_NOMEM, "", "out of memory");
        read_spec(spec, &s, faults);
        gw_spec_check(&s, now_us, faults);
        if (count_faults(faults) == before)
                write_texts(&s, faults);
        if (count_faults(faults) != before) {
                gw_spec_done(&s);
                return -1;
        }
        if (warnings)
                gw_spec_advise(&s, warnings);
        *ret = s;
        return 0;
}

static int load_texts(const char *text, size_t len, struct gw_spec *spec, struct gw_faults *faults)
{
        size_t labels_len;
        const json_t *labels = json_object_get(spec->json, "labels");

        spec->text = malloc(len + 1);
        if (!spec->text)
                return -1;
        memcpy(spec->text, text, len);
        spec->text[len] = '\0';
        spec->text_len = len;
        if (json_object_size(labels) > 0)
                spec->labels = write_json(labels, &labels_len, faults);
        return 0;
}

int gw_spec_load(const char *text, size_t len, struct gw_spec *ret, struct gw_error *err)
{
        struct gw_faults faults;
        struct gw_spec s = {0};
        json_error_t where;
        json_t *json = json_loadb(text, len, 0, &where);

        if (!json_is_object(json)) {
                json_decref(json);
                return gw_fail(err, GW_ERR_INTERNAL, "the record's spec is no JSON object");
        }
        gw_faults_init(&faults);
        const char *script = script_of(json);
        int rc = script ? read_script(&s, script, NULL, &faults) : 0;
        read_spec(json, &s, &faults);
        json_decref(json);
        if (s.task_count == 0 && !gw_faults_any(&faults))
                damaged(&faults, "/array");
        if (load_texts(text, len, &s, &faults))
                rc = -1;
        if (rc == 0 && !gw_faults_any(&faults)) {
                *ret = s;
                return 0;
        }
        gw_spec_done(&s);
        if (rc)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        return gw_fail(err, GW_ERR_INTERNAL, "the record's spec is damaged at \"%s\": %s",
                       faults.items[0].pointer, faults.items[0].detail);
}

void gw_spec_pack(struct gw_spec *spec)
{
        json_t *name = json_incref(json_object_get(spec->json, "name"));
        json_decref(spec->json);
        spec->json = name;
        spec->project = spec->backend = NULL;
        spec->matrix = NULL;
        gw_indexset_done(&spec->indices);
}

void gw_spec_done(struct gw_spec *spec)
{
        json_decref(spec->json);
        free(spec->text);
        free(spec->labels);
        free(spec->script_name);
        gw_indexset_done(&spec->indices);
        *spec = (struct gw_spec){0};
}
