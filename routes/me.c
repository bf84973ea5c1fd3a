/* Who the caller is. All of it is in the principal. The exchange's loop thread. */
#include "openapi/operations.h"
#include "routes/call.h"

#define MAX_ME (1024 * 1024)

static void write_memberships(struct gw_buf *json, const struct gw_principal *p)
{
        gw_buf_str(json, "\"memberships\":[");
        for (size_t i = 0; i < p->count; i++) {
                gw_buf_str(json, i ? ",{\"project\":" : "{\"project\":");
                gw_buf_json_str(json, p->memberships[i].project);
                gw_buf_str(json, ",\"role\":");
                gw_buf_json_str(json, gw_role_name(p->memberships[i].role));
                gw_buf_char(json, '}');
        }
        gw_buf_char(json, ']');
}

static void write_scopes(struct gw_buf *json, unsigned scopes)
{
        static const struct {
                unsigned scope;
                const char *name;
        } known[] = {{GW_SCOPE_JOBS_READ, "jobs:read"}, {GW_SCOPE_JOBS_WRITE, "jobs:write"}};
        bool any = false;
        gw_buf_str(json, "\"scopes\":[");
        for (size_t i = 0; i < GW_COUNT(known); i++) {
                if (!(scopes & known[i].scope))
                        continue;
                if (any)
                        gw_buf_char(json, ',');
                gw_buf_json_str(json, known[i].name);
                any = true;
        }
        gw_buf_char(json, ']');
}

static enum gw_next begin_me(struct gw_call *call)
{
        const struct gw_principal *p = call->principal;
        struct gw_buf json = GW_BUF_INIT(MAX_ME);
        gw_buf_str(&json, "{\"principal\":{\"user\":");
        gw_buf_json_str(&json, p->user);
        gw_buf_printf(&json, ",\"token\":\"%lld\",\"expires_at\":", (long long)p->token_id);
        gw_buf_json_time(&json, p->expires_us);
        gw_buf_str(&json, "},");
        write_memberships(&json, p);
        gw_buf_char(&json, ',');
        write_scopes(&json, p->scopes);
        gw_buf_char(&json, '}');
        return gw_call_json(call, 200, &json);
}

const struct gw_handler gw_route_getMe = {.begin = begin_me};
