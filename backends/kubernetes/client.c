/*
 * Calls as requests, and answers as what they mean. Run by the thread that has the client.
 *
 * Invariant: a call's request borrows from the call alone, so that credentials may change while
 * it is out.
 */
#include "backends/kubernetes/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "backends/kubernetes/kubeconfig.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/str.h"

#define CONNECT_MS 10000
#define ANSWER_MS 30000
#define LONG_ANSWER_MS 120000 /* of what may be large */
#define SILENCE_MS 30000
#define MAX_TARGET 8192
#define READ_AGAIN_US (60 * GW_SECOND)
#define READ_SOON_US GW_SECOND

struct gw_k8s_client {
        struct gw_net *net;
        struct gw_mailbox *home;
        char *kubeconfig, *context, *folder, *host, *port;

        struct gw_k8s_access access;
        struct gw_net_peer *peer;
        int64_t read_us; /* monotonic: when access was last looked for */
};

/* ---- credentials ----------------------------------------------------------------------------- */

static int load(const struct gw_k8s_client *c, struct gw_k8s_access *ret, struct gw_error *err)
{
        if (c->kubeconfig)
                return gw_k8s_access_read(c->kubeconfig, c->context, ret, err);
        return gw_k8s_access_in_cluster(c->folder, c->host, c->port, ret, err);
}

static struct gw_net_peer *make_peer(const struct gw_k8s_access *a, struct gw_error *err)
{
        return gw_net_peer_new(
                &(struct gw_net_peer_config){
                        .url = a->server,
                        .server_name = a->server_name,
                        .ca = a->ca,
                        .certificate = a->certificate,
                        .key = a->key,
                },
                err);
}

static bool is_same(const char *a, const char *b)
{
        return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same_peer(const struct gw_k8s_access *a, const struct gw_k8s_access *b)
{
        return is_same(a->server, b->server) && is_same(a->server_name, b->server_name) &&
               is_same(a->ca, b->ca) && is_same(a->certificate, b->certificate) &&
               is_same(a->key, b->key);
}

static int take_access(struct gw_k8s_client *c, struct gw_error *err)
{
        struct gw_k8s_access access;
        c->read_us = gw_clock_mono_us();
        if (load(c, &access, err))
                return -1;
        if (!c->peer || !is_same_peer(&c->access, &access)) {
                struct gw_net_peer *peer = make_peer(&access, err);
                if (!peer) {
                        gw_k8s_access_done(&access);
                        return -1;
                }
                gw_net_peer_unref(c->peer);
                c->peer = peer;
        }
        gw_k8s_access_done(&c->access);
        c->access = access;
        return 0;
}

/* What cannot be read just now may be on its way: what we have goes on until the server refuses. */
static void look_for_access(struct gw_k8s_client *c, int64_t after_us)
{
        if (gw_clock_mono_us() - c->read_us >= after_us)
                (void)take_access(c, NULL);
}

static int copy_source(struct gw_k8s_client *c, const struct gw_k8s_source *s)
{
        const struct {
                char **to;
                const char *from;
        } texts[] = {
                {&c->kubeconfig, s->kubeconfig},
                {&c->context, s->context},
                {&c->folder, s->folder ? s->folder : GW_K8S_ACCOUNT_FOLDER},
                {&c->host, s->host ? s->host : ""},
                {&c->port, s->port ? s->port : ""},
        };
        for (size_t i = 0; i < GW_COUNT(texts); i++) {
                *texts[i].to = texts[i].from ? strdup(texts[i].from) : NULL;
                if (texts[i].from && !*texts[i].to)
                        return -1;
        }
        return 0;
}

struct gw_k8s_client *gw_k8s_client_new(struct gw_net *net, struct gw_mailbox *home,
                                        const struct gw_k8s_source *source, struct gw_error *err)
{
        struct gw_k8s_client *c = calloc(1, sizeof *c);
        if (!c || copy_source(c, source)) {
                gw_k8s_client_free(c);
                gw_fail(err, GW_ERR_NOMEM, "no memory");
                return NULL;
        }
        c->net = net;
        c->home = home;
        if (take_access(c, err)) {
                gw_k8s_client_free(c);
                return NULL;
        }
        return c;
}

void gw_k8s_client_free(struct gw_k8s_client *c)
{
        if (!c)
                return;
        gw_k8s_access_done(&c->access);
        gw_net_peer_unref(c->peer);
        free(c->kubeconfig);
        free(c->context);
        free(c->folder);
        free(c->host);
        free(c->port);
        free(c);
}

const char *gw_k8s_client_home(const struct gw_k8s_client *c)
{
        return c->access.home ? c->access.home : "default";
}

/* ---- paths ----------------------------------------------------------------------------------- */

static const struct {
        const char *base, *plural;
} kinds[GW_K8S_KIND_COUNT] = {
        [GW_K8S_JOBS] = {"/apis/batch/v1", "jobs"},
        [GW_K8S_PODS] = {"/api/v1", "pods"},
        [GW_K8S_SERVICES] = {"/api/v1", "services"},
        [GW_K8S_CONFIG_MAPS] = {"/api/v1", "configmaps"},
        [GW_K8S_EVENTS] = {"/api/v1", "events"},
        [GW_K8S_NODES] = {"/api/v1", "nodes"},
        [GW_K8S_PRIORITY_CLASSES] = {"/apis/scheduling.k8s.io/v1", "priorityclasses"},
        [GW_K8S_RESOURCE_QUOTAS] = {"/api/v1", "resourcequotas"},
        [GW_K8S_ACCESS_REVIEWS] = {"/apis/authorization.k8s.io/v1", "selfsubjectaccessreviews"},
};

struct target {
        struct gw_buf text;
        bool has_query;
};

static void add_escaped(struct target *t, const char *text)
{
        static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                    "-._~";
        for (const char *c = text; *c; c++) {
                if (strchr(plain, *c))
                        gw_buf_char(&t->text, *c);
                else
                        gw_buf_printf(&t->text, "%%%02X", (unsigned)(unsigned char)*c);
        }
}

static void add_step(struct target *t, const char *step)
{
        gw_buf_char(&t->text, '/');
        add_escaped(t, step);
}

static struct target target_of(enum gw_k8s_kind kind, const char *ns, const char *name)
{
        struct target t = {.text = GW_BUF_INIT(MAX_TARGET)};
        gw_buf_str(&t.text, kinds[kind].base);
        if (ns) {
                add_step(&t, "namespaces");
                add_step(&t, ns);
        }
        add_step(&t, kinds[kind].plural);
        if (name)
                add_step(&t, name);
        return t;
}

/* value NULL: the parameter is left out. */
static void add_text(struct target *t, const char *name, const char *value)
{
        if (!value)
                return;
        gw_buf_char(&t->text, t->has_query ? '&' : '?');
        t->has_query = true;
        gw_buf_str(&t->text, name);
        gw_buf_char(&t->text, '=');
        add_escaped(t, value);
}

static void add_number(struct target *t, const char *name, int64_t value)
{
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)value);
        add_text(t, name, text);
}

static void add_flag(struct target *t, const char *name, bool value)
{
        add_text(t, name, value ? "true" : NULL);
}

static void add_selection(struct target *t, const struct gw_k8s_selection *which)
{
        if (!which)
                return;
        add_text(t, "labelSelector", which->labels);
        add_text(t, "fieldSelector", which->fields);
}

/* ---- coming home ----------------------------------------------------------------------------- */

static void fail_call(struct gw_k8s_call *call, enum gw_k8s_verdict verdict, const char *message)
{
        call->status.verdict = verdict;
        gw_str_copy(call->status.message, sizeof call->status.message, message);
}

/* For the proxies and load balancers that have no Status. */
static void read_retry_after(struct gw_k8s_call *call)
{
        char text[32];
        int64_t s = 0;
        if (call->status.retry_after_us == 0 &&
            gw_net_header(&call->request, "retry-after", 0, text, sizeof text) &&
            gw_str_int64(text, 0, 86400, &s) == 0)
                call->status.retry_after_us = s * GW_SECOND;
}

/* NUL is allowed: a container may write one into its termination message. */
static void read_answer(struct gw_k8s_call *call)
{
        const struct gw_buf *answer = &call->request.answer;
        int code = call->request.status;
        bool is_good = code >= 200 && code < 300;
        call->text = answer->data ? answer->data : "";
        call->len = answer->len;
        if (!is_good || !call->is_text)
                call->object = json_loadb(call->text, call->len, JSON_ALLOW_NUL, NULL);
        gw_k8s_status_read(code, call->object, &call->status);
        read_retry_after(call);
        if (is_good && !call->is_text && !call->object)
                fail_call(call, GW_K8S_UNKNOWN, "the answer is no JSON");
        if (!is_good)
                json_decref(GW_TAKE(call->object));
}

static bool only_reads(const struct gw_k8s_call *call)
{
        return strcmp(call->request.method, "GET") == 0;
}

static void read_failure(struct gw_k8s_call *call)
{
        const struct gw_net_request *r = &call->request;
        enum gw_k8s_verdict verdict = r->error.code == GW_ERR_TOO_LARGE ? GW_K8S_TOO_LARGE
                                      : r->sent                         ? GW_K8S_UNKNOWN
                                                                        : GW_K8S_NOT_SENT;
        fail_call(call, verdict, r->error.message);
        call->status.code = r->status;
}

static void read_cancelled(struct gw_k8s_call *call)
{
        fail_call(call, call->request.sent && !only_reads(call) ? GW_K8S_UNKNOWN : GW_K8S_CANCELLED,
                  call->request.error.message);
}

static void free_asked(struct gw_k8s_call *call)
{
        free(GW_TAKE(call->target));
        free(GW_TAKE(call->body));
        if (call->token)
                explicit_bzero(call->token, strlen(call->token));
        free(GW_TAKE(call->token));
}

static void give_piece(struct gw_k8s_call *call)
{
        const struct gw_buf *answer = &call->request.answer;
        call->paused = !call->piece(call, answer->len ? answer->data : NULL, answer->len);
        /* piece() may have cancelled it, which sends it on by itself. */
        if (!call->paused && !call->request.out)
                gw_net_next(&call->request);
}

static void come_home(struct gw_net_request *r)
{
        struct gw_k8s_call *call = GW_CONTAINER(r, struct gw_k8s_call, request);
        if (r->outcome == GW_NET_MORE) {
                give_piece(call);
                return;
        }
        if (r->outcome == GW_NET_DONE)
                read_answer(call);
        else if (r->outcome == GW_NET_FAILED)
                read_failure(call);
        else
                read_cancelled(call);
        free_asked(call);
        if (call->status.verdict == GW_K8S_UNAUTHENTICATED)
                look_for_access(call->client, READ_SOON_US);
        call->done(call);
}

void gw_k8s_call_done(struct gw_k8s_call *call)
{
        free_asked(call);
        json_decref(GW_TAKE(call->object));
        gw_net_request_done(&call->request);
        call->text = NULL;
        call->len = 0;
}

void gw_k8s_call_cancel(struct gw_k8s_call *call)
{
        gw_net_cancel(&call->request);
}

void gw_k8s_call_go_on(struct gw_k8s_call *call)
{
        if (!call->paused || call->request.out)
                return;
        call->paused = false;
        gw_net_next(&call->request);
}

/* As in RFC 9111: 299 - "text", with backslashes before quotes in it. */
bool gw_k8s_call_warning(const struct gw_k8s_call *call, unsigned i, char *text, size_t size)
{
        char value[1024], *to = value;
        if (!gw_net_header(&call->request, "warning", i, value, sizeof value))
                return false;
        const char *from = strchr(value, '"');
        for (from = from ? from + 1 : value; *from && *from != '"'; from++) {
                from += *from == '\\' && from[1];
                *to++ = *from;
        }
        *to = '\0';
        gw_str_clean(value); /* a header may hold any bytes */
        gw_str_copy(text, size, value);
        return true;
}

/* ---- going out ------------------------------------------------------------------------------- */

/* How one verb is asked. */
struct way {
        const char *method;
        const char *content_type;
        size_t max_bytes;
        int64_t total_ms, silence_ms;
        bool stream, is_text;
};

static const struct way read_way = {
        .method = "GET", .max_bytes = GW_MAX_K8S_ANSWER_BYTES, .total_ms = ANSWER_MS};
static const struct way list_way = {.method = "GET",
                                    .max_bytes = GW_MAX_K8S_PAGE_BYTES,
                                    .total_ms = LONG_ANSWER_MS,
                                    .silence_ms = SILENCE_MS};
static const struct way create_way = {.method = "POST",
                                      .content_type = "application/json",
                                      .max_bytes = GW_MAX_K8S_ANSWER_BYTES,
                                      .total_ms = ANSWER_MS};
static const struct way patch_way = {.method = "PATCH",
                                     .content_type = "application/merge-patch+json",
                                     .max_bytes = GW_MAX_K8S_ANSWER_BYTES,
                                     .total_ms = ANSWER_MS};
static const struct way delete_way = {.method = "DELETE",
                                      .content_type = "application/json",
                                      .max_bytes = GW_MAX_K8S_ANSWER_BYTES,
                                      .total_ms = ANSWER_MS};

static int64_t within(const struct gw_k8s_call *call, int64_t usual_ms)
{
        bool sooner = call->within_ms > 0 && (usual_ms == 0 || call->within_ms < usual_ms);
        return sooner ? call->within_ms : usual_ms;
}

static void fill_request(struct gw_k8s_call *call, const struct way *way)
{
        struct gw_k8s_client *c = call->client;
        call->is_text = way->is_text;
        call->request = (struct gw_net_request){
                .peer = c->peer,
                .method = way->method,
                .target = call->target,
                .accept = way->is_text ? "*/*" : "application/json",
                .content_type = call->body ? way->content_type : NULL,
                .body = call->body,
                .body_len = call->body ? strlen(call->body) : 0,
                .token = call->token,
                .max_bytes = way->max_bytes,
                .connect_ms = within(call, CONNECT_MS),
                .total_ms = within(call, way->total_ms),
                .silence_ms = way->silence_ms,
                .stream = way->stream,
                .home = c->home,
                .done = come_home,
        };
}

/* Takes the target, and the body (NULL: none, unless it is missing for want of memory). */
static int begin(struct gw_k8s_client *c, struct gw_k8s_call *call, const struct way *way,
                 struct target *target, char *body, bool has_body, struct gw_error *err)
{
        gw_k8s_call_done(call);
        look_for_access(c, READ_AGAIN_US);
        call->client = c;
        call->status = (struct gw_k8s_status){.verdict = GW_K8S_UNKNOWN};
        call->paused = false;
        call->target = gw_buf_take(&target->text, NULL);
        call->body = body;
        call->token = c->access.token ? strdup(c->access.token) : NULL;
        if (!call->target || (has_body && !body) || (c->access.token && !call->token)) {
                free_asked(call);
                return gw_fail(err, GW_ERR_NOMEM, "no memory, or too long a path");
        }
        fill_request(call, way);
        if (gw_net_post(c->net, &call->request, err) == 0)
                return 0;
        free_asked(call);
        return -1;
}

static int begin_reading(struct gw_k8s_client *c, struct gw_k8s_call *call, const struct way *way,
                         struct target *target, struct gw_error *err)
{
        return begin(c, call, way, target, NULL, false, err);
}

static int begin_change(struct gw_k8s_client *c, struct gw_k8s_call *call, const struct way *way,
                        struct target *target, const json_t *body, struct gw_error *err)
{
        return begin(c, call, way, target, json_dumps(body, JSON_COMPACT), true, err);
}

int gw_k8s_get(struct gw_k8s_client *client, struct gw_k8s_call *call, enum gw_k8s_kind kind,
               const char *ns, const char *name, struct gw_error *err)
{
        struct target t = target_of(kind, ns, name);
        return begin_reading(client, call, &read_way, &t, err);
}

static void add_write_options(struct target *t, bool dry_run)
{
        add_text(t, "fieldManager", "jobgate");
        add_text(t, "fieldValidation", "Strict");
        add_text(t, "dryRun", dry_run ? "All" : NULL);
}

int gw_k8s_create(struct gw_k8s_client *client, struct gw_k8s_call *call, enum gw_k8s_kind kind,
                  const char *ns, const json_t *object, bool dry_run, struct gw_error *err)
{
        struct target t = target_of(kind, ns, NULL);
        add_write_options(&t, dry_run);
        return begin_change(client, call, &create_way, &t, object, err);
}

int gw_k8s_merge(struct gw_k8s_client *client, struct gw_k8s_call *call, enum gw_k8s_kind kind,
                 const char *ns, const char *name, const json_t *patch, bool dry_run,
                 struct gw_error *err)
{
        struct target t = target_of(kind, ns, name);
        add_write_options(&t, dry_run);
        return begin_change(client, call, &patch_way, &t, patch, err);
}

int gw_k8s_delete(struct gw_k8s_client *client, struct gw_k8s_call *call, enum gw_k8s_kind kind,
                  const char *ns, const char *name, const char *uid,
                  enum gw_k8s_propagation propagation, int64_t grace_s, struct gw_error *err)
{
        static const char *const policies[] = {[GW_K8S_BACKGROUND] = "Background",
                                               [GW_K8S_FOREGROUND] = "Foreground",
                                               [GW_K8S_ORPHAN] = "Orphan"};
        assert(uid && propagation >= GW_K8S_BACKGROUND && propagation <= GW_K8S_ORPHAN);
        json_auto_t *options =
                json_pack("{s:s, s:s, s:s, s:{s:s}}", "kind", "DeleteOptions", "apiVersion", "v1",
                          "propagationPolicy", policies[propagation], "preconditions", "uid", uid);
        if (grace_s >= 0 && options &&
            json_object_set_new(options, "gracePeriodSeconds", json_integer(grace_s)))
                return gw_fail(err, GW_ERR_NOMEM, "no memory");
        struct target t = target_of(kind, ns, name);
        return begin_change(client, call, &delete_way, &t, options, err);
}

int gw_k8s_list(struct gw_k8s_client *client, struct gw_k8s_call *call, enum gw_k8s_kind kind,
                const char *ns, const struct gw_k8s_selection *which, unsigned limit,
                const char *from, struct gw_error *err)
{
        struct target t = target_of(kind, ns, NULL);
        add_selection(&t, which);
        add_number(&t, "limit", limit);
        add_text(&t, "continue", from);
        return begin_reading(client, call, &list_way, &t, err);
}

int gw_k8s_watch_call(struct gw_k8s_client *client, struct gw_k8s_call *call, enum gw_k8s_kind kind,
                      const char *ns, const struct gw_k8s_selection *which, const char *version,
                      unsigned timeout_s, int64_t silence_ms, struct gw_error *err)
{
        const struct way way = {.method = "GET",
                                .max_bytes = GW_MAX_K8S_ANSWER_BYTES,
                                .silence_ms = silence_ms,
                                .stream = true,
                                .is_text = true};
        struct target t = target_of(kind, ns, NULL);
        add_selection(&t, which);
        add_text(&t, "watch", "true");
        add_text(&t, "allowWatchBookmarks", "true");
        add_text(&t, "resourceVersion", version);
        add_number(&t, "timeoutSeconds", timeout_s);
        return begin_reading(client, call, &way, &t, err);
}

int gw_k8s_pod_log(struct gw_k8s_client *client, struct gw_k8s_call *call, const char *ns,
                   const char *pod, const struct gw_k8s_log *log, struct gw_error *err)
{
        /* A job may be silent for as long as it likes: a follower waits without end. */
        const struct way way = {.method = "GET",
                                .max_bytes = GW_MAX_K8S_ANSWER_BYTES,
                                .total_ms = log->follow ? 0 : LONG_ANSWER_MS,
                                .silence_ms = log->follow ? 0 : SILENCE_MS,
                                .stream = call->piece != NULL,
                                .is_text = true};
        struct target t = target_of(GW_K8S_PODS, ns, pod);
        add_step(&t, "log");
        add_text(&t, "container", log->container);
        add_flag(&t, "follow", log->follow);
        add_flag(&t, "previous", log->previous);
        add_flag(&t, "timestamps", log->timestamps);
        if (log->tail_lines >= 0)
                add_number(&t, "tailLines", log->tail_lines);
        if (log->limit_bytes > 0)
                add_number(&t, "limitBytes", log->limit_bytes);
        return begin_reading(client, call, &way, &t, err);
}

int gw_k8s_events_of(struct gw_k8s_client *client, struct gw_k8s_call *call, const char *ns,
                     const char *uid, unsigned limit, struct gw_error *err)
{
        gw_autofree char *fields = NULL;
        if (asprintf(&fields, "involvedObject.uid=%s", uid) < 0) {
                fields = NULL;
                return gw_fail(err, GW_ERR_NOMEM, "no memory");
        }
        return gw_k8s_list(client, call, GW_K8S_EVENTS, ns,
                           &(struct gw_k8s_selection){.fields = fields}, limit, NULL, err);
}

int gw_k8s_ready(struct gw_k8s_client *client, struct gw_k8s_call *call, struct gw_error *err)
{
        const struct way way = {.method = "GET",
                                .max_bytes = GW_MAX_K8S_ANSWER_BYTES,
                                .total_ms = ANSWER_MS,
                                .is_text = true};
        struct target t = {.text = GW_BUF_INIT(MAX_TARGET)};
        gw_buf_str(&t.text, "/readyz");
        return begin_reading(client, call, &way, &t, err);
}

int gw_k8s_version(struct gw_k8s_client *client, struct gw_k8s_call *call, struct gw_error *err)
{
        struct target t = {.text = GW_BUF_INIT(MAX_TARGET)};
        gw_buf_str(&t.text, "/version");
        return begin_reading(client, call, &read_way, &t, err);
}
