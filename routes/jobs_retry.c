/*
 * POST …/retry: a finished job's spec as a new job, of an array only the tasks that failed, or
 * those that are named. The exchange's loop thread; rows are taken on the database's.
 *
 * What spoke of the old job's time is left out: that it was held, and the time it waited for.
 */
#include <string.h>

#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/job_json.h"
#include "routes/submit.h"
#include "routes/task_indices.h"

struct retry {
        struct gw_job_read read; /* the old job: its indices (of an array), NUL, its spec */
        struct gw_db_task_failed failed;
        struct gw_buf ordinals; /* of those */
        const char *named;      /* the indices that were asked for, or NULL */
        const char *pointer;    /* where */
        struct gw_buf indices;  /* of the new job; empty: a plain job */
        struct gw_submit submit;
        enum { RETRY_READS, RETRY_FINDS_FAILED, RETRY_SUBMITS } stage;
};

static void write_old(struct gw_buf *out, const struct gw_job_row *row, unsigned fields)
{
        (void)fields;
        if (row->index_set)
                gw_buf_str(out, row->index_set);
        gw_buf_char(out, '\0');
        gw_buf_add(out, row->spec, row->spec_len);
}

/* As parameter, or in the body where there are more than a target has room for. */
static void find_named(struct gw_call *call, struct retry *r)
{
        const char *parameter = gw_call_text(call, "indices");
        const char *member = json_string_value(json_object_get(call->body, "indices"));
        if (parameter && member)
                gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE, "?indices",
                              "are in the body, too: name them in one place");
        r->named = member ? member : parameter;
        r->pointer = member ? "/indices" : "?indices";
}

static enum gw_next begin(struct gw_call *call)
{
        struct retry *r = call->state;
        find_named(call, r);
        if (gw_faults_any(call->faults))
                return gw_call_fail_faults(call, call->faults);
        r->read.id = gw_call_path_id(call, 0);
        r->read.write = write_old;
        gw_buf_init(&r->ordinals, GW_MAX_ARRAY * GW_SPAN_TEXT);
        gw_buf_init(&r->indices, GW_MAX_INDEX_TEXT + 1);
        return gw_job_read_begin(call, &r->read);
}

/* ---- which tasks --------------------------------------------------------------------------- */

static void take_failed(void *arg, const char *ordinals)
{
        struct retry *r = arg;
        if (ordinals)
                gw_buf_str(&r->ordinals, ordinals);
}

/* The indices of the tasks that failed. */
static int failed_indices(const struct gw_indexset *all, const char *ordinals, struct gw_buf *out)
{
        struct gw_indexset some = {0};
        struct gw_spans spans;
        int rc = gw_spans_parse(ordinals, &spans, NULL);
        if (rc == 0)
                rc = gw_indexset_subset(all, &spans, &some, NULL);
        if (rc == 0)
                gw_indexset_format(&some, out);
        gw_spans_done(&spans);
        gw_indexset_done(&some);
        return rc == 0 && gw_buf_ok(out) ? 0 : -1;
}

/* ---- the new job --------------------------------------------------------------------------- */

static int set_indices(json_t *spec, const struct gw_buf *indices)
{
        if (indices->len == 0)
                return 0;
        return json_object_set_new(json_object_get(spec, "array"), "indices",
                                   json_stringn(indices->data, indices->len));
}

/* The new job is the old one's project and backend's, as its spec says. */
static json_t *renew(const struct gw_buf *old, const struct gw_buf *indices)
{
        size_t begin = gw_buf_ok(old) ? strlen(old->data) + 1 : old->len;
        json_t *spec = json_loadb(old->data + begin, old->len - begin, 0, NULL);
        json_object_del(spec, "not_before");
        if (json_object_set_new(spec, "hold", json_false()) || set_indices(spec, indices)) {
                json_decref(spec);
                return NULL;
        }
        return spec;
}

/* What the request says, for its Idempotency-Key. */
static int make_digest(const struct retry *r, uint8_t digest[32])
{
        struct gw_buf text = GW_BUF_INIT(GW_MAX_INDEX_TEXT + 64);
        char id[GW_ID_TEXT];
        gw_id_format(r->read.id, id);
        gw_buf_printf(&text, "retry %s", id);
        if (r->named)
                gw_buf_printf(&text, " %s", r->named);
        bool ok = gw_buf_ok(&text);
        if (ok)
                gw_token_hash(text.data, digest);
        gw_buf_done(&text);
        return ok ? 0 : -1;
}

static enum gw_next submit(struct gw_call *call, struct retry *r)
{
        uint8_t digest[32];
        struct gw_error err = {0};
        json_auto_t *spec = renew(&r->read.out, &r->indices);
        if (!spec || make_digest(r, digest) < 0)
                return gw_call_fail_code(call, GW_ERR_INTERNAL, "the job's spec cannot be read");
        r->stage = RETRY_SUBMITS;
        r->submit.retry_of = r->read.id;
        if (!gw_submit_prepare(call, &r->submit, spec, &err))
                return gw_submit_refuse(call, &err);
        return gw_submit_post(call, &r->submit, digest);
}

static enum gw_next submit_named(struct gw_call *call, struct retry *r)
{
        struct gw_indexset all = {0};
        if (gw_task_indices(call, &r->read, &all) < 0)
                return GW_NEXT_RESPOND;
        int rc = gw_task_pick(call, &all, r->named, r->pointer, &r->indices, NULL);
        gw_indexset_done(&all);
        return rc == 0 ? submit(call, r) : gw_call_fail_faults(call, call->faults);
}

static enum gw_next submit_failed(struct gw_call *call, struct retry *r)
{
        struct gw_indexset all = {0};
        if (r->failed.cmd.error.code != GW_OK)
                return gw_call_fail(call, &r->failed.cmd.error);
        if (r->ordinals.len == 0)
                return gw_call_fail_code(call, GW_ERR_CONFLICT,
                                         "no task of the job has failed: name those to run again "
                                         "as indices");
        if (gw_task_indices(call, &r->read, &all) < 0)
                return GW_NEXT_RESPOND;
        int rc = gw_buf_ok(&r->ordinals) ? failed_indices(&all, r->ordinals.data, &r->indices) : -1;
        gw_indexset_done(&all);
        if (rc < 0)
                return gw_call_fail_code(call, GW_ERR_CONFLICT,
                                         "too many tasks failed here and there to be one array: "
                                         "name some of them as indices");
        return submit(call, r);
}

static enum gw_next find_failed(struct gw_call *call, struct retry *r)
{
        r->stage = RETRY_FINDS_FAILED;
        r->failed.job = r->read.id;
        r->failed.each = take_failed;
        r->failed.arg = r;
        gw_db_task_failed_init(&r->failed);
        return gw_call_page(call, &r->failed.cmd);
}

/* The old job is here. */
static enum gw_next take_job(struct gw_call *call, struct retry *r)
{
        if (!gw_job_allows(call, &r->read.seen, GW_VERB_SUBMIT))
                return GW_NEXT_RESPOND;
        if (!gw_state_terminal(r->read.seen.state))
                return gw_call_fail_code(call, GW_ERR_CONFLICT,
                                         "the job is %s: only a finished job is run again",
                                         gw_state_name(r->read.seen.state));
        if (r->named && !r->read.seen.is_array)
                return gw_call_fail_code(call, GW_ERR_CONFLICT,
                                         "the job is no array: it has no indices");
        if (r->named)
                return submit_named(call, r);
        return r->read.seen.is_array ? find_failed(call, r) : submit(call, r);
}

static enum gw_next resume(struct gw_call *call, struct gw_work *work)
{
        struct retry *r = call->state;
        enum gw_next next;
        (void)work;
        if (r->stage == RETRY_FINDS_FAILED)
                return submit_failed(call, r);
        if (r->stage == RETRY_READS)
                return gw_job_read_resume(call, &r->read, &next) ? take_job(call, r) : next;
        if (!gw_submit_resume(call, &r->submit, &next))
                return next;
        return gw_submit_answer(call, &r->submit, 201, "");
}

static void end(struct gw_call *call)
{
        struct retry *r = call->state;
        gw_job_read_done(&r->read);
        gw_buf_done(&r->ordinals);
        gw_buf_done(&r->indices);
        gw_submit_done(&r->submit);
}

const struct gw_handler gw_route_retryJob = {
        .begin = begin,
        .resume = resume,
        .end = end,
        .state_size = sizeof(struct retry),
};
