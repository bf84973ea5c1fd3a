/* Spec to plan. Any thread: it also serves dry runs. */
#include "backends/slurm/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/advice.h"
#include "backends/environment.h"
#include "backends/shell.h"
#include "backends/slurm/container.h"
#include "backends/slurm/options.h"
#include "backends/slurm/output.h"
#include "backends/slurm/protocol.h"
#include "backends/slurm/raw.h"
#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/model/directives.h"

#define MAX_SCRIPT (4 * 1000 * 1000) /* slurmctld takes no more than 4 MB */

int gw_slurm_identity_read(const char *text, struct gw_slurm_identity *ret, json_t **ret_json,
                           struct gw_error *err)
{
        json_t *json = text ? json_loads(text, 0, NULL) : NULL;
        const char *user = json_string_value(json_object_get(json, "user"));
        if (!user || !user[0]) {
                json_decref(json);
                return gw_fail(err, GW_ERR_UNPROCESSABLE,
                               "the project has no Unix user on this cluster: an administrator "
                               "must name one");
        }
        *ret = (struct gw_slurm_identity){
                .user = user, .account = json_string_value(json_object_get(json, "account"))};
        *ret_json = json;
        return 0;
}

/* ---- what Slurm cannot carry ----------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *name)
{
        return json_string_value(json_object_get(object, name));
}

/* Members of a spec that mean something no Slurm job can have. */
static const struct refusal {
        const char *member, *pointer, *words;
} refusals[] = {
        {"manifest", "/manifest", "Slurm knows no manifests"},
        {"secrets", "/secrets",
         "Slurm keeps no secrets: a job reads them from files of its user's"},
        {"volumes", "/volumes", "a job on Slurm has the file systems of its nodes"},
};

static int refuse_foreign(const struct gw_spec *spec, struct gw_error *err)
{
        for (size_t i = 0; i < GW_COUNT(refusals); i++)
                if (gw_says_something(json_object_get(spec->json, refusals[i].member)))
                        return gw_fail_at(err, GW_ERR_UNPROCESSABLE, refusals[i].pointer, "%s",
                                          refusals[i].words);
        return 0;
}

/* A script for sbatch goes as it is: nothing can stand in front of it. */
static int refuse_raw(const struct gw_spec *spec, const struct gw_slurm_site *site,
                      struct gw_error *err)
{
        if (!spec->is_raw)
                return 0;
        if (!site->has_sbatch)
                return gw_fail_at(
                        err, GW_ERR_UNPROCESSABLE, "/script",
                        "has lines for sbatch, and this cluster's sbatch cannot be asked: "
                        "its setting as_user is missing");
        if (json_object_get(spec->json, "image"))
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/image",
                                  "cannot be put around a script that has lines for sbatch: say it "
                                  "in the script");
        if (json_array_size(json_object_get(spec->json, "setup")) > 0)
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/setup",
                                  "cannot be put in front of a script that has lines for sbatch: "
                                  "say it in the script");
        if (spec->matrix)
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/array/matrix",
                                  "cannot reach a script that has lines for sbatch: use indices, "
                                  "and SLURM_ARRAY_TASK_ID in the script");
        return gw_slurm_raw_check(text_of(spec->json, "script"), err);
}

/* ---- the script ------------------------------------------------------------------------------ */

/* One word of an #SBATCH line. Values of ours have no blanks; an administrator's might. */
static void add_directive(struct gw_buf *out, const char *option, const char *value)
{
        gw_buf_printf(out, "#SBATCH --%s%s", option, *value ? "=" : "");
        if (value[strcspn(value, " \t\"'\\#")] == '\0') {
                gw_buf_str(out, value);
        } else {
                gw_buf_char(out, '"');
                for (; *value; value++) {
                        if (strchr("\"\\", *value))
                                gw_buf_char(out, '\\');
                        gw_buf_char(out, *value == '\n' || *value == '\r' ? ' ' : *value);
                }
                gw_buf_char(out, '"');
        }
        gw_buf_char(out, '\n');
}

static void add_directives(struct gw_buf *out, const struct gw_slurm_plan *plan)
{
        const char *option;
        json_t *value;
        add_directive(out, "job-name", plan->spec.name);
        add_directive(out, "comment", plan->comment);
        json_object_foreach(plan->options, option, value)
                add_directive(out, option, json_string_value(value));
}

/* Whether a line of the text is the word alone. */
static bool has_line(const char *text, const char *word)
{
        size_t len = strlen(word);
        for (const char *at = text; (at = strstr(at, word)); at += len) {
                bool begins = at == text || at[-1] == '\n';
                if (begins && (at[len] == '\n' || at[len] == '\0'))
                        return true;
        }
        return false;
}

/* The line's words as the kernel takes them: a path, and the rest as one. */
static void add_interpreter(struct gw_buf *out, const char *script)
{
        const char *line = script + 2 + strspn(script + 2, " \t");
        size_t len = strcspn(line, "\r\n"), first = strcspn(line, " \t\r\n");
        size_t next = first + strspn(line + first, " \t");
        while (len > next && strchr(" \t", line[len - 1]))
                len--;
        gw_autofree char *path = strndup(line, first);
        gw_autofree char *rest = len > next ? strndup(line + next, len - next) : NULL;
        gw_buf_char(out, ' ');
        gw_shell_word(out, path ? path : "");
        if (rest) {
                gw_buf_char(out, ' ');
                gw_shell_word(out, rest);
        }
        out->failed |= !path || (len > next && !rest);
}

/* A script that the shell hands to its interpreter: behind lines of its own, for what they change
 * stays, or in a container. */
static void add_handed_script(struct gw_buf *out, const struct gw_slurm_plan *plan,
                              const struct gw_slurm_site *site, const char *script)
{
        char end[32];
        unsigned number = 0;
        do
                snprintf(end, sizeof end, "JOBGATE_END_%u", number++);
        while (has_line(script, end));
        gw_buf_str(out, "exec");
        gw_slurm_container_words(out, site, &plan->spec);
        if (strncmp(script, "#!", 2) == 0)
                add_interpreter(out, script);
        else
                gw_buf_str(out, " /bin/sh");
        gw_buf_printf(out, " /dev/fd/3 3<<'%s'\n%s", end, script);
        if (script[strlen(script) - 1] != '\n')
                gw_buf_char(out, '\n');
        gw_buf_printf(out, "%s\n", end);
}

static const char open_outputs[] =
        "exec >\"${JOBGATE_OUTPUT%%\"%a\"*}$JOBGATE_TASK_INDEX${JOBGATE_OUTPUT#*\"%a\"}\" 2>&1\n"
        "[ -z \"$JOBGATE_ERRORS\" ] ||\n"
        "exec 2>\"${JOBGATE_ERRORS%%\"%a\"*}$JOBGATE_TASK_INDEX${JOBGATE_ERRORS#*\"%a\"}\"\n"
        "unset JOBGATE_OUTPUT JOBGATE_ERRORS\n";

/* Where Slurm would name a task's output by its place, the task opens what its index names. */
static void add_tasks(struct gw_buf *out, const struct gw_slurm_plan *plan)
{
        if (!plan->array.is_array)
                return;
        gw_slurm_array_prologue(&plan->array, plan->spec.matrix, out);
        if (plan->array.by_place)
                gw_buf_str(out, open_outputs);
}

static void write_script(struct gw_buf *out, const struct gw_slurm_plan *plan,
                         const struct gw_slurm_site *site)
{
        static const char shell[] = "#!/bin/sh\n";
        const char *script = text_of(plan->spec.json, "script");
        const json_t *setup = json_object_get(plan->spec.json, "setup");
        bool own_line = script && strncmp(script, "#!", 2) == 0;
        bool wrapped = gw_slurm_container_wraps(site, &plan->spec);
        if (own_line && json_array_size(setup) == 0 && !wrapped && !plan->array.is_array) {
                size_t len = strcspn(script, "\n");
                gw_buf_add(out, script, len);
                gw_buf_char(out, '\n');
                add_directives(out, plan);
                gw_buf_str(out, script + len + (script[len] == '\n'));
                return;
        }
        gw_buf_str(out, shell);
        add_directives(out, plan);
        add_tasks(out, plan);
        gw_shell_setup(out, setup);
        if (script && (own_line || wrapped)) {
                add_handed_script(out, plan, site, script);
        } else if (script) {
                gw_buf_str(out, script);
        } else {
                gw_buf_str(out, "exec");
                gw_slurm_container_words(out, site, &plan->spec);
                gw_shell_words(out, json_object_get(plan->spec.json, "command"));
                gw_buf_char(out, '\n');
        }
}

/* ---- the plan -------------------------------------------------------------------------------- */

/* "0-99:2%10" */
static int set_array(struct gw_slurm_plan *plan, uint32_t max_parallel)
{
        struct gw_buf text = GW_BUF_INIT(MAX_SCRIPT);
        if (!plan->array.is_array)
                return 0;
        gw_slurm_array_ids(&plan->array, &plan->array.ordinals, &text);
        if (max_parallel > 0)
                gw_buf_printf(&text, "%%%" PRIu32, max_parallel);
        int rc = gw_buf_ok(&text)
                         ? json_object_set_new(plan->options, "array", json_string(text.data))
                         : -1;
        gw_buf_done(&text);
        return rc;
}

static int fill(struct gw_slurm_plan *plan, const struct gw_submission *s,
                const struct gw_slurm_identity *identity, const struct gw_slurm_site *site,
                uint32_t most, struct gw_error *err)
{
        static const struct gw_span plain = {0, 0};
        char mark[GW_MARK_TEXT];
        struct gw_buf script = GW_BUF_INIT(MAX_SCRIPT);
        if (gw_spec_load(s->spec, s->spec_len, &plan->spec, err) ||
            refuse_foreign(&plan->spec, err) || refuse_raw(&plan->spec, site, err) ||
            gw_slurm_array_init(&plan->array, s->index_set, s->span_count ? s->spans : &plain,
                                s->span_count ? s->span_count : 1, most, err))
                return -1;
        gw_mark_format(s->mark, mark);
        snprintf(plan->comment, sizeof plan->comment, GW_SLURM_COMMENT "%s", mark);
        plan->options =
                gw_slurm_options(&plan->spec, identity ? identity->account : NULL, site, err);
        if (!plan->options)
                return -1;
        if (set_array(plan, s->max_parallel))
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        if (plan->spec.is_raw && plan->array.by_place)
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/array",
                                  "has indices that arrays of this cluster cannot have");
        if (plan->spec.is_raw)
                gw_buf_str(&script, text_of(plan->spec.json, "script"));
        else
                write_script(&script, plan, site);
        plan->script = gw_buf_take(&script, NULL);
        return plan->script ? 0
                            : gw_fail(err, GW_ERR_UNPROCESSABLE,
                                      "the script is too large for Slurm, which takes 4 MB");
}

int gw_slurm_plan_init(struct gw_slurm_plan *plan, const struct gw_submission *s,
                       const struct gw_slurm_identity *identity, const struct gw_slurm_site *site,
                       uint32_t most, struct gw_error *err)
{
        *plan = (struct gw_slurm_plan){0};
        if (fill(plan, s, identity, site, most, err) == 0)
                return 0;
        gw_slurm_plan_done(plan);
        return -1;
}

void gw_slurm_plan_done(struct gw_slurm_plan *plan)
{
        gw_spec_done(&plan->spec);
        gw_slurm_array_done(&plan->array);
        json_decref(plan->options);
        free(plan->script);
        *plan = (struct gw_slurm_plan){0};
}

/* ---- the request ----------------------------------------------------------------------------- */

/* What a task's script finds besides what every task of the submission has in common. */
static int set_own(const struct gw_slurm_plan *plan, const char *output, const char *errors,
                   json_t *environment)
{
        if (!plan->array.is_array)
                return json_object_set_new(environment, "JOBGATE_TASK_INDEX", json_string("0"));
        if (!plan->array.by_place)
                return 0;
        return json_object_set_new(environment, "JOBGATE_OUTPUT", json_string(output)) ||
                               json_object_set_new(environment, "JOBGATE_ERRORS",
                                                   json_string(errors ? errors : ""))
                       ? -1
                       : 0;
}

json_t *gw_slurm_plan_environment(const struct gw_slurm_plan *plan, const struct gw_submission *s,
                                  const struct gw_account *account, const char *url,
                                  const char *output, const char *errors)
{
        json_auto_t *object = gw_task_environment(plan->spec.json, s, url, account);
        json_t *list = json_array();
        const char *name;
        json_t *value;
        bool ok = object && list && set_own(plan, output, errors, object) == 0;
        if (ok)
                json_object_foreach(object, name, value) ok =
                        ok &&
                        json_array_append_new(
                                list, json_sprintf("%s=%s", name, json_string_value(value))) == 0;
        if (ok)
                return list;
        json_decref(list);
        return NULL;
}

/* Of a test of more tasks than one submission has, one task stands for all. */
static json_t *options_of(const struct gw_slurm_plan *plan, bool test)
{
        json_t *options = json_copy(plan->options);
        if (options && test && plan->array.by_place)
                json_object_del(options, "array");
        return options;
}

/* Where both outputs go, as Slurm or a task's script is told; errors NULL: to the same. Returns 0,
 * or -1 without memory. */
static int name_outputs(const struct gw_slurm_plan *plan, const struct gw_account *account,
                        struct gw_mark mark, const char *folder, char **output, char **errors)
{
        const char *task = plan->array.is_array ? "%a" : NULL;
        *output = gw_slurm_output_path(account->home, folder, mark, task, false);
        *errors = folder ? gw_slurm_output_path(account->home, folder, mark, task, true) : NULL;
        return *output && (*errors || !folder) ? 0 : -1;
}

bool gw_slurm_plan_is_raw(const struct gw_submission *s)
{
        json_auto_t *read = s->json ? NULL : json_loadb(s->spec, s->spec_len, 0, NULL);
        const char *script = text_of(s->json ? s->json : read, "script");
        return script && gw_directives_any(script);
}

json_t *gw_slurm_plan_request(const struct gw_slurm_plan *plan, const struct gw_submission *s,
                              const struct gw_account *account, const char *folder, const char *url,
                              bool test)
{
        bool by_place = plan->array.by_place;
        gw_autofree char *output = NULL, *errors = NULL;
        if (name_outputs(plan, account, s->mark, folder, &output, &errors))
                return NULL;
        json_t *environment = gw_slurm_plan_environment(plan, s, account, url, output, errors);
        json_t *options = options_of(plan, test);
        const char *directory = text_of(plan->spec.json, "working_directory");
        if (!environment || !options) {
                json_decref(environment);
                json_decref(options);
                return NULL;
        }
        return json_pack("{s:s, s:I, s:b, s:I, s:I, s:s, s:s, s:s, s:s, s:o, s:s, s:s*, s:b, s:o}",
                         "op", "submit", "send_before", (json_int_t)s->send_before, "test", test,
                         "uid", (json_int_t)account->uid, "gid", (json_int_t)account->gid, "name",
                         plan->spec.name, "comment", plan->comment, "script", plan->script,
                         "work_dir", directory ? directory : account->home, "environment",
                         environment, "stdout", by_place ? "/dev/null" : output, "stderr",
                         by_place ? NULL : errors, "held", s->held, "options", options);
}
