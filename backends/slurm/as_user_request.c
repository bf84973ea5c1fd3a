/* Requests to jobgate-slurm-as-user, read strictly: a table of members, and of verbs. */
#include "backends/slurm/as_user_request.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/id.h"

#define NAME_MAX_BYTES 255

static const char *const verbs[] = {
        [GW_AS_USER_FOLDER] = "folder",
        [GW_AS_USER_OPEN] = "open",
        [GW_AS_USER_REMOVE] = "remove",
        [GW_AS_USER_SBATCH] = "sbatch",
};

static const char *const outcomes[] = {
        [GW_AS_USER_DONE] = "done",       [GW_AS_USER_INVALID] = "invalid",
        [GW_AS_USER_REFUSED] = "refused", [GW_AS_USER_ABSENT] = "absent",
        [GW_AS_USER_UNSEEN] = "unseen",   [GW_AS_USER_FORBIDDEN] = "forbidden",
        [GW_AS_USER_WRONG] = "wrong",     [GW_AS_USER_BUSY] = "busy",
        [GW_AS_USER_FULL] = "full",       [GW_AS_USER_LATE] = "late",
        [GW_AS_USER_FAILED] = "failed",
};

/* ---- members: each is read into its place in the request, or says what is wrong -------------- */

static const char *read_text(const json_t *value, void *place)
{
        const char *text = json_string_value(value);
        if (!text || strlen(text) != json_string_length(value))
                return "must be a text without NUL";
        *(const char **)place = text;
        return NULL;
}

static const char *read_user(const json_t *value, void *place)
{
        size_t len = json_string_length(value);
        return len == 0 || len > NAME_MAX_BYTES ? "must be a user's name" : read_text(value, place);
}

static const char *read_path(const json_t *value, void *place)
{
        const char *text = json_string_value(value);
        if (!text || text[0] != '/' || json_string_length(value) >= PATH_MAX)
                return "must be an absolute path";
        return read_text(value, place);
}

static const char *read_job(const json_t *value, void *place)
{
        struct gw_id id;
        const char *text = json_string_value(value);
        if (!text || gw_id_parse(text, &id))
                return "must be an id";
        return read_text(value, place);
}

static bool is_option(const char *text)
{
        return strncmp(text, "--", 2) == 0 && text[2] != '\0' && text[2] != '=';
}

static bool is_variable(const char *text)
{
        const char *equals = strchr(text, '=');
        return equals && equals != text;
}

static const char *read_list(const json_t *value, void *place, bool (*is_fit)(const char *text),
                             const char *wrong)
{
        size_t i;
        const json_t *item;
        if (!json_is_array(value) || json_array_size(value) > GW_AS_USER_LIST)
                return wrong;
        json_array_foreach(value, i, item)
        {
                const char *text = json_string_value(item);
                if (!text || json_string_length(item) > GW_AS_USER_ITEM ||
                    strlen(text) != json_string_length(item) || !is_fit(text))
                        return wrong;
        }
        *(const json_t **)place = value;
        return NULL;
}

static const char *read_arguments(const json_t *value, void *place)
{
        return read_list(value, place, is_option, "must be a list of long options");
}

static const char *read_environment(const json_t *value, void *place)
{
        return read_list(value, place, is_variable, "must be a list of NAME=value");
}

static const char *read_deadline(const json_t *value, void *place)
{
        if (!json_is_integer(value) || json_integer_value(value) < 0)
                return "must be a time in microseconds";
        *(int64_t *)place = json_integer_value(value);
        return NULL;
}

#define AT(member) offsetof(struct gw_as_user_request, member)
#define REMOVE (1U << GW_AS_USER_REMOVE)
#define SBATCH (1U << GW_AS_USER_SBATCH)
#define ALL (~0U)

static const struct member {
        const char *name;
        unsigned verbs; /* that have it */
        size_t offset;
        const char *(*read)(const json_t *value, void *place);
} members[] = {
        {"user", ALL, AT(user), read_user},
        {"path", ALL, AT(path), read_path},
        {"job", REMOVE, AT(job), read_job},
        {"arguments", SBATCH, AT(arguments), read_arguments},
        {"environment", SBATCH, AT(environment), read_environment},
        {"script", SBATCH, AT(script), read_text},
        {"deadline", SBATCH, AT(deadline_us), read_deadline},
};

/* ---- the whole ------------------------------------------------------------------------------- */

static int read_verb(const json_t *object, enum gw_as_user_verb *ret, struct gw_error *err)
{
        const char *name = json_string_value(json_object_get(object, "verb"));
        for (size_t i = 0; name && i < GW_COUNT(verbs); i++) {
                if (strcmp(verbs[i], name) != 0)
                        continue;
                *ret = (enum gw_as_user_verb)i;
                return 0;
        }
        return gw_fail(err, GW_ERR_INVALID, "verb is none");
}

int gw_as_user_request_read(const json_t *object, struct gw_as_user_request *ret,
                            struct gw_error *err)
{
        struct gw_as_user_request request = {0};
        size_t count = 1;
        if (read_verb(object, &request.verb, err))
                return -1;
        for (size_t i = 0; i < GW_COUNT(members); i++) {
                const struct member *m = &members[i];
                if (!(m->verbs & (1U << request.verb)))
                        continue;
                const char *wrong =
                        m->read(json_object_get(object, m->name), (char *)&request + m->offset);
                if (wrong)
                        return gw_fail(err, GW_ERR_INVALID, "%s %s", m->name, wrong);
                count++;
        }
        if (json_object_size(object) != count)
                return gw_fail(err, GW_ERR_INVALID, "the request has a member too many");
        *ret = request;
        return 0;
}

const char *gw_as_user_outcome_name(enum gw_as_user_outcome outcome)
{
        return outcomes[outcome];
}

int gw_as_user_outcome_read(const json_t *answer, enum gw_as_user_outcome *ret)
{
        const char *name = json_string_value(json_object_get(answer, "outcome"));
        for (size_t i = 0; name && i < GW_COUNT(outcomes); i++) {
                if (strcmp(outcomes[i], name) != 0)
                        continue;
                *ret = (enum gw_as_user_outcome)i;
                return 0;
        }
        return -1;
}
