/* Command lines for sbatch. Called by submits and dry runs. */
#include "backends/slurm/raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/shell.h"
#include "backends/slurm/output.h"
#include "server/base/cleanup.h"
#include "server/model/directives.h"

/* ---- arguments ------------------------------------------------------------------------------- */

/* "--name=value", or "--name" when the value is NULL. */
static int add(json_t *list, const char *name, const char *value)
{
        json_t *text = value ? json_sprintf("--%s=%s", name, value) : json_sprintf("--%s", name);
        return json_array_append_new(list, text);
}

static int add_comment(json_t *list, const struct gw_slurm_plan *plan,
                       const struct gw_directives *said)
{
        gw_autofree char *text = NULL;
        if (asprintf(&text, "%s%s%s", plan->comment, said->comment ? " " : "",
                     said->comment ? said->comment : "") < 0)
                text = NULL;
        return text ? add(list, "comment", text) : -1;
}

static int add_options(json_t *list, const json_t *options)
{
        const char *name;
        const json_t *value;
        json_object_foreach((json_t *)options, name, value)
        {
                const char *text = json_string_value(value);
                if (add(list, name, *text ? text : NULL))
                        return -1;
        }
        return 0;
}

static int add_all(json_t *list, const struct gw_slurm_plan *plan, const struct gw_submission *s,
                   const struct gw_directives *said, const char *output, bool test)
{
        const char *name = json_string_value(json_object_get(plan->spec.json, "name"));
        const char *folder =
                json_string_value(json_object_get(plan->spec.json, "working_directory"));
        const struct {
                const char *name, *value;
                bool there;
        } more[] = {
                {"test-only", NULL, test},         {"no-requeue", NULL, true},
                {"hold", NULL, s->held},           {"job-name", name, name != NULL},
                {"chdir", folder, folder != NULL}, {"output", output, output && !said->output},
        };
        if (add(list, "parsable", NULL) || add_comment(list, plan, said))
                return -1;
        for (size_t i = 0; i < GW_COUNT(more); i++)
                if (more[i].there && add(list, more[i].name, more[i].value))
                        return -1;
        return add_options(list, plan->options);
}

json_t *gw_slurm_raw_arguments(const struct gw_slurm_plan *plan, const struct gw_submission *s,
                               const char *output, bool test)
{
        struct gw_directives said;
        if (gw_directives_read(plan->script, &said))
                return NULL;
        json_t *list = json_array();
        if (!list || add_all(list, plan, s, &said, output, test)) {
                json_decref(list);
                list = NULL;
        }
        gw_directives_done(&said);
        return list;
}

/* What sbatch would do that keeps it, or takes the job out of sight. */
int gw_slurm_raw_check(const char *script, struct gw_error *err)
{
        struct gw_directives said;
        int rc = 0;
        if (gw_directives_read(script, &said))
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        if (said.waits)
                rc = gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/script",
                                "has --wait: ask for the job with ?wait= instead");
        else if (said.clusters)
                rc = gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/script",
                                "has --clusters: the cluster is the backend's");
        gw_directives_done(&said);
        return rc;
}

/* The directives that check.h looks at, by their options' names. */
static json_t *options_in(const struct gw_directives *said)
{
        return json_pack("{s:s*, s:s*, s:s*, s:s*}", "partition", said->partition, "time",
                         said->time, "account", said->account, "qos", said->qos);
}

json_t *gw_slurm_raw_options(const struct gw_slurm_plan *plan)
{
        struct gw_directives said;
        if (gw_directives_read(plan->script, &said))
                return NULL;
        json_t *options = options_in(&said);
        gw_directives_done(&said);
        if (options && json_object_update(options, plan->options)) {
                json_decref(options);
                options = NULL;
        }
        return options;
}

/* ---- the request ----------------------------------------------------------------------------- */

json_t *gw_slurm_raw_request(const struct gw_slurm_plan *plan, const struct gw_submission *s,
                             const struct gw_account *account, const char *folder, const char *url,
                             int64_t deadline_us, bool test)
{
        const char *task = plan->array.is_array ? "%a" : NULL;
        gw_autofree char *output =
                gw_slurm_output_path(account->home, folder, s->mark, task, false);
        json_t *arguments = output ? gw_slurm_raw_arguments(plan, s, output, test) : NULL;
        json_t *environment = gw_slurm_plan_environment(plan, s, account, url, NULL, NULL);
        if (!arguments || !environment) {
                json_decref(arguments);
                json_decref(environment);
                return NULL;
        }
        return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:I}", "verb", "sbatch", "user",
                         account->name, "path", account->home, "arguments", arguments,
                         "environment", environment, "script", plan->script, "deadline",
                         (json_int_t)deadline_us);
}

/* ---- for people ------------------------------------------------------------------------------ */

static bool has_line(const char *text, const char *word)
{
        size_t len = strlen(word);
        for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
                if (strcspn(line, "\n") == len && memcmp(line, word, len) == 0)
                        return true;
        return false;
}

void gw_slurm_raw_render(const struct gw_slurm_plan *plan, const struct gw_submission *s,
                         struct gw_buf *out)
{
        size_t i;
        const json_t *item;
        char end[32];
        unsigned number = 0;
        json_auto_t *arguments = gw_slurm_raw_arguments(plan, s, NULL, false);
        if (!arguments) {
                out->failed = true;
                return;
        }
        do
                snprintf(end, sizeof end, "JOBGATE_END_%u", number++);
        while (has_line(plan->script, end));
        gw_buf_str(out, "sbatch");
        json_array_foreach(arguments, i, item)
        {
                gw_buf_char(out, ' ');
                gw_shell_word(out, json_string_value(item));
        }
        size_t len = strlen(plan->script);
        gw_buf_printf(out, " <<'%s'\n", end);
        gw_buf_add(out, plan->script, len);
        gw_buf_printf(out, "%s%s\n", len > 0 && plan->script[len - 1] == '\n' ? "" : "\n", end);
}
