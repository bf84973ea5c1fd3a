/* Requests by tables of their members. Pure. */
#include "backends/slurm/agent/request.h"

#include <inttypes.h>
#include <string.h>

int gw_agent_request_head(const json_t *request, json_int_t *ret_id, const char **ret_op,
                          struct gw_error *err)
{
        const json_t *id = json_object_get(request, "id"), *op = json_object_get(request, "op");
        if (!json_is_integer(id) || !json_is_string(op))
                return gw_fail(err, GW_ERR_INVALID,
                               "a request needs a number 'id' and a text 'op'");
        *ret_id = json_integer_value(id);
        *ret_op = json_string_value(op);
        return 0;
}

static int read_number(const struct gw_agent_member *m, const json_t *value, void *at,
                       struct gw_error *err)
{
        json_int_t n = json_integer_value(value);
        if (!json_is_integer(value) || n < m->lo || n > m->hi)
                return gw_fail_at(err, GW_ERR_INVALID, m->name,
                                  "must be a whole number from %" PRId64 " to %" PRId64, m->lo,
                                  m->hi);
        *(int64_t *)at = n;
        return 0;
}

static int read_member(const struct gw_agent_member *m, const json_t *value, void *at,
                       struct gw_error *err)
{
        switch (m->kind) {
        case GW_AGENT_MEMBER_NUMBER:
                return read_number(m, value, at, err);
        case GW_AGENT_MEMBER_TEXT:
                *(const char **)at = json_string_value(value);
                return json_is_string(value)
                               ? 0
                               : gw_fail_at(err, GW_ERR_INVALID, m->name, "must be a text");
        case GW_AGENT_MEMBER_BOOL:
                *(bool *)at = json_is_true(value);
                return json_is_boolean(value)
                               ? 0
                               : gw_fail_at(err, GW_ERR_INVALID, m->name, "must be true or false");
        case GW_AGENT_MEMBER_JSON:
                *(const json_t **)at = value;
                return 0;
        }
        return 0;
}

static bool is_known(const char *name, const struct gw_agent_member *members, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (strcmp(members[i].name, name) == 0)
                        return true;
        return strcmp(name, "id") == 0 || strcmp(name, "op") == 0;
}

int gw_agent_request_read(const json_t *request, const struct gw_agent_member *members,
                          size_t count, void *ret, struct gw_error *err)
{
        for (size_t i = 0; i < count; i++) {
                const json_t *value = json_object_get(request, members[i].name);
                if (!value && members[i].required)
                        return gw_fail_at(err, GW_ERR_INVALID, members[i].name, "is needed");
                if (value && read_member(&members[i], value, (char *)ret + members[i].offset, err))
                        return -1;
        }
        const char *name;
        json_t *value;
        json_object_foreach(
                (json_t *)request, name,
                value) if (!is_known(name, members, count)) return gw_fail_at(err, GW_ERR_INVALID,
                                                                              name, "is not known");
        return 0;
}
