/*
 * POST /v1/jobs with many lines, each the spec of a job: decoded as they arrive, recorded in
 * batches on a channel of their own, answered in the order they came. The exchange's loop thread.
 *
 * A job on its way to the record outlives the exchange whose client hangs up. So the lines have a
 * state of their own, which is freed when the exchange has ended and every job is home.
 *
 * All that is held is counted as it grows and shrinks, the answer until it has been sent: against
 * the budget of request bodies, and against the share of it that one user may have. Who meets the
 * end of either reads on as jobs come home, and gives up when none is out. What the jobs of a
 * client that left hold stays counted until the last of them is home.
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
#include "routes/shared.h"
#include "routes/submit.h"
#include "routes/submit_body.h"
#include "server/base/clock.h"
#include "server/base/lines.h"
#include "server/base/str.h"

#define LINES_TYPE "application/x-ndjson"
/* An answer that has grown to this names the fields at fault no more, and warns of nothing. */
#define BRIEF_AFTER (16 * 1024 * 1024)

/* What is on its way to the record. */
struct job {
        struct gw_submit submit;
        json_t *key;
};

/* A line that is not in the answer yet. */
struct result {
        struct result *next;
        struct batch *batch;
        uint64_t line;
        unsigned status; /* 0: the job is out */
        bool replayed;
        struct gw_id id;
        struct job *job;                 /* NULL: it is home, or there is none */
        struct gw_buf problem, warnings; /* JSON; no warnings: empty */
        size_t counted;                  /* in waiting_bytes */
};

struct batch {
        struct gw_call *call; /* NULL: the exchange has ended */
        struct gw_loop *loop;
        struct gw_mailbox *home;
        struct gw_db_channel *const *channels;
        char request_id[GW_REQUEST_ID_TEXT];

        struct gw_lines lines;
        size_t received, taken; /* bytes; lines that are not blank */
        uint64_t read_to;       /* the last line that has a result */
        bool full;              /* of lines: the rest is not looked at */
        bool whole;             /* the body has ended */
        bool waits;             /* the exchange is suspended */
        /* Which limit it was over when it last grew, and nothing came home since; GW_OK: none. */
        enum gw_error_code over;
        struct gw_error stop; /* why the body is not read to its end; GW_OK: it is */

        struct result *first, **last;
        size_t waiting, waiting_bytes;
        uint64_t accepted;
        struct gw_buf answer;
        size_t answer_bytes; /* of the answer that was set, which is sent */
        size_t held;         /* counted still when the exchange has ended */
        struct gw_share *share;
        size_t shared; /* counted in it */
};

/* ---- the state ----------------------------------------------------------------------------- */

static size_t held_bytes(const struct batch *b)
{
        return sizeof *b + b->lines.held.cap + b->waiting_bytes + b->answer.cap + b->answer_bytes;
}

static void free_batch(struct batch *b)
{
        gw_lines_done(&b->lines);
        gw_buf_done(&b->answer);
        gw_share_add(b->share, -b->shared);
        gw_share_unref(b->share);
        gw_loop_release_held(b->loop, b->held);
        gw_loop_release(b->loop);
        free(b);
}

/* The first reason counts. What is out still comes home. */
static void stop(struct batch *b, enum gw_error_code code, const char *message)
{
        gw_fail(&b->stop, code, "%s", message);
}

/* Returns whether it has grown, and its user has more than one may. */
static bool exceeds_share(struct batch *b, size_t bytes)
{
        size_t before = b->shared;
        b->shared = bytes;
        return gw_share_add(b->share, bytes - before) > b->call->service->max_user_lines_bytes &&
               bytes > before;
}

/* Counts what is held. */
static void hold(struct batch *b)
{
        if (!gw_buf_ok(&b->answer))
                stop(b, GW_ERR_NOMEM, "the results do not fit in memory");
        if (!b->call)
                return;
        size_t bytes = held_bytes(b);
        if (gw_exchange_hold(b->call->exchange, bytes))
                b->over = GW_ERR_OVERLOADED;
        if (exceeds_share(b, bytes))
                b->over = GW_ERR_TOO_MANY;
}

static void stop_over(struct batch *b)
{
        char message[160] = "too many request bodies are being received";
        if (b->over == GW_ERR_TOO_MANY)
                snprintf(message, sizeof message,
                         "your bodies of lines hold more than the %zu bytes that one user's may: "
                         "end one of these requests first",
                         b->call->service->max_user_lines_bytes);
        stop(b, b->over, message);
}

/* ---- results ------------------------------------------------------------------------------- */

static size_t job_bytes(const struct job *job)
{
        return sizeof *job + gw_submit_held(&job->submit) + json_string_length(job->key);
}

static void count_result(struct result *r)
{
        size_t bytes = sizeof *r + r->problem.cap + r->warnings.cap;
        if (r->job)
                bytes += job_bytes(r->job);
        r->batch->waiting_bytes += bytes - r->counted;
        r->counted = bytes;
}

static void write_accepted(struct gw_buf *out, const struct result *r)
{
        char id[GW_ID_TEXT];
        gw_id_format(r->id, id);
        gw_buf_str(out, ",\"id\":\"");
        gw_buf_str(out, id);
        gw_buf_str(out, r->replayed ? "\",\"replayed\":true" : "\"");
        if (r->warnings.len == 0 || out->len > BRIEF_AFTER)
                return;
        gw_buf_str(out, ",\"warnings\":");
        gw_buf_add(out, r->warnings.data, r->warnings.len);
}

static void write_result(struct gw_buf *out, const struct result *r)
{
        gw_buf_str(out, "{\"line\":");
        gw_buf_int(out, (int64_t)r->line);
        gw_buf_str(out, ",\"status\":");
        gw_buf_int(out, r->status);
        if (r->status == 201) {
                write_accepted(out, r);
        } else {
                gw_buf_str(out, ",\"problem\":");
                gw_buf_add(out, r->problem.data, r->problem.len);
        }
        gw_buf_str(out, "}\n");
}

static void free_job(struct job *job)
{
        if (!job)
                return;
        gw_submit_done(&job->submit);
        json_decref(job->key);
        free(job);
}

static void free_result(struct result *r)
{
        r->batch->waiting--;
        r->batch->waiting_bytes -= r->counted;
        free_job(r->job);
        gw_buf_done(&r->problem);
        gw_buf_done(&r->warnings);
        free(r);
}

/* Moves the results that are known, up to the first that is not, into the answer. */
static void flush(struct batch *b)
{
        struct result *r;
        while ((r = b->first) && r->status) {
                b->first = r->next;
                if (!b->first)
                        b->last = &b->first;
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
        b->read_to = line;
        return r;
}

/* Its outcome is known: the job's memory is needed no more. */
static void settle(struct result *r, unsigned status)
{
        r->status = status;
        free_job(GW_TAKE(r->job));
        count_result(r);
}

static void refuse(struct batch *b, struct result *r, const struct gw_faults *faults,
                   const struct gw_error *err)
{
        bool brief = b->answer.len > BRIEF_AFTER;
        settle(r, gw_problem_write_found(&r->problem, faults, err, brief, b->request_id));
        if (!gw_buf_ok(&r->problem))
                stop(b, GW_ERR_NOMEM, "out of memory");
}

static void accept(struct batch *b, struct result *r)
{
        b->accepted++;
        r->id = r->job->submit.id;
        settle(r, 201);
}

/* ---- a job's way --------------------------------------------------------------------------- */

static enum gw_next after_return(struct batch *b);

static int post(struct batch *b, struct result *r, struct gw_db_command *command,
                struct gw_error *err);

/* Returns false while the job is still out. */
static bool take(struct batch *b, struct result *r)
{
        static const struct gw_faults none;
        struct gw_error err = {0}, why = {0};
        switch (gw_submit_take(&r->job->submit, &err)) {
        case GW_SUBMIT_UNSETTLED:
                if (post(b, r, &r->job->submit.settle.cmd, &why) == 0)
                        return false;
                gw_submit_lose(&r->job->submit, &why, &err);
                break;
        case GW_SUBMIT_REPLAYED:
                r->replayed = true;
                accept(b, r);
                return true;
        case GW_SUBMIT_RECORDED:
                accept(b, r);
                return true;
        case GW_SUBMIT_REFUSED:
                break;
        }
        refuse(b, r, &none, &err);
        return true;
}

static void come_home(struct gw_work *work)
{
        struct result *r = work->owner;
        struct batch *b = r->batch;
        if (!take(b, r))
                return;
        b->over = GW_OK;
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

/* What has the same key goes the same way, in order: of two such lines the first makes the job. */
static struct gw_db_channel *channel_of(const struct batch *b, const struct job *job)
{
        uint32_t hash = 5381;
        for (const char *c = job->submit.key; c && *c; c++)
                hash = hash * 33 + (unsigned char)*c;
        if (!job->submit.key)
                hash = job->submit.id.bytes[sizeof job->submit.id.bytes - 1];
        return b->channels[hash % GW_LINES_CHANNELS];
}

static int post(struct batch *b, struct result *r, struct gw_db_command *command,
                struct gw_error *err)
{
        command->work.home = b->home;
        command->work.owner = r;
        command->work.done = come_home;
        return gw_db_channel_post(channel_of(b, r->job), command, err);
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
        struct job *job = r->job = calloc(1, sizeof *job);
        if (!job)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        job->key = json_incref(json_object_get(spec, "idempotency_key"));
        job->submit.key = json_string_value(job->key);
        job->submit.key_field = "idempotency_key";
        job->submit.in_order = true;
        job->submit.request_id = b->request_id;
        json_object_del(spec, "idempotency_key");
        if (!gw_submit_prepare(b->call, &job->submit, spec, err))
                return -1;
        if (job->key)
                gw_token_hash(line->text, digest); /* a line that was decoded holds no NUL */
        struct gw_db_command *command = gw_submit_command(b->call, &job->submit, digest);
        if (job->submit.warned) {
                r->warnings = job->submit.warnings;
                job->submit.warnings = (struct gw_buf){0};
        }
        gw_submit_pack(&job->submit);
        return post(b, r, command, err);
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

static bool has_room(const struct batch *b)
{
        return !b->over && b->waiting < GW_MAX_LINES_OUT &&
               b->waiting_bytes < GW_MAX_LINES_OUT_BYTES;
}

static bool take_line(void *arg, const struct gw_line *line)
{
        struct batch *b = arg;
        struct gw_error err = {0};
        struct result *r = add_result(b, line->no);
        if (!r)
                return false;
        gw_faults_init(b->call->faults);
        if (count_line(b, &err) || submit(b, r, line, &err))
                refuse(b, r, b->call->faults, &err);
        else
                count_result(r);
        flush(b);
        return has_room(b) && !b->full && !b->stop.code;
}

/* ---- what comes next ----------------------------------------------------------------------- */

static enum gw_next answer_stopped(struct batch *b)
{
        size_t len = strnlen(b->stop.message, 160);
        if (len > 0 && b->stop.message[len - 1] == '.')
                len--;
        return gw_call_fail_code(b->call, b->stop.code,
                                 "%.*s; the body was read up to line %" PRIu64 ", %" PRIu64
                                 " of these lines are accepted jobs: send the lines again with "
                                 "the same keys",
                                 (int)len, b->stop.message, b->read_to, b->accepted);
}

static enum gw_next answer(struct batch *b)
{
        size_t len = 0;
        if (b->taken == 0)
                return gw_call_fail_code(b->call, GW_ERR_INVALID,
                                         "a body is needed: a line for each job");
        b->answer_bytes = b->answer.cap;
        char *content = gw_buf_take(&b->answer, &len);
        gw_respond(b->call->exchange, 200, LINES_TYPE, content, len);
        return GW_NEXT_RESPOND;
}

static enum gw_next after_bytes(struct batch *b)
{
        if (b->over && !b->first && !b->whole)
                stop_over(b);
        bool ends = b->whole || b->stop.code;
        if (b->first && (ends || !has_room(b))) {
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
        gw_submit_body_refuse_parameters(call, detail);
        if (gw_call_header(call, "Idempotency-Key"))
                gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE,
                              "Idempotency-Key:", "%s, each with an idempotency_key of its own",
                              detail);
        return !gw_faults_any(call->faults);
}

static struct batch *new_batch(struct gw_call *call)
{
        struct batch *b = calloc(1, sizeof *b);
        struct gw_share *share = gw_share_ref(&call->shared->lines, call->principal->user_id);
        if (!b || !share) {
                gw_share_unref(share);
                free(b);
                return NULL;
        }
        b->share = share;
        b->call = call;
        b->loop = gw_exchange_keep_loop(call->exchange);
        b->home = gw_call_home(call);
        b->channels = call->service->lines;
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
        hold(b);
        if (!b->over)
                return GW_NEXT_BODY;
        stop_over(b);
        return gw_call_fail(call, &b->stop);
}

static void check_size(struct batch *b, size_t more)
{
        size_t max = b->call->service->max_lines_bytes;
        char message[64];
        snprintf(message, sizeof message, "the body is larger than %zu bytes", max);
        if (b->received + more > max)
                stop(b, GW_ERR_TOO_LARGE, message);
}

/* A client that sends a little now and then does not hold what is counted for it for ever. */
static void check_time(struct batch *b)
{
        unsigned max_s = b->call->service->max_lines_s;
        char message[64];
        int64_t end_us = gw_exchange_started_us(b->call->exchange) + max_s * GW_SECOND;
        snprintf(message, sizeof message, "the body took longer than %u seconds", max_s);
        if (gw_clock_mono_us() > end_us)
                stop(b, GW_ERR_REQUEST_TIMEOUT, message);
}

/* Reads lines while there is room for their results; what is not looked at is read all the same.
 * Only who waits is given the rest again: the answer of a body that is given up is not. */
static enum gw_next part(struct gw_call *call, const char *data, size_t *len)
{
        struct batch *b = *place(call);
        size_t all = *len;
        check_size(b, all);
        check_time(b);
        if (!b->full && !b->stop.code) {
                size_t taken = gw_lines_add(&b->lines, data, all);
                if (!b->full && !b->stop.code)
                        *len = taken;
                hold(b);
        }
        enum gw_next next = after_bytes(b);
        if (next != GW_NEXT_WAIT)
                *len = all;
        b->received += *len;
        return next;
}

static enum gw_next whole(struct gw_call *call)
{
        struct batch *b = *place(call);
        b->whole = true;
        if (!b->full && !b->stop.code)
                gw_lines_end(&b->lines);
        return after_bytes(b);
}

static enum gw_next stop_body(struct gw_call *call, const struct gw_error *err)
{
        struct batch *b = *place(call);
        stop(b, err->code, err->message);
        return after_bytes(b);
}

static void end(struct gw_call *call)
{
        struct batch *b = *place(call);
        if (!b)
                return;
        gw_lines_done(&b->lines);
        gw_buf_done(&b->answer);
        b->answer_bytes = 0;
        hold(b);
        b->held = gw_exchange_keep_held(call->exchange);
        b->call = NULL;
        if (!b->first)
                free_batch(b);
}

const struct gw_handler gw_route_createJobLines = {
        .begin = begin,
        .part = part,
        .whole = whole,
        .stop = stop_body,
        .end = end,
        .state_size = sizeof(struct batch *),
};
