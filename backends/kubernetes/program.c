/* Commands, scripts and what runs before them. Any thread; pure but for memory. */
#include "backends/kubernetes/program.h"

#include <string.h>

#include "backends/shell.h"
#include "backends/task_index.h"
#include "server/base/buf.h"

#define SCRIPT "script"
#define LAUNCH "launch"

/* Linux takes 128 KiB of one argument; Kubernetes 256 KiB of all annotations of an object, and 1
 * MiB of a ConfigMap. */
#define MOST_ARGUMENT ((size_t)96 * 1024)
#define MOST_ANNOTATIONS ((size_t)192 * 1024)
#define MOST_CONFIG_MAP ((size_t)1000 * 1000)
#define MOST_TEXT ((size_t)4 * 1000 * 1000)

/* ---- texts ---------------------------------------------------------------------------------- */

/* Kubernetes takes "$$" for "$" and "$(NAME)" for a value. */
static bool needs_doubling(char next)
{
        return next == '$' || next == '(';
}

json_t *gw_k8s_literal(const char *text)
{
        struct gw_buf out = GW_BUF_INIT(2 * MOST_TEXT);
        if (!strchr(text, '$'))
                return json_string(text);
        for (; *text; text++) {
                gw_buf_char(&out, *text);
                if (*text == '$' && needs_doubling(text[1]))
                        gw_buf_char(&out, '$');
        }
        json_t *literal = gw_buf_ok(&out) ? json_stringn(out.data, out.len) : NULL;
        gw_buf_done(&out);
        return literal;
}

static int add_word(json_t *words, const char *text)
{
        return json_array_append_new(words, gw_k8s_literal(text));
}

static int add_words(json_t *words, const json_t *command)
{
        size_t i;
        const json_t *word;
        json_array_foreach(command, i, word)
        {
                if (add_word(words, json_string_value(word)))
                        return -1;
        }
        return 0;
}

/* ---- what runs before ----------------------------------------------------------------------- */

/* What a task cannot be given in its environment, because it differs from task to task. */
static void write_task(struct gw_buf *out, const struct gw_spec *spec,
                       const struct gw_k8s_tasks *tasks)
{
        if (!tasks->is_array)
                return;
        if (!gw_k8s_tasks_are_plain(tasks))
                gw_task_index_lines(&tasks->indices, &tasks->ordinals, "JOB_COMPLETION_INDEX", out);
        gw_task_values_lines(spec->matrix, out);
}

static bool has_interpreter(const char *script)
{
        return strncmp(script, "#!", 2) == 0;
}

/* How the text for the shell goes on. */
static void write_rest(struct gw_buf *out, const char *script)
{
        if (!script)
                gw_buf_str(out, "exec \"$@\"\n");
        else if (has_interpreter(script))
                gw_buf_str(out, "exec " GW_K8S_FOLDER "/" SCRIPT "\n");
        else
                gw_buf_str(out, script);
}

/* ---- all together --------------------------------------------------------------------------- */

static int add_file(struct gw_k8s_program *p, const char *name, const char *text)
{
        return json_object_set_new(p->files, name, json_string(text));
}

/* A text for the shell, in front of the command's words if there are any. */
static int add_shell(struct gw_k8s_program *p, const char *text, size_t len, const json_t *command)
{
        if (add_word(p->command, "/bin/sh"))
                return -1;
        if (len > MOST_ARGUMENT)
                return add_word(p->command, GW_K8S_FOLDER "/" LAUNCH) || add_file(p, LAUNCH, text)
                               ? -1
                               : 0;
        return add_word(p->command, "-c") || add_word(p->command, text) ||
                               (command && add_word(p->command, "sh"))
                       ? -1
                       : 0;
}

static int fill(struct gw_k8s_program *p, const struct gw_spec *spec,
                const struct gw_k8s_tasks *tasks, struct gw_buf *text)
{
        const json_t *command = json_object_get(spec->json, "command");
        const char *script = json_string_value(json_object_get(spec->json, "script"));
        write_task(text, spec, tasks);
        gw_shell_setup(text, json_object_get(spec->json, "setup"));
        bool needs_shell = text->len > 0 || (script && !has_interpreter(script));
        write_rest(text, script);
        if (!gw_buf_ok(text))
                return 0;
        if (script && has_interpreter(script) && add_file(p, SCRIPT, script))
                return -1;
        if (needs_shell && add_shell(p, text->data, text->len, command))
                return -1;
        if (!needs_shell && script)
                return add_word(p->command, GW_K8S_FOLDER "/" SCRIPT);
        return add_words(p->command, command);
}

static size_t size_of(const json_t *files)
{
        size_t size = 0;
        const char *name;
        json_t *text;
        json_object_foreach((json_t *)(uintptr_t)files, name, text) size +=
                strlen(name) + json_string_length(text);
        return size;
}

static enum gw_k8s_carrier carrier_of(size_t size)
{
        if (size == 0)
                return GW_K8S_NO_FILES;
        return size <= MOST_ANNOTATIONS ? GW_K8S_ANNOTATIONS : GW_K8S_CONFIG_MAP;
}

int gw_k8s_program_init(struct gw_k8s_program *program, const struct gw_spec *spec,
                        const struct gw_k8s_tasks *tasks, struct gw_error *err)
{
        struct gw_k8s_program p = {.command = json_array(), .files = json_object()};
        struct gw_buf text = GW_BUF_INIT(MOST_TEXT);
        int rc = p.command && p.files ? fill(&p, spec, tasks, &text) : -1;
        bool too_large = text.failed || size_of(p.files) > MOST_CONFIG_MAP;
        gw_buf_done(&text);
        if (rc == 0 && !too_large) {
                p.carrier = carrier_of(size_of(p.files));
                *program = p;
                return 0;
        }
        gw_k8s_program_done(&p);
        if (rc)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        return gw_fail_at(err, GW_ERR_UNPROCESSABLE, tasks->is_array ? "/array" : "/script",
                          "is too large for Kubernetes, which takes 1 MB of it and of what "
                          "each task finds out about itself");
}

void gw_k8s_program_done(struct gw_k8s_program *program)
{
        json_decref(program->command);
        json_decref(program->files);
        *program = (struct gw_k8s_program){0};
}
