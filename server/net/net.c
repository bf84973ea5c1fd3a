/*
 * The thread of outgoing HTTP: sleeps until a message or a socket has something, and then does all
 * there is to do, once. The functions of the header run in the sender's thread, and what is run
 * when a request is home too.
 *
 * Invariant: of a request that is out only the thread touches anything, but for the fields that
 * net.h gives to home. A cancel that is out holds a request at home, so that its memory stays.
 */
#include "server/net/net.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/limits.h"
#include "server/base/str.h"
#include "server/base/thread.h"
#include "server/net/internal.h"

/* ---- coming home: home's thread -------------------------------------------------------------- */

static void on_message(struct gw_work *work);
static void on_cancel(struct gw_work *work);

static void go_out(struct gw_net_request *r, bool stop)
{
        r->stop = stop;
        r->out = true;
        r->work.home = &r->net->box;
        r->work.done = on_message;
        gw_work_finish(&r->work);
}

/* The request is home, and no cancel is out. */
static void settle(struct gw_net_request *r)
{
        if (r->outcome == GW_NET_MORE && r->cancelled)
                go_out(r, true);
        else
                r->done(r);
}

static void come_home(struct gw_work *work)
{
        struct gw_net_request *r = GW_CONTAINER(work, struct gw_net_request, work);
        r->out = false;
        if (!r->cancel_out)
                settle(r);
}

static void cancel_come_home(struct gw_work *work)
{
        struct gw_net_request *r = GW_CONTAINER(work, struct gw_net_request, cancel);
        r->cancel_out = false;
        if (!r->out)
                settle(r);
}

/* ---- the sender's thread --------------------------------------------------------------------- */

static void forget_answer(struct gw_net_request *r)
{
        gw_net_request_done(r);
        r->outcome = GW_NET_MORE;
        r->sent = r->cancelled = r->stop = r->cancel_out = false;
        r->status = 0;
        r->error = (struct gw_error){0};
}

int gw_net_post(struct gw_net *net, struct gw_net_request *r, struct gw_error *err)
{
        forget_answer(r);
        r->net = net;
        r->transfer = NULL;
        r->out = true;
        r->work = (struct gw_work){.home = &net->box, .done = on_message};
        r->referred = gw_net_peer_ref(r->peer);
        if (gw_mailbox_post(&net->box, &r->work) == 0)
                return 0;
        gw_net_peer_unref(GW_TAKE(r->referred));
        r->out = false;
        return gw_fail(err, GW_ERR_OVERLOADED, "too many requests are waiting to be sent");
}

void gw_net_next(struct gw_net_request *r)
{
        assert(!r->out && r->outcome == GW_NET_MORE);
        go_out(r, false);
}

void gw_net_cancel(struct gw_net_request *r)
{
        if (r->cancelled)
                return;
        r->cancelled = true;
        if (!r->out) {
                assert(r->outcome == GW_NET_MORE);
                go_out(r, true);
                return;
        }
        r->cancel_out = true;
        r->cancel = (struct gw_work){.home = &r->net->box, .done = on_cancel};
        gw_work_finish(&r->cancel);
}

void gw_net_request_done(struct gw_net_request *r)
{
        gw_buf_done(&r->header);
        gw_buf_done(&r->answer);
}

/* The value of a line that is of this header; NULL for another. */
static const char *value_of(const char *line, const char *name)
{
        size_t len = strlen(name);
        if (strncasecmp(line, name, len) != 0 || line[len] != ':')
                return NULL;
        return line + len + 1 + strspn(line + len + 1, " \t");
}

bool gw_net_header(const struct gw_net_request *r, const char *name, unsigned i, char *value,
                   size_t size)
{
        for (const char *line = r->header.data; line && *line;) {
                const char *found = value_of(line, name);
                size_t len = found ? strcspn(found, "\r\n") : 0;
                if (found && i-- == 0) {
                        gw_autofree char *text = strndup(found, len);
                        if (!text)
                                return false;
                        gw_str_copy(value, size, text);
                        return true;
                }
                line += strcspn(line, "\n");
                line += *line == '\n';
        }
        return false;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void send_home(struct gw_net_request *r)
{
        r->work.home = r->home;
        r->work.done = come_home;
        gw_work_finish(&r->work);
}

/* Home for good. */
static void send_home_ended(struct gw_net_request *r)
{
        r->transfer = NULL;
        gw_net_peer_unref(GW_TAKE(r->referred));
        send_home(r);
}

static void fill_in(struct gw_net_transfer *t)
{
        struct gw_net_request *r = t->request;
        r->status = t->status;
        if (t->header.len > 0) {
                gw_buf_done(&r->header);
                r->header = t->header;
                gw_buf_init(&t->header, GW_MAX_NET_HEADER_BYTES);
        }
        struct gw_buf taken = r->answer;
        r->answer = t->body;
        t->body = taken;
        t->body.max = r->answer.max;
        gw_buf_clear(&t->body);
}

static void give_piece(struct gw_net_transfer *t)
{
        fill_in(t);
        t->told = true;
        t->mine = false;
        t->request->outcome = GW_NET_MORE;
        send_home(t->request);
}

static void give_end(struct gw_net_transfer *t)
{
        struct gw_net_request *r = t->request;
        fill_in(t);
        r->outcome = t->outcome;
        r->sent = t->sent;
        r->error = t->error;
        gw_net_transfer_free(t);
        send_home_ended(r);
}

/* Gives home what there is, if home waits for it. */
static void give(struct gw_net_transfer *t)
{
        if (!t->mine)
                return;
        if (t->streaming && (t->body.len > 0 || (!t->told && !t->ended)))
                give_piece(t);
        else if (t->ended)
                give_end(t);
}

/* A transfer that was given its end is freed. */
static void give_all(struct gw_net *net)
{
        for (struct gw_net_transfer *t = net->first, *next; t; t = next) {
                next = t->next;
                give(t);
        }
}

static void refuse(struct gw_net_request *r)
{
        r->outcome = GW_NET_FAILED;
        send_home_ended(r);
}

static void expect_to_hear(struct gw_net_transfer *t)
{
        int64_t at = gw_net_transfer_silent_at(t);
        if (at < t->net->look_at_us)
                t->net->look_at_us = at;
}

static void begin(struct gw_net *net, struct gw_net_request *r)
{
        if (net->count >= GW_MAX_NET_REQUESTS) {
                gw_fail(&r->error, GW_ERR_OVERLOADED, "too many requests are out");
                refuse(r);
                return;
        }
        if (gw_net_transfer_begin(net, r, &r->error)) {
                refuse(r);
                return;
        }
        expect_to_hear(r->transfer);
}

static void go_on(struct gw_net_transfer *t, bool stop)
{
        t->mine = true;
        if (!stop) {
                gw_net_transfer_go_on(t);
                expect_to_hear(t);
                return;
        }
        gw_net_transfer_break(t, GW_NET_CANCELLED, GW_ERR_UNAVAILABLE, "it was cancelled");
        gw_buf_clear(&t->body); /* nobody wants the rest */
}

static void on_message(struct gw_work *work)
{
        struct gw_net_request *r = GW_CONTAINER(work, struct gw_net_request, work);
        if (r->transfer)
                go_on(r->transfer, r->stop);
        else
                begin(r->net, r);
}

/* The request may be at home already, or on its way there: then home sees to it. */
static void on_cancel(struct gw_work *work)
{
        struct gw_net_request *r = GW_CONTAINER(work, struct gw_net_request, cancel);
        if (r->transfer && r->transfer->mine)
                go_on(r->transfer, true);
        r->cancel.home = r->home;
        r->cancel.done = cancel_come_home;
        gw_work_finish(&r->cancel);
}

static void on_stop(struct gw_work *work)
{
        GW_CONTAINER(work, struct gw_net, stop)->stopping = true;
}

static void take_messages(struct gw_net *net)
{
        for (struct gw_work *work = gw_mailbox_take(&net->box), *next; work; work = next) {
                next = work->next;
                work->done(work);
        }
}

static void take_ended(struct gw_net *net)
{
        int left;
        for (CURLMsg *m; (m = curl_multi_info_read(net->multi, &left));) {
                struct gw_net_transfer *t = NULL;
                CURLcode result = m->data.result;
                if (m->msg != CURLMSG_DONE)
                        continue;
                curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
                gw_net_transfer_ended(t, result);
        }
}

static void end_silent(struct gw_net *net)
{
        int64_t now = gw_clock_mono_us();
        if (now < net->look_at_us)
                return;
        net->look_at_us = INT64_MAX;
        for (struct gw_net_transfer *t = net->first; t; t = t->next) {
                int64_t at = gw_net_transfer_silent_at(t);
                if (at <= now)
                        gw_net_transfer_break(t, GW_NET_FAILED, GW_ERR_UNAVAILABLE,
                                              "nothing was heard for too long");
                else if (at < net->look_at_us)
                        net->look_at_us = at;
        }
}

static int timeout_ms(const struct gw_net *net)
{
        if (net->look_at_us == INT64_MAX)
                return INT_MAX;
        int64_t left_ms = (net->look_at_us - gw_clock_mono_us()) / 1000 + 1;
        return left_ms < 0 ? 0 : left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

static void turn(struct gw_net *net)
{
        struct curl_waitfd waits = {.fd = net->box.fd, .events = CURL_WAIT_POLLIN};
        int running;
        (void)curl_multi_poll(net->multi, &waits, 1, timeout_ms(net), NULL);
        take_messages(net);
        (void)curl_multi_perform(net->multi, &running);
        take_ended(net);
        end_silent(net);
        give_all(net);
}

static void *run(void *arg)
{
        struct gw_net *net = arg;
        while (!net->stopping)
                turn(net);
        return NULL;
}

/* ---- start and stop -------------------------------------------------------------------------- */

static void free_net(struct gw_net *net)
{
        assert(!net->first);
        curl_multi_cleanup(net->multi);
        gw_mailbox_done(&net->box);
        free(net);
        curl_global_cleanup();
}

struct gw_net *gw_net_start(struct gw_error *err)
{
        struct gw_net *net = calloc(1, sizeof *net);
        if (!net || curl_global_init(CURL_GLOBAL_DEFAULT)) {
                free(net);
                gw_fail(err, GW_ERR_NOMEM, "no memory");
                return NULL;
        }
        if (gw_mailbox_init(&net->box, GW_MAX_NET_REQUESTS)) {
                free(net);
                curl_global_cleanup();
                gw_fail(err, GW_ERR_INTERNAL, "no file descriptor");
                return NULL;
        }
        net->look_at_us = INT64_MAX;
        net->multi = curl_multi_init();
        if (!net->multi)
                gw_fail(err, GW_ERR_NOMEM, "no memory");
        if (!net->multi || gw_thread_start(&net->thread, "net", run, net, err)) {
                free_net(net);
                return NULL;
        }
        return net;
}

void gw_net_stop(struct gw_net *net)
{
        if (!net)
                return;
        net->stop = (struct gw_work){.home = &net->box, .done = on_stop};
        gw_work_finish(&net->stop);
        gw_thread_join(net->thread);
        free_net(net);
}
