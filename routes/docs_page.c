/*
 * The page: what the API is, every operation by tag, every schema. Pure; made once at start.
 * It reads the document as it finds it and leaves out what is not there.
 */
#include "routes/docs_page.h"

#include <string.h>

#include "routes/docs_schema.h"
#include "routes/docs_text.h"

static const char style[] =
        ":root{color-scheme:light dark;--line:#8884;--soft:#8881;--link:#0a62c4}"
        "@media(prefers-color-scheme:dark){:root{--link:#7ab8ff}}"
        "body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem}"
        "a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}"
        "h1{margin-bottom:0}h2{border-bottom:2px solid var(--line);margin-top:3rem}"
        "section{border-bottom:1px solid var(--line);padding-bottom:1rem}"
        "code,pre{font:14px/1.45 ui-monospace,monospace;background:var(--soft);border-radius:4px}"
        "code{padding:.1em .3em;overflow-wrap:anywhere}pre{padding:.7rem;overflow-x:auto}"
        "table{border-collapse:collapse;width:100%}"
        "td,th{border-top:1px solid var(--line);padding:.3rem .6rem .3rem 0;text-align:left;"
        "vertical-align:top}"
        "th:last-child{min-width:16rem}"
        "@media(max-width:40rem){table{display:block;overflow-x:auto}}"
        "nav ul{columns:2 18rem;padding-left:1rem;list-style:none}summary{cursor:pointer}"
        ".method{display:inline-block;min-width:3.6rem;font-weight:bold}";

static const char *const methods[] = {"post", "get", "put", "patch", "delete"};

static const char *text_of(const json_t *node, const char *name)
{
        return json_string_value(json_object_get(node, name));
}

/* ---- one operation ------------------------------------------------------------------------- */

static void write_parameter(struct gw_buf *out, const json_t *document, const json_t *node)
{
        const json_t *p = gw_docs_resolve(document, node);
        gw_buf_str(out, "<tr><td><code>");
        gw_docs_escape(out, text_of(p, "name"));
        gw_buf_str(out, json_is_true(json_object_get(p, "required")) ? "</code> *</td><td>"
                                                                     : "</code></td><td>");
        gw_docs_escape(out, text_of(p, "in"));
        gw_buf_str(out, "</td><td>");
        gw_docs_type(out, json_object_get(p, "schema"));
        gw_buf_str(out, "</td><td>");
        gw_docs_inline(out, text_of(p, "description"));
        gw_buf_str(out, "</td></tr>\n");
}

static void write_parameters(struct gw_buf *out, const json_t *document, const json_t *shared,
                             const json_t *own)
{
        size_t i;
        const json_t *p;
        if (json_array_size(shared) + json_array_size(own) == 0)
                return;
        gw_buf_str(out, "<table><tr><th>Parameter</th><th>In</th><th>Type</th><th></th></tr>\n");
        json_array_foreach(shared, i, p)
        {
                write_parameter(out, document, p);
        }
        json_array_foreach(own, i, p)
        {
                write_parameter(out, document, p);
        }
        gw_buf_str(out, "</table>\n");
}

static void write_example(struct gw_buf *out, const char *title, const json_t *value)
{
        gw_buf_str(out, "<details><summary>");
        gw_docs_inline(out, title);
        gw_buf_str(out, "</summary>\n");
        if (json_is_string(value)) {
                gw_buf_str(out, "<pre>");
                gw_docs_escape(out, json_string_value(value));
                gw_buf_str(out, "</pre>\n");
        } else {
                gw_docs_json(out, value);
        }
        gw_buf_str(out, "</details>\n");
}

static void write_content(struct gw_buf *out, const json_t *content)
{
        const char *type, *name;
        const json_t *media, *example;
        json_object_foreach((json_t *)content, type, media)
        {
                gw_buf_str(out, "<p><code>");
                gw_docs_escape(out, type);
                gw_buf_str(out, "</code>: ");
                gw_docs_type(out, json_object_get(media, "schema"));
                gw_buf_str(out, "</p>\n");
                if (json_object_get(media, "example"))
                        write_example(out, "Example", json_object_get(media, "example"));
                json_object_foreach(json_object_get(media, "examples"), name, example)
                {
                        const char *title = text_of(example, "summary");
                        write_example(out, title ? title : name, json_object_get(example, "value"));
                }
        }
}

static void write_answers(struct gw_buf *out, const json_t *document, json_t *responses)
{
        const char *status;
        const json_t *node;
        gw_buf_str(out, "<table><tr><th>Status</th><th></th></tr>\n");
        json_object_foreach(responses, status, node)
        {
                const json_t *answer = gw_docs_resolve(document, node);
                gw_buf_str(out, "<tr><td><code>");
                gw_docs_escape(out, status);
                gw_buf_str(out, "</code></td><td>");
                gw_docs_inline(out, text_of(answer, "description"));
                if (status[0] == '2')
                        write_content(out, json_object_get(answer, "content"));
                gw_buf_str(out, "</td></tr>\n");
        }
        gw_buf_str(out, "</table>\n");
}

static void write_title(struct gw_buf *out, const char *method, const char *path)
{
        gw_buf_str(out, "<span class=\"method\">");
        for (; *method; method++)
                gw_buf_char(out, (char)(*method - 'a' + 'A'));
        gw_buf_str(out, "</span> <code>");
        gw_docs_escape(out, path);
        gw_buf_str(out, "</code>");
}

static void write_operation(struct gw_buf *out, const json_t *document, const char *method,
                            const char *path, const json_t *item, const json_t *o)
{
        const json_t *body = json_object_get(json_object_get(o, "requestBody"), "content");
        gw_buf_printf(out, "<section id=\"%s\"><h3>", text_of(o, "operationId"));
        write_title(out, method, path);
        gw_buf_str(out, "</h3>\n<p><strong>");
        gw_docs_inline(out, text_of(o, "summary"));
        gw_buf_str(out, "</strong> (");
        gw_docs_escape(out, text_of(o, "x-scope"));
        gw_buf_str(out, ")</p>\n");
        gw_docs_markdown(out, text_of(o, "description"));
        write_parameters(out, document, json_object_get(item, "parameters"),
                         json_object_get(o, "parameters"));
        if (body) {
                gw_buf_str(out, "<h4>Body</h4>\n");
                write_content(out, body);
        }
        gw_buf_str(out, "<h4>Answers</h4>\n");
        write_answers(out, document, json_object_get(o, "responses"));
        gw_buf_str(out, "</section>\n");
}

/* ---- all of them --------------------------------------------------------------------------- */

/* What to write of an operation: its section, or its line in the list. */
typedef void write_fn(struct gw_buf *out, const json_t *document, const char *method,
                      const char *path, const json_t *item, const json_t *o);

static void write_link(struct gw_buf *out, const json_t *document, const char *method,
                       const char *path, const json_t *item, const json_t *o)
{
        (void)document;
        (void)item;
        gw_buf_printf(out, "<li><a href=\"#%s\">", text_of(o, "operationId"));
        write_title(out, method, path);
        gw_buf_str(out, "</a></li>\n");
}

static void each_operation(struct gw_buf *out, const json_t *document, const char *tag,
                           write_fn *write)
{
        const char *path;
        const json_t *item;
        json_object_foreach(json_object_get(document, "paths"), path, item)
        {
                for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
                        const json_t *o = json_object_get(item, methods[i]);
                        const char *first =
                                json_string_value(json_array_get(json_object_get(o, "tags"), 0));
                        if (first && strcmp(first, tag) == 0)
                                write(out, document, methods[i], path, item, o);
                }
        }
}

static void write_index(struct gw_buf *out, const json_t *document)
{
        size_t i;
        const json_t *tag;
        gw_buf_str(out, "<nav><ul>\n");
        json_array_foreach(json_object_get(document, "tags"), i, tag)
        {
                each_operation(out, document, text_of(tag, "name"), write_link);
        }
        gw_buf_str(out, "<li><a href=\"#schemas\">Schemas</a></li>\n"
                        "<li><a href=\"/openapi.json\">openapi.json</a></li></ul></nav>\n");
}

static void write_tags(struct gw_buf *out, const json_t *document)
{
        size_t i;
        const json_t *tag;
        json_array_foreach(json_object_get(document, "tags"), i, tag)
        {
                gw_buf_str(out, "<h2>");
                gw_docs_escape(out, text_of(tag, "name"));
                gw_buf_str(out, "</h2>\n");
                gw_docs_markdown(out, text_of(tag, "description"));
                each_operation(out, document, text_of(tag, "name"), write_operation);
        }
}

void gw_docs_page(struct gw_buf *out, const json_t *document)
{
        const json_t *info = json_object_get(document, "info");
        gw_buf_str(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                        "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
        gw_docs_escape(out, text_of(info, "title"));
        gw_buf_printf(out, "</title>\n<style>%s</style></head>\n<body><h1>", style);
        gw_docs_escape(out, text_of(info, "title"));
        gw_buf_str(out, " ");
        gw_docs_escape(out, text_of(info, "version"));
        gw_buf_str(out, "</h1>\n<p>");
        gw_docs_inline(out, text_of(info, "summary"));
        gw_buf_str(out, "</p>\n");
        gw_docs_markdown(out, text_of(info, "description"));
        write_index(out, document);
        write_tags(out, document);
        gw_docs_schemas(out, document);
        gw_buf_str(out, "</body></html>\n");
}
