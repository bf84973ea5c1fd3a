/*
 * POST …/tasks/cancel: the wish that some tasks of an array end. The exchange's loop thread.
 *
 *   the job and its indices → the wish → the job as it is then
 */
#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/job_json.h"
#include "routes/task_indices.h"

struct cancel {
        struct gw_job_read read;
        struct gw_buf indices; /* that the body names */
        struct gw_db_task_cancel wish;
        enum { CANCEL_READS, CANCEL_RECORDS, CANCEL_LOOKS_AGAIN } stage;
};

static enum gw_next begin(struct gw_call *call)
{
        struct cancel *c = call->state;
        c->read.id = gw_call_path_id(call, 0);
        c->read.write = gw_task_indices_write;
        gw_buf_init(&c->indices, GW_MAX_INDEX_TEXT + 1);
        return gw_job_read_begin(call, &c->read);
}

static enum gw_next record(struct gw_call *call, struct cancel *c)
{
        struct gw_indexset all = {0};
        const char *named = json_string_value(json_object_get(call->body, "indices"));
        if (gw_task_indices(call, &c->read, &all) < 0)
                return GW_NEXT_RESPOND;
        int rc = gw_task_pick(call, &all, named, "/indices", &c->indices, NULL);
        gw_indexset_done(&all);
        if (rc < 0)
                return gw_call_fail_faults(call, call->faults);
        c->stage = CANCEL_RECORDS;
        c->wish.job = c->read.id;
        c->wish.projects = call->principal->project_list;
        c->wish.indices = c->indices.data;
        c->wish.user_id = call->principal->user_id;
        c->wish.request_id = gw_exchange_request_id(call->exchange);
        gw_db_task_cancel_init(&c->wish);
        return gw_call_write(call, &c->wish.cmd);
}

static enum gw_next look_again(struct gw_call *call, struct cancel *c)
{
        if (c->wish.cmd.error.code != GW_OK)
                return gw_call_fail(call, &c->wish.cmd.error);
        c->stage = CANCEL_LOOKS_AGAIN;
        c->read.write = gw_job_json;
        c->read.fields = GW_JOB_ALL_FIELDS;
        return gw_job_read_begin(call, &c->read);
}

/* Of a job that has ended nothing is left to cancel: that is no fault. */
static enum gw_next resume(struct gw_call *call, struct gw_work *work)
{
        struct cancel *c = call->state;
        enum gw_next next;
        (void)work;
        if (c->stage == CANCEL_RECORDS)
                return look_again(call, c);
        if (!gw_job_read_resume(call, &c->read, &next))
                return next;
        if (c->stage == CANCEL_LOOKS_AGAIN)
                return gw_call_json(call, 202, &c->read.out);
        if (!gw_job_allows(call, &c->read.seen, GW_VERB_CHANGE))
                return GW_NEXT_RESPOND;
        if (!c->read.seen.is_array)
                return gw_call_fail_code(call, GW_ERR_CONFLICT,
                                         "the job is no array: cancel it as a whole");
        return record(call, c);
}

static void end(struct gw_call *call)
{
        struct cancel *c = call->state;
        gw_job_read_done(&c->read);
        gw_buf_done(&c->indices);
}

const struct gw_handler gw_route_cancelTasks = {
        .begin = begin,
        .resume = resume,
        .end = end,
        .state_size = sizeof(struct cancel),
};
