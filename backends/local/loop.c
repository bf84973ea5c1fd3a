/*
 * The backend's thread: sleeps until a message, the end of a shim or the time it has set
 * itself, and then does all there is to do, once.
 */
#include <sys/epoll.h>

#include "backends/local/internal.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define EVENTS 64

void gw_local_wake_by(struct gw_local *b, int64_t mono_us)
{
        if (mono_us < b->wake_at)
                b->wake_at = mono_us;
}

static int timeout_ms(const struct gw_local *b)
{
        if (b->spool.untidy)
                return 0;
        if (b->wake_at == INT64_MAX)
                return -1;
        int64_t left = b->wake_at - gw_clock_mono_us();
        return left <= 0 ? 0 : (int)(left / 1000 + 1);
}

/* The mailbox' events carry no pointer: it is looked into in any case. */
static void wait_for_events(struct gw_local *b)
{
        struct epoll_event events[EVENTS];
        int count = epoll_wait(b->epoll, events, EVENTS, timeout_ms(b));
        b->wake_at = INT64_MAX;
        for (int i = 0; i < count; i++)
                if (events[i].data.ptr)
                        gw_local_watch_fired(b, events[i].data.ptr);
}

static void turn(struct gw_local *b)
{
        wait_for_events(b);

        struct gw_work *work = gw_queue_take(&b->base.queue);
        gw_local_take_wish(b);
        gw_local_try_lead(b);
        if (gw_queue_take_resumed(&b->base.queue))
                b->refused = false;
        while (work) {
                struct gw_backend_ask *r = GW_CONTAINER(work, struct gw_backend_ask, work);
                work = work->next;
                gw_local_request_run(b, r);
        }
        if (b->epoch) {
                gw_local_again(b);
                gw_local_run_settle_doubtful(b);
                gw_local_admit(b);
                gw_local_report(b);
        }
        if (b->spool.untidy)
                gw_local_spool_tidy(&b->spool);
}

void *gw_local_loop(void *backend)
{
        struct gw_local *b = backend;
        while (!gw_queue_is_stopping(&b->base.queue))
                turn(b);
        return NULL;
}
