/* Sections by tables. */
#include "backends/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/str.h"
#include "server/model/duration.h"
#include "server/model/quantity.h"

#define MAX_PATH 4096

/* ---- readers --------------------------------------------------------------------------------- */

int gw_setting_text(const struct gw_setting *row, const json_t *value, void *place,
                    struct gw_error *err)
{
        const char *s = json_string_value(value);
        (void)row;
        if (!s || !s[0])
                return gw_fail(err, GW_ERR_INVALID, "must be a text that is not empty");
        char *copy = strdup(s);
        if (!copy)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        free(*(char **)place);
        *(char **)place = copy;
        return 0;
}

int gw_setting_path(const struct gw_setting *row, const json_t *value, void *place,
                    struct gw_error *err)
{
        const char *s = json_string_value(value);
        if (!s || s[0] != '/')
                return gw_fail(err, GW_ERR_INVALID, "must be an absolute path");
        return gw_setting_text(row, value, place, err);
}

int gw_setting_keep(const json_t *value, void *place, struct gw_error *err)
{
        json_t *copy = json_deep_copy(value);
        if (!copy)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        json_decref(*(json_t **)place);
        *(json_t **)place = copy;
        return 0;
}

int gw_setting_names(const struct gw_setting *row, const json_t *value, void *place,
                     struct gw_error *err)
{
        size_t i;
        json_t *name;
        (void)row;
        bool names = json_array_size(value) > 0;
        json_array_foreach(value, i, name) names = names && json_string_length(name) > 0;
        if (!names)
                return gw_fail(err, GW_ERR_INVALID, "must be a list of names");
        return gw_setting_keep(value, place, err);
}

int gw_setting_flag(const struct gw_setting *row, const json_t *value, void *place,
                    struct gw_error *err)
{
        (void)row;
        if (!json_is_boolean(value))
                return gw_fail(err, GW_ERR_INVALID, "must be true or false");
        *(int64_t *)place = json_is_true(value);
        return 0;
}

int gw_setting_cpus(const struct gw_setting *row, const json_t *value, void *place,
                    struct gw_error *err)
{
        (void)row;
        if (json_is_number(value))
                return gw_cpus_from_number(json_number_value(value), place, err);
        if (json_is_string(value))
                return gw_cpus_parse(json_string_value(value), place, err);
        return gw_fail(err, GW_ERR_INVALID, "must be a number of cores");
}

int gw_setting_size(const struct gw_setting *row, const json_t *value, void *place,
                    struct gw_error *err)
{
        (void)row;
        if (json_is_string(value))
                return gw_quantity_parse(json_string_value(value), place, err);
        if (!json_is_integer(value) || json_integer_value(value) < 0)
                return gw_fail(err, GW_ERR_INVALID, "must be a size such as 64Gi");
        *(int64_t *)place = json_integer_value(value);
        return 0;
}

int gw_setting_count(const struct gw_setting *row, const json_t *value, void *place,
                     struct gw_error *err)
{
        json_int_t n = json_integer_value(value);
        if (!json_is_integer(value) || n < row->least || n > row->most)
                return gw_fail(err, GW_ERR_INVALID,
                               "must be a whole number from %" PRId64 " to %" PRId64, row->least,
                               row->most);
        *(int64_t *)place = n;
        return 0;
}

int gw_setting_seconds(const struct gw_setting *row, const json_t *value, void *place,
                       struct gw_error *err)
{
        int64_t seconds = json_integer_value(value);
        if (json_is_string(value)) {
                if (gw_duration_parse(json_string_value(value), &seconds, err))
                        return -1;
        } else if (!json_is_integer(value)) {
                return gw_fail(err, GW_ERR_INVALID, "must be a duration such as 10s");
        }
        if (seconds < row->least || seconds > row->most)
                return gw_fail(err, GW_ERR_INVALID,
                               "must be between %" PRId64 " and %" PRId64 " seconds", row->least,
                               row->most);
        *(int64_t *)place = seconds;
        return 0;
}

/* ---- the section ----------------------------------------------------------------------------- */

struct table {
        const struct gw_setting *rows;
        size_t count;
};

static const char *candidate(const void *list, size_t i)
{
        const struct table *t = list;
        return i < t->count ? t->rows[i].about.name : NULL;
}

static int read_one(const struct table *t, const char *name, const json_t *value, void *settings,
                    struct gw_error *err)
{
        for (size_t i = 0; i < t->count; i++) {
                const struct gw_setting *row = &t->rows[i];
                if (strcmp(row->about.name, name) == 0)
                        return row->read(row, value, (char *)settings + row->offset, err)
                                       ? gw_fail_within(err, name)
                                       : 0;
        }
        const char *nearest = gw_str_nearest(name, candidate, t);
        return gw_fail(err, GW_ERR_INVALID, "there is no setting %.64s%s%s%s", name,
                       nearest ? "; did you mean " : "", nearest ? nearest : "",
                       nearest ? "?" : "");
}

int gw_settings_read(const struct gw_setting *table, size_t count, const json_t *section,
                     void *settings, struct gw_error *err)
{
        const struct table t = {table, count};
        const char *name;
        json_t *value;
        /* Only iterated over: jansson's iterator wants it writable. */
        json_object_foreach((json_t *)(uintptr_t)section, name, value)
        {
                if (read_one(&t, name, value, settings, err))
                        return -1;
        }
        return 0;
}

char *gw_settings_beside(const char *program)
{
        char path[MAX_PATH], *found;
        ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
        if (n <= 0)
                return NULL;
        path[n] = '\0';
        *strrchr(path, '/') = '\0';
        return asprintf(&found, "%s/%s", path, program) < 0 ? NULL : found;
}
