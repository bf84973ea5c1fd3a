/*
 * The application behind the HTTP server. Its functions run on the exchange's loop thread;
 * what they share is constant, counted or locked.
 *
 *   head    route → principal (perhaps from the record) → scope
 *   body    parameters and body → the handler's begin
 *   part    of a body of lines, whose handler began behind the scope
 *   resume  the lookup's, or the handler's
 *   end     release, count, log
 *
 * Invariant: flight.begun is set exactly when the handler's begin ran, so that its end runs too.
 */
#include "routes/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "routes/arguments.h"
#include "routes/authenticate.h"
#include "routes/call.h"
#include "routes/cors.h"
#include "routes/problem.h"
#include "routes/shared.h"
#include "server/base/clock.h"
#include "server/base/limits.h"
#include "server/base/log.h"
#include "server/base/trace.h"
#include "server/http/router.h"

/* What is read, and not looked at, where no body is meant to be. */
#define MAX_UNMEANT_BODY (64 * 1024)
/* As much of a method is logged as any that exists has. */
#define LOGGED_METHOD 20

struct gw_dispatch {
        const struct gw_service *service;
        const char *origins; /* of routes/cors.h */
        struct gw_shared shared;
        struct gw_router_route *routes;
        struct gw_router *router;
        json_t ***presets;   /* per operation and query parameter */
        const char **labels; /* operation ids, "none", NULL */
        struct gw_metric_family *requests, *seconds;
};

/* One exchange's way through the application. */
struct flight {
        struct gw_call call;
        struct gw_lookup *lookup; /* a question about the principal is out */
        bool begun;
};

/* ---- answers and refusals ------------------------------------------------------------------ */

static void refuse(void *self, struct gw_exchange *x, const struct gw_error *err)
{
        (void)self;
        gw_problem_respond(x, err);
}

static void mark(void *self, struct gw_exchange *x)
{
        struct gw_dispatch *d = self;
        gw_cors_mark(x, d->origins);
}

static enum gw_next refuse_route(const struct gw_dispatch *d, struct gw_exchange *x,
                                 struct gw_error *err, const char *allow)
{
        if (err->code == GW_ERR_METHOD && gw_cors_preflight(x, d->origins, allow))
                return GW_NEXT_RESPOND;
        if (err->code == GW_ERR_METHOD) {
                *err = (struct gw_error){0};
                gw_fail(err, GW_ERR_METHOD, "this path allows %s", allow);
        }
        gw_problem_respond(x, err);
        if (err->code == GW_ERR_METHOD)
                gw_respond_header(x, "Allow", allow);
        return GW_NEXT_RESPOND;
}

/* ---- head ---------------------------------------------------------------------------------- */

/* The path's values move from the stack to the exchange. */
static int keep_path(struct gw_call *call, const struct gw_router_match *match)
{
        for (size_t i = 0; i < match->count; i++) {
                size_t size = strlen(match->values[i]) + 1;
                char *copy = gw_exchange_alloc(call->exchange, size);
                if (!copy)
                        return -1;
                call->path[i] = memcpy(copy, match->values[i], size);
        }
        return 0;
}

/* And with it how the body is read. */
static void choose_handler(struct gw_call *call)
{
        call->handler = call->operation->handler;
        if (call->operation->media_count == 0) {
                gw_exchange_limit_body(call->exchange, MAX_UNMEANT_BODY);
                return;
        }
        call->media = gw_arguments_media(call);
        if (call->media && call->media->lines) {
                call->handler = call->media->lines;
                gw_exchange_stream_body(call->exchange, call->service->max_lines_bytes);
        }
}

/* Returns GW_NEXT_BODY when there is an operation, GW_NEXT_RESPOND otherwise. */
static enum gw_next route(struct gw_dispatch *d, struct gw_call *call)
{
        struct gw_exchange *x = call->exchange;
        struct gw_router_match match;
        struct gw_error err = {0};
        char scratch[GW_MAX_URI_BYTES], allow[96] = "";
        if (gw_router_match(d->router, gw_exchange_method(x), gw_exchange_path(x), scratch, &match,
                            allow, &err))
                return refuse_route(d, x, &err, allow);
        call->operation = &gw_operations[match.route];
        call->presets = d->presets[match.route];
        if (keep_path(call, &match))
                return gw_call_fail_code(call, GW_ERR_NOMEM, "out of memory");
        choose_handler(call);
        return GW_NEXT_BODY;
}

/* What a step is given beside the flight. */
struct given {
        const char *data; /* of a body of lines */
        size_t *len;
        struct gw_work *work; /* that came home */
};

/* Runs a step, which has empty faults to write on. */
static enum gw_next with_faults(struct flight *f,
                                enum gw_next (*step)(struct flight *f, const struct given *given),
                                const struct given *given)
{
        struct gw_faults faults;
        gw_faults_init(&faults);
        f->call.faults = &faults;
        enum gw_next next = step(f, given);
        f->call.faults = NULL;
        return next;
}

static enum gw_next begin(struct flight *f, const struct given *given)
{
        struct gw_call *call = &f->call;
        const struct gw_handler *h = call->handler;
        (void)given;
        if (gw_arguments_read(call))
                return GW_NEXT_RESPOND;
        if (h->state_size > 0) {
                call->state = gw_exchange_alloc(call->exchange, h->state_size);
                if (!call->state)
                        return gw_call_fail_code(call, GW_ERR_NOMEM, "out of memory");
        }
        f->begun = true;
        return h->begin(call);
}

/* In the middle of a body of lines its handler answers: it knows what was made of it so far. */
static enum gw_next turn_away(struct flight *f, const struct gw_error *err)
{
        struct gw_call *call = &f->call;
        return f->begun && call->handler->part ? call->handler->stop(call, err)
                                               : gw_call_fail(call, err);
}

/* Who reads a body of lines begins before it, and is asked who he is time and again. */
static enum gw_next after_lookup(struct flight *f, enum gw_next next, const struct gw_error *err)
{
        if (next == GW_NEXT_WAIT)
                return next;
        f->lookup = NULL;
        if (next == GW_NEXT_RESPOND)
                return turn_away(f, err);
        return next == GW_NEXT_BODY && f->call.handler->part && !f->begun
                       ? with_faults(f, begin, NULL)
                       : next;
}

static enum gw_next head(void *self, struct gw_exchange *x)
{
        struct gw_dispatch *d = self;
        struct flight *f = gw_exchange_alloc(x, sizeof *f);
        if (!f) {
                refuse(d, x, &(struct gw_error){.code = GW_ERR_NOMEM, .message = "out of memory"});
                return GW_NEXT_RESPOND;
        }
        f->call.exchange = x;
        f->call.service = d->service;
        f->call.shared = &d->shared;
        gw_exchange_set_state(x, f);
        enum gw_next next = route(d, &f->call);
        if (next != GW_NEXT_BODY || f->call.operation->access == GW_ACCESS_PUBLIC)
                return next;
        struct gw_error err = {0};
        next = gw_authenticate_begin(&f->call, &f->lookup, &err);
        return after_lookup(f, next, &err);
}

/* ---- body and after ------------------------------------------------------------------------ */

static enum gw_next whole(struct flight *f, const struct given *given)
{
        (void)given;
        return f->call.handler->whole(&f->call);
}

static enum gw_next body(void *self, struct gw_exchange *x)
{
        (void)self;
        struct flight *f = gw_exchange_state(x);
        return with_faults(f, f->begun ? whole : begin, NULL);
}

static enum gw_next take_part(struct flight *f, const struct given *given)
{
        return f->call.handler->part(&f->call, given->data, given->len);
}

/* A body of lines may last for long: a token that is revoked meanwhile ends it. */
static enum gw_next part(void *self, struct gw_exchange *x, const char *data, size_t *len)
{
        (void)self;
        struct flight *f = gw_exchange_state(x);
        struct gw_error err = {0};
        enum gw_next next = gw_authenticate_begin(&f->call, &f->lookup, &err);
        if (next == GW_NEXT_WAIT)
                *len = 0;
        if (next == GW_NEXT_RESPOND)
                return turn_away(f, &err);
        return next == GW_NEXT_BODY ? with_faults(f, take_part, &(struct given){data, len, NULL})
                                    : next;
}

static enum gw_next stop(void *self, struct gw_exchange *x, const struct gw_error *err)
{
        (void)self;
        return turn_away(gw_exchange_state(x), err);
}

static enum gw_next resume_handler(struct flight *f, const struct given *given)
{
        return f->call.handler->resume(&f->call, given->work);
}

static enum gw_next resume(void *self, struct gw_exchange *x, struct gw_work *work)
{
        (void)self;
        struct flight *f = gw_exchange_state(x);
        struct gw_error err = {0};
        if (!f->lookup)
                return with_faults(f, resume_handler, &(struct given){.work = work});
        return after_lookup(f, gw_authenticate_resume(&f->call, f->lookup, &err), &err);
}

static void abandon(void *self, struct gw_exchange *x)
{
        (void)self;
        struct flight *f = gw_exchange_state(x);
        if (f && f->begun && f->call.handler->abandon)
                f->call.handler->abandon(&f->call);
}

/* ---- end ----------------------------------------------------------------------------------- */

static const char *const status_classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx", NULL};

static enum gw_log_level level_of(unsigned status)
{
        if (status >= 500)
                return GW_LOG_WARN;
        return status >= 400 ? GW_LOG_INFO : GW_LOG_DEBUG;
}

/* The trace that the caller says the request belongs to. */
static bool read_trace(const struct gw_call *call, struct gw_trace *ret)
{
        const char *value = call ? gw_call_header(call, "traceparent") : NULL;
        return value && gw_trace_parse(value, ret);
}

static void log_access(struct gw_exchange *x, const struct gw_call *call, unsigned status,
                       int64_t took_us)
{
        const struct gw_principal *p = call ? call->principal : NULL;
        const struct gw_operation *o = call ? call->operation : NULL;
        enum gw_log_level level = level_of(status);
        if (!gw_log_enabled(level))
                return;
        const char *method = gw_exchange_method(x);
        struct gw_trace trace;
        bool traced = read_trace(call, &trace);
        gw_log(level, "http.request", "{s:s#, s:s*, s:i, s:s, s:s*, s:I, s:s*, s:s*}", "method",
               method, (int)strnlen(method, LOGGED_METHOD), "operation", o ? o->id : NULL, "status",
               (int)status, "request_id", gw_exchange_request_id(x), "user", p ? p->user : NULL,
               "took_us", (json_int_t)took_us, "trace_id", traced ? trace.trace_id : NULL,
               "parent_id", traced ? trace.parent_id : NULL);
}

static void end(void *self, struct gw_exchange *x)
{
        struct gw_dispatch *d = self;
        struct flight *f = gw_exchange_state(x);
        struct gw_call *call = f ? &f->call : NULL;
        const struct gw_operation *o = call ? call->operation : NULL;
        unsigned status = gw_exchange_status(x);
        int64_t took_us = gw_clock_mono_us() - gw_exchange_started_us(x);
        size_t label = o ? (size_t)(o - gw_operations) : gw_operation_count;
        gw_metric_add(d->requests, label, status / 100, 1);
        gw_metric_observe(d->seconds, label, 0, took_us);
        log_access(x, call, status, took_us);
        if (!f)
                return;
        if (f->begun && call->handler->end)
                call->handler->end(call);
        if (o)
                gw_arguments_done(call);
        gw_principal_unref(call->principal);
}

/* ---- building ------------------------------------------------------------------------------ */

static int make_presets(struct gw_dispatch *d, struct gw_error *err)
{
        d->presets = calloc(gw_operation_count, sizeof *d->presets);
        for (size_t i = 0; d->presets && i < gw_operation_count; i++) {
                const struct gw_operation *o = &gw_operations[i];
                d->presets[i] = calloc(o->query_count + 1, sizeof **d->presets);
                for (size_t k = 0; d->presets[i] && k < o->query_count; k++) {
                        if (!o->query[k].preset)
                                continue;
                        d->presets[i][k] = gw_decode_preset(o->query[k].schema, o->query[k].preset);
                        if (!d->presets[i][k])
                                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
                }
                if (!d->presets[i])
                        return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        }
        return d->presets ? 0 : gw_fail(err, GW_ERR_NOMEM, "out of memory");
}

static int make_router(struct gw_dispatch *d, struct gw_error *err)
{
        d->routes = calloc(gw_operation_count, sizeof *d->routes);
        if (!d->routes)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        for (size_t i = 0; i < gw_operation_count; i++)
                d->routes[i] =
                        (struct gw_router_route){gw_operations[i].method, gw_operations[i].path};
        d->router = gw_router_new(d->routes, gw_operation_count, err);
        return d->router ? 0 : -1;
}

static int make_metrics(struct gw_dispatch *d, struct gw_error *err)
{
        struct gw_metrics *m = d->service->metrics;
        d->labels = calloc(gw_operation_count + 2, sizeof *d->labels);
        if (!d->labels)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        for (size_t i = 0; i < gw_operation_count; i++)
                d->labels[i] = gw_operations[i].id;
        d->labels[gw_operation_count] = "none";
        d->requests = gw_metrics_add(m, GW_METRIC_COUNTER, "jobgate_http_requests",
                                     "Requests answered, by operation and class of status",
                                     "operation", d->labels, "status", status_classes);
        d->seconds = gw_metrics_add(m, GW_METRIC_SECONDS, "jobgate_http_request_duration",
                                    "From a request's first byte to the end of its answer",
                                    "operation", d->labels, NULL, NULL);
        return d->requests && d->seconds ? 0 : gw_fail(err, GW_ERR_NOMEM, "out of memory");
}

static int make_shared(struct gw_dispatch *d, struct gw_error *err)
{
        d->shared.jobs = gw_job_cache_new(GW_JOB_CACHE_BYTES);
        if (!d->shared.jobs)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        return gw_documents_init(&d->shared.documents, err);
}

struct gw_dispatch *gw_dispatch_new(const struct gw_service *service, const char *origins,
                                    struct gw_error *err)
{
        struct gw_dispatch *d = calloc(1, sizeof *d);
        if (!d) {
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        gw_shares_init(&d->shared.lines);
        gw_log_kept_room_init(&d->shared.kept);
        d->service = service;
        d->origins = origins;
        if (make_router(d, err) || make_presets(d, err) || make_metrics(d, err) ||
            make_shared(d, err)) {
                gw_dispatch_free(d);
                return NULL;
        }
        return d;
}

struct gw_http_app gw_dispatch_app(struct gw_dispatch *d)
{
        return (struct gw_http_app){
                .self = d,
                .head = head,
                .part = part,
                .stop = stop,
                .body = body,
                .resume = resume,
                .refuse = refuse,
                .mark = mark,
                .abandon = abandon,
                .end = end,
        };
}

static void free_presets(struct gw_dispatch *d)
{
        for (size_t i = 0; d->presets && i < gw_operation_count; i++) {
                for (size_t k = 0; d->presets[i] && k < gw_operations[i].query_count; k++)
                        json_decref(d->presets[i][k]);
                free(d->presets[i]);
        }
        free(d->presets);
}

void gw_dispatch_free(struct gw_dispatch *d)
{
        if (!d)
                return;
        gw_documents_done(&d->shared.documents);
        gw_job_cache_free(d->shared.jobs);
        gw_shares_done(&d->shared.lines);
        gw_log_kept_room_done(&d->shared.kept);
        gw_router_free(d->router);
        free(d->routes);
        free_presets(d);
        free(d->labels);
        free(d);
}
