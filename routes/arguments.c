/*
 * Walks an operation's tables over a request. Runs on the exchange's loop thread, once for
 * each call; a request without a query string makes no JSON for it.
 */
#include "routes/arguments.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/base/str.h"
#include "server/model/json.h"

/* ---- path and header fields --------------------------------------------------------------- */

static void check_text(const struct gw_schema *schema, const char *format, const char *name,
                       const char *text, struct gw_faults *faults)
{
        char pointer[GW_ERROR_POINTER];
        snprintf(pointer, sizeof pointer, *format == '{' ? "{%s}" : "%s:", name);
        json_decref(gw_decode_text(schema, pointer, text, faults));
}

static void read_path(struct gw_call *call)
{
        const struct gw_operation *o = call->operation;
        struct gw_id id;
        for (size_t i = 0; i < o->path_count; i++) {
                /* Nearly every call has one: it need not become JSON to be judged. */
                if (o->path_schemas[i]->format == GW_FORMAT_UUID &&
                    gw_id_parse(call->path[i], &id) == 0)
                        continue;
                check_text(o->path_schemas[i], "{", o->path_names[i], call->path[i], call->faults);
        }
}

static void read_headers(struct gw_call *call)
{
        const struct gw_operation *o = call->operation;
        for (size_t i = 0; i < o->header_count; i++) {
                const char *text = gw_call_header(call, o->headers[i].name);
                if (text)
                        check_text(o->headers[i].schema, ":", o->headers[i].name, text,
                                   call->faults);
        }
}

/* ---- query -------------------------------------------------------------------------------- */

static const char *parameter_name(const void *list, size_t i)
{
        const struct gw_operation *o = list;
        return i < o->query_count ? o->query[i].name : NULL;
}

static void fault_unknown(struct gw_call *call, const char *pointer, const char *name)
{
        const char *near = gw_str_nearest(name, parameter_name, call->operation);
        if (near)
                gw_faults_add(call->faults, GW_ERR_INVALID, pointer,
                              "unknown parameter; did you mean \"%s\"?", near);
        else
                gw_faults_add(call->faults, GW_ERR_INVALID, pointer, "unknown parameter");
}

/* A site may allow less than the contract does. */
static void check_wait(struct gw_call *call, const char *name, const json_t *value)
{
        unsigned most = call->service->max_wait_s;
        if (strcmp(name, "wait") == 0 && json_integer_value(value) > (json_int_t)most)
                gw_faults_add(call->faults, GW_ERR_INVALID, "?wait",
                              "must be a whole number from 0 to %u on this gateway", most);
}

static bool read_parameter(void *arg, const char *name, const char *text)
{
        struct gw_call *call = arg;
        const struct gw_operation *o = call->operation;
        char pointer[GW_ERROR_POINTER];
        size_t i = 0;
        if (!call->query)
                call->query = gw_exchange_alloc(call->exchange,
                                                (o->query_count + 1) * sizeof *call->query);
        if (!call->query) {
                gw_faults_add(call->faults, GW_ERR_NOMEM, "", "out of memory");
                return false;
        }
        while (i < o->query_count && strcmp(o->query[i].name, name) != 0)
                i++;
        snprintf(pointer, sizeof pointer, "?%s", name);
        if (i == o->query_count) {
                fault_unknown(call, pointer, name);
        } else if (call->query[i].text) {
                gw_faults_add(call->faults, GW_ERR_INVALID, pointer,
                              "is given twice; several values are one parameter with commas");
        } else {
                call->query[i].text = text;
                call->query[i].value =
                        gw_decode_text(o->query[i].schema, pointer, text, call->faults);
                check_wait(call, name, call->query[i].value);
        }
        return true;
}

static void read_query(struct gw_call *call)
{
        const struct gw_operation *o = call->operation;
        struct gw_error err = {0};
        if (o->access != GW_ACCESS_PUBLIC &&
            gw_exchange_query(call->exchange, read_parameter, call, &err))
                gw_faults_add(call->faults, err.code, "?", "%s", err.message);
}

static void check_required(struct gw_call *call)
{
        const struct gw_operation *o = call->operation;
        for (size_t i = 0; i < o->query_count; i++) {
                char pointer[GW_ERROR_POINTER];
                if (!o->query[i].required || (call->query && call->query[i].text))
                        continue;
                snprintf(pointer, sizeof pointer, "?%s", o->query[i].name);
                gw_faults_add(call->faults, GW_ERR_INVALID, pointer, "is missing");
        }
}

/* ---- body --------------------------------------------------------------------------------- */

/* Bodies are UTF-8; what else a type says of itself does not matter. */
static bool is_utf8(const char *parameter)
{
        static const char *const known[] = {"charset=utf-8", "charset=\"utf-8\""};
        if (strncasecmp(parameter, "charset=", strlen("charset=")) != 0)
                return true;
        for (size_t i = 0; i < GW_COUNT(known); i++) {
                size_t len = strlen(known[i]);
                if (strncasecmp(parameter, known[i], len) == 0 &&
                    strspn(parameter + len, " \t") == strcspn(parameter + len, ";"))
                        return true;
        }
        return false;
}

/* What follows a type: nothing, or parameters. */
static bool parameters_fit(const char *rest)
{
        rest += strspn(rest, " \t");
        while (*rest == ';') {
                rest += strspn(rest, "; \t");
                if (!is_utf8(rest))
                        return false;
                rest += strcspn(rest, ";");
        }
        return *rest == '\0';
}

static const struct gw_media *find_media(const struct gw_operation *o, const char *type)
{
        for (size_t i = 0; type && i < o->media_count; i++) {
                size_t len = strlen(o->media[i].type);
                if (strncasecmp(type, o->media[i].type, len) == 0 && parameters_fit(type + len))
                        return &o->media[i];
        }
        return NULL;
}

const struct gw_media *gw_arguments_media(const struct gw_call *call)
{
        const char *type = gw_exchange_header(call->exchange, "Content-Type");
        return find_media(call->operation, type);
}

/* Clients made from the contract send null for a body that they leave out. */
static void read_json(struct gw_call *call, const char *body, size_t len)
{
        call->body = gw_json_parse(body, len, call->faults);
        if (json_is_null(call->body) && !call->operation->body_required)
                json_decref(GW_TAKE(call->body));
        else if (call->body)
                gw_decode(call->media->schema, call->body, "", call->faults);
}

/* The first byte that is no text; NULL: there is none. */
static const char *find_bad_byte(const char *body, size_t len)
{
        size_t step;
        for (const char *end = body + len; body < end; body += step) {
                step = gw_str_utf8_char(body, (size_t)(end - body));
                if (step == 0 || *body == '\0')
                        return body;
        }
        return NULL;
}

static void fault_byte(struct gw_call *call, const char *body, const char *bad)
{
        size_t line = 1;
        for (const char *at = body; at < bad; at++)
                line += *at == '\n';
        if (*bad == '\0')
                gw_faults_add(call->faults, GW_ERR_INVALID, "", "line %zu has a NUL byte in it",
                              line);
        else
                gw_faults_add(call->faults, GW_ERR_INVALID, "",
                              "line %zu is no UTF-8: byte 0x%02x begins no character", line,
                              (unsigned char)*bad);
}

static void read_text(struct gw_call *call, const char *body, size_t len)
{
        const char *bad = find_bad_byte(body, len);
        if (bad) {
                fault_byte(call, body, bad);
                return;
        }
        call->body = json_stringn(body, len);
        if (call->body)
                gw_decode(call->media->schema, call->body, "", call->faults);
        else
                gw_faults_add(call->faults, GW_ERR_NOMEM, "", "out of memory");
}

/* Returns 0, or -1 with an answer set: the type is none of the operation's. */
static int read_body(struct gw_call *call)
{
        const struct gw_operation *o = call->operation;
        size_t len = 0;
        const char *body = gw_exchange_body(call->exchange, &len);
        if (o->media_count == 0)
                return 0;
        if (len == 0) {
                if (o->body_required)
                        gw_faults_add(call->faults, GW_ERR_INVALID, "", "a body is needed");
                return 0;
        }
        if (!call->media) {
                gw_call_fail_code(call, GW_ERR_UNSUPPORTED_MEDIA,
                                  "send Content-Type: %s (in UTF-8)", o->media[0].type);
                return -1;
        }
        if (call->media->text)
                read_text(call, body, len);
        else
                read_json(call, body, len);
        return 0;
}

/* ---- the interface ------------------------------------------------------------------------ */

int gw_arguments_read(struct gw_call *call)
{
        read_path(call);
        read_query(call);
        check_required(call);
        read_headers(call);
        if (!call->handler->part && read_body(call))
                return -1;
        if (!gw_faults_any(call->faults))
                return 0;
        gw_call_fail_faults(call, call->faults);
        return -1;
}

void gw_arguments_done(struct gw_call *call)
{
        for (size_t i = 0; call->query && i < call->operation->query_count; i++)
                json_decref(GW_TAKE(call->query[i].value));
        json_decref(GW_TAKE(call->body));
}
