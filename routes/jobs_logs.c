/*
 * GET …/logs: what an attempt printed, from the file its backend has. The exchange's loop
 * thread; rows are taken on the database's.
 *
 *   the job → its attempts → the backend's file → bytes
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "openapi/operations.h"
#include "routes/byte_range.h"
#include "routes/call.h"
#include "routes/job_read.h"
#include "server/base/cleanup.h"

#define LOG_TYPE "text/plain; charset=utf-8"
#define LOG_ETAG 64

struct logs {
        struct gw_job_read read;
        struct gw_db_attempts attempts;
        struct gw_log_source source;
        int32_t wanted;     /* attempt */
        int32_t submission; /* of it; 0: it is not recorded */
        bool opened;        /* the source came home: its descriptor is ours */
        enum { LOGS_READ, LOGS_ATTEMPTS, LOGS_SOURCE } stage;
};

/* ---- which file ---------------------------------------------------------------------------- */

static enum gw_next begin(struct gw_call *call)
{
        struct logs *l = call->state;
        l->source.fd = -1;
        l->read.id = gw_call_path_id(call, 0);
        return gw_job_read_begin(call, &l->read);
}

static void take_attempt(void *arg, const struct gw_attempt_row *row)
{
        struct logs *l = arg;
        if (row->no == l->wanted)
                l->submission = row->submission;
}

static enum gw_next nothing_yet(struct gw_call *call, const struct logs *l)
{
        if (gw_state_terminal(l->read.seen.state))
                return gw_call_fail_code(call, GW_ERR_NOT_FOUND, "the attempt never ran");
        return gw_call_fail_code(call, GW_ERR_NOT_YET, "the task has not started");
}

static enum gw_next ask_attempts(struct gw_call *call, struct logs *l)
{
        int32_t latest = l->read.seen.attempt;
        if (gw_call_int(call, "task", 0) != 0)
                return gw_call_fail_code(call, GW_ERR_NOT_FOUND, "the job has no such task");
        l->wanted = (int32_t)gw_call_int(call, "attempt", latest);
        if (l->wanted > latest && latest > 0)
                return gw_call_fail_code(call, GW_ERR_NOT_FOUND, "there is no such attempt");
        if (latest == 0)
                return nothing_yet(call, l);
        l->stage = LOGS_ATTEMPTS;
        l->attempts.job = l->read.id;
        l->attempts.each = take_attempt;
        l->attempts.arg = l;
        gw_db_attempts_init(&l->attempts);
        return gw_call_read(call, &l->attempts.cmd);
}

static enum gw_next ask_backend(struct gw_call *call, struct logs *l)
{
        struct gw_backend *b = gw_service_backend(call->service, l->read.seen.backend);
        if (l->attempts.cmd.error.code != GW_OK)
                return gw_call_fail(call, &l->attempts.cmd.error);
        if (l->submission == 0)
                return nothing_yet(call, l);
        if (!b)
                return gw_call_fail_code(call, GW_ERR_GONE,
                                         "the backend of this job is not here any more");
        l->stage = LOGS_SOURCE;
        l->source.work.home = gw_call_home(call);
        l->source.work.owner = call->exchange;
        l->source.mark = (struct gw_mark){l->read.id, (uint32_t)l->submission};
        l->source.attempt = (uint32_t)l->wanted;
        l->source.want_stderr = strcmp(gw_call_text(call, "stream"), "stderr") == 0;
        b->type->log(b, &l->source);
        return GW_NEXT_WAIT;
}

/* ---- which bytes --------------------------------------------------------------------------- */

/* Only output that is complete has a tag: what a range of it names will not move. */
static void make_etag(const struct logs *l, char out[LOG_ETAG])
{
        out[0] = '\0';
        if (l->source.complete)
                snprintf(out, LOG_ETAG, "\"%d-%c-%" PRIu64 "\"", l->wanted,
                         l->source.want_stderr ? 'e' : 'o', l->source.size);
}

static const char *range_of(struct gw_call *call, const char *etag)
{
        const char *condition = gw_exchange_header(call->exchange, "If-Range");
        if (condition && (!*etag || strcmp(condition, etag) != 0))
                return NULL;
        return gw_exchange_header(call->exchange, "Range");
}

static enum gw_next send(struct gw_call *call, struct logs *l, unsigned status, uint64_t first,
                         uint64_t len, const char *etag)
{
        gw_respond_file(call->exchange, status, LOG_TYPE, GW_TAKE_FD(l->source.fd), first, len);
        if (gw_exchange_status(call->exchange) != status)
                return GW_NEXT_RESPOND;
        gw_respond_header(call->exchange, "Accept-Ranges", "bytes");
        gw_respond_header(call->exchange, "X-Content-Type-Options", "nosniff");
        if (*etag)
                gw_respond_header(call->exchange, "ETag", etag);
        return GW_NEXT_RESPOND;
}

static enum gw_next send_tail(struct gw_call *call, struct logs *l, uint64_t lines)
{
        uint64_t first;
        if (gw_tail_find(l->source.fd, l->source.size, lines, &first))
                return gw_call_fail_code(call, GW_ERR_IO, "the output could not be read");
        return send(call, l, 200, first, l->source.size - first, "");
}

static enum gw_next send_beyond(struct gw_call *call, const struct logs *l)
{
        char range[48];
        gw_call_fail_code(call, GW_ERR_RANGE, "the output has %" PRIu64 " bytes", l->source.size);
        snprintf(range, sizeof range, "bytes */%" PRIu64, l->source.size);
        gw_respond_header(call->exchange, "Content-Range", range);
        return GW_NEXT_RESPOND;
}

static enum gw_next send_range(struct gw_call *call, struct logs *l)
{
        char etag[LOG_ETAG], text[80];
        struct gw_byte_range range;
        make_etag(l, etag);
        switch (gw_byte_range_read(range_of(call, etag), l->source.size, &range)) {
        case GW_RANGE_WHOLE:
                break;
        case GW_RANGE_BEYOND:
                return send_beyond(call, l);
        case GW_RANGE_PART:
                send(call, l, 206, range.first, range.len, etag);
                snprintf(text, sizeof text, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range.first,
                         range.first + range.len - 1, l->source.size);
                gw_respond_header(call->exchange, "Content-Range", text);
                return GW_NEXT_RESPOND;
        }
        return send(call, l, 200, 0, l->source.size, etag);
}

static enum gw_next answer(struct gw_call *call, struct logs *l)
{
        int64_t lines = gw_call_int(call, "tail", 0);
        l->opened = true;
        if (l->source.error.code == GW_ERR_NOT_FOUND)
                return nothing_yet(call, l);
        if (l->source.error.code != GW_OK)
                return gw_call_fail(call, &l->source.error);
        if (lines > 0)
                return send_tail(call, l, (uint64_t)lines);
        return send_range(call, l);
}

static enum gw_next resume(struct gw_call *call, struct gw_work *work)
{
        struct logs *l = call->state;
        enum gw_next next;
        (void)work;
        switch (l->stage) {
        case LOGS_READ:
                return gw_job_read_resume(call, &l->read, &next) ? ask_attempts(call, l) : next;
        case LOGS_ATTEMPTS:
                return ask_backend(call, l);
        case LOGS_SOURCE:
                break;
        }
        return answer(call, l);
}

static void end(struct gw_call *call)
{
        struct logs *l = call->state;
        if (l->opened && l->source.fd >= 0)
                close(l->source.fd);
        gw_job_read_done(&l->read);
}

const struct gw_handler gw_route_getJobLogs = {
        .begin = begin,
        .resume = resume,
        .end = end,
        .state_size = sizeof(struct logs),
};
