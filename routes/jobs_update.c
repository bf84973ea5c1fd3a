/*
 * PATCH of a job: how many tasks of an array run at a time. The exchange's loop thread; rows are
 * taken on the database's.
 *
 *   the job and its spec → the wish, which is the spec with what was changed → the job as it is
 * then
 *
 * The spec stays what it was otherwise, in the same order: that of a matrix numbers its tasks.
 */
#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/job_json.h"
#include "routes/job_read.h"
#include "server/model/spec_text.h"

struct update {
        struct gw_job_read read;
        struct gw_buf spec;
        struct gw_db_job_wish wish;
        enum { UPDATE_READS, UPDATE_RECORDS, UPDATE_LOOKS_AGAIN } stage;
};

static void write_spec(struct gw_buf *out, const struct gw_job_row *row, unsigned fields)
{
        (void)fields;
        gw_buf_add(out, row->spec, row->spec_len);
}

static enum gw_next begin(struct gw_call *call)
{
        struct update *u = call->state;
        u->read.id = gw_call_path_id(call, 0);
        u->read.write = write_spec;
        gw_buf_init(&u->spec, GW_MAX_JOB_JSON);
        return gw_job_read_begin(call, &u->read);
}

static enum gw_next look_again(struct gw_call *call, struct update *u)
{
        u->stage = UPDATE_LOOKS_AGAIN;
        u->read.write = gw_job_json;
        u->read.fields = GW_JOB_ALL_FIELDS;
        return gw_job_read_begin(call, &u->read);
}

/* That it was so already is no fault. */
static enum gw_next record(struct gw_call *call, struct update *u)
{
        static const char member[] = "max_parallel";
        json_t *wanted = json_object_get(json_object_get(call->body, "array"), member);
        const struct gw_buf *old = &u->read.out;
        json_auto_t *spec = gw_buf_ok(old) ? json_loadb(old->data, old->len, 0, NULL) : NULL;
        json_t *array = json_object_get(spec, "array");
        if (json_equal(json_object_get(array, member), wanted))
                return look_again(call, u);
        int rc = json_object_set(array, member, wanted);
        gw_spec_text(&u->spec, spec);
        if (rc < 0 || !gw_buf_ok(&u->spec))
                return gw_call_fail_code(call, GW_ERR_INTERNAL, "the job's spec cannot be read");
        u->stage = UPDATE_RECORDS;
        u->wish = (struct gw_db_job_wish){
                .wish = GW_WISH_SPEC,
                .id = u->read.id,
                .projects = call->principal->project_list,
                .user_id = call->principal->user_id,
                .request_id = gw_exchange_request_id(call->exchange),
                .spec = u->spec.data,
        };
        gw_db_job_wish_init(&u->wish);
        return gw_call_write(call, &u->wish.cmd);
}

/* The job's spec is here. */
static enum gw_next take_job(struct gw_call *call, struct update *u)
{
        const struct gw_job_seen *seen = &u->read.seen;
        if (!gw_job_allows(call, seen, GW_VERB_CHANGE))
                return GW_NEXT_RESPOND;
        if (!seen->is_array)
                return gw_call_fail_code(call, GW_ERR_CONFLICT,
                                         "the job is no array: `array.max_parallel` is of arrays");
        if (gw_state_terminal(seen->state))
                return gw_call_fail_code(call, GW_ERR_CONFLICT,
                                         "the job is %s: only a living job is changed",
                                         gw_state_name(seen->state));
        return record(call, u);
}

static enum gw_next resume(struct gw_call *call, struct gw_work *work)
{
        struct update *u = call->state;
        enum gw_next next;
        (void)work;
        if (u->stage == UPDATE_RECORDS)
                return u->wish.cmd.error.code == GW_OK ? look_again(call, u)
                                                       : gw_call_fail(call, &u->wish.cmd.error);
        if (!gw_job_read_resume(call, &u->read, &next))
                return next;
        if (u->stage == UPDATE_LOOKS_AGAIN)
                return gw_call_json(call, 200, &u->read.out);
        return take_job(call, u);
}

static void end(struct gw_call *call)
{
        struct update *u = call->state;
        gw_job_read_done(&u->read);
        gw_buf_done(&u->spec);
}

const struct gw_handler gw_route_updateJob = {
        .begin = begin,
        .resume = resume,
        .end = end,
        .state_size = sizeof(struct update),
};
