/* What handlers do with a call. Runs on the exchange's loop thread. */
#include "routes/call.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "routes/problem.h"
#include "server/base/clock.h"
#include "server/base/str.h"

/* ---- parameters --------------------------------------------------------------------------- */

struct gw_id gw_call_path_id(const struct gw_call *call, size_t i)
{
        struct gw_id id = {{0}};
        int rc = gw_id_parse(call->path[i], &id);
        assert(rc == 0);
        return id;
}

int64_t gw_call_path_int(const struct gw_call *call, size_t i)
{
        int64_t n = 0;
        int rc = gw_str_int64(call->path[i], INT64_MIN, INT64_MAX, &n);
        assert(rc == 0);
        return n;
}

const json_t *gw_call_value(const struct gw_call *call, const char *name)
{
        const struct gw_operation *o = call->operation;
        for (size_t i = 0; i < o->query_count; i++) {
                if (strcmp(o->query[i].name, name) != 0)
                        continue;
                const json_t *given = call->query ? call->query[i].value : NULL;
                return given ? given : call->presets[i];
        }
        assert(false && "a parameter that the contract does not know");
        return NULL;
}

const char *gw_call_text(const struct gw_call *call, const char *name)
{
        return json_string_value(gw_call_value(call, name));
}

int64_t gw_call_int(const struct gw_call *call, const char *name, int64_t absent)
{
        const json_t *value = gw_call_value(call, name);
        return value ? json_integer_value(value) : absent;
}

bool gw_call_flag(const struct gw_call *call, const char *name)
{
        return json_is_true(gw_call_value(call, name));
}

/* The server leaves those at the end, which are no part of the value (RFC 9110, 5.5). */
const char *gw_call_header(const struct gw_call *call, const char *name)
{
        const char *value = gw_exchange_header(call->exchange, name);
        size_t len = value ? strlen(value) : 0;
        if (len == 0 || (value[len - 1] != ' ' && value[len - 1] != '\t'))
                return value;
        while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
                len--;
        char *copy = gw_exchange_alloc(call->exchange, len + 1);
        return copy ? memcpy(copy, value, len) : value;
}

int64_t gw_call_deadline(const struct gw_call *call)
{
        int64_t wait_s = gw_call_int(call, "wait", 0);
        return wait_s > 0 ? gw_exchange_started_us(call->exchange) + wait_s * GW_SECOND : 0;
}

/* The weak comparison of RFC 9110, as everywhere for If-None-Match. */
bool gw_call_knows(const struct gw_call *call, const char *etag)
{
        const char *list = gw_exchange_header(call->exchange, "If-None-Match");
        size_t len = strlen(etag);
        while (list) {
                list += strspn(list, " \t,");
                if (*list == '*')
                        return true;
                if (strncmp(list, "W/", 2) == 0)
                        list += 2;
                const char *end = *list == '"' ? strchr(list + 1, '"') : NULL;
                if (end && (size_t)(end + 1 - list) == len && memcmp(list, etag, len) == 0)
                        return true;
                list = end ? end + 1 : NULL;
        }
        return false;
}

/* ---- commands ----------------------------------------------------------------------------- */

static int try(struct gw_call *call, struct gw_db_channel *channel, struct gw_db_command *command,
               struct gw_error *err)
{
        command->work.home = gw_call_home(call);
        command->work.owner = call->exchange;
        command->work.done = NULL;
        return gw_db_channel_post(channel, command, err);
}

/* One that is refused comes home with the error, like one that failed. */
static enum gw_next ask(struct gw_call *call, struct gw_db_channel *channel,
                        struct gw_db_command *command)
{
        struct gw_error err = {0};
        if (try(call, channel, command, &err)) {
                command->error = err;
                gw_work_finish(&command->work);
        }
        return GW_NEXT_WAIT;
}

static enum gw_next post(struct gw_call *call, struct gw_db_channel *channel,
                         struct gw_db_command *command)
{
        struct gw_error err = {0};
        return try(call, channel, command, &err) ? gw_call_fail(call, &err) : GW_NEXT_WAIT;
}

enum gw_next gw_call_write(struct gw_call *call, struct gw_db_command *command)
{
        return post(call, call->service->writer, command);
}

enum gw_next gw_call_read(struct gw_call *call, struct gw_db_command *command)
{
        return ask(call, call->service->reader, command);
}

enum gw_next gw_call_page(struct gw_call *call, struct gw_db_command *command)
{
        static _Thread_local unsigned turn; /* of this loop */
        return ask(call, call->service->pages[turn++ % GW_PAGE_CHANNELS], command);
}

enum gw_next gw_call_bulk(struct gw_call *call, struct gw_db_command *command)
{
        return post(call, call->service->bulk, command);
}

/* ---- answers ------------------------------------------------------------------------------ */

enum gw_next gw_call_fail(struct gw_call *call, const struct gw_error *err)
{
        gw_problem_respond(call->exchange, err);
        return GW_NEXT_RESPOND;
}

enum gw_next gw_call_fail_code(struct gw_call *call, enum gw_error_code code, const char *format,
                               ...)
{
        char message[GW_ERROR_MESSAGE];
        struct gw_error err = {0};
        va_list ap;
        va_start(ap, format);
        if (vsnprintf(message, sizeof message, format, ap) < 0)
                message[0] = '\0';
        va_end(ap);
        gw_fail(&err, code, "%s", message);
        return gw_call_fail(call, &err);
}

enum gw_next gw_call_fail_faults(struct gw_call *call, const struct gw_faults *faults)
{
        gw_problem_respond_faults(call->exchange, faults);
        return GW_NEXT_RESPOND;
}

enum gw_next gw_call_no_job(struct gw_call *call)
{
        return gw_call_fail_code(call, GW_ERR_NOT_FOUND, "there is no such job");
}

enum gw_next gw_call_json(struct gw_call *call, unsigned status, struct gw_buf *json)
{
        size_t len = 0;
        char *content = gw_buf_take(json, &len);
        if (!content)
                return gw_call_fail_code(call, GW_ERR_NOMEM, "the answer does not fit in memory");
        gw_respond(call->exchange, status, GW_JSON_TYPE, content, len);
        return GW_NEXT_RESPOND;
}

enum gw_next gw_call_empty(struct gw_call *call, unsigned status)
{
        gw_respond(call->exchange, status, NULL, NULL, 0);
        return GW_NEXT_RESPOND;
}
