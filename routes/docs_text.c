/* Escaping and a little Markdown. Pure; any thread. */
#include "routes/docs_text.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"

static void escape_char(struct gw_buf *out, char c)
{
        switch (c) {
        case '&':
                gw_buf_str(out, "&amp;");
                break;
        case '<':
                gw_buf_str(out, "&lt;");
                break;
        case '>':
                gw_buf_str(out, "&gt;");
                break;
        case '"':
                gw_buf_str(out, "&quot;");
                break;
        default:
                gw_buf_char(out, c);
        }
}

void gw_docs_escape(struct gw_buf *out, const char *s)
{
        for (; s && *s; s++)
                escape_char(out, *s);
}

/* Writes s up to end, `code` and **strong** marked up. A mark without its partner is text. */
static void write_inline(struct gw_buf *out, const char *s, const char *end)
{
        bool code = false, strong = false;
        while (s < end) {
                const char *rest = s + 1;
                if (*s == '`' && (code || memchr(rest, '`', (size_t)(end - rest)))) {
                        code = !code;
                        gw_buf_str(out, code ? "<code>" : "</code>");
                } else if (!code && s + 1 < end && s[0] == '*' && s[1] == '*' &&
                           (strong || memmem(s + 2, (size_t)(end - s - 2), "**", 2))) {
                        strong = !strong;
                        gw_buf_str(out, strong ? "<strong>" : "</strong>");
                        rest = s + 2;
                } else {
                        escape_char(out, *s);
                }
                s = rest;
        }
}

void gw_docs_inline(struct gw_buf *out, const char *s)
{
        if (s)
                write_inline(out, s, s + strlen(s));
}

void gw_docs_markdown(struct gw_buf *out, const char *s)
{
        while (s && *s) {
                const char *end = strstr(s, "\n\n");
                if (!end)
                        end = s + strlen(s);
                gw_buf_str(out, "<p>");
                write_inline(out, s, end);
                gw_buf_str(out, "</p>\n");
                s = end + strspn(end, "\n");
        }
}

void gw_docs_json(struct gw_buf *out, const json_t *value)
{
        gw_autofree char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);
        if (!text)
                out->failed = true;
        gw_buf_str(out, "<pre>");
        gw_docs_escape(out, text);
        gw_buf_str(out, "</pre>\n");
}
