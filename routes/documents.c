/* /openapi.json and /docs. Made once at start; sent from any loop's thread. */
#include "routes/documents.h"

#include <string.h>

#include "openapi/document.h"
#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/docs_page.h"
#include "routes/shared.h"

#define MAX_PAGE (8 * 1024 * 1024)
#define PAGE_TYPE "text/html; charset=utf-8"
/* The page is its own: nothing is loaded, nothing runs. */
#define PAGE_POLICY                                                                                \
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "     \
        "frame-ancestors 'none'"

static struct gw_response *make_openapi(void)
{
        char *copy = malloc(gw_openapi_json_len);
        if (!copy)
                return NULL;
        memcpy(copy, gw_openapi_json, gw_openapi_json_len);
        return gw_response_new(GW_JSON_TYPE, gw_openapi_etag, copy, gw_openapi_json_len);
}

static struct gw_response *make_page(void)
{
        json_auto_t *document = json_loadb(gw_openapi_json, gw_openapi_json_len, 0, NULL);
        struct gw_buf html = GW_BUF_INIT(MAX_PAGE);
        size_t len = 0;
        if (!document)
                return NULL;
        gw_docs_page(&html, document);
        char *content = gw_buf_take(&html, &len);
        gw_buf_done(&html);
        return content ? gw_response_new(PAGE_TYPE, gw_openapi_etag, content, len) : NULL;
}

int gw_documents_init(struct gw_documents *d, struct gw_error *err)
{
        d->openapi = make_openapi();
        d->page = make_page();
        if (d->openapi && d->page)
                return 0;
        gw_documents_done(d);
        return gw_fail(err, GW_ERR_NOMEM, "out of memory for the contract's page");
}

void gw_documents_done(struct gw_documents *d)
{
        gw_response_unref(GW_TAKE(d->openapi));
        gw_response_unref(GW_TAKE(d->page));
}

static enum gw_next begin_openapi(struct gw_call *call)
{
        gw_respond_shared(call->exchange, 200, call->shared->documents.openapi);
        return GW_NEXT_RESPOND;
}

static enum gw_next begin_docs(struct gw_call *call)
{
        gw_respond_shared(call->exchange, 200, call->shared->documents.page);
        gw_respond_header(call->exchange, "Content-Security-Policy", PAGE_POLICY);
        gw_respond_header(call->exchange, "X-Content-Type-Options", "nosniff");
        return GW_NEXT_RESPOND;
}

const struct gw_handler gw_route_getOpenapi = {.begin = begin_openapi};
const struct gw_handler gw_route_getDocs = {.begin = begin_docs};
