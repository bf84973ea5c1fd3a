/*
 * The backend's thread: sleeps until it is asked something, a call comes home or time has come, and
 * then does all there is to do, once. At the end it waits for its calls to come home, which they do
 * at once.
 */
#include <limits.h>
#include <poll.h>

#include "backends/kubernetes/internal.h"
#include "server/base/cleanup.h"

static int64_t earlier(int64_t a, int64_t b)
{
        return a < b ? a : b;
}

static int64_t leader_wakes_at(const struct gw_k8s *b)
{
        if (!b->epoch)
                return gw_queued_follow_at(&b->base);
        int64_t at = earlier(gw_k8s_spaces_wake_at(b), gw_k8s_quests_wake_at(b));
        at = earlier(at, gw_k8s_waits_wake_at(b));
        at = earlier(at, gw_k8s_survey_wake_at(b));
        at = earlier(at, b->doom_at);
        return b->looking ? at : earlier(at, b->look_at);
}

static int64_t wakes_at(const struct gw_k8s *b)
{
        return earlier(leader_wakes_at(b), gw_k8s_tails_wake_at(b));
}

static int timeout_ms(const struct gw_k8s *b)
{
        int64_t at = wakes_at(b);
        if (at == INT64_MAX)
                return -1;
        int64_t left_ms = (at - gw_clock_mono_us()) / 1000 + 1;
        return left_ms < 0 ? 0 : left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

static void wait_for_events(const struct gw_k8s *b)
{
        struct pollfd polls[] = {{.fd = b->base.queue.mailbox.fd, .events = POLLIN},
                                 {.fd = b->home.fd, .events = POLLIN}};
        (void)poll(polls, GW_COUNT(polls), timeout_ms(b));
}

static void take_home(struct gw_k8s *b)
{
        struct gw_work *next;
        for (struct gw_work *work = gw_mailbox_take(&b->home); work; work = next) {
                next = work->next;
                work->done(work);
        }
}

static void turn(struct gw_k8s *b)
{
        wait_for_events(b);
        struct gw_work *work = gw_queue_take(&b->base.queue);
        gw_k8s_take_wish(b);
        if (gw_queue_take_resumed(&b->base.queue))
                b->refused = false;
        take_home(b);
        while (work) {
                struct gw_backend_ask *a = GW_CONTAINER(work, struct gw_backend_ask, work);
                work = work->next;
                gw_k8s_line_take(b, a);
        }
        gw_k8s_line_serve(b);
        gw_k8s_spaces_bury(b);
        gw_k8s_tails_serve(b);
        if (!b->epoch)
                return;
        gw_k8s_spaces_serve(b);
        gw_k8s_quests_serve(b);
        gw_k8s_waits_serve(b);
        gw_k8s_doomed_serve(b);
        gw_k8s_look_serve(b);
        gw_k8s_survey_serve(b);
        gw_k8s_report(b);
}

/* Entries go last: what comes home looks for them. */
static void end(struct gw_k8s *b)
{
        b->epoch = 0;
        gw_k8s_spaces_stop(b);
        gw_k8s_line_clear(b);
        gw_k8s_orders_cancel(b, true);
        gw_k8s_entries_clear(b);
        while (gw_k8s_spaces_bury(b) || gw_k8s_tails_end(b) || !LIST_EMPTY(&b->orders)) {
                struct pollfd home = {.fd = b->home.fd, .events = POLLIN};
                (void)poll(&home, 1, -1);
                take_home(b);
        }
        gw_k8s_survey_stop(b);
}

void *gw_k8s_loop(void *backend)
{
        struct gw_k8s *b = backend;
        while (!gw_queue_is_stopping(&b->base.queue))
                turn(b);
        end(b);
        return NULL;
}
