/*
 * The follow thread: it keeps the logs that are followed, gives pieces of them to followers,
 * and looks every TICK_MS whether those that somebody waits for have grown.
 *
 * Invariants: a follower is in its log's list of waiting exactly while its work is out and it
 * could be given nothing. A log is in the table while it has a follower or its watch has
 * something out.
 */
#include "server/engine/follow.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/thread.h"
#include "server/engine/follow_parts.h"

#define TICK_MS 100

/* ---- logs ------------------------------------------------------------------------------------ */

static bool is_same(const struct follow_key *a, const struct follow_key *b)
{
        return gw_mark_equal(a->mark, b->mark) && a->ordinal == b->ordinal &&
               a->attempt == b->attempt && a->is_stderr == b->is_stderr;
}

static struct follow_log **bucket_of(struct gw_follow *f, const struct follow_key *key)
{
        uint32_t hash;
        memcpy(&hash, key->mark.job.bytes + 12, sizeof hash); /* random in a version 7 id */
        return &f->logs[(hash + key->ordinal) % FOLLOW_BUCKETS];
}

static struct follow_log *find_log(struct gw_follow *f, const struct follow_key *key)
{
        struct follow_log *log = *bucket_of(f, key);
        while (log && !is_same(&log->key, key))
                log = log->next;
        return log;
}

static struct follow_log *add_log(struct gw_follow *f, const struct follow_key *key)
{
        struct follow_log *log = calloc(1, sizeof *log);
        if (!log)
                return NULL;
        struct follow_log **bucket = bucket_of(f, key);
        log->follow = f;
        log->key = *key;
        log->next = *bucket;
        *bucket = log;
        f->log_count++;
        gw_metric_add(f->logs_gauge, 0, 0, 1);
        return log;
}

void follow_log_release(struct follow_log *log)
{
        struct gw_follow *f = log->follow;
        if (log->followers > 0 || log->watch.stage != WATCH_IDLE)
                return;
        struct follow_log **place = bucket_of(f, &log->key);
        while (*place != log)
                place = &(*place)->next;
        *place = log->next;
        f->log_count--;
        gw_metric_add(f->logs_gauge, 0, 0, -1);
        free(log);
}

static void detach(struct gw_follower *r)
{
        struct follow_log *log = GW_TAKE(r->log);
        if (!log)
                return;
        follow_window_share(&log->window, --log->followers > 1);
        if (log->followers > 0)
                return;
        follow_window_clear(&log->window);
        follow_watch_stop(log);
        follow_log_release(log);
}

/* Known before the size is looked at: then nothing comes after. */
static void end_log(struct follow_log *log)
{
        log->ended = true;
        log->window.looked = 0;
}

/* The log's file is the one its first follower brought. -1 without memory. */
static int attach(struct gw_follower *r)
{
        struct follow_log *log = find_log(r->follow, &r->key);
        if (!log)
                log = add_log(r->follow, &r->key);
        if (!log)
                return -1;
        r->log = log;
        follow_window_share(&log->window, ++log->followers > 1);
        if (r->complete)
                end_log(log);
        if (!log->window.file)
                log->window.file = follow_file_new(GW_TAKE_FD(r->fd));
        else
                close(GW_TAKE_FD(r->fd));
        if (!log->window.file)
                return -1;
        r->file = follow_file_ref(log->window.file);
        if (!log->ended)
                follow_watch_start(log);
        return 0;
}

/* ---- followers ------------------------------------------------------------------------------- */

static void send_home(struct gw_follower *r)
{
        r->work.done = r->done;
        gw_work_finish(&r->work);
}

static void end_follower(struct gw_follower *r)
{
        r->over = true;
        send_home(r);
}

static void fail_follower(struct gw_follower *r)
{
        r->failed = true;
        send_home(r);
}

static void wait_for_more(struct gw_follower *r)
{
        r->next = r->log->waiting;
        r->log->waiting = r;
}

/* It shall wait no longer, and what it has is not the whole. */
static bool is_given_up(const struct gw_follower *r)
{
        return atomic_load(&r->abandoned) || (gw_follow_draining(r->follow) && !r->log->ended);
}

static void serve(struct gw_follower *r)
{
        struct follow_log *log = r->log;
        size_t read = 0;
        if (is_given_up(r)) {
                fail_follower(r);
                return;
        }
        switch (follow_window_find(&log->window, r->follow->turn, r->position, &r->block, &read)) {
        case FOLLOW_FOUND:
                gw_metric_add(r->follow->read_bytes, 0, 0, (int64_t)read);
                send_home(r);
                break;
        case FOLLOW_BEHIND:
                r->known = log->window.size;
                send_home(r);
                break;
        case FOLLOW_NOTHING:
                if (log->ended)
                        end_follower(r);
                else
                        wait_for_more(r);
                break;
        case FOLLOW_UNREADABLE:
                fail_follower(r);
                break;
        }
}

static bool is_due(const struct gw_follower *r)
{
        return r->log->ended || r->position < r->log->window.size || is_given_up(r);
}

/* Those for whom there is something, whoever saw it first. */
static void serve_waiting(struct follow_log *log)
{
        struct gw_follower *next;
        for (struct gw_follower *r = GW_TAKE(log->waiting); r; r = next) {
                next = r->next;
                if (is_due(r))
                        serve(r);
                else
                        wait_for_more(r);
        }
}

static void fail_waiting(struct follow_log *log)
{
        struct gw_follower *next;
        for (struct gw_follower *r = GW_TAKE(log->waiting); r; r = next) {
                next = r->next;
                fail_follower(r);
        }
}

void follow_log_end(struct follow_log *log)
{
        end_log(log);
        serve_waiting(log);
}

static void close_follower(struct gw_follower *r)
{
        detach(r);
        atomic_fetch_sub(&r->follow->count, 1);
        free(r);
}

static void take_follower(struct gw_follower *r)
{
        if (r->closing) {
                close_follower(r);
                return;
        }
        if (r->fd >= 0) {
                detach(r);
                if (attach(r)) {
                        fail_follower(r);
                        return;
                }
        }
        serve(r);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void take_messages(struct gw_follow *f)
{
        struct gw_work *next;
        for (struct gw_work *work = gw_mailbox_take(&f->inbox); work; work = next) {
                next = work->next;
                if (work->done)
                        work->done(work);
                else
                        take_follower(GW_CONTAINER(work, struct gw_follower, work));
        }
}

static void each_log(struct gw_follow *f, void (*visit)(struct follow_log *log))
{
        for (size_t i = 0; f->log_count > 0 && i < FOLLOW_BUCKETS; i++)
                for (struct follow_log *log = f->logs[i]; log; log = log->next)
                        visit(log);
}

static void tick(struct follow_log *log)
{
        follow_watch_tick(log, gw_clock_mono_us());
        if (log->waiting && follow_window_look(&log->window, log->follow->turn))
                fail_waiting(log);
        serve_waiting(log);
}

static void *run(void *arg)
{
        struct gw_follow *f = arg;
        struct pollfd fd = {.fd = f->inbox.fd, .events = POLLIN};
        int64_t due_us = 0;
        while (!atomic_load(&f->stopping) || f->log_count > 0) {
                (void)poll(&fd, 1, f->log_count > 0 ? TICK_MS : -1);
                f->turn++;
                /* Before the mail is taken: who was abandoned until now is in it, or waits. */
                bool hurry = atomic_exchange(&f->hurry, false);
                take_messages(f);
                if (hurry)
                        each_log(f, serve_waiting);
                int64_t now_us = gw_clock_mono_us();
                if (now_us < due_us)
                        continue;
                due_us = now_us + TICK_MS * INT64_C(1000);
                each_log(f, tick);
        }
        return NULL;
}

/* ---- the outside ----------------------------------------------------------------------------- */

static void add_metrics(struct gw_follow *f, struct gw_metrics *m)
{
        if (!m)
                return;
        f->followers_gauge = gw_metrics_add(m, GW_METRIC_GAUGE, "jobgate_log_followers",
                                            "Requests that follow a log", NULL, NULL, NULL, NULL);
        f->logs_gauge = gw_metrics_add(m, GW_METRIC_GAUGE, "jobgate_logs_followed",
                                       "Logs that are followed", NULL, NULL, NULL, NULL);
        f->read_bytes = gw_metrics_add(m, GW_METRIC_COUNTER, "jobgate_logs_shared_bytes",
                                       "Bytes of logs read once for all their followers", NULL,
                                       NULL, NULL, NULL);
}

struct gw_follow *gw_follow_start(const struct gw_follow_settings *settings, struct gw_error *err)
{
        struct gw_follow *f = calloc(1, sizeof *f);
        /* Who posts was counted when it was made, and what comes home is never refused but takes
         * room: a box with an end would refuse a follower. */
        if (!f || gw_mailbox_init(&f->inbox, SIZE_MAX) < 0) {
                free(f);
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        f->settings = *settings;
        gw_shares_init(&f->shares);
        add_metrics(f, settings->metrics);
        if (gw_thread_start(&f->thread, "follow", run, f, err) < 0) {
                gw_shares_done(&f->shares);
                gw_mailbox_done(&f->inbox);
                free(f);
                return NULL;
        }
        return f;
}

void gw_follow_stop(struct gw_follow *follow)
{
        if (!follow)
                return;
        atomic_store(&follow->stopping, true);
        gw_mailbox_wake(&follow->inbox);
        gw_thread_join(follow->thread);
        gw_shares_done(&follow->shares);
        gw_mailbox_done(&follow->inbox);
        free(follow);
}

void gw_follow_drain(struct gw_follow *follow)
{
        atomic_store(&follow->draining, true);
        atomic_store(&follow->hurry, true);
        gw_mailbox_wake(&follow->inbox);
}

int64_t gw_follow_next_us(int64_t began_us)
{
        int64_t now_us = gw_clock_mono_us(), pause_us = 4 * (now_us - began_us);
        return now_us + (pause_us > GW_FOLLOW_SOON_US ? pause_us : GW_FOLLOW_SOON_US);
}

bool gw_follow_draining(const struct gw_follow *follow)
{
        return atomic_load(&follow->draining);
}
