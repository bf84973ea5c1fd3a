/*
 * When an attempt has ended. Runs on the follow thread, but for take_attempt, which runs on the
 * database's while the question is out.
 *
 * No end is missed: the hub's number is taken before each question, so whatever is recorded
 * after the answer was made ends the wait. While the database is away the question is put off,
 * and the log is followed on.
 */
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/engine/follow_parts.h"

static void rest(struct follow_watch *w, int64_t until_us)
{
        w->stage = WATCH_IDLE;
        w->again_us = until_us;
}

static void put_off(struct follow_watch *w)
{
        rest(w, gw_clock_mono_us() + GW_FOLLOW_AGAIN_US);
}

static void take_attempt(void *arg, const struct gw_attempt_row *row)
{
        struct follow_watch *w = arg;
        if (row->no == w->attempt)
                w->running = row->ended_us == 0;
}

static void on_answer(struct gw_work *work);
static void on_event(struct gw_work *work);

static void ask(struct follow_log *log)
{
        struct follow_watch *w = &log->watch;
        const struct gw_follow_settings *s = &log->follow->settings;
        w->began_us = gw_clock_mono_us();
        w->wait.since = gw_hub_now(s->hub);
        w->attempt = (int32_t)log->key.attempt;
        w->running = false;
        w->ask = (struct gw_db_attempts){.job = log->key.mark.job,
                                         .ordinal = (int32_t)log->key.ordinal,
                                         .each = take_attempt,
                                         .arg = w};
        w->ask.cmd.work =
                (struct gw_work){.home = &log->follow->inbox, .done = on_answer, .owner = log};
        gw_db_attempts_init(&w->ask);
        w->stage = WATCH_ASKING;
        w->again_us = 0;
        if (gw_db_channel_post(s->reader, &w->ask.cmd, NULL))
                put_off(w);
}

static void wait_for_event(struct follow_log *log)
{
        struct follow_watch *w = &log->watch;
        w->wait = (struct gw_hub_wait){
                .work = {.home = &log->follow->inbox, .done = on_event, .owner = log},
                .job = log->key.mark.job,
                .since = w->wait.since,
                .until_us = gw_clock_mono_us() + GW_FOLLOW_LOOK_US,
        };
        w->stage = WATCH_WAITING;
        if (gw_hub_wait(log->follow->settings.hub, &w->wait, NULL))
                put_off(w);
}

/* Whether there is somebody to watch for; frees the log when not. */
static bool is_wanted(struct follow_log *log)
{
        log->watch.stage = WATCH_IDLE;
        if (log->followers > 0)
                return true;
        follow_log_release(log);
        return false;
}

/* A record without the attempt was removed, and the attempt had ended before. */
static void on_answer(struct gw_work *work)
{
        struct follow_log *log = work->owner;
        struct follow_watch *w = &log->watch;
        w->next_us = gw_follow_next_us(w->began_us);
        if (!is_wanted(log))
                return;
        if (w->ask.cmd.error.code != GW_OK)
                put_off(w);
        else if (w->running)
                wait_for_event(log);
        else
                follow_log_end(log);
}

/* A hub that drains sends every wait home at once; then there is nobody to watch for either. */
static void on_event(struct gw_work *work)
{
        struct follow_log *log = work->owner;
        struct follow_watch *w = &log->watch;
        if (!is_wanted(log))
                return;
        if (gw_follow_draining(log->follow))
                put_off(w);
        else if (gw_clock_mono_us() < w->next_us)
                rest(w, w->next_us);
        else
                ask(log);
}

void follow_watch_start(struct follow_log *log)
{
        if (log->watch.stage == WATCH_IDLE && log->watch.again_us == 0)
                ask(log);
}

void follow_watch_stop(struct follow_log *log)
{
        log->watch.again_us = 0;
        if (log->watch.stage == WATCH_WAITING)
                gw_hub_abandon(log->follow->settings.hub, &log->watch.wait);
}

void follow_watch_tick(struct follow_log *log, int64_t now_us)
{
        struct follow_watch *w = &log->watch;
        if (w->stage != WATCH_IDLE || w->again_us == 0 || now_us < w->again_us)
                return;
        w->again_us = 0;
        if (!log->ended)
                ask(log);
}
