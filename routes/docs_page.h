/* The contract as a page for people: one HTML document that loads nothing. Pure; any thread. */
#ifndef GW_ROUTES_DOCS_PAGE_H
#define GW_ROUTES_DOCS_PAGE_H

#include <jansson.h>

#include "server/base/buf.h"

/* document: the parsed openapi.yaml, as the generator has checked it. */
void gw_docs_page(struct gw_buf *out, const json_t *document);

#endif
