/*
 * POST …/attempts/{attempt}/confirm-dead: a manager knows that an attempt has ended with its node,
 * of which the backend cannot hear any more. The exchange's loop thread.
 *
 *   the job and its indices → the wish → the job as it is then
 */
#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/job_json.h"
#include "routes/task_indices.h"
#include "server/model/spans.h"

struct confirm {
        struct gw_job_read read;
        struct gw_buf indices, ordinals; /* the tasks: as named, and as JSON text */
        struct gw_db_dead_confirm wish;
        enum { CONFIRM_READS, CONFIRM_RECORDS, CONFIRM_LOOKS_AGAIN } stage;
};

static enum gw_next begin(struct gw_call *call)
{
        struct confirm *c = call->state;
        c->read.id = gw_call_path_id(call, 0);
        c->read.write = gw_task_indices_write;
        gw_buf_init(&c->indices, GW_MAX_INDEX_TEXT + 1);
        return gw_job_read_begin(call, &c->read);
}

static void write_ordinals(const struct gw_spans *spans, struct gw_buf *out)
{
        gw_buf_init(out, (spans->count + 1) * (2 * GW_SPAN_TEXT));
        gw_buf_char(out, '[');
        for (size_t i = 0; i < spans->count; i++)
                gw_buf_printf(out, "%s[%u,%u]", i ? "," : "", spans->items[i].first,
                              spans->items[i].last);
        gw_buf_char(out, ']');
}

/* Of a plain job its only task. Returns 0; or -1 with an answer set. */
static int choose(struct gw_call *call, struct confirm *c, const char *named)
{
        struct gw_indexset all = {0};
        struct gw_spans spans = GW_SPANS_INIT;
        if (!c->read.seen.is_array) {
                gw_buf_str(&c->indices, "0");
                return 0;
        }
        if (gw_task_indices(call, &c->read, &all) < 0)
                return -1;
        int rc = gw_task_pick(call, &all, named, "?indices", &c->indices, &spans);
        gw_indexset_done(&all);
        if (rc == 0)
                write_ordinals(&spans, &c->ordinals);
        gw_spans_done(&spans);
        if (rc < 0)
                gw_call_fail_faults(call, call->faults);
        return rc;
}

static enum gw_next record(struct gw_call *call, struct confirm *c)
{
        const char *named = gw_call_text(call, "indices");
        if (c->read.seen.is_array != (named != NULL))
                return gw_call_fail_code(call, GW_ERR_CONFLICT,
                                         named ? "the job is no array"
                                               : "the job is an array: name its tasks with "
                                                 "?indices=");
        if (choose(call, c, named) < 0)
                return GW_NEXT_RESPOND;
        if (!gw_buf_ok(&c->indices) || !gw_buf_ok(&c->ordinals))
                return gw_call_fail_code(call, GW_ERR_NOMEM, "out of memory");
        c->stage = CONFIRM_RECORDS;
        c->wish.job = c->read.id;
        c->wish.projects = call->principal->project_list;
        c->wish.indices = c->indices.data;
        c->wish.ordinals = c->ordinals.data;
        c->wish.attempt = (int32_t)gw_call_path_int(call, 1);
        c->wish.user_id = call->principal->user_id;
        c->wish.request_id = gw_exchange_request_id(call->exchange);
        gw_db_dead_confirm_init(&c->wish);
        return gw_call_write(call, &c->wish.cmd);
}

static enum gw_next look_again(struct gw_call *call, struct confirm *c)
{
        if (c->wish.cmd.error.code != GW_OK)
                return gw_call_fail(call, &c->wish.cmd.error);
        if (c->wish.cmd.rows == 0)
                return gw_call_fail_code(call, GW_ERR_CONFLICT,
                                         "that attempt does not run on a node that is silent");
        c->stage = CONFIRM_LOOKS_AGAIN;
        c->read.write = gw_job_json;
        c->read.fields = GW_JOB_ALL_FIELDS;
        return gw_job_read_begin(call, &c->read);
}

static enum gw_next resume(struct gw_call *call, struct gw_work *work)
{
        struct confirm *c = call->state;
        enum gw_next next;
        (void)work;
        if (c->stage == CONFIRM_RECORDS)
                return look_again(call, c);
        if (!gw_job_read_resume(call, &c->read, &next))
                return next;
        if (c->stage == CONFIRM_LOOKS_AGAIN)
                return gw_call_json(call, 202, &c->read.out);
        if (!gw_job_allows(call, &c->read.seen, GW_VERB_CONFIRM))
                return GW_NEXT_RESPOND;
        return record(call, c);
}

static void end(struct gw_call *call)
{
        struct confirm *c = call->state;
        gw_job_read_done(&c->read);
        gw_buf_done(&c->indices);
        gw_buf_done(&c->ordinals);
}

const struct gw_handler gw_route_confirmDead = {
        .begin = begin,
        .resume = resume,
        .end = end,
        .state_size = sizeof(struct confirm),
};
