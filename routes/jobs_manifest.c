/*
 * GET /v1/jobs/{id}/manifest: what the backend was given, or would be. The exchange's loop thread;
 * the job's row is taken on the database's.
 *
 * It is made again from what the record has of the hand-over: rendering is deterministic.
 */
#include <stdlib.h>
#include <string.h>

#include "db/people.h"
#include "openapi/operations.h"
#include "routes/job_json.h"
#include "routes/job_read.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

struct manifest {
        enum { JOB, SUBMISSION, IDENTITY } stage; /* what it waits for */
        struct gw_job_read read;
        struct gw_db_submission_get submission;
        struct gw_db_identity_get
                identity; /* for a job that was not handed over yet; and the size */
};

/* ---- the job --------------------------------------------------------------------------------- */

static void write_text(struct gw_buf *out, const char *text, size_t len)
{
        if (text)
                gw_buf_add(out, text, len);
        gw_buf_char(out, '\0');
}

/* In the order in which describe() takes them. */
static void write_job(struct gw_buf *out, const struct gw_job_row *row, unsigned fields)
{
        (void)fields;
        write_text(out, row->name, strlen(row->name));
        write_text(out, row->project, strlen(row->project));
        write_text(out, row->index_set, row->index_set ? strlen(row->index_set) : 0);
        write_text(out, row->spec, row->spec_len);
}

static const char *take_text(const char **at)
{
        const char *text = *at;
        *at += strlen(text) + 1;
        return text;
}

static struct gw_submission describe(const struct manifest *m, const struct gw_spans *spans)
{
        const char *at = m->read.out.data;
        struct gw_submission s = {
                .mark = {m->read.id, 1},
                .attempt = 1,
                .name = take_text(&at),
                .project = take_text(&at),
                .spans = spans->items,
                .span_count = spans->count,
                .identity = m->identity.identity,
                .most_tasks = (uint32_t)m->identity.most_tasks,
        };
        const char *index_set = take_text(&at);
        s.index_set = m->read.seen.is_array ? index_set : NULL;
        s.spec = at;
        s.spec_len = strlen(at);
        if (m->submission.cmd.rows > 0) {
                s.mark.number = (uint32_t)m->submission.found;
                s.attempt = (uint32_t)m->submission.attempt;
                s.identity = m->submission.identity;
        }
        if (m->submission.cmd.rows > 0 && m->submission.most_tasks)
                s.most_tasks = (uint32_t)m->submission.most_tasks;
        return s;
}

/* ---- what it is given ------------------------------------------------------------------------ */

/* As it is now: it may have been changed since. */
static uint32_t max_parallel(const struct gw_submission *s)
{
        const json_t *array = json_object_get(s->json, "array");
        return (uint32_t)json_integer_value(json_object_get(array, "max_parallel"));
}

/* All tasks when it was not handed over. Returns 0 or -1. */
static int read_spans(const struct manifest *m, struct gw_spans *ret, struct gw_error *err)
{
        if (m->submission.ordinals)
                return gw_spans_parse(m->submission.ordinals, ret, err);
        return gw_spans_append(ret, 0, (uint32_t)m->read.seen.task_count - 1, err);
}

static enum gw_next render(struct gw_call *call, const struct manifest *m,
                           const struct gw_backend *b)
{
        struct gw_error err = {0};
        struct gw_spans spans = GW_SPANS_INIT;
        struct gw_buf out = GW_BUF_INIT(GW_MAX_JOB_JSON);
        int rc = read_spans(m, &spans, &err);
        if (rc == 0) {
                struct gw_submission s = describe(m, &spans);
                json_auto_t *spec = json_loadb(s.spec, s.spec_len, 0, NULL);
                s.json = spec;
                s.max_parallel = max_parallel(&s);
                rc = b->type->render(b, &s, &out, &err);
        }
        gw_spans_done(&spans);
        size_t len = 0;
        char *text = rc == 0 ? gw_buf_take(&out, &len) : NULL;
        gw_buf_done(&out);
        if (rc)
                return gw_call_fail(call, &err);
        if (!text)
                return gw_call_fail_code(call, GW_ERR_NOMEM, "out of memory");
        gw_respond(call->exchange, 200, TEXT_TYPE, text, len);
        return GW_NEXT_RESPOND;
}

/* The job's backend, as what was asked for. NULL with an answer set. */
static struct gw_backend *find_backend(struct gw_call *call, const struct manifest *m)
{
        struct gw_backend *b = gw_service_backend(call->service, m->read.seen.backend);
        const char *as = gw_call_text(call, "as");
        if (!b)
                gw_call_fail_code(call, GW_ERR_UNPROCESSABLE,
                                  "the backend of this job is not here any more");
        else if (!as || strcmp(as, b->type->name) == 0)
                return b;
        else
                gw_call_fail_code(call, GW_ERR_UNPROCESSABLE,
                                  "the job is for a backend of type %s, and cannot be shown as one "
                                  "for %s yet",
                                  b->type->name, as);
        return NULL;
}

/* ---- the steps ------------------------------------------------------------------------------- */

static enum gw_next begin(struct gw_call *call)
{
        struct manifest *m = call->state;
        m->read.id = gw_call_path_id(call, 0);
        m->read.write = write_job;
        return gw_job_read_begin(call, &m->read);
}

static enum gw_next ask_submission(struct gw_call *call, struct manifest *m)
{
        m->stage = SUBMISSION;
        m->submission = (struct gw_db_submission_get){
                .job = m->read.id, .no = (int32_t)gw_call_int(call, "submission", 0)};
        gw_db_submission_get_init(&m->submission);
        return gw_call_read(call, &m->submission.cmd);
}

/* What was not handed over yet would be as the project is now. */
static enum gw_next ask_identity(struct gw_call *call, struct manifest *m)
{
        m->stage = IDENTITY;
        m->identity = (struct gw_db_identity_get){.project_id = m->read.seen.project_id,
                                                  .backend = m->read.seen.backend};
        gw_db_identity_get_init(&m->identity);
        return gw_call_read(call, &m->identity.cmd);
}

static enum gw_next take_submission(struct gw_call *call, struct manifest *m)
{
        if (m->submission.cmd.error.code != GW_OK)
                return gw_call_fail(call, &m->submission.cmd.error);
        if (m->submission.cmd.rows == 0 && gw_call_value(call, "submission"))
                return gw_call_fail_code(call, GW_ERR_NOT_FOUND, "there is no such submission");
        return ask_identity(call, m);
}

static enum gw_next take_identity(struct gw_call *call, struct manifest *m)
{
        const struct gw_backend *b;
        if (m->identity.cmd.error.code != GW_OK)
                return gw_call_fail(call, &m->identity.cmd.error);
        b = find_backend(call, m);
        return b ? render(call, m, b) : GW_NEXT_RESPOND;
}

static enum gw_next resume(struct gw_call *call, struct gw_work *work)
{
        struct manifest *m = call->state;
        enum gw_next next;
        (void)work;
        switch (m->stage) {
        case JOB:
                if (!gw_job_read_resume(call, &m->read, &next))
                        return next;
                if (!gw_buf_ok(&m->read.out))
                        return gw_call_fail_code(call, GW_ERR_NOMEM, "out of memory");
                return ask_submission(call, m);
        case SUBMISSION:
                return take_submission(call, m);
        case IDENTITY:
                break;
        }
        return take_identity(call, m);
}

static void end(struct gw_call *call)
{
        struct manifest *m = call->state;
        gw_job_read_done(&m->read);
        gw_db_submission_get_done(&m->submission);
        free(m->identity.identity);
}

const struct gw_handler gw_route_getJobManifest = {
        .begin = begin,
        .resume = resume,
        .end = end,
        .state_size = sizeof(struct manifest),
};
