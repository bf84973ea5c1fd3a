/*
 * The Kubernetes client for tests in Python: one JSON object a line in, one a line out.
 *
 *   {"connect": {"kubeconfig": …, "context": …}}
 *   {"connect": {"folder": …, "host": …, "port": …}}
 *   {"call": {"id": 1, "verb": "get", "kind": "jobs", "namespace": …, "name": …, …}}
 *   {"watch": {"kind": "jobs", "namespace": …, "labels": …, "page": …, "silence_ms": …}}
 *   {"go_on": 1}   {"cancel": 1}   {"stop": true}     the watch
 *
 * Out comes {"id": 1, "verdict": …, …} of a call, {"id": 1, "piece": …} of one that is followed,
 * and {"watch": "begin" | "seen" | "removed" | "listed" | "trouble" | "well", …}. At the end of
 * its input it cancels what is out, and ends when all is home.
 */
#include <assert.h>
#include <limits.h>
#include <string.h>

#include "backends/kubernetes/client.h"
#include "backends/kubernetes/watch.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "tests/unit/answers.h"

struct one {
        struct gw_k8s_call call;
        int id;
        bool out, by_piece; /* by_piece: the next piece comes when it is asked for */
        struct one *next;
};

struct state {
        struct gw_net *net;
        struct gw_mailbox home;
        struct gw_k8s_client *client;
        struct gw_k8s_watch *watch;
        struct one *first;
        int out;
};

/* ---- calls ----------------------------------------------------------------------------------- */

static json_t *causes_of(const struct gw_k8s_status *status)
{
        json_t *causes = json_array();
        for (size_t i = 0; i < status->cause_count; i++)
                json_array_append_new(causes, json_pack("[s, s, s]", status->causes[i].field,
                                                        status->causes[i].reason,
                                                        status->causes[i].message));
        return causes;
}

static json_t *warnings_of(const struct gw_k8s_call *call)
{
        json_t *warnings = json_array();
        char text[512];
        for (unsigned i = 0; gw_k8s_call_warning(call, i, text, sizeof text); i++)
                json_array_append_new(warnings, json_string(text));
        return warnings;
}

static void done(struct gw_k8s_call *call)
{
        struct one *one = GW_CONTAINER(call, struct one, call);
        struct state *s = call->owner;
        const struct gw_k8s_status *status = &call->status;
        say(json_pack("{s:i, s:s, s:i, s:s, s:s, s:I, s:o, s:o, s:O?, s:s?}", "id", one->id,
                      "verdict", gw_k8s_verdict_name(status->verdict), "code", status->code,
                      "reason", status->reason, "message", status->message, "retry_after_ms",
                      (json_int_t)(status->retry_after_us / 1000), "causes", causes_of(status),
                      "warnings", warnings_of(call), "object", call->object, "text", call->text));
        one->out = false;
        s->out--;
}

static bool piece(struct gw_k8s_call *call, const char *text, size_t len)
{
        struct one *one = GW_CONTAINER(call, struct one, call);
        say(json_pack("{s:i, s:s%}", "id", one->id, "piece", text ? text : "", len));
        return !one->by_piece;
}

static const char *const kinds[GW_K8S_KIND_COUNT] = {
        [GW_K8S_JOBS] = "jobs",
        [GW_K8S_PODS] = "pods",
        [GW_K8S_SERVICES] = "services",
        [GW_K8S_CONFIG_MAPS] = "configmaps",
        [GW_K8S_EVENTS] = "events",
        [GW_K8S_NODES] = "nodes",
        [GW_K8S_PRIORITY_CLASSES] = "priorityclasses",
        [GW_K8S_RESOURCE_QUOTAS] = "resourcequotas",
        [GW_K8S_ACCESS_REVIEWS] = "selfsubjectaccessreviews",
};

static enum gw_k8s_kind kind_of(const json_t *q)
{
        const char *name = text_of(q, "kind");
        for (int i = 0; i < GW_K8S_KIND_COUNT; i++)
                if (name && strcmp(kinds[i], name) == 0)
                        return (enum gw_k8s_kind)i;
        return GW_K8S_JOBS;
}

static struct gw_k8s_selection selection_of(const json_t *q)
{
        return (struct gw_k8s_selection){text_of(q, "labels"), text_of(q, "fields")};
}

struct asked {
        struct gw_k8s_client *c;
        struct gw_k8s_call *call;
        const json_t *q;
        const char *ns, *name;
        struct gw_error *err;
};

static int get(const struct asked *a)
{
        return gw_k8s_get(a->c, a->call, kind_of(a->q), a->ns, a->name, a->err);
}

static int list(const struct asked *a)
{
        struct gw_k8s_selection which = selection_of(a->q);
        return gw_k8s_list(a->c, a->call, kind_of(a->q), a->ns, &which,
                           (unsigned)number_of(a->q, "limit", 100), text_of(a->q, "from"), a->err);
}

static int create(const struct asked *a)
{
        return gw_k8s_create(a->c, a->call, kind_of(a->q), a->ns, json_object_get(a->q, "object"),
                             flag_of(a->q, "dry_run"), a->err);
}

static int patch(const struct asked *a)
{
        return gw_k8s_merge(a->c, a->call, kind_of(a->q), a->ns, a->name,
                            json_object_get(a->q, "object"), flag_of(a->q, "dry_run"), a->err);
}

static int delete (const struct asked *a)
{
        return gw_k8s_delete(
                a->c, a->call, kind_of(a->q), a->ns, a->name, text_of(a->q, "uid"),
                (enum gw_k8s_propagation)number_of(a->q, "propagation", GW_K8S_BACKGROUND),
                number_of(a->q, "grace", -1), a->err);
}

static int read_log(const struct asked *a)
{
        const struct gw_k8s_log log = {
                .container = text_of(a->q, "container"),
                .follow = flag_of(a->q, "follow"),
                .previous = flag_of(a->q, "previous"),
                .timestamps = flag_of(a->q, "timestamps"),
                .tail_lines = number_of(a->q, "tail", -1),
                .limit_bytes = number_of(a->q, "limit_bytes", 0),
        };
        return gw_k8s_pod_log(a->c, a->call, a->ns, a->name, &log, a->err);
}

static int events(const struct asked *a)
{
        return gw_k8s_events_of(a->c, a->call, a->ns, text_of(a->q, "uid"), 100, a->err);
}

static int version(const struct asked *a)
{
        return gw_k8s_version(a->c, a->call, a->err);
}

static const struct {
        const char *name;
        int (*begin)(const struct asked *a);
} verbs[] = {{"get", get},       {"list", list},    {"create", create}, {"patch", patch},
             {"delete", delete}, {"log", read_log}, {"events", events}, {"version", version}};

static int begin(const struct asked *a)
{
        const char *verb = text_of(a->q, "verb");
        for (size_t i = 0; i < GW_COUNT(verbs); i++)
                if (verb && strcmp(verbs[i].name, verb) == 0)
                        return verbs[i].begin(a);
        return gw_fail(a->err, GW_ERR_INVALID, "no such verb");
}

static void start_call(struct state *s, const json_t *q)
{
        struct gw_error err = {0};
        struct one *one = calloc(1, sizeof *one);
        assert(one && s->client);
        one->id = (int)number_of(q, "id", 0);
        one->by_piece = flag_of(q, "by_piece");
        one->next = s->first;
        one->call.done = done;
        one->call.piece = flag_of(q, "follow") ? piece : NULL;
        one->call.owner = s;
        s->first = one;
        one->out = begin(&(struct asked){.c = s->client,
                                         .call = &one->call,
                                         .q = q,
                                         .ns = text_of(q, "namespace"),
                                         .name = text_of(q, "name"),
                                         .err = &err}) == 0;
        s->out += one->out;
        if (!one->out)
                say(json_pack("{s:i, s:s, s:s}", "id", one->id, "refused", gw_error_name(err.code),
                              "message", err.message));
}

static struct gw_k8s_call *find(struct state *s, const json_t *id)
{
        struct one *one = s->first;
        while (one && one->id != (int)json_integer_value(id))
                one = one->next;
        assert(one);
        return &one->call;
}

/* ---- the watch ------------------------------------------------------------------------------- */

static void say_watch(const char *what)
{
        say(json_pack("{s:s}", "watch", what));
}

static void on_begin(void *arg)
{
        (void)arg;
        say_watch("begin");
}

static void on_object(void *arg, enum gw_k8s_change change, json_t *object)
{
        (void)arg;
        say(json_pack("{s:s, s:O}", "watch", change == GW_K8S_SEEN ? "seen" : "removed", "object",
                      object));
}

static void on_listed(void *arg)
{
        (void)arg;
        say_watch("listed");
}

static void on_trouble(void *arg, const struct gw_k8s_status *status)
{
        (void)arg;
        say(json_pack("{s:s, s:s, s:i, s:s}", "watch", "trouble", "verdict",
                      gw_k8s_verdict_name(status->verdict), "code", status->code, "message",
                      status->message));
}

static void on_well(void *arg)
{
        (void)arg;
        say_watch("well");
}

static void start_watch(struct state *s, const json_t *q)
{
        static const struct gw_k8s_watch_ops ops = {.begin = on_begin,
                                                    .object = on_object,
                                                    .listed = on_listed,
                                                    .trouble = on_trouble,
                                                    .well = on_well};
        assert(!s->watch && s->client);
        s->watch = gw_k8s_watch_new(
                s->client,
                &(struct gw_k8s_watched){.kind = kind_of(q),
                                         .ns = text_of(q, "namespace"),
                                         .which = selection_of(q),
                                         .page = (unsigned)number_of(q, "page", 0),
                                         .timeout_s = (unsigned)number_of(q, "timeout_s", 0),
                                         .silence_ms = number_of(q, "silence_ms", 0)},
                &ops, s, NULL);
        assert(s->watch);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void connect_to(struct state *s, const json_t *q)
{
        struct gw_error err = {0};
        assert(!s->client);
        s->client = gw_k8s_client_new(s->net, &s->home,
                                      &(struct gw_k8s_source){
                                              .kubeconfig = text_of(q, "kubeconfig"),
                                              .context = text_of(q, "context"),
                                              .folder = text_of(q, "folder"),
                                              .host = text_of(q, "host"),
                                              .port = text_of(q, "port"),
                                      },
                                      &err);
        if (s->client)
                say(json_pack("{s:s}", "home", gw_k8s_client_home(s->client)));
        else
                say(json_pack("{s:s, s:s}", "refused", gw_error_name(err.code), "message",
                              err.message));
}

static void obey(struct state *s, const json_t *o)
{
        json_t *value;
        if ((value = json_object_get(o, "connect")))
                connect_to(s, value);
        else if ((value = json_object_get(o, "call")))
                start_call(s, value);
        else if ((value = json_object_get(o, "watch")))
                start_watch(s, value);
        else if ((value = json_object_get(o, "go_on")))
                gw_k8s_call_go_on(find(s, value));
        else if ((value = json_object_get(o, "cancel")))
                gw_k8s_call_cancel(find(s, value));
        else if (json_object_get(o, "stop"))
                gw_k8s_watch_stop(s->watch);
}

static int timeout_ms(const struct state *s)
{
        int64_t at = s->watch ? gw_k8s_watch_wake_at(s->watch) : INT64_MAX;
        if (at == INT64_MAX)
                return -1;
        int64_t left_ms = (at - gw_clock_mono_us()) / 1000 + 1;
        return left_ms < 0 ? 0 : left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

static void end_all(struct state *s)
{
        for (struct one *one = s->first; one; one = one->next)
                if (one->out)
                        gw_k8s_call_cancel(&one->call);
        if (s->watch)
                gw_k8s_watch_stop(s->watch);
}

static bool is_busy(const struct state *s)
{
        return s->out > 0 || (s->watch && !gw_k8s_watch_is_over(s->watch));
}

static void serve(struct state *s)
{
        for (bool more = true; more || is_busy(s);) {
                json_t *line;
                bool was = more;
                more = wait_for_line(&s->home, more, timeout_ms(s), &line);
                if (s->watch)
                        gw_k8s_watch_serve(s->watch);
                if (was && !more)
                        end_all(s);
                obey(s, line);
                json_decref(line);
        }
}

static void free_all(struct state *s)
{
        for (struct one *one = s->first, *next; one; one = next) {
                next = one->next;
                gw_k8s_call_done(&one->call);
                free(one);
        }
        gw_k8s_watch_free(s->watch);
        gw_k8s_client_free(s->client);
}

int main(void)
{
        struct state s = {0};
        s.net = gw_net_start(NULL);
        if (!s.net || gw_mailbox_init(&s.home, 1))
                return 1;
        serve(&s);
        free_all(&s);
        gw_net_stop(s.net);
        gw_mailbox_done(&s.home);
        return 0;
}
