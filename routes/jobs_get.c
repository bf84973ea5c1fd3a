/*
 * GET /v1/jobs/{id} and its result. The hot path: a job that has ended is answered from the
 * cache without asking anyone, and one that lives after asking for its version only. The
 * exchange's loop thread.
 */
#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/job_json.h"
#include "routes/job_read.h"
#include "routes/shared.h"
#include "server/base/clock.h"

/* A larger answer is its exchange's own: those are counted while clients read them. */
#define MAX_KEPT (64 * 1024)

struct get {
        struct gw_job_read read;
        uint64_t generation; /* of the cache, before the read */
        /* While the version is asked for: */
        struct gw_response *kept; /* the answer, if it is still `version`; ours to release */
        int32_t version;
        enum gw_state state; /* of the job in it */
        struct gw_db_job_peek peek;
};

/* The state is made only now: an answer that is kept needs none. */
static struct get *make_state(struct gw_call *call)
{
        struct get *g = call->state = gw_exchange_alloc(call->exchange, sizeof *g);
        if (!g)
                gw_call_fail_code(call, GW_ERR_NOMEM, "out of memory");
        return g;
}

static enum gw_next ask(struct gw_call *call, struct get *g, unsigned fields,
                        enum gw_job_until until)
{
        g->read.id = gw_call_path_id(call, 0);
        g->read.write = gw_job_json;
        g->read.fields = fields;
        g->read.until = until;
        g->read.deadline_us = gw_call_deadline(call);
        g->generation = gw_job_cache_generation(call->shared->jobs, g->read.id);
        return gw_job_read_begin(call, &g->read);
}

/* The kept answer for a job of one of the caller's projects; the caller releases it. */
static struct gw_response *find_kept(struct gw_call *call, struct gw_id id, struct gw_job_kept *ret)
{
        struct gw_response *r = gw_job_cache_find(call->shared->jobs, id,
                                                  gw_exchange_started_us(call->exchange), ret);
        const struct gw_membership *m =
                r ? gw_principal_project_id(call->principal, ret->project) : NULL;
        if (r && gw_policy_check(call->principal, m, GW_VERB_READ, false, NULL)) {
                gw_response_unref(r);
                return NULL;
        }
        return r;
}

/* kept is taken. */
static enum gw_next respond_kept(struct gw_call *call, struct gw_response *kept,
                                 enum gw_state state)
{
        gw_respond_shared(call->exchange, gw_job_status(call, state, 200), kept);
        gw_response_unref(kept);
        return GW_NEXT_RESPOND;
}

/* The job is shown in full: while it is this version, this is its answer. */
static enum gw_next respond_and_keep(struct gw_call *call, struct get *g, const char *etag)
{
        size_t len = 0;
        char *content = gw_buf_take(&g->read.out, &len);
        struct gw_response *r = content ? gw_response_new(GW_JSON_TYPE, etag, content, len) : NULL;
        if (!r)
                return gw_call_fail_code(call, GW_ERR_NOMEM, "out of memory");
        const struct gw_job_seen *seen = &g->read.seen;
        struct gw_job_kept job = {seen->project_id, seen->version, seen->state};
        gw_job_cache_put(call->shared->jobs, g->read.id, g->generation, gw_clock_mono_us(), job, r);
        return respond_kept(call, r, seen->state);
}

static enum gw_next respond(struct gw_call *call, unsigned status, struct gw_buf *json,
                            const char *etag)
{
        if (status == 304)
                gw_call_empty(call, status);
        else
                gw_call_json(call, status, json);
        if (gw_exchange_status(call->exchange) == status)
                gw_respond_header(call->exchange, "ETag", etag);
        return GW_NEXT_RESPOND;
}

/* ---- getJob -------------------------------------------------------------------------------- */

static enum gw_next begin_get(struct gw_call *call)
{
        struct gw_id id = gw_call_path_id(call, 0);
        unsigned fields = gw_job_fields(gw_call_value(call, "fields"), GW_JOB_ALL_FIELDS);
        struct gw_job_kept job;
        struct gw_response *kept = fields == GW_JOB_ALL_FIELDS ? find_kept(call, id, &job) : NULL;
        if (kept && gw_state_terminal(job.state))
                return respond_kept(call, kept, job.state);
        struct get *g = make_state(call);
        if (g && kept && !gw_call_deadline(call)) {
                g->kept = kept;
                g->version = job.version;
                g->state = job.state;
                g->peek.id = id;
                gw_db_job_peek_init(&g->peek);
                return gw_call_read(call, &g->peek.cmd);
        }
        gw_response_unref(kept);
        return g ? ask(call, g, fields, gw_job_until(call)) : GW_NEXT_RESPOND;
}

/* The version is here. */
static enum gw_next resume_peek(struct gw_call *call, struct get *g)
{
        struct gw_response *kept = GW_TAKE(g->kept);
        const struct gw_db_command *answer = &g->peek.cmd;
        if (answer->error.code == GW_OK && answer->rows > 0 && g->peek.version == g->version)
                return respond_kept(call, kept, g->state);
        gw_response_unref(kept);
        return ask(call, g, GW_JOB_ALL_FIELDS, gw_job_until(call));
}

static enum gw_next resume_get(struct gw_call *call, struct gw_work *work)
{
        struct get *g = call->state;
        enum gw_next next;
        char etag[GW_JOB_ETAG];
        (void)work;
        if (g->kept)
                return resume_peek(call, g);
        if (!gw_job_read_resume(call, &g->read, &next))
                return next;
        gw_job_etag(g->read.seen.version, g->read.fields, etag);
        if (g->read.fields == GW_JOB_ALL_FIELDS && g->read.out.len <= MAX_KEPT)
                return respond_and_keep(call, g, etag);
        unsigned status = gw_job_status(call, g->read.seen.state, 200);
        if (status == 200 && gw_call_knows(call, etag))
                status = 304;
        return respond(call, status, &g->read.out, etag);
}

/* ---- getJobResult -------------------------------------------------------------------------- */

static enum gw_next begin_result(struct gw_call *call)
{
        struct get *g = make_state(call);
        return g ? ask(call, g, GW_JOB_ALL_FIELDS, GW_UNTIL_TERMINAL) : GW_NEXT_RESPOND;
}

static enum gw_next resume_result(struct gw_call *call, struct gw_work *work)
{
        struct get *g = call->state;
        enum gw_next next;
        char etag[GW_JOB_ETAG];
        (void)work;
        if (!gw_job_read_resume(call, &g->read, &next))
                return next;
        if (!gw_state_terminal(g->read.seen.state))
                return gw_call_fail_code(call, GW_ERR_NOT_YET, "the job is %s",
                                         gw_state_name(g->read.seen.state));
        gw_job_etag(g->read.seen.version, g->read.fields, etag);
        return respond(call, 200, &g->read.out, etag);
}

static void abandon(struct gw_call *call)
{
        struct get *g = call->state;
        gw_job_read_abandon(call, &g->read);
}

static void end(struct gw_call *call)
{
        struct get *g = call->state;
        if (!g)
                return;
        gw_response_unref(g->kept);
        gw_job_read_done(&g->read);
}

const struct gw_handler gw_route_getJob = {
        .begin = begin_get,
        .resume = resume_get,
        .end = end,
        .abandon = abandon,
};
const struct gw_handler gw_route_getJobResult = {
        .begin = begin_result,
        .resume = resume_result,
        .end = end,
        .abandon = abandon,
};
