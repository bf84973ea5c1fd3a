/*
 * POST …/retry: a finished job's spec as a new job. The exchange's loop thread.
 *
 * What spoke of the old job's time is left out: that it was held, and the time it waited for.
 */
#include <string.h>

#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/job_json.h"
#include "routes/submit.h"

struct retry {
        struct gw_job_read read; /* the old job: its spec */
        struct gw_submit submit;
        bool submits;
};

static void write_spec(struct gw_buf *out, const struct gw_job_row *row, unsigned fields)
{
        (void)fields;
        gw_buf_add(out, row->spec, row->spec_len);
}

static enum gw_next begin(struct gw_call *call)
{
        struct retry *r = call->state;
        r->read.id = gw_call_path_id(call, 0);
        r->read.write = write_spec;
        return gw_job_read_begin(call, &r->read);
}

/* The new job is the old one's project and backend's, as its spec says. */
static json_t *renew(const struct gw_buf *text)
{
        json_t *spec = text->data ? json_loadb(text->data, text->len, 0, NULL) : NULL;
        json_object_del(spec, "not_before");
        if (json_object_set_new(spec, "hold", json_false())) {
                json_decref(spec);
                return NULL;
        }
        return spec;
}

static enum gw_next submit(struct gw_call *call, struct retry *r)
{
        static const char what[] = "retry ";
        char text[sizeof what + GW_ID_TEXT];
        uint8_t digest[32];
        struct gw_error err = {0};
        json_auto_t *spec = renew(&r->read.out);
        if (!spec)
                return gw_call_fail_code(call, GW_ERR_INTERNAL, "the job's spec cannot be read");
        r->submits = true;
        r->submit.retry_of = r->read.id;
        if (!gw_submit_prepare(call, &r->submit, spec, &err))
                return gw_submit_refuse(call, &err);
        memcpy(text, what, sizeof what);
        gw_id_format(r->read.id, text + sizeof what - 1);
        gw_token_hash(text, digest);
        return gw_submit_post(call, &r->submit, digest);
}

static enum gw_next resume(struct gw_call *call, struct gw_work *work)
{
        struct retry *r = call->state;
        enum gw_next next;
        (void)work;
        if (r->submits) {
                if (!gw_submit_resume(call, &r->submit, &next))
                        return next;
                return gw_submit_answer(call, &r->submit, 201, "");
        }
        if (!gw_job_read_resume(call, &r->read, &next))
                return next;
        if (!gw_job_allows(call, &r->read.seen, GW_VERB_SUBMIT))
                return GW_NEXT_RESPOND;
        if (!gw_state_terminal(r->read.seen.state))
                return gw_call_fail_code(call, GW_ERR_CONFLICT,
                                         "the job is %s: only a finished job is run again",
                                         gw_state_name(r->read.seen.state));
        return submit(call, r);
}

static void end(struct gw_call *call)
{
        struct retry *r = call->state;
        gw_job_read_done(&r->read);
        gw_submit_done(&r->submit);
}

const struct gw_handler gw_route_retryJob = {
        .begin = begin,
        .resume = resume,
        .end = end,
        .state_size = sizeof(struct retry),
};
