/* The contract for tools and for people: answers made once, sent by every loop. */
#ifndef GW_ROUTES_DOCUMENTS_H
#define GW_ROUTES_DOCUMENTS_H

#include "server/base/error.h"
#include "server/http/http.h"

struct gw_documents {
        struct gw_response *openapi; /* /openapi.json */
        struct gw_response *page;    /* /docs */
};

int gw_documents_init(struct gw_documents *d, struct gw_error *err);
/* Accepts one that is all NULL. */
void gw_documents_done(struct gw_documents *d);

#endif
