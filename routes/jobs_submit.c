/*
 * POST /v1/jobs: submit, or dry-run, a spec, a script or a manifest. The exchange's loop thread.
 *
 * A dry run goes the same way up to the record, and then asks the backend itself. It stands in one
 * line with the hand-over of the user's jobs there, so that a user may have only a few out.
 */
#include <stdlib.h>
#include <string.h>

#include "db/people.h"
#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/job_json.h"
#include "routes/submit.h"
#include "routes/submit_body.h"
#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/base/shares.h"

struct create {
        struct gw_submit submit;
        enum { RECORD, IDENTITY, CHECK } stage; /* what it waits for; the last two: a dry run */
        struct gw_share *share;                 /* of a dry run: counts it */
        struct gw_db_identity_get identity;
        struct gw_submission submission; /* of a dry run, until its check is home */
        struct gw_backend_check check;
        struct gw_buf rendered;
};

/* ---- dry run ------------------------------------------------------------------------------- */

/* Returns 0 when the user may have one more out, which is then counted. */
static int take_share(struct gw_call *call, struct create *c, struct gw_error *err)
{
        struct gw_share *share = gw_share_ref(call->service->dry_runs, call->principal->user_id);
        if (!share)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        if (gw_share_add(share, 1) > GW_MAX_USER_DRY_RUNS) {
                gw_share_add(share, (size_t)-1);
                gw_share_unref(share);
                return gw_fail(err, GW_ERR_TOO_MANY,
                               "%d dry runs of yours are asking their backends already, as many as "
                               "one user may have: wait for one of them",
                               GW_MAX_USER_DRY_RUNS);
        }
        c->share = share;
        return 0;
}

static void give_share(struct create *c)
{
        if (!c->share)
                return;
        gw_share_add(c->share, (size_t)-1);
        gw_share_unref(GW_TAKE(c->share));
}

/* Whom the backend is to be asked as. */
static enum gw_next ask_identity(struct gw_call *call, struct create *c)
{
        struct gw_error err = {0};
        if (take_share(call, c, &err))
                return gw_call_fail(call, &err);
        c->stage = IDENTITY;
        c->identity = (struct gw_db_identity_get){.project_id = c->submit.membership->project_id,
                                                  .backend = c->submit.backend->name};
        gw_db_identity_get_init(&c->identity);
        return gw_call_read(call, &c->identity.cmd);
}

static enum gw_next ask_backend(struct gw_call *call, struct create *c)
{
        struct gw_backend *b = c->submit.backend;
        struct gw_error err = {0};
        if (c->identity.cmd.error.code != GW_OK)
                return gw_call_fail(call, &c->identity.cmd.error);
        c->stage = CHECK;
        gw_buf_init(&c->rendered, GW_MAX_JOB_JSON);
        c->submission = gw_submit_submission(&c->submit);
        c->submission.identity = c->identity.identity;
        c->submission.most_tasks = (uint32_t)c->identity.most_tasks;
        if (b->type->render(b, &c->submission, &c->rendered, &err))
                return gw_call_fail(call, &err);
        c->check.submission = &c->submission;
        c->check.work.home = gw_call_home(call);
        c->check.work.owner = call->exchange;
        b->type->check(b, &c->check);
        return GW_NEXT_WAIT;
}

static enum gw_next answer_dry(struct gw_call *call, struct create *c)
{
        struct gw_submit *s = &c->submit;
        struct gw_buf json = GW_BUF_INIT(3 * GW_MAX_JOB_JSON);
        if (c->check.error.code != GW_OK) {
                gw_submit_body_place_error(call, &c->check.error);
                return gw_call_fail(call, &c->check.error);
        }
        if (c->check.not_tested)
                gw_submit_warn(
                        s, "not_tested", "",
                        "this replica of the gateway does not lead the cluster, and could not "
                        "test all of it: it may be refused, or not start");
        if (c->check.note[0])
                gw_submit_warn(s, "cluster", "", c->check.note);
        gw_buf_str(&json, "{\"project\":");
        gw_buf_json_str(&json, s->membership->project);
        gw_buf_str(&json, ",\"backend\":");
        gw_buf_json_str(&json, s->backend->name);
        gw_buf_str(&json, ",\"spec\":");
        gw_buf_add(&json, s->spec.text, s->spec.text_len);
        gw_buf_str(&json, ",\"warnings\":");
        gw_buf_add(&json, s->warnings.data, s->warnings.len);
        gw_buf_str(&json, ",\"rendered\":");
        gw_buf_json_strn(&json, c->rendered.data, c->rendered.len);
        gw_buf_char(&json, '}');
        json.failed |= s->warnings.failed || c->rendered.failed;
        return gw_call_json(call, 200, &json);
}

/* ---- submit -------------------------------------------------------------------------------- */

static enum gw_next begin(struct gw_call *call)
{
        struct create *c = call->state;
        uint8_t digest[32] = {0};
        struct gw_error err = {0};
        struct gw_warnings taken_over;
        gw_warnings_init(&taken_over);
        json_auto_t *spec = gw_submit_body(call, &taken_over);
        c->submit.waits = true;
        if (!spec)
                return gw_call_fail_faults(call, call->faults);
        if (!gw_submit_prepare(call, &c->submit, spec, &err)) {
                gw_submit_body_place_faults(call);
                gw_submit_body_place_error(call, &err);
                return gw_submit_refuse(call, &err);
        }
        for (size_t i = 0; i < taken_over.count; i++)
                gw_submit_warn(&c->submit, taken_over.items[i].rule, taken_over.items[i].pointer,
                               taken_over.items[i].detail);
        if (gw_call_flag(call, "dry_run"))
                return ask_identity(call, c);
        /* Only a key needs it. */
        if (gw_call_header(call, "Idempotency-Key") && gw_submit_body_digest(call, digest))
                return gw_call_fail_code(call, GW_ERR_NOMEM, "out of memory");
        return gw_submit_post(call, &c->submit, digest);
}

static enum gw_next answer(struct gw_call *call, struct create *c)
{
        struct gw_buf extra = GW_BUF_INIT(c->submit.warnings.max + 32);
        gw_buf_str(&extra, ",\"warnings\":");
        gw_buf_add(&extra, c->submit.warnings.data, c->submit.warnings.len);
        c->submit.read.out.failed |= extra.failed || c->submit.warnings.failed;
        unsigned status = gw_job_status(call, c->submit.read.seen.state, 201);
        enum gw_next next =
                gw_submit_answer(call, &c->submit, status, extra.data ? extra.data : "");
        gw_buf_done(&extra);
        return next;
}

static enum gw_next resume(struct gw_call *call, struct gw_work *work)
{
        struct create *c = call->state;
        enum gw_next next;
        (void)work;
        if (c->stage == IDENTITY)
                return ask_backend(call, c);
        if (c->stage == CHECK)
                return answer_dry(call, c);
        if (!gw_submit_resume(call, &c->submit, &next))
                return next;
        return answer(call, c);
}

static void abandon(struct gw_call *call)
{
        struct create *c = call->state;
        gw_submit_abandon(call, &c->submit);
}

static void end(struct gw_call *call)
{
        struct create *c = call->state;
        give_share(c);
        gw_submit_done(&c->submit);
        gw_buf_done(&c->rendered);
        free(c->identity.identity);
}

const struct gw_handler gw_route_createJob = {
        .begin = begin,
        .resume = resume,
        .end = end,
        .state_size = sizeof(struct create),
        .abandon = abandon,
};
