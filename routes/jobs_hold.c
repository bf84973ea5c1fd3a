/* POST …/hold and …/release. The exchange's loop thread. */
#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/job_wish.h"

static enum gw_next begin_hold(struct gw_call *call)
{
        return gw_job_wish_begin(call, call->state, GW_WISH_HOLD);
}

static enum gw_next begin_release(struct gw_call *call)
{
        return gw_job_wish_begin(call, call->state, GW_WISH_RELEASE);
}

/* Only what waits is held or not, of an array the tasks that do; that it was so already is no
 * fault. */
static enum gw_next resume(struct gw_call *call, struct gw_work *work)
{
        struct gw_job_wish *w = call->state;
        enum gw_next next;
        (void)work;
        if (!gw_job_wish_resume(call, w, &next))
                return next;
        enum gw_state state = w->read.seen.state;
        bool waits = state == GW_QUEUED || state == GW_PENDING ||
                     (state == GW_RUNNING && w->read.seen.is_array);
        if (w->wish.cmd.rows == 0 && !waits)
                return gw_call_fail_code(call, GW_ERR_CONFLICT,
                                         "the job is %s: only a waiting job is held or released",
                                         gw_state_name(state));
        return gw_call_json(call, 200, &w->read.out);
}

static void end(struct gw_call *call)
{
        gw_job_wish_done(call->state);
}

#define HOLD_HANDLER(begin_function)                                                               \
        {                                                                                          \
                .begin = (begin_function), .resume = resume, .end = end,                           \
                .state_size = sizeof(struct gw_job_wish)                                           \
        }

const struct gw_handler gw_route_holdJob = HOLD_HANDLER(begin_hold);
const struct gw_handler gw_route_releaseJob = HOLD_HANDLER(begin_release);
