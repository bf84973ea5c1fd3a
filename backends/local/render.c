/* What a job becomes here, as text for people. Pure, any thread. */
#include "backends/local/render.h"

#include <inttypes.h>
#include <string.h>

#include "backends/environment.h"
#include "backends/local/plan.h"
#include "backends/shell.h"
#include "server/model/duration.h"
#include "server/model/quantity.h"

static void add_header(struct gw_buf *out, const struct gw_local_plan *plan,
                       const struct gw_submission *s, const struct gw_local_settings *settings)
{
        char text[GW_MARK_TEXT], amount[GW_QUANTITY_TEXT], limit[GW_DURATION_TEXT];
        gw_mark_format(s->mark, text);
        gw_shell_comment(out, "jobgate", text);
        if (s->name)
                gw_shell_comment(out, "name", s->name);
        if (s->index_set)
                gw_shell_comment(out, "array", s->index_set);
        gw_shell_comment(out, "user", settings->account.name);
        gw_cpus_format(plan->cpus_milli, amount);
        gw_shell_comment(out, "cpus", amount);
        gw_quantity_format(plan->memory, amount);
        gw_shell_comment(out, "memory", plan->memory > 0 ? amount : "no limit");
        gw_buf_printf(out, "# gpus: %" PRId64 "\n", plan->gpus);
        gw_duration_format(plan->time_limit_s, limit);
        gw_shell_comment(out, "time limit", plan->time_limit_s > 0 ? limit : "none");
}

/* These differ from task to task, in what is otherwise one script. */
static void add_task_variables(struct gw_buf *out, const struct gw_local_plan *plan)
{
        const char *name;
        const json_t *values;
        gw_buf_str(out, "# and of each task its own: JOBGATE_TASK_INDEX");
        json_object_foreach((json_t *)(uintptr_t)plan->matrix, name, values)
                gw_buf_printf(out, ", %s", name);
        gw_buf_char(out, '\n');
}

static int add_environment(struct gw_buf *out, const struct gw_local_plan *plan,
                           const struct gw_submission *s, const struct gw_local_settings *settings)
{
        json_auto_t *env = gw_task_environment(plan->spec, s, settings->url, NULL);
        const char *name;
        const json_t *value;
        if (!env)
                return -1;
        json_object_foreach(env, name, value)
        {
                gw_buf_printf(out, "export %s=", name);
                gw_shell_word(out, json_string_value(value));
                gw_buf_char(out, '\n');
        }
        if (s->index_set)
                add_task_variables(out, plan);
        else
                gw_buf_str(out, "export JOBGATE_TASK_INDEX='0'\n");
        return 0;
}

static void add_body(struct gw_buf *out, const struct gw_local_plan *plan)
{
        if (plan->directory) {
                gw_buf_str(out, "cd -- ");
                gw_shell_word(out, plan->directory);
                gw_buf_str(out, " || exit\n");
        }
        gw_shell_setup(out, plan->setup);
        if (plan->script) {
                gw_buf_str(out, "# and then this script, by its first line:\n");
                gw_buf_str(out, plan->script);
                return;
        }
        gw_shell_exec(out, plan->command);
}

static int write_script(struct gw_buf *out, const struct gw_local_plan *plan,
                        const struct gw_submission *s, const struct gw_local_settings *settings,
                        struct gw_error *err)
{
        gw_buf_str(out, "#!/bin/sh\n");
        add_header(out, plan, s, settings);
        if (add_environment(out, plan, s, settings))
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        add_body(out, plan);
        return gw_buf_ok(out) ? 0 : gw_fail(err, GW_ERR_TOO_LARGE, "the script is too large");
}

int gw_local_render(const struct gw_local_settings *settings, const struct gw_submission *s,
                    struct gw_buf *out, struct gw_error *err)
{
        struct gw_local_plan plan;
        if (gw_local_plan_init(&plan, s, err))
                return -1;
        int rc = out ? write_script(out, &plan, s, settings, err) : 0;
        gw_local_plan_done(&plan);
        return rc;
}
