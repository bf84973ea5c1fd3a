/* Criteria to a filter. Runs on the exchange's loop thread. */
#include "routes/filter.h"

#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define MAX_TEXT (256 * 1024)

int gw_filter_keep(const struct gw_call *call, struct gw_buf *text, const char **ret)
{
        char *kept = text->failed ? NULL : gw_exchange_alloc(call->exchange, text->len + 1);
        int rc = kept ? 0 : -1;
        if (kept && text->len > 0)
                memcpy(kept, text->data, text->len);
        *ret = text->len > 0 ? kept : NULL;
        gw_buf_done(text);
        return rc;
}

int gw_filter_join(const struct gw_call *call, const json_t *strings, const char **ret)
{
        struct gw_buf text = GW_BUF_INIT(MAX_TEXT);
        size_t i;
        const json_t *s;
        json_array_foreach(strings, i, s)
        {
                if (i > 0)
                        gw_buf_char(&text, ',');
                gw_buf_str(&text, json_string_value(s));
        }
        return gw_filter_keep(call, &text, ret);
}

/* Ids hold whole milliseconds: a job is of `t` or later when its millisecond is. */
static int64_t read_moment(const json_t *value)
{
        int64_t us = 0;
        if (!value || gw_time_parse(json_string_value(value), &us))
                return 0;
        int64_t ms = (us + 999) / 1000;
        return (ms > 0 ? ms : 1) * 1000;
}

int gw_filter_read(const struct gw_call *call, gw_filter_source source, struct gw_job_filter *f)
{
        f->owner = json_string_value(source(call, "owner"));
        f->name = json_string_value(source(call, "name"));
        f->backend = json_string_value(source(call, "backend"));
        f->created_after_us = read_moment(source(call, "created_after"));
        f->created_before_us = read_moment(source(call, "created_before"));
        return gw_filter_join(call, source(call, "state"), &f->states) ||
                               gw_filter_join(call, source(call, "ids"), &f->ids)
                       ? -1
                       : 0;
}

/* One name with two values is what no job has. */
static int add_pair(json_t *pairs, const char *label, const char *equals)
{
        char key[128];
        size_t len = (size_t)(equals - label);
        if (len >= sizeof key)
                return -1;
        memcpy(key, label, len);
        key[len] = '\0';
        const char *before = json_string_value(json_object_get(pairs, key));
        if (before)
                return strcmp(before, equals + 1) != 0;
        return json_object_set_new(pairs, key, json_string(equals + 1));
}

static int sort_labels(const json_t *labels, json_t *pairs, struct gw_buf *names)
{
        size_t i;
        const json_t *label;
        json_array_foreach(labels, i, label)
        {
                const char *text = json_string_value(label);
                const char *equals = strchr(text, '=');
                int rc = equals ? add_pair(pairs, text, equals) : 0;
                if (rc)
                        return rc;
                if (equals)
                        continue;
                if (names->len > 0)
                        gw_buf_char(names, ',');
                gw_buf_str(names, text);
        }
        return 0;
}

int gw_filter_labels(const struct gw_call *call, const json_t *labels, struct gw_job_filter *f)
{
        json_auto_t *pairs = json_object();
        struct gw_buf names = GW_BUF_INIT(MAX_TEXT), text = GW_BUF_INIT(MAX_TEXT);
        int rc = pairs ? sort_labels(labels, pairs, &names) : -1;
        if (rc) {
                gw_buf_done(&names);
                return rc;
        }
        if (json_object_size(pairs) > 0) {
                gw_autofree char *dump = json_dumps(pairs, JSON_COMPACT);
                if (dump)
                        gw_buf_str(&text, dump);
                text.failed |= !dump;
        }
        rc = gw_filter_keep(call, &names, &f->label_names);
        return gw_filter_keep(call, &text, &f->labels) || rc ? -1 : 0;
}
