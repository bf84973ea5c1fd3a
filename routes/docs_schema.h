/* Schemas of the contract as HTML. Pure; any thread. */
#ifndef GW_ROUTES_DOCS_SCHEMA_H
#define GW_ROUTES_DOCS_SCHEMA_H

#include <jansson.h>

#include "server/base/buf.h"

/* Follows $ref within the document; NULL for one that leads nowhere. */
const json_t *gw_docs_resolve(const json_t *document, const json_t *node);
/* "integer, 0 to 240, default 0", with links to named schemas. */
void gw_docs_type(struct gw_buf *out, const json_t *schema);
/* A section for each named schema. */
void gw_docs_schemas(struct gw_buf *out, const json_t *document);

#endif
