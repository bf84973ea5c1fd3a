/*
 * server/net for tests in Python: one JSON object a line in, one a line out.
 *
 *   {"peer": {"url": …, "server_name": …, "ca": …, "certificate": …, "key": …}}   for what follows
 *   {"request": {"id": 1, "method": …, "target": …, "stream": …, "max_bytes": …, …}}
 *   {"next": 1}   {"cancel": 1}
 *
 * Out comes what came home, or {"id": 1, "refused": "code"}, or {"refused": "code"} for a peer. At
 * the end of its input it cancels what is out, and ends when all is home.
 */
#include <assert.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/net/net.h"
#include "tests/unit/answers.h"

struct one {
        struct gw_net_request request;
        int id;
        json_t *asked; /* what the request borrows from */
        struct one *next;
        bool over;
};

struct state {
        struct gw_net *net;
        struct gw_mailbox home;
        struct gw_net_peer *peer;
        struct one *first;
        int out;
};

static const char *const outcomes[] = {
        [GW_NET_MORE] = "more",
        [GW_NET_DONE] = "done",
        [GW_NET_FAILED] = "failed",
        [GW_NET_CANCELLED] = "cancelled",
};

static void done(struct gw_net_request *r)
{
        struct one *one = GW_CONTAINER(r, struct one, request);
        struct state *s = r->owner;
        char type[64] = "";
        gw_net_header(r, "content-type", 0, type, sizeof type);
        json_t *body = json_stringn(r->answer.len ? r->answer.data : "", r->answer.len);
        say(json_pack("{s:i, s:s, s:b, s:i, s:s, s:I, s:o, s:s, s:s}", "id", one->id, "outcome",
                      outcomes[r->outcome], "sent", r->sent, "status", r->status, "type", type,
                      "length", (json_int_t)r->answer.len, "body", body ? body : json_null(),
                      "code", gw_error_name(r->error.code), "message", r->error.message));
        if (r->outcome == GW_NET_MORE)
                return;
        one->over = true;
        s->out--;
}

static void set_peer(struct state *s, const json_t *p)
{
        struct gw_error err = {0};
        gw_net_peer_unref(s->peer);
        s->peer = gw_net_peer_new(
                &(struct gw_net_peer_config){
                        .url = text_of(p, "url"),
                        .server_name = text_of(p, "server_name"),
                        .ca = text_of(p, "ca"),
                        .certificate = text_of(p, "certificate"),
                        .key = text_of(p, "key"),
                },
                &err);
        if (!s->peer)
                say(json_pack("{s:s, s:s}", "refused", gw_error_name(err.code), "message",
                              err.message));
}

static void post(struct state *s, json_t *q)
{
        struct one *one = calloc(1, sizeof *one);
        assert(one && s->peer);
        const char *body = text_of(q, "body");
        one->id = (int)number_of(q, "id", 0);
        one->asked = json_incref(q);
        one->next = s->first;
        s->first = one;
        one->request = (struct gw_net_request){
                .peer = s->peer,
                .method = text_of(q, "method"),
                .target = text_of(q, "target"),
                .content_type = text_of(q, "content_type"),
                .body = body,
                .body_len = body ? strlen(body) : 0,
                .token = text_of(q, "token"),
                .max_bytes = (size_t)number_of(q, "max_bytes", 1 << 20),
                .connect_ms = number_of(q, "connect_ms", 20000),
                .total_ms = number_of(q, "total_ms", 60000),
                .silence_ms = number_of(q, "silence_ms", 0),
                .stream = json_is_true(json_object_get(q, "stream")),
                .home = &s->home,
                .done = done,
                .owner = s,
        };
        struct gw_error err = {0};
        if (gw_net_post(s->net, &one->request, &err) == 0) {
                s->out++;
                return;
        }
        one->over = true;
        say(json_pack("{s:i, s:s}", "id", one->id, "refused", gw_error_name(err.code)));
}

static struct one *find(struct state *s, json_t *id)
{
        struct one *one = s->first;
        while (one && one->id != (int)json_integer_value(id))
                one = one->next;
        assert(one);
        return one;
}

static void obey(struct state *s, const json_t *o)
{
        json_t *value;
        if ((value = json_object_get(o, "peer")))
                set_peer(s, value);
        else if ((value = json_object_get(o, "request")))
                post(s, value);
        else if ((value = json_object_get(o, "next")))
                gw_net_next(&find(s, value)->request);
        else if ((value = json_object_get(o, "cancel")))
                gw_net_cancel(&find(s, value)->request);
}

static void cancel_all(struct state *s)
{
        for (struct one *one = s->first; one; one = one->next)
                if (!one->over)
                        gw_net_cancel(&one->request);
}

static void free_all(struct state *s)
{
        for (struct one *one = s->first, *next; one; one = next) {
                next = one->next;
                gw_net_request_done(&one->request);
                json_decref(one->asked);
                free(one);
        }
}

static void serve(struct state *s)
{
        for (bool more = true; more || s->out > 0;) {
                json_t *line;
                bool was = more;
                more = wait_for_line(&s->home, more, -1, &line);
                if (was && !more)
                        cancel_all(s);
                obey(s, line);
                json_decref(line);
        }
}

int main(void)
{
        struct state s = {0};
        s.net = gw_net_start(NULL);
        if (!s.net || gw_mailbox_init(&s.home, 1))
                return 1;
        serve(&s);
        gw_net_stop(s.net);
        free_all(&s);
        gw_net_peer_unref(s.peer);
        gw_mailbox_done(&s.home);
        return 0;
}
