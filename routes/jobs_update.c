/* PATCH of a job: how many tasks of an array run at a time. The exchange's loop thread. */
#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/job_wish.h"

static enum gw_next begin(struct gw_call *call)
{
        struct gw_job_wish *w = call->state;
        const json_t *array = json_object_get(call->body, "array");
        w->wish.max_parallel = (int32_t)json_integer_value(json_object_get(array, "max_parallel"));
        return gw_job_wish_begin(call, w, GW_WISH_MAX_PARALLEL);
}

/* That it was so already is no fault. */
static enum gw_next resume(struct gw_call *call, struct gw_work *work)
{
        struct gw_job_wish *w = call->state;
        enum gw_next next;
        (void)work;
        if (!gw_job_wish_resume(call, w, &next))
                return next;
        if (w->wish.cmd.rows == 0 && gw_state_terminal(w->read.seen.state))
                return gw_call_fail_code(call, GW_ERR_CONFLICT, "the job is %s: it is as it was",
                                         gw_state_name(w->read.seen.state));
        if (!w->read.seen.is_array)
                return gw_call_fail_code(call, GW_ERR_CONFLICT,
                                         "the job is no array: `array.max_parallel` is of arrays");
        return gw_call_json(call, 200, &w->read.out);
}

static void end(struct gw_call *call)
{
        gw_job_wish_done(call->state);
}

const struct gw_handler gw_route_updateJob = {
        .begin = begin,
        .resume = resume,
        .end = end,
        .state_size = sizeof(struct gw_job_wish),
};
