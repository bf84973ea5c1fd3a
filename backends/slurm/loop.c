/*
 * The backend's thread: sleeps until it is asked something, an agent says something or time has
 * come, and then does all there is to do, once.
 */
#include <limits.h>
#include <poll.h>

#include "backends/slurm/internal.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"

static int64_t leader_wakes_at(const struct gw_slurm *b)
{
        if (!b->epoch)
                return gw_queued_follow_at(&b->base);
        int64_t at = gw_slurm_watch_wake_at(b), workers_at = gw_slurm_workers_wake_at(b->workers);
        return workers_at < at ? workers_at : at;
}

static int timeout_ms(const struct gw_slurm *b)
{
        int64_t at = leader_wakes_at(b), purges_at = gw_slurm_purges_wake_at(b);
        int64_t as_user_at = b->as_user ? gw_as_user_wake_at(b->as_user) : INT64_MAX;
        if (as_user_at < at)
                at = as_user_at;
        if (purges_at < at)
                at = purges_at;
        if (at == INT64_MAX)
                return -1;
        int64_t left_ms = (at - gw_clock_mono_us()) / 1000 + 1;
        return left_ms < 0 ? 0 : left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

static void wait_for_events(const struct gw_slurm *b)
{
        struct pollfd polls[GW_LINK_POLLS + 3];
        gw_link_polls(&b->watch, polls);
        polls[GW_LINK_POLLS] = (struct pollfd){.fd = b->base.queue.mailbox.fd, .events = POLLIN};
        polls[GW_LINK_POLLS + 1] = (struct pollfd){
                .fd = b->workers ? gw_slurm_workers_fd(b->workers) : -1, .events = POLLIN};
        polls[GW_LINK_POLLS + 2] = (struct pollfd){
                .fd = b->as_user ? gw_as_user_fd(b->as_user) : -1, .events = POLLIN};
        (void)poll(polls, GW_COUNT(polls), timeout_ms(b));
}

static void turn(struct gw_slurm *b)
{
        wait_for_events(b);
        struct gw_work *work = gw_queue_take(&b->base.queue);
        gw_slurm_take_wish(b);
        if (gw_queue_take_resumed(&b->base.queue))
                b->refused = false;
        while (work) {
                struct gw_backend_ask *a = GW_CONTAINER(work, struct gw_backend_ask, work);
                work = work->next;
                gw_slurm_request_run(b, a);
        }
        gw_slurm_purges_serve(b);
        if (b->as_user)
                gw_as_user_serve(b->as_user);
        if (!b->epoch)
                return;
        gw_slurm_watch_serve(b);
        gw_slurm_workers_serve(b->workers);
        gw_slurm_report(b);
}

void *gw_slurm_loop(void *backend)
{
        struct gw_slurm *b = backend;
        while (!gw_queue_is_stopping(&b->base.queue))
                turn(b);
        return NULL;
}
