/* Tasks as text. The backend's thread. */
#include "backends/local/task.h"

#include <inttypes.h>
#include <string.h>

#include "backends/local/format.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

static void add_text(struct gw_buf *out, const char *key, const char *value)
{
        gw_buf_str(out, key);
        gw_buf_char(out, '=');
        gw_buf_str(out, value);
        gw_buf_char(out, '\0');
}

static void add_number(struct gw_buf *out, const char *key, int64_t value)
{
        gw_buf_str(out, key);
        gw_buf_char(out, '=');
        gw_buf_int(out, value);
        gw_buf_char(out, '\0');
}

static void add_list(struct gw_buf *out, const char *key, const json_t *list)
{
        size_t i;
        const json_t *item;
        json_array_foreach(list, i, item) add_text(out, key, json_string_value(item));
}

static void add_environment(struct gw_buf *out, json_t *env)
{
        const char *name;
        const json_t *value;
        json_object_foreach(env, name, value)
        {
                gw_buf_str(out, "env=");
                gw_buf_str(out, name);
                gw_buf_char(out, '=');
                gw_buf_str(out, json_string_value(value));
                gw_buf_char(out, '\0');
        }
}

static void add_account(struct gw_buf *out, const struct gw_local_account *a)
{
        add_number(out, "uid", a->uid);
        add_number(out, "gid", a->gid);
        for (int i = 0; i < a->group_count; i++)
                add_number(out, "group", a->groups[i]);
}

static void add_head(struct gw_buf *out, const struct gw_local_plan *plan, int64_t arrival_us)
{
        gw_buf_printf(out, GW_LOCAL_LIMIT_FORMAT, (long long)plan->time_limit_s);
        gw_buf_char(out, '\0');
        gw_buf_printf(out, GW_LOCAL_JOURNAL_FORMAT, (size_t)0);
        gw_buf_char(out, '\0');
        add_number(out, "arrival", arrival_us);
        add_number(out, "cpus", plan->cpus_milli);
        add_number(out, "memory", plan->memory);
        add_number(out, "gpus", plan->gpus);
        add_text(out, "head_end", "");
}

static void set_journal(struct gw_buf *out)
{
        char text[32];
        snprintf(text, sizeof text, GW_LOCAL_JOURNAL_FORMAT, out->len);
        memcpy(out->data + GW_LOCAL_JOURNAL_AT, text, GW_LOCAL_JOURNAL_LENGTH);
}

int gw_local_task_write(const struct gw_local_plan *plan, const struct gw_submission *s,
                        const struct gw_local_settings *settings,
                        const struct gw_local_account *account, int64_t arrival_us,
                        struct gw_buf *out, struct gw_error *err)
{
        json_auto_t *env = gw_local_plan_environment(plan, s, settings, account);
        if (!env)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        add_head(out, plan, arrival_us);
        add_number(out, "grace", settings->grace_s);
        add_account(out, account);
        if (plan->directory)
                add_text(out, "directory", plan->directory);
        add_environment(out, env);
        add_list(out, "setup", plan->setup);
        if (plan->script)
                add_text(out, "script", plan->script);
        else
                add_list(out, "arg", plan->command);
        add_text(out, "end", "");
        if (!gw_buf_ok(out))
                return gw_fail(err, GW_ERR_TOO_LARGE, "the job's spec is too large");
        set_journal(out);
        return 0;
}

static const struct head_field {
        const char *key;
        size_t offset;
} head_fields[] = {
        {"arrival", offsetof(struct gw_local_task_head, arrival_us)},
        {"cpus", offsetof(struct gw_local_task_head, cpus_milli)},
        {"memory", offsetof(struct gw_local_task_head, memory)},
        {"gpus", offsetof(struct gw_local_task_head, gpus)},
        {"journal", offsetof(struct gw_local_task_head, journal)},
};

/* Some have leading zeros, to have one length. */
static int parse_number(const char *s, int64_t *ret)
{
        while (s[0] == '0' && s[1])
                s++;
        return gw_str_int64(s, 0, INT64_MAX, ret);
}

int gw_local_task_parse(char *text, size_t len, struct gw_local_task_head *ret)
{
        char *p = text, *key, *value;
        struct gw_local_task_head head = {0};
        while (gw_local_next_field(&p, text + len, '\0', &key, &value)) {
                for (size_t i = 0; i < GW_COUNT(head_fields); i++) {
                        void *place = (char *)&head + head_fields[i].offset;
                        if (strcmp(key, head_fields[i].key) == 0 && parse_number(value, place))
                                return -1;
                }
                if (strcmp(key, "head_end") == 0) {
                        *ret = head;
                        return 0;
                }
        }
        return -1;
}
