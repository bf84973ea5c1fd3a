/*
 * POST /v1/jobs with many lines, each the spec of a job: decoded as they arrive, recorded in
 * batches on a channel of their own, answered in the order they came. The exchange's loop thread.
 *
 * A job on its way to the record outlives the exchange whose client hangs up. So the lines have a
 * state of their own, which is freed when the exchange has ended and every job is home.
 *
 * Invariants: the results that wait are in the order of their lines; the first of them is of a
 * job that is out, or there is none. The exchange is suspended only while there is one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openapi/operations.h"
#include "routes/call.h"
#include "routes/problem.h"
#include "routes/submit.h"
#include "server/base/lines.h"
#include "server/base/str.h"

#define LINES_TYPE "application/x-ndjson"
/* An answer that has grown to this names the fields at fault no more. */
#define BRIEF_AFTER (16 * 1024 * 1024)

/* A line that is not in the answer yet. */
struct result {
        struct result *next;
        struct batch *batch;
        uint64_t line;
        unsigned status; /* 0: the job is out */
        bool replayed;
        json_t *key;
        struct gw_submit submit;
        struct gw_buf problem;
};

struct batch {
        struct gw_call *call; /* NULL: the exchange has ended */
        struct gw_loop *loop;
        struct gw_mailbox *home;
        struct gw_db_channel *channel;
        struct gw_principal *principal; /* a reference: memberships are its */
        char request_id[GW_REQUEST_ID_TEXT];

        struct gw_lines lines;
        size_t received, taken; /* bytes; lines that are not blank */
        bool full;              /* of lines: the rest is not looked at */
        bool whole;             /* the body has ended */
        bool waits;             /* the exchange is suspended */
        struct gw_error stop;   /* why the body is not read to its end; GW_OK: it is */

        struct result *first, **last;
        size_t waiting, waiting_bytes;
        uint64_t accepted;
        struct gw_buf answer;
        size_t held; /* counted for the answer */
};

/* ---- the state ----------------------------------------------------------------------------- */

static size_t held_bytes(const struct batch *b)
{
        return 2 * GW_MAX_LINES_OUT_BYTES + b->lines.max + b->answer.cap;
}

static void free_batch(struct batch *b)
{
        gw_lines_done(&b->lines);
        gw_buf_done(&b->answer);
        gw_principal_unref(b->principal);
        gw_loop_release(b->loop);
        free(b);
}

/* The first reason counts. What is out still comes home. */
static void stop(struct batch *b, enum gw_error_code code, const char *message)
{
        gw_fail(&b->stop, code, "%s", message);
}

/* ---- results ------------------------------------------------------------------------------- */

static size_t result_bytes(const struct result *r)
{
        return r->submit.spec.text_len + r->problem.cap;
}

static void write_result(struct gw_buf *out, const struct result *r)
{
        char id[GW_ID_TEXT];
        gw_buf_str(out, "{\"line\":");
        gw_buf_int(out, (int64_t)r->line);
        gw_buf_str(out, ",\"status\":");
        gw_buf_int(out, r->status);
        if (r->status == 201) {
                gw_id_format(r->submit.id, id);
                gw_buf_str(out, ",\"id\":\"");
                gw_buf_str(out, id);
                gw_buf_str(out, r->replayed ? "\",\"replayed\":true}\n" : "\"}\n");
        } else {
                gw_buf_str(out, ",\"problem\":");
                gw_buf_add(out, r->problem.data, r->problem.len);
                gw_buf_str(out, "}\n");
        }
}

static void free_result(struct result *r)
{
        gw_submit_done(&r->submit);
        gw_buf_done(&r->problem);
        json_decref(r->key);
        free(r);
}

/* Counts what the answer has grown to. */
static void hold(struct batch *b)
{
        if (!gw_buf_ok(&b->answer))
                stop(b, GW_ERR_NOMEM, "the results do not fit in memory");
        if (!b->call || b->answer.cap == b->held)
                return;
        b->held = b->answer.cap;
        if (gw_exchange_hold(b->call->exchange, held_bytes(b)))
                stop(b, GW_ERR_OVERLOADED, "too many request bodies are being received");
}

/* Moves the results that are known, up to the first that is not, into the answer. */
static void flush(struct batch *b)
{
        struct result *r;
        while ((r = b->first) && r->status) {
                b->first = r->next;
                if (!b->first)
                        b->last = &b->first;
                b->waiting--;
                b->waiting_bytes -= result_bytes(r);
                if (b->call)
                        write_result(&b->answer, r);
                free_result(r);
        }
        hold(b);
}

static struct result *add_result(struct batch *b, uint64_t line)
{
        struct result *r = calloc(1, sizeof *r);
        if (!r) {
                stop(b, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        r->batch = b;
        r->line = line;
        gw_buf_init(&r->problem, GW_MAX_PROBLEM);
        *b->last = r;
        b->last = &r->next;
        b->waiting++;
        return r;
}

static void refuse(struct batch *b, struct result *r, const struct gw_faults *faults,
                   const struct gw_error *err)
{
        bool brief = b->answer.len > BRIEF_AFTER;
        r->status = gw_problem_write_found(&r->problem, faults, err, brief, b->request_id);
        if (!gw_buf_ok(&r->problem))
                stop(b, GW_ERR_NOMEM, "out of memory");
}

/* ---- a job's way --------------------------------------------------------------------------- */

static enum gw_next after_return(struct batch *b);

static int post(struct batch *b, struct result *r, struct gw_db_command *command,
                struct gw_error *err);

static void refuse_late(struct batch *b, struct result *r, const struct gw_error *err)
{
        static const struct gw_faults none;
        b->waiting_bytes -= result_bytes(r);
        refuse(b, r, &none, err);
        b->waiting_bytes += result_bytes(r);
}

/* Returns false while the job is still out. */
static bool take(struct batch *b, struct result *r)
{
        struct gw_error err = {0};
        switch (gw_submit_take(&r->submit, &err)) {
        case GW_SUBMIT_UNSETTLED:
                if (post(b, r, &r->submit.settle.cmd, &err) == 0)
                        return false;
                break;
        case GW_SUBMIT_REPLAYED:
                r->replayed = true;
                r->status = 201;
                break;
        case GW_SUBMIT_RECORDED:
                r->status = 201;
                break;
        case GW_SUBMIT_REFUSED:
                break;
        }
        if (r->status == 201)
                b->accepted++;
        else
                refuse_late(b, r, &err);
        return true;
}

static void come_home(struct gw_work *work)
{
        struct result *r = work->owner;
        struct batch *b = r->batch;
        if (!take(b, r))
                return;
        flush(b);
        if (!b->call) {
                if (!b->first)
                        free_batch(b);
                return;
        }
        enum gw_next next = b->waits ? after_return(b) : GW_NEXT_WAIT;
        if (next == GW_NEXT_WAIT)
                return;
        b->waits = false;
        gw_exchange_wake(b->call->exchange, next);
}

static int post(struct batch *b, struct result *r, struct gw_db_command *command,
                struct gw_error *err)
{
        command->work.home = b->home;
        command->work.owner = r;
        command->work.done = come_home;
        return gw_db_channel_post(b->channel, command, err);
}

/* The spec in a line, or NULL. */
static json_t *decode(struct batch *b, const struct gw_line *line, struct gw_error *err)
{
        struct gw_faults *faults = b->call->faults;
        if (!line->text) {
                gw_fail(err, GW_ERR_TOO_LARGE, "the line is longer than %zu bytes", b->lines.max);
                return NULL;
        }
        json_t *spec = gw_json_parse(line->text, line->len, faults);
        if (spec && gw_decode(b->call->media->schema, spec, "", faults) == 0)
                return spec;
        json_decref(spec);
        return NULL;
}

/* Returns 0 when the job is on its way. */
static int submit(struct batch *b, struct result *r, const struct gw_line *line,
                  struct gw_error *err)
{
        uint8_t digest[32] = {0};
        json_auto_t *spec = decode(b, line, err);
        if (!spec)
                return -1;
        r->key = json_incref(json_object_get(spec, "idempotency_key"));
        r->submit.key = json_string_value(r->key);
        r->submit.key_field = "idempotency_key";
        r->submit.request_id = b->request_id;
        json_object_del(spec, "idempotency_key");
        if (!gw_submit_prepare(b->call, &r->submit, spec, err))
                return -1;
        if (r->key)
                gw_token_hash(line->text, digest); /* a line that was decoded holds no NUL */
        return post(b, r, gw_submit_command(b->call, &r->submit, digest), err);
}

static int count_line(struct batch *b, struct gw_error *err)
{
        if (++b->taken <= GW_MAX_LINES)
                return 0;
        b->full = true;
        return gw_fail(err, GW_ERR_TOO_LARGE,
                       "a request has at most %d lines: this one and those after it were not "
                       "looked at",
                       GW_MAX_LINES);
}

static void take_line(void *arg, const struct gw_line *line)
{
        struct batch *b = arg;
        struct gw_error err = {0};
        struct result *r = b->full || b->stop.code ? NULL : add_result(b, line->no);
        if (!r)
                return;
        gw_faults_init(b->call->faults);
        if (count_line(b, &err) || submit(b, r, line, &err))
                refuse(b, r, b->call->faults, &err);
        b->waiting_bytes += result_bytes(r);
        flush(b);
}

/* ---- what comes next ----------------------------------------------------------------------- */

static enum gw_next answer_stopped(struct batch *b)
{
        return gw_call_fail_code(b->call, b->stop.code,
                                 "%.160s; it was read up to line %" PRIu64 ", %" PRIu64
                                 " of these lines are accepted jobs: send the lines again with "
                                 "the same keys",
                                 b->stop.message, b->lines.no, b->accepted);
}

static enum gw_next answer(struct batch *b)
{
        size_t len = 0;
        if (b->taken == 0)
                return gw_call_fail_code(b->call, GW_ERR_INVALID,
                                         "a body is needed: a line for each job");
        char *content = gw_buf_take(&b->answer, &len);
        gw_respond(b->call->exchange, 200, LINES_TYPE, content, len);
        return GW_NEXT_RESPOND;
}

static bool has_room(const struct batch *b)
{
        return b->waiting < GW_MAX_LINES_OUT && b->waiting_bytes < GW_MAX_LINES_OUT_BYTES;
}

static enum gw_next after_bytes(struct batch *b)
{
        bool ends = b->whole || b->stop.code;
        if (ends ? b->first != NULL : !has_room(b)) {
                b->waits = true;
                return GW_NEXT_WAIT;
        }
        if (!ends)
                return GW_NEXT_BODY;
        return b->stop.code ? answer_stopped(b) : answer(b);
}

/* A suspended body goes on when half of what is out is home, not for each job. */
static enum gw_next after_return(struct batch *b)
{
        if (b->first &&
            (b->waiting > GW_MAX_LINES_OUT / 2 || b->waiting_bytes > GW_MAX_LINES_OUT_BYTES / 2))
                return GW_NEXT_WAIT;
        return after_bytes(b);
}

/* ---- the handler --------------------------------------------------------------------------- */

/* What is for one job alone. */
static bool check_parameters(struct gw_call *call)
{
        static const char detail[] = "is for one job; a body of lines is many";
        if (gw_call_flag(call, "dry_run"))
                gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE, "?dry_run", "%s", detail);
        if (gw_call_flag(call, "fail_on_failure"))
                gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE, "?fail_on_failure", "%s", detail);
        if (gw_call_int(call, "wait", 0) > 0)
                gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE, "?wait", "%s", detail);
        if (gw_call_header(call, "Idempotency-Key"))
                gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE,
                              "Idempotency-Key:", "%s, each with an idempotency_key of its own",
                              detail);
        return !gw_faults_any(call->faults);
}

static struct batch *new_batch(struct gw_call *call)
{
        struct batch *b = calloc(1, sizeof *b);
        if (!b)
                return NULL;
        b->call = call;
        b->loop = gw_exchange_keep_loop(call->exchange);
        b->home = gw_call_home(call);
        b->channel = call->service->lines;
        b->principal = gw_principal_ref(call->principal);
        b->last = &b->first;
        gw_str_copy(b->request_id, sizeof b->request_id, gw_exchange_request_id(call->exchange));
        gw_lines_init(&b->lines, call->service->max_body_bytes, take_line, b);
        gw_buf_init(&b->answer, GW_MAX_LINES_ANSWER);
        return b;
}

static struct batch **place(struct gw_call *call)
{
        return call->state;
}

static enum gw_next begin(struct gw_call *call)
{
        if (!check_parameters(call))
                return gw_call_fail_faults(call, call->faults);
        struct batch *b = *place(call) = new_batch(call);
        if (!b)
                return gw_call_fail_code(call, GW_ERR_NOMEM, "out of memory");
        if (gw_exchange_hold(call->exchange, held_bytes(b)))
                return gw_call_fail_code(call, GW_ERR_OVERLOADED,
                                         "too many request bodies are being received");
        return GW_NEXT_BODY;
}

static enum gw_next part(struct gw_call *call, const char *data, size_t len)
{
        struct batch *b = *place(call);
        size_t max = call->service->max_lines_bytes;
        char message[64];
        b->received += len;
        if (b->received > max) {
                snprintf(message, sizeof message, "the body is larger than %zu bytes", max);
                stop(b, GW_ERR_TOO_LARGE, message);
        }
        if (!b->full && !b->stop.code)
                gw_lines_add(&b->lines, data, len);
        return after_bytes(b);
}

static enum gw_next whole(struct gw_call *call)
{
        struct batch *b = *place(call);
        b->whole = true;
        if (!b->full && !b->stop.code)
                gw_lines_end(&b->lines);
        return after_bytes(b);
}

static void end(struct gw_call *call)
{
        struct batch *b = *place(call);
        if (!b)
                return;
        b->call = NULL;
        if (!b->first)
                free_batch(b);
}

const struct gw_handler gw_route_createJobLines = {
        .begin = begin,
        .part = part,
        .whole = whole,
        .end = end,
        .state_size = sizeof(struct batch *),
};
