/*
 * GET …/logs: what an attempt printed, from the file its backend has. The exchange's loop
 * thread. With ?follow=true it is routes/log_follow.c that answers, with ?tasks= routes/log_many.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "openapi/operations.h"
#include "routes/byte_range.h"
#include "routes/call.h"
#include "routes/log_find.h"
#include "routes/log_follow.h"
#include "routes/log_many.h"
#include "routes/log_view.h"
#include "server/base/cleanup.h"

#define LOG_ETAG 64

struct logs {
        enum { LOGS_WHOLE, LOGS_FOLLOWED, LOGS_OF_MANY } kind;
        union {
                struct gw_log_find find;
                struct gw_log_follow follow;
                struct gw_log_many *many;
        };
};

/* ---- which bytes --------------------------------------------------------------------------- */

/* Only output that is complete has a tag: what a range of it names will not move. */
static void make_etag(const struct gw_log_find *l, char out[LOG_ETAG])
{
        out[0] = '\0';
        if (l->source.complete)
                snprintf(out, LOG_ETAG, "\"%d-%c%s-%" PRIu64 "\"", l->attempt,
                         l->source.want_stderr ? 'e' : 'o', l->omitted > 0 ? "-cut" : "",
                         l->source.size);
}

static const char *range_of(struct gw_call *call, const char *etag)
{
        const char *condition = gw_exchange_header(call->exchange, "If-Range");
        if (condition && (!*etag || strcmp(condition, etag) != 0))
                return NULL;
        return gw_exchange_header(call->exchange, "Range");
}

static enum gw_next send(struct gw_call *call, struct gw_log_find *l, unsigned status,
                         uint64_t first, uint64_t len, const char *etag)
{
        gw_respond_file(call->exchange, status, GW_LOG_TYPE, GW_TAKE_FD(l->source.fd), first, len);
        if (gw_exchange_status(call->exchange) != status)
                return GW_NEXT_RESPOND;
        gw_respond_header(call->exchange, "Accept-Ranges", "bytes");
        gw_respond_header(call->exchange, "X-Content-Type-Options", "nosniff");
        if (l->omitted > 0) {
                char text[24];
                snprintf(text, sizeof text, "%" PRIu64, l->omitted);
                gw_respond_header(call->exchange, "Jobgate-Log-Omitted", text);
        }
        if (*etag)
                gw_respond_header(call->exchange, "ETag", etag);
        return GW_NEXT_RESPOND;
}

static enum gw_next send_part(struct gw_call *call, struct gw_log_find *l)
{
        uint64_t first;
        if (gw_log_first(call, &l->source, &first))
                return gw_call_fail_code(call, GW_ERR_IO, "the output could not be read");
        return send(call, l, 200, first, l->source.size - first, "");
}

static enum gw_next send_beyond(struct gw_call *call, const struct gw_log_find *l)
{
        char range[48];
        gw_call_fail_code(call, GW_ERR_RANGE, "the output has %" PRIu64 " bytes", l->source.size);
        snprintf(range, sizeof range, "bytes */%" PRIu64, l->source.size);
        gw_respond_header(call->exchange, "Content-Range", range);
        return GW_NEXT_RESPOND;
}

static enum gw_next send_range(struct gw_call *call, struct gw_log_find *l)
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

static enum gw_next answer(struct gw_call *call, struct gw_log_find *l)
{
        if (l->found != GW_LOG_THERE)
                return gw_log_find_fail(call, l);
        return gw_log_is_part(call) ? send_part(call, l) : send_range(call, l);
}

/* ---- the handler --------------------------------------------------------------------------- */

static enum gw_next begin_whole(struct gw_call *call, struct gw_log_find *f)
{
        f->id = gw_call_path_id(call, 0);
        f->index = gw_call_int(call, "task", 0);
        return gw_log_find_begin(call, f);
}

static enum gw_next begin(struct gw_call *call)
{
        struct logs *l = call->state;
        if (gw_log_check(call))
                return GW_NEXT_RESPOND;
        if (gw_log_many_is_meant(call)) {
                l->kind = LOGS_OF_MANY;
                return gw_log_many_begin(call, &l->many);
        }
        if (gw_call_flag(call, "follow")) {
                l->kind = LOGS_FOLLOWED;
                return gw_log_follow_begin(call, &l->follow);
        }
        return begin_whole(call, &l->find);
}

static enum gw_next resume(struct gw_call *call, struct gw_work *work)
{
        struct logs *l = call->state;
        enum gw_next next;
        (void)work;
        switch (l->kind) {
        case LOGS_FOLLOWED:
                return gw_log_follow_resume(call, &l->follow);
        case LOGS_OF_MANY:
                return gw_log_many_resume(call, l->many);
        case LOGS_WHOLE:
                break;
        }
        return gw_log_find_resume(call, &l->find, &next) ? answer(call, &l->find) : next;
}

static void abandon(struct gw_call *call)
{
        struct logs *l = call->state;
        if (l->kind == LOGS_FOLLOWED)
                gw_log_follow_abandon(call, &l->follow);
        else if (l->kind == LOGS_OF_MANY)
                gw_log_many_abandon(l->many);
}

static void end(struct gw_call *call)
{
        struct logs *l = call->state;
        switch (l->kind) {
        case LOGS_WHOLE:
                gw_log_find_done(&l->find);
                break;
        case LOGS_FOLLOWED:
                gw_log_follow_done(&l->follow);
                break;
        case LOGS_OF_MANY:
                gw_log_many_end(l->many);
                break;
        }
}

const struct gw_handler gw_route_getJobLogs = {
        .begin = begin,
        .resume = resume,
        .end = end,
        .abandon = abandon,
        .state_size = sizeof(struct logs),
};
