/*
 * POST …/cancel: one job, or everything that matches. The exchange's loop thread; ids are taken
 * on the database's.
 *
 * Of many, a caller may cancel all jobs of the projects where the role allows it, and the own
 * ones elsewhere: two statements at most, one after the other.
 */
#include <string.h>

#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/filter.h"
#include "routes/job_wish.h"
#include "server/base/limits.h"

#define MAX_PROJECT_LIST (64 * 1024)
#define MAX_IDS_JSON (GW_MAX_IDS * (GW_ID_TEXT + 3) + 64)

/* ---- one ---------------------------------------------------------------------------------- */

static enum gw_next begin_one(struct gw_call *call)
{
        return gw_job_wish_begin(call, call->state, GW_WISH_CANCEL);
}

static enum gw_next resume_one(struct gw_call *call, struct gw_work *work)
{
        struct gw_job_wish *w = call->state;
        enum gw_next next;
        (void)work;
        if (!gw_job_wish_resume(call, w, &next))
                return next;
        return gw_call_json(call, 202, &w->read.out);
}

static void end_one(struct gw_call *call)
{
        gw_job_wish_done(call->state);
}

const struct gw_handler gw_route_cancelJob = {
        .begin = begin_one,
        .resume = resume_one,
        .end = end_one,
        .state_size = sizeof(struct gw_job_wish),
};

/* ---- many --------------------------------------------------------------------------------- */

struct many {
        struct gw_db_job_cancel_many cancel;
        const char *own_projects; /* to be done next: those where only the own jobs are */
        struct gw_buf ids;        /* JSON strings with commas, at most GW_MAX_IDS */
        int64_t count;
};

static void take_id(void *arg, struct gw_id id)
{
        struct many *m = arg;
        char text[GW_ID_TEXT];
        if (m->count++ >= GW_MAX_IDS)
                return;
        gw_id_format(id, text);
        if (m->ids.len > 0)
                gw_buf_char(&m->ids, ',');
        gw_buf_json_str(&m->ids, text);
}

static const json_t *from_body(const struct gw_call *call, const char *name)
{
        return json_object_get(call->body, name);
}

/* The ids of the caller's projects in which such jobs may be changed, of all or one. */
static int list_projects(struct gw_call *call, bool own, const char **ret)
{
        const struct gw_principal *p = call->principal;
        const char *only = json_string_value(from_body(call, "project"));
        struct gw_buf text = GW_BUF_INIT(MAX_PROJECT_LIST);
        for (size_t i = 0; i < p->count; i++) {
                const struct gw_membership *m = &p->memberships[i];
                bool others = gw_policy_check(p, m, GW_VERB_CHANGE, false, NULL) == 0;
                bool mine = gw_policy_check(p, m, GW_VERB_CHANGE, true, NULL) == 0;
                if ((only && strcmp(only, m->project) != 0) || (own ? others || !mine : !others))
                        continue;
                if (text.len > 0)
                        gw_buf_char(&text, ',');
                gw_buf_int(&text, m->project_id);
        }
        return gw_filter_keep(call, &text, ret);
}

static int read_labels(struct gw_call *call, struct gw_job_filter *f)
{
        const json_t *labels = from_body(call, "labels");
        struct gw_buf text = GW_BUF_INIT(GW_MAX_BODY_BYTES);
        gw_autofree char *dump = labels ? json_dumps(labels, JSON_COMPACT) : NULL;
        if (!labels)
                return 0;
        if (dump)
                gw_buf_str(&text, dump);
        text.failed |= !dump;
        return gw_filter_keep(call, &text, &f->labels);
}

static enum gw_next send_many(struct gw_call *call, struct many *m)
{
        m->cancel.cmd = (struct gw_db_command){0};
        gw_db_job_cancel_many_done(&m->cancel);
        if (gw_db_job_cancel_many_init(&m->cancel))
                return gw_call_fail_code(call, GW_ERR_NOMEM, "out of memory");
        return gw_call_bulk(call, &m->cancel.cmd);
}

static enum gw_next answer_many(struct gw_call *call, struct many *m)
{
        struct gw_buf json = GW_BUF_INIT(MAX_IDS_JSON);
        gw_buf_str(&json, "{\"count\":");
        gw_buf_int(&json, m->count);
        gw_buf_str(&json, ",\"ids\":[");
        gw_buf_add(&json, m->ids.data, m->ids.len);
        gw_buf_str(&json, "]}");
        json.failed |= m->ids.failed;
        return gw_call_json(call, 202, &json);
}

static enum gw_next go_on(struct gw_call *call, struct many *m)
{
        if (!m->own_projects)
                return answer_many(call, m);
        m->cancel.filter.projects = GW_TAKE(m->own_projects);
        m->cancel.filter.user_id = call->principal->user_id;
        return send_many(call, m);
}

static enum gw_next begin_many(struct gw_call *call)
{
        struct many *m = call->state;
        const char *projects;
        gw_buf_init(&m->ids, MAX_IDS_JSON);
        if (gw_filter_read(call, from_body, &m->cancel.filter) ||
            read_labels(call, &m->cancel.filter) || list_projects(call, false, &projects) ||
            list_projects(call, true, &m->own_projects))
                return gw_call_fail_code(call, GW_ERR_NOMEM, "out of memory");
        m->cancel.user_id_by = call->principal->user_id;
        m->cancel.request_id = gw_exchange_request_id(call->exchange);
        m->cancel.each = take_id;
        m->cancel.arg = m;
        if (!projects && m->own_projects)
                return go_on(call, m);
        m->cancel.filter.projects = projects ? projects : "";
        return send_many(call, m);
}

static enum gw_next resume_many(struct gw_call *call, struct gw_work *work)
{
        struct many *m = call->state;
        (void)work;
        if (m->cancel.cmd.error.code != GW_OK)
                return gw_call_fail(call, &m->cancel.cmd.error);
        return m->cancel.cmd.rows == GW_CANCEL_AT_ONCE ? send_many(call, m) : go_on(call, m);
}

static void end_many(struct gw_call *call)
{
        struct many *m = call->state;
        gw_db_job_cancel_many_done(&m->cancel);
        gw_buf_done(&m->ids);
}

const struct gw_handler gw_route_cancelJobs = {
        .begin = begin_many,
        .resume = resume_many,
        .end = end_many,
        .state_size = sizeof(struct many),
};
