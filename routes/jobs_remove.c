/* DELETE /v1/jobs/{id}: the record of a finished job. The exchange's loop thread. */
#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/job_wish.h"
#include "routes/shared.h"
#include "server/base/log.h"

static enum gw_next begin(struct gw_call *call)
{
        return gw_job_wish_begin(call, call->state, GW_WISH_REMOVE);
}

/* What the backend keeps of it goes too. */
static void purge(struct gw_call *call, const struct gw_job_wish *w)
{
        struct gw_backend *b = gw_service_backend(call->service, w->read.seen.backend);
        if (b && b->type->purge(b, w->read.id, w->wish.identities))
                gw_log(GW_LOG_WARN, "jobs.not_purged", "{s:s, s:s}", "backend", b->name, "job",
                       call->path[0]);
}

static enum gw_next resume(struct gw_call *call, struct gw_work *work)
{
        struct gw_job_wish *w = call->state;
        enum gw_next next;
        (void)work;
        if (!gw_job_wish_resume(call, w, &next))
                return next;
        if (w->wish.cmd.rows == 0)
                return gw_call_fail_code(call, GW_ERR_CONFLICT, "the job is %s; cancel it first",
                                         gw_state_name(w->read.seen.state));
        gw_job_cache_remove(call->shared->jobs, w->read.id);
        purge(call, w);
        return gw_call_empty(call, 204);
}

static void end(struct gw_call *call)
{
        gw_job_wish_done(call->state);
}

const struct gw_handler gw_route_deleteJob = {
        .begin = begin,
        .resume = resume,
        .end = end,
        .state_size = sizeof(struct gw_job_wish),
};
