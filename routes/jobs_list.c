/*
 * GET /v1/jobs: pages of jobs, newest first. The exchange's loop thread; items are written on
 * the database's.
 *
 * One row more than the page holds is read, to know whether another page follows. A page also
 * ends when its text grows large: `limit` is the most, not a promise.
 */
#include <string.h>

#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/filter.h"
#include "routes/job_json.h"
#include "server/model/cursor.h"

#define CURSOR_KIND 'j'
#define FULL_BYTES (8 * 1024 * 1024) /* a page ends behind it */
#define MAX_PAGE (FULL_BYTES + GW_MAX_JOB_JSON)
#define MAX_WITH_SPEC 100 /* jobs in a page with their specs, which may be large */
#define MAX_LINK 16384

struct list {
        struct gw_db_job_list list;
        unsigned fields;
        int32_t limit;
        uint64_t filter; /* hash of the criteria, for the cursor */
        struct gw_buf items;
        int32_t count;
        struct gw_id last; /* of the items */
        bool more;
};

/* ---- criteria ------------------------------------------------------------------------------ */

static const json_t *from_query(const struct gw_call *call, const char *name)
{
        return gw_call_value(call, name);
}

static bool is_criterion(const char *name)
{
        static const char *const others[] = {"cursor", "fields", "limit"};
        for (size_t i = 0; i < GW_COUNT(others); i++)
                if (strcmp(name, others[i]) == 0)
                        return false;
        return true;
}

static uint64_t hash_criteria(const struct gw_call *call)
{
        uint64_t hash = GW_CURSOR_NO_FILTER;
        for (size_t i = 0; call->query && i < call->operation->query_count; i++) {
                const char *name = call->operation->query[i].name;
                if (call->query[i].text && is_criterion(name))
                        hash = gw_cursor_filter_add(hash, name, call->query[i].text);
        }
        return hash;
}

/* Returns 0, -1 without memory, or 1 when no job can satisfy them. */
static int read_criteria(struct gw_call *call, struct gw_job_filter *f)
{
        const char *project = gw_call_text(call, "project");
        f->projects = call->principal->project_list;
        f->idempotency_key = gw_call_text(call, "idempotency_key");
        if (f->idempotency_key)
                f->user_id = call->principal->user_id;
        if (gw_filter_read(call, from_query, f))
                return -1;
        if (project) {
                const struct gw_membership *m = gw_principal_project(call->principal, project);
                struct gw_buf id = GW_BUF_INIT(32);
                gw_buf_int(&id, m ? m->project_id : 0);
                if (gw_filter_keep(call, &id, &f->projects))
                        return -1;
                if (!m)
                        return 1;
        }
        return gw_filter_labels(call, gw_call_value(call, "label"), f);
}

static int read_cursor(struct gw_call *call, struct list *l)
{
        const char *text = gw_call_text(call, "cursor");
        struct gw_cursor cursor;
        struct gw_error err = {0};
        if (!text)
                return 0;
        if (gw_cursor_decode(text, CURSOR_KIND, l->filter, &cursor, &err)) {
                gw_faults_add(call->faults, err.code, "?cursor", "%s", err.message);
                gw_call_fail_faults(call, call->faults);
                return -1;
        }
        l->list.before = cursor.id;
        return 0;
}

/* ---- items --------------------------------------------------------------------------------- */

static void take_job(void *arg, const struct gw_job_row *row)
{
        struct list *l = arg;
        if (l->more || l->count == l->limit || l->items.len >= FULL_BYTES) {
                l->more = true;
                return;
        }
        if (l->count++ > 0)
                gw_buf_char(&l->items, ',');
        gw_job_json(&l->items, row, l->fields);
        l->last = row->id;
}

/* ---- the next page ------------------------------------------------------------------------- */

static void write_escaped(struct gw_buf *out, const char *s)
{
        for (; *s; s++) {
                unsigned char c = (unsigned char)*s;
                if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    strchr("-._~,:", c))
                        gw_buf_char(out, *s);
                else
                        gw_buf_printf(out, "%%%02X", c);
        }
}

/* The request's own parameters, but for the cursor. */
static void write_link(const struct gw_call *call, struct gw_buf *out, const char *cursor)
{
        gw_buf_str(out, "</v1/jobs?cursor=");
        gw_buf_str(out, cursor);
        for (size_t i = 0; call->query && i < call->operation->query_count; i++) {
                const char *name = call->operation->query[i].name;
                if (!call->query[i].text || strcmp(name, "cursor") == 0)
                        continue;
                gw_buf_char(out, '&');
                gw_buf_str(out, name);
                gw_buf_char(out, '=');
                write_escaped(out, call->query[i].text);
        }
        gw_buf_str(out, ">; rel=\"next\"");
}

static enum gw_next answer(struct gw_call *call, struct list *l)
{
        struct gw_buf json = GW_BUF_INIT(MAX_PAGE + 256), link = GW_BUF_INIT(MAX_LINK);
        struct gw_cursor cursor = {.kind = CURSOR_KIND, .id = l->last, .filter = l->filter};
        char next[GW_CURSOR_TEXT];
        gw_cursor_encode(&cursor, next);
        gw_buf_reserve(&json, l->items.len + 128);
        gw_buf_str(&json, "{\"items\":[");
        gw_buf_add(&json, l->items.data, l->items.len);
        gw_buf_str(&json, "],\"next\":");
        gw_buf_json_str(&json, l->more ? next : NULL);
        gw_buf_char(&json, '}');
        json.failed |= l->items.failed;
        gw_buf_done(&l->items); /* not to be held until the answer has been read */
        gw_call_json(call, 200, &json);
        if (l->more && gw_exchange_status(call->exchange) == 200) {
                write_link(call, &link, next);
                if (gw_buf_ok(&link))
                        gw_respond_header(call->exchange, "Link", link.data);
        }
        gw_buf_done(&link);
        return GW_NEXT_RESPOND;
}

/* ---- handler ------------------------------------------------------------------------------- */

static enum gw_next begin(struct gw_call *call)
{
        struct list *l = call->state;
        l->fields = gw_job_fields(gw_call_value(call, "fields"),
                                  GW_JOB_ALL_FIELDS & ~GW_JOB_COLD_FIELDS);
        l->limit = (int32_t)gw_call_int(call, "limit", 0);
        l->list.with_spec = l->fields & GW_JOB_COLD_FIELDS;
        if (l->list.with_spec && l->limit > MAX_WITH_SPEC)
                l->limit = MAX_WITH_SPEC;
        l->filter = hash_criteria(call);
        if (read_cursor(call, l))
                return GW_NEXT_RESPOND;
        gw_buf_init(&l->items, MAX_PAGE);
        int impossible = read_criteria(call, &l->list.filter);
        if (impossible > 0)
                return answer(call, l);
        l->list.limit = l->limit + 1;
        l->list.each = take_job;
        l->list.arg = l;
        if (impossible < 0 || gw_db_job_list_init(&l->list))
                return gw_call_fail_code(call, GW_ERR_NOMEM, "out of memory");
        return gw_call_page(call, &l->list.cmd);
}

static enum gw_next resume(struct gw_call *call, struct gw_work *work)
{
        struct list *l = call->state;
        (void)work;
        if (l->list.cmd.error.code != GW_OK)
                return gw_call_fail(call, &l->list.cmd.error);
        return answer(call, l);
}

static void end(struct gw_call *call)
{
        struct list *l = call->state;
        gw_db_job_list_done(&l->list);
        gw_buf_done(&l->items);
}

const struct gw_handler gw_route_listJobs = {
        .begin = begin,
        .resume = resume,
        .end = end,
        .state_size = sizeof(struct list),
};
