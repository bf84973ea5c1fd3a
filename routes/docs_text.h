/* Text of the contract as HTML. Pure; any thread. */
#ifndef GW_ROUTES_DOCS_TEXT_H
#define GW_ROUTES_DOCS_TEXT_H

#include <jansson.h>

#include "server/base/buf.h"

/* Escaped, for an element's content or a quoted attribute. NULL gives nothing. */
void gw_docs_escape(struct gw_buf *out, const char *s);
/* The little of Markdown that the contract uses: paragraphs, **strong** and `code`. */
void gw_docs_markdown(struct gw_buf *out, const char *s);
/* The same on one line, without paragraphs. */
void gw_docs_inline(struct gw_buf *out, const char *s);
/* A JSON value, indented, in a <pre>. */
void gw_docs_json(struct gw_buf *out, const json_t *value);

#endif
