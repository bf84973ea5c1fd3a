/* Types in words and tables of members. Pure; any thread. */
#include "routes/docs_schema.h"

#include <string.h>

#include "routes/docs_text.h"
#include "server/base/cleanup.h"

#define SCHEMA_PREFIX "#/components/schemas/"

const json_t *gw_docs_resolve(const json_t *document, const json_t *node)
{
        const char *ref = json_string_value(json_object_get(node, "$ref"));
        if (!ref)
                return node;
        const json_t *at = document;
        for (const char *part = strchr(ref, '/'); at && part;) {
                const char *end = strchr(++part, '/');
                size_t len = end ? (size_t)(end - part) : strlen(part);
                at = json_object_getn(at, part, len);
                part = end;
        }
        return at;
}

static void write_number(struct gw_buf *out, const json_t *n)
{
        if (json_is_integer(n))
                gw_buf_int(out, json_integer_value(n));
        else
                gw_buf_printf(out, "%.10g", json_number_value(n));
}

/* "0 to 240", or one side only. */
static void write_bounds(struct gw_buf *out, const json_t *schema, const char *lowest,
                         const char *highest, const char *unit)
{
        const json_t *lo = json_object_get(schema, lowest), *hi = json_object_get(schema, highest);
        if (!lo && !hi)
                return;
        gw_buf_str(out, ", ");
        if (lo && hi) {
                write_number(out, lo);
                gw_buf_str(out, " to ");
                write_number(out, hi);
        } else {
                gw_buf_str(out, lo ? "at least " : "at most ");
                write_number(out, lo ? lo : hi);
        }
        gw_buf_str(out, unit);
}

static void write_value(struct gw_buf *out, const json_t *value)
{
        gw_autofree char *text = json_dumps(value, JSON_ENCODE_ANY);
        gw_buf_str(out, "<code>");
        gw_docs_escape(out, text);
        gw_buf_str(out, "</code>");
}

static void write_values(struct gw_buf *out, const json_t *values)
{
        size_t i;
        const json_t *value;
        gw_buf_str(out, "one of ");
        json_array_foreach(values, i, value)
        {
                if (i > 0)
                        gw_buf_str(out, ", ");
                if (json_is_string(value)) {
                        gw_buf_str(out, "<code>");
                        gw_docs_escape(out, json_string_value(value));
                        gw_buf_str(out, "</code>");
                } else {
                        write_value(out, value);
                }
        }
}

static void write_parts(struct gw_buf *out, const json_t *parts, const char *between)
{
        size_t i;
        const json_t *part;
        json_array_foreach(parts, i, part)
        {
                if (i > 0)
                        gw_buf_str(out, between);
                gw_docs_type(out, part);
        }
}

static void write_type_name(struct gw_buf *out, const json_t *type)
{
        size_t i;
        const json_t *one;
        if (json_is_string(type))
                gw_docs_escape(out, json_string_value(type));
        json_array_foreach(type, i, one)
        {
                if (i > 0)
                        gw_buf_str(out, " or ");
                gw_docs_escape(out, json_string_value(one));
        }
}

static void write_plain(struct gw_buf *out, const json_t *schema)
{
        const json_t *item = json_object_get(schema, "items");
        const json_t *values = json_object_get(schema, "enum");
        if (values) {
                write_values(out, values);
                return;
        }
        write_type_name(out, json_object_get(schema, "type"));
        if (item) {
                gw_buf_str(out, " of ");
                gw_docs_type(out, item);
        }
        write_bounds(out, schema, "minimum", "maximum", "");
        write_bounds(out, schema, "minLength", "maxLength", " characters");
        write_bounds(out, schema, "minItems", "maxItems", " items");
        write_bounds(out, schema, "minProperties", "maxProperties", " members");
}

void gw_docs_type(struct gw_buf *out, const json_t *schema)
{
        const char *ref = json_string_value(json_object_get(schema, "$ref"));
        const json_t *any = json_object_get(schema, "anyOf");
        const json_t *all = json_object_get(schema, "allOf");
        const json_t *preset = json_object_get(schema, "default");
        if (ref && strncmp(ref, SCHEMA_PREFIX, strlen(SCHEMA_PREFIX)) == 0) {
                const char *name = ref + strlen(SCHEMA_PREFIX);
                gw_buf_printf(out, "<a href=\"#schema-%s\">%s</a>", name, name);
        } else if (any || all) {
                write_parts(out, any ? any : all, any ? " or " : " and ");
        } else {
                write_plain(out, schema);
        }
        if (preset) {
                gw_buf_str(out, ", default ");
                write_value(out, preset);
        }
}

static bool is_required(const json_t *schema, const char *name)
{
        size_t i;
        const json_t *one;
        json_array_foreach(json_object_get(schema, "required"), i, one)
        {
                if (strcmp(json_string_value(one), name) == 0)
                        return true;
        }
        return false;
}

static void write_members(struct gw_buf *out, const json_t *schema)
{
        json_t *members = json_object_get(schema, "properties");
        const char *name;
        const json_t *member;
        if (json_object_size(members) == 0)
                return;
        gw_buf_str(out, "<table><tr><th>Member</th><th>Type</th><th></th></tr>\n");
        json_object_foreach(members, name, member)
        {
                gw_buf_str(out, "<tr><td><code>");
                gw_docs_escape(out, name);
                gw_buf_str(out,
                           is_required(schema, name) ? "</code> *</td><td>" : "</code></td><td>");
                gw_docs_type(out, member);
                gw_buf_str(out, "</td><td>");
                gw_docs_inline(out, json_string_value(json_object_get(member, "description")));
                gw_buf_str(out, "</td></tr>\n");
        }
        gw_buf_str(out, "</table>\n");
}

static void write_schema(struct gw_buf *out, const char *name, const json_t *schema)
{
        size_t i;
        const json_t *part;
        gw_buf_printf(out, "<section id=\"schema-%s\"><h3>%s</h3>\n", name, name);
        gw_docs_markdown(out, json_string_value(json_object_get(schema, "description")));
        gw_buf_str(out, "<p>");
        gw_docs_type(out, schema);
        gw_buf_str(out, "</p>\n");
        write_members(out, schema);
        json_array_foreach(json_object_get(schema, "allOf"), i, part)
        {
                write_members(out, part);
        }
        gw_buf_str(out, "</section>\n");
}

void gw_docs_schemas(struct gw_buf *out, const json_t *document)
{
        json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
        const char *name;
        const json_t *schema;
        gw_buf_str(out, "<h2 id=\"schemas\">Schemas</h2><p>Members with * are always there.</p>\n");
        json_object_foreach(schemas, name, schema)
        {
                write_schema(out, name, schema);
        }
}
