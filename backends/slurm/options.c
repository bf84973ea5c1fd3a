/* From fields to options, as a table. Any thread: it also serves submits and dry runs. */
#include "backends/slurm/options.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backends/advice.h"
#include "backends/slurm/container.h"
#include "backends/slurm/option_names.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"
#include "server/model/directives.h"
#include "server/model/pointer.h"
#include "server/model/spec_text.h"

#define MIB (1024 * 1024)
#define MAX_TEXT 8192     /* of one option's value */
#define FEATURE "feature" /* of a node selector: any, by its own name */
#define MAX_SELECTOR 192  /* NAME=VALUE */

struct work {
        const struct gw_spec *spec;
        const struct gw_slurm_site *site;
};

/* ---- what each field says ------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *name)
{
        return json_string_value(json_object_get(object, name));
}

static const json_t *resources_of(const struct work *w)
{
        return json_object_get(w->spec->json, "resources");
}

/* Each writes its option's text, or nothing: the option is left out. */
static int write_partition(const struct work *w, struct gw_buf *out, struct gw_error *err)
{
        const char *queue = text_of(w->spec->json, "queue");
        (void)err;
        if (queue)
                gw_buf_str(out, queue);
        return 0;
}

static int write_nodes(const struct work *w, struct gw_buf *out, struct gw_error *err)
{
        (void)err;
        if (json_object_get(resources_of(w), "nodes"))
                gw_buf_int(out, w->spec->nodes);
        return 0;
}

static int write_tasks(const struct work *w, struct gw_buf *out, struct gw_error *err)
{
        (void)err;
        if (json_object_get(resources_of(w), "tasks_per_node"))
                gw_buf_int(out, w->spec->tasks_per_node);
        return 0;
}

static int write_cpus(const struct work *w, struct gw_buf *out, struct gw_error *err)
{
        (void)err;
        if (w->spec->cpus_milli > 0)
                gw_buf_int(out, (w->spec->cpus_milli + 999) / 1000);
        return 0;
}

static void write_mebibytes(struct gw_buf *out, int64_t bytes)
{
        gw_buf_printf(out, "%" PRId64 "M", bytes / MIB + (bytes % MIB != 0));
}

static int write_memory(const struct work *w, struct gw_buf *out, struct gw_error *err)
{
        (void)err;
        if (w->spec->memory_per_cpu == 0 && w->spec->memory_bytes > 0)
                write_mebibytes(out, w->spec->memory_bytes);
        return 0;
}

static int write_memory_per_cpu(const struct work *w, struct gw_buf *out, struct gw_error *err)
{
        (void)err;
        if (w->spec->memory_per_cpu > 0)
                write_mebibytes(out, w->spec->memory_per_cpu);
        return 0;
}

static int write_scratch(const struct work *w, struct gw_buf *out, struct gw_error *err)
{
        (void)err;
        if (w->spec->scratch_bytes > 0)
                write_mebibytes(out, w->spec->scratch_bytes);
        return 0;
}

static int write_gpus(const struct work *w, struct gw_buf *out, struct gw_error *err)
{
        const char *type = text_of(resources_of(w), "gpu_type");
        (void)err;
        if (w->spec->gpus > 0)
                gw_buf_printf(out, "gpu:%s%s%d", type ? type : "", type ? ":" : "", w->spec->gpus);
        return 0;
}

static int write_bundle(const struct work *w, struct gw_buf *out, struct gw_error *err)
{
        return gw_slurm_container_image(w->site, w->spec, GW_SLURM_BUNDLES, out, err);
}

static int write_pyxis(const struct work *w, struct gw_buf *out, struct gw_error *err)
{
        return gw_slurm_container_image(w->site, w->spec, GW_SLURM_PYXIS, out, err);
}

/* sbatch rounds up to minutes. */
static int write_time(const struct work *w, struct gw_buf *out, struct gw_error *err)
{
        int64_t s = w->spec->time_limit_s;
        (void)err;
        if (s > 0)
                gw_buf_printf(out, "%" PRId64 "-%02d:%02d:%02d", s / 86400, (int)(s / 3600 % 24),
                              (int)(s / 60 % 60), (int)(s % 60));
        return 0;
}

static int write_nice(const struct work *w, struct gw_buf *out, struct gw_error *err)
{
        (void)err;
        if (w->spec->priority < 0)
                gw_buf_int(out, -w->spec->priority);
        return 0;
}

/* That of the highest priority which the job has. */
static int write_qos(const struct work *w, struct gw_buf *out, struct gw_error *err)
{
        const char *least, *found = NULL;
        json_t *qos;
        int64_t n, best = 0;
        (void)err;
        json_object_foreach(w->site->priorities, least, qos)
        {
                if (gw_str_int64(least, best + 1, GW_SLURM_PRIORITY_MOST, &n) ||
                    n > w->spec->priority)
                        continue;
                best = n;
                found = json_string_value(qos);
        }
        if (found)
                gw_buf_str(out, found);
        return 0;
}

/* ---- node selectors ------------------------------------------------------------------------- */

static int fail_selector(const char *name, const char *value, struct gw_error *err)
{
        struct gw_pointer at;
        gw_pointer_init(&at, "/node_selector");
        gw_pointer_enter(&at, name, strlen(name));
        return gw_fail_at(err, GW_ERR_UNPROCESSABLE, at.text,
                          "this cluster has no machines that are known by %s=%s; " FEATURE
                          " names one of Slurm's features",
                          name, value);
}

/* The feature that a name with its value stands for; NULL: none. A name that a user chose goes into
 * an expression, and has no character that means something there. */
static const char *feature_of(const struct work *w, const char *name, const char *value)
{
        char selector[MAX_SELECTOR];
        if (strcmp(name, FEATURE) == 0)
                return gw_slurm_is_feature(value) ? value : NULL;
        snprintf(selector, sizeof selector, "%s=%s", name, value);
        return text_of(w->site->features, selector);
}

static int write_constraint(const struct work *w, struct gw_buf *out, struct gw_error *err)
{
        const char *name;
        json_t *value;
        json_object_foreach(json_object_get(w->spec->json, "node_selector"), name, value)
        {
                const char *feature = feature_of(w, name, json_string_value(value));
                if (!feature)
                        return fail_selector(name, json_string_value(value), err);
                gw_buf_printf(out, "%s%s", out->len > 0 ? "&" : "", feature);
        }
        return 0;
}

/* ---- the table ------------------------------------------------------------------------------ */

static bool cpus_preset(const struct gw_spec *spec)
{
        return spec->cpus_preset;
}

static bool memory_preset(const struct gw_spec *spec)
{
        return spec->memory_preset;
}

#define MAX_SAME 5

static const struct field {
        const char *pointer, *option;
        int (*write)(const struct work *w, struct gw_buf *out, struct gw_error *err);
        const char *same[MAX_SAME];                    /* other options that say what it says */
        bool (*is_preset)(const struct gw_spec *spec); /* NULL: it has no default */
} fields[] = {
        {"/queue", "partition", write_partition, {0}, NULL},
        {"/resources/nodes", "nodes", write_nodes, {0}, NULL},
        {"/resources/tasks_per_node", "ntasks-per-node", write_tasks, {"tasks-per-node"}, NULL},
        {"/resources/cpus", "cpus-per-task", write_cpus, {"cpus-per-gpu"}, cpus_preset},
        {"/resources/memory", "mem", write_memory, {"mem-per-cpu", "mem-per-gpu"}, memory_preset},
        {"/resources/memory_per_cpu",
         "mem-per-cpu",
         write_memory_per_cpu,
         {"mem", "mem-per-gpu"},
         NULL},
        {"/resources/scratch", "tmp", write_scratch, {0}, NULL},
        {"/resources/gpus",
         "gres",
         write_gpus,
         {"gpus", "gpus-per-node", "gpus-per-socket", "gpus-per-task"},
         NULL},
        {"/image", "container", write_bundle, {0}, NULL},
        {"/image", "container-image", write_pyxis, {"container"}, NULL},
        {"/node_selector", "constraint", write_constraint, {0}, NULL},
        {"/time_limit", "time", write_time, {0}, NULL},
        {"/priority", "nice", write_nice, {0}, NULL},
        {"/priority", "qos", write_qos, {0}, NULL},
};

/* ---- the spec's own options ----------------------------------------------------------------- */

static int fail_option(const char *name, struct gw_error *err, const char *words)
{
        struct gw_pointer at;
        gw_pointer_init(&at, "/options/slurm");
        gw_pointer_enter(&at, name, strlen(name));
        return gw_fail_at(err, GW_ERR_UNPROCESSABLE, at.text, "%s", words);
}

static const json_t *own_options(const struct gw_spec *spec)
{
        return json_object_get(json_object_get(spec->json, "options"), "slurm");
}

/* An option that is false is not given. */
static bool gives(const json_t *options, const char *name)
{
        const json_t *value = name ? json_object_get(options, name) : NULL;
        return value && !json_is_false(value);
}

/* The option of the spec's own that says what a field says; NULL: none. */
static const char *same_as(const struct field *f, const json_t *options)
{
        if (gives(options, f->option))
                return f->option;
        for (size_t i = 0; i < MAX_SAME; i++)
                if (gives(options, f->same[i]))
                        return f->same[i];
        return NULL;
}

static bool is_one_line(const char *text)
{
        for (; *text; text++)
                if (iscntrl((unsigned char)*text))
                        return false;
        return true;
}

static int write_value(const json_t *value, struct gw_buf *out)
{
        if (json_is_string(value))
                gw_buf_str(out, json_string_value(value));
        else if (!json_is_true(value))
                gw_spec_text(out, value);
        return gw_buf_ok(out) && is_one_line(out->data ? out->data : "") ? 0 : -1;
}

/* ---- all together --------------------------------------------------------------------------- */

static int put(json_t *to, const char *option, const struct gw_buf *text, struct gw_error *err)
{
        if (gw_buf_ok(text) &&
            json_object_set_new(to, option, json_string(text->data ? text->data : "")) == 0)
                return 0;
        return gw_fail(err, GW_ERR_NOMEM, "out of memory");
}

static int put_field(const struct work *w, const struct field *f, json_t *to, struct gw_error *err)
{
        struct gw_buf text = GW_BUF_INIT(MAX_TEXT);
        int rc = f->write(w, &text, err);
        if (rc == 0 && text.len > 0) {
                const char *same = same_as(f, own_options(w->spec));
                char words[128];
                snprintf(words, sizeof words, "says what %s says: one of them is enough",
                         f->pointer);
                if (!same)
                        rc = put(to, f->option, &text, err);
                else if (!f->is_preset || !f->is_preset(w->spec))
                        rc = fail_option(same, err, words);
        }
        gw_buf_done(&text);
        return rc;
}

static int put_option(const char *name, const json_t *value, json_t *to, struct gw_error *err)
{
        struct gw_buf text = GW_BUF_INIT(MAX_TEXT);
        struct gw_error why = {0};
        int rc;
        if (gw_slurm_option_check(name, &why))
                rc = fail_option(name, err, why.message);
        else if (write_value(value, &text))
                rc = fail_option(name, err, "must be one line");
        else if (json_is_false(value))
                rc = 0;
        else if (text.len == 0 && gw_directives_needs_value(name))
                rc = fail_option(name, err, "needs a value");
        else
                rc = put(to, name, &text, err);
        gw_buf_done(&text);
        return rc;
}

/* An administrator has said whose budget it is. */
static int check_account(const struct gw_spec *spec, const char *account, struct gw_error *err)
{
        const char *own = text_of(own_options(spec), "account");
        if (!account || !own || strcmp(own, account) == 0)
                return 0;
        return fail_option("account", err,
                           "is the project's to say: an administrator has set another one");
}

static int put_all(const struct work *w, const char *account, json_t *to, struct gw_error *err)
{
        const char *name;
        json_t *value;
        if (check_account(w->spec, account, err) || gw_slurm_container_check(w->site, w->spec, err))
                return -1;
        if (account && json_object_set_new(to, "account", json_string(account)))
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        for (size_t i = 0; i < GW_COUNT(fields); i++)
                if (put_field(w, &fields[i], to, err))
                        return -1;
        json_object_foreach((json_t *)(uintptr_t)own_options(w->spec), name, value)
        {
                if (put_option(name, value, to, err))
                        return -1;
        }
        return 0;
}

json_t *gw_slurm_options(const struct gw_spec *spec, const char *account,
                         const struct gw_slurm_site *site, struct gw_error *err)
{
        const struct work w = {spec, site};
        json_t *to = json_object();
        if (!to) {
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        if (put_all(&w, account, to, err) == 0)
                return to;
        json_decref(to);
        return NULL;
}

/* ---- advice --------------------------------------------------------------------------------- */

static const struct gw_ignored ignored[] = {
        {"/resources/shared_memory", "Slurm sets no shared memory apart: a job finds the /dev/shm "
                                     "of its machine"},
};

void gw_slurm_advise(const struct gw_spec *spec, struct gw_warnings *warnings)
{
        gw_advise_ignored(ignored, GW_COUNT(ignored), "slurm", spec->json, warnings);
        if (spec->nodes > 1 && !gw_spec_has_launcher(spec->json))
                gw_warnings_add(warnings, "one_node", "/resources/nodes",
                                "%d nodes for what runs on the first of them alone: start it on "
                                "each with srun",
                                spec->nodes);
}
