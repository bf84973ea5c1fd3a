/* A request's body and parameters as a spec. Runs on the exchange's loop thread. */
#include "routes/submit_body.h"

#include <stdio.h>
#include <string.h>

#include "openapi/schemas.h"
#include "routes/submit.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

/* The parameters that stand for fields of the spec. */
static const struct field {
        const char *parameter, *home, *member; /* home: an object of the spec, or NULL: itself */
} fields[] = {
        {"array", "array", "indices"},      {"backend", NULL, "backend"},
        {"cpus", "resources", "cpus"},      {"gpu_type", "resources", "gpu_type"},
        {"gpus", "resources", "gpus"},      {"max_parallel", "array", "max_parallel"},
        {"memory", "resources", "memory"},  {"name", NULL, "name"},
        {"project", NULL, "project"},       {"queue", NULL, "queue"},
        {"time_limit", NULL, "time_limit"}, {"working_directory", NULL, "working_directory"},
};

static void name_field(const struct field *f, char out[GW_ERROR_POINTER])
{
        snprintf(out, GW_ERROR_POINTER, "%s%s/%s", f->home ? "/" : "", f->home ? f->home : "",
                 f->member);
}

static void name_parameter(const struct field *f, char out[GW_ERROR_POINTER])
{
        snprintf(out, GW_ERROR_POINTER, "?%s", f->parameter);
}

/* ---- the spec ------------------------------------------------------------------------------ */

/* The object that has the member, made where it is missing. NULL: it is no object, which decoding
 * says, or there is no memory. */
static json_t *home_of(json_t *spec, const struct field *f)
{
        json_t *home = f->home ? json_object_get(spec, f->home) : spec;
        if (!home && json_object_set_new(spec, f->home, json_object()) == 0)
                home = json_object_get(spec, f->home);
        return json_is_object(home) ? home : NULL;
}

static void put_field(struct gw_call *call, json_t *spec, const struct field *f, json_t *value)
{
        char pointer[GW_ERROR_POINTER];
        json_t *home = home_of(spec, f);
        name_parameter(f, pointer);
        if (json_object_get(home, f->member))
                gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE, pointer,
                              "stands in the body too: say it once");
        else if (!home || json_object_set(home, f->member, value))
                gw_faults_add(call->faults, GW_ERR_NOMEM, "", "out of memory");
}

/* ---- a manifest ---------------------------------------------------------------------------- */

static bool is_manifest(const struct gw_call *call)
{
        return strcmp(call->media->type, "application/yaml") == 0;
}

static const char *given(const struct gw_call *call, const char *parameter)
{
        return json_string_value(gw_call_value(call, parameter));
}

static void import(struct gw_call *call, const struct gw_backend *b, struct gw_warnings *warnings,
                   json_t **ret)
{
        struct gw_error err = {0};
        *ret = b->type->import(json_string_value(call->body), json_string_length(call->body),
                               warnings, &err);
        if (!*ret)
                gw_faults_add(call->faults, err.code, err.pointer, "%s", err.message);
}

/* Its own words are those of a type of backends. */
static json_t *read_manifest(struct gw_call *call, struct gw_warnings *warnings)
{
        json_t *spec = NULL;
        const struct gw_backend *b =
                gw_submit_backend(call, given(call, "project"), given(call, "backend"));
        if (b && b->type->import)
                import(call, b, warnings, &spec);
        else if (b)
                gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE, "/backend",
                              "\"%s\" is of type %s, which knows no manifests", b->name,
                              b->type->name);
        return spec;
}

/* What its container says, and no parameter. */
static void refuse_resources(struct gw_call *call)
{
        for (size_t i = 0; i < GW_COUNT(fields); i++) {
                char pointer[GW_ERROR_POINTER];
                bool asks = fields[i].home && strcmp(fields[i].home, "resources") == 0;
                name_parameter(&fields[i], pointer);
                if (asks && gw_call_value(call, fields[i].parameter))
                        gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE, pointer,
                                      "is the manifest's to say");
        }
}

/* ---- all together -------------------------------------------------------------------------- */

/* Returns whether there was one. */
static bool put_fields(struct gw_call *call, json_t *spec)
{
        bool any = false;
        for (size_t i = 0; i < GW_COUNT(fields); i++) {
                const json_t *value = gw_call_value(call, fields[i].parameter);
                if (value)
                        put_field(call, spec, &fields[i], (json_t *)value);
                any |= value != NULL;
        }
        return any;
}

static json_t *read_spec(struct gw_call *call, struct gw_warnings *warnings)
{
        if (is_manifest(call))
                return read_manifest(call, warnings);
        json_t *spec = call->media->text ? json_pack("{s:O}", "script", call->body)
                                         : json_incref(call->body);
        if (!spec)
                gw_faults_add(call->faults, GW_ERR_NOMEM, "", "out of memory");
        return spec;
}

json_t *gw_submit_body(struct gw_call *call, struct gw_warnings *warnings)
{
        bool text = call->media->text;
        json_t *spec = read_spec(call, warnings);
        if (!spec) {
                gw_submit_body_place_faults(call);
                return NULL;
        }
        if (is_manifest(call))
                refuse_resources(call);
        bool more = put_fields(call, spec);
        /* A body of JSON has been decoded. */
        if ((more || text) && !gw_faults_any(call->faults))
                gw_decode(&gw_schema_JobSpec, spec, "", call->faults);
        if (!gw_faults_any(call->faults))
                return spec;
        gw_submit_body_place_faults(call);
        json_decref(spec);
        return NULL;
}

/* ---- the digest ---------------------------------------------------------------------------- */

static const char *text_of(const struct gw_call *call, const char *parameter)
{
        const struct gw_operation *o = call->operation;
        for (size_t i = 0; call->query && i < o->query_count; i++)
                if (strcmp(o->query[i].name, parameter) == 0)
                        return call->query[i].text;
        return NULL;
}

/* Without parameters it is the body's alone. Neither holds a NUL once it was decoded. */
int gw_submit_body_digest(struct gw_call *call, uint8_t digest[32])
{
        size_t len;
        const char *body = gw_exchange_body(call->exchange, &len);
        struct gw_buf text = GW_BUF_INIT(len + GW_MAX_URI_BYTES);
        gw_buf_add(&text, body, len);
        for (size_t i = 0; i < GW_COUNT(fields); i++) {
                const char *value = text_of(call, fields[i].parameter);
                if (value)
                        gw_buf_printf(&text, "\n?%s=%s", fields[i].parameter, value);
        }
        bool ok = gw_buf_ok(&text);
        if (ok)
                gw_token_hash(text.data, digest);
        gw_buf_done(&text);
        return ok ? 0 : -1;
}

/* ---- faults -------------------------------------------------------------------------------- */

static void place(const struct gw_call *call, char pointer[GW_ERROR_POINTER])
{
        static const char home[] = "/manifest/job";
        char field[GW_ERROR_POINTER];
        size_t len = sizeof home - 1;
        if (is_manifest(call) && strncmp(pointer, home, len) == 0)
                memmove(pointer, pointer + len, strlen(pointer + len) + 1);
        for (size_t i = 0; i < GW_COUNT(fields); i++) {
                name_field(&fields[i], field);
                if (gw_call_value(call, fields[i].parameter) && strcmp(pointer, field) == 0)
                        name_parameter(&fields[i], pointer);
        }
}

void gw_submit_body_place_faults(struct gw_call *call)
{
        for (size_t i = 0; i < call->faults->count; i++)
                place(call, call->faults->items[i].pointer);
}

void gw_submit_body_place_error(struct gw_call *call, struct gw_error *err)
{
        place(call, err->pointer);
}

void gw_submit_body_refuse_parameters(struct gw_call *call, const char *detail)
{
        for (size_t i = 0; i < GW_COUNT(fields); i++) {
                char pointer[GW_ERROR_POINTER];
                name_parameter(&fields[i], pointer);
                if (gw_call_value(call, fields[i].parameter))
                        gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE, pointer, "%s", detail);
        }
}
