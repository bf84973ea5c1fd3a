/* Tasks as text. The backend's thread. */
#include "backends/local/task.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backends/environment.h"
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

static void add_account(struct gw_buf *out, const struct gw_account *a)
{
        add_number(out, "uid", a->uid);
        add_number(out, "gid", a->gid);
        for (int i = 0; i < a->group_count; i++)
                add_number(out, "group", a->groups[i]);
}

/* A plain job's only task needs no words. */
static bool is_array(const struct gw_submission *s)
{
        return s->index_set || s->span_count != 1 || s->spans[0].last > 0;
}

static void add_head(struct gw_buf *out, const struct gw_local_plan *plan,
                     const struct gw_submission *s, int64_t arrival_us)
{
        gw_buf_printf(out, GW_LOCAL_LIMIT_FORMAT, (long long)plan->time_limit_s);
        gw_buf_char(out, '\0');
        gw_buf_printf(out, GW_LOCAL_JOURNAL_FORMAT, (size_t)0);
        gw_buf_char(out, '\0');
        add_number(out, "arrival", arrival_us);
        add_number(out, "cpus", plan->cpus_milli);
        add_number(out, "memory", plan->memory);
        add_number(out, "gpus", plan->gpus);
        add_number(out, "array", is_array(s));
        add_text(out, "head_end", "");
}

static void add_array(struct gw_buf *out, const struct gw_local_plan *plan,
                      const struct gw_submission *s)
{
        const struct gw_spans spans = {.items = (struct gw_span *)(uintptr_t)s->spans,
                                       .count = s->span_count};
        gw_autofree char *matrix = plan->matrix ? json_dumps(plan->matrix, JSON_COMPACT) : NULL;
        gw_buf_str(out, "spans=");
        gw_spans_format(&spans, out);
        gw_buf_char(out, '\0');
        if (s->index_set)
                add_text(out, "indices", s->index_set);
        if (matrix)
                add_text(out, "matrix", matrix);
        else if (plan->matrix)
                out->failed = true;
        add_text(out, "array_end", "");
}

static void set_journal(struct gw_buf *out)
{
        char text[32];
        snprintf(text, sizeof text, GW_LOCAL_JOURNAL_FORMAT, out->len);
        memcpy(out->data + GW_LOCAL_JOURNAL_AT, text, GW_LOCAL_JOURNAL_LENGTH);
}

int gw_local_task_write(const struct gw_local_plan *plan, const struct gw_submission *s,
                        const struct gw_local_settings *settings, const struct gw_account *account,
                        int64_t arrival_us, struct gw_buf *out, struct gw_error *err)
{
        json_auto_t *env = gw_task_environment(plan->spec, s, settings->url, account);
        if (!env)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        add_head(out, plan, s, arrival_us);
        if (is_array(s))
                add_array(out, plan, s);
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
        {"array", offsetof(struct gw_local_task_head, array)},
};

int gw_local_task_parse(char *text, size_t len, struct gw_local_task_head *ret)
{
        char *p = text, *key, *value;
        struct gw_local_task_head head = {0};
        while (gw_local_next_field(&p, text + len, '\0', &key, &value)) {
                for (size_t i = 0; i < GW_COUNT(head_fields); i++) {
                        void *place = (char *)&head + head_fields[i].offset;
                        if (strcmp(key, head_fields[i].key) == 0 &&
                            gw_local_read_number(value, place))
                                return -1;
                }
                if (strcmp(key, "head_end") == 0) {
                        *ret = head;
                        return head.journal > 0 ? 0 : -1;
                }
        }
        return -1;
}

struct array_text {
        const char *spans, *indices, *matrix; /* or NULL */
};

static int parse_matrix(const char *text, json_t **ret, struct gw_error *err)
{
        json_error_t why;
        *ret = json_loads(text, 0, &why);
        if (!*ret && json_error_code(&why) == json_error_out_of_memory)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        return *ret ? 0 : -1;
}

static int parse_array(const struct array_text *text, struct gw_local_array *ret,
                       struct gw_spans *ret_spans, struct gw_error *err)
{
        json_auto_t *matrix = NULL;
        if (!text->spans || gw_spans_parse(text->spans, ret_spans, err) ||
            (text->matrix && parse_matrix(text->matrix, &matrix, err)))
                return -1;
        return gw_local_array_init(ret, text->indices, matrix, err) == 0 &&
                               gw_local_array_has(ret, ret_spans->items, ret_spans->count)
                       ? 0
                       : -1;
}

int gw_local_task_parse_array(char *text, size_t len, struct gw_local_array *ret,
                              struct gw_spans *ret_spans)
{
        char *p = text, *key, *value;
        struct array_text found = {0};
        struct gw_error err = {0};
        bool whole = false;
        while (!whole && gw_local_next_field(&p, text + len, '\0', &key, &value)) {
                if (strcmp(key, "spans") == 0)
                        found.spans = value;
                else if (strcmp(key, "indices") == 0)
                        found.indices = value;
                else if (strcmp(key, "matrix") == 0)
                        found.matrix = value;
                whole = strcmp(key, "array_end") == 0;
        }
        *ret = (struct gw_local_array){0};
        *ret_spans = GW_SPANS_INIT;
        if (whole && parse_array(&found, ret, ret_spans, &err) == 0)
                return 0;
        gw_spans_done(ret_spans);
        gw_local_array_done(ret);
        errno = err.code == GW_ERR_NOMEM ? ENOMEM : EBADMSG;
        return -1;
}
