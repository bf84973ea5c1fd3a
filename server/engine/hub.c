/*
 * The hub's thread: it listens, reads the events that somebody waits for, and sends waits
 * home.
 *
 * Nothing is missed: `now` is the number up to which every event has been given to the waits
 * that were here. A wait brings the `now` that its owner saw before reading the job. If it is
 * still the same when the wait arrives, the next events read are the first it may not have
 * seen; if not, one question to the log settles what lies between. While nobody waits, no
 * event is read: `now` follows the notifications, whose number is committed with everything
 * below it.
 */
#include "server/engine/hub.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "db/events.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/thread.h"
#include "server/engine/hub_waits.h"

#define PAGE 1000
#define LOOK_US GW_SECOND /* a notification is a hint: this often the log is asked anyway */
#define BACK_OFF_MIN_US (100 * 1000)
#define BACK_OFF_MAX_US (2 * GW_SECOND)

struct gw_hub {
        struct gw_hub_settings settings;
        pthread_t thread;
        struct gw_mailbox inbox;
        atomic_bool stopping, up;
        atomic_bool abandoned; /* some wait is */
        _Atomic int64_t now;

        struct gw_db_session *session; /* NULL: away */
        int64_t retry_us, back_off_us; /* monotonic; when to connect again */
        int64_t looked_us;
        int64_t announced; /* highest number of a notification */
        bool people;       /* a notification said so */
        struct hub_waits waits;
};

/* ---- the log -------------------------------------------------------------------------------- */

static void lose(struct gw_hub *h)
{
        gw_db_session_close(GW_TAKE(h->session));
        atomic_store(&h->up, false);
        h->retry_us = gw_clock_mono_us() + h->back_off_us;
        h->back_off_us =
                h->back_off_us * 2 < BACK_OFF_MAX_US ? h->back_off_us * 2 : BACK_OFF_MAX_US;
}

static int ask(struct gw_hub *h, struct gw_db_command *c)
{
        struct gw_error err = {0};
        if (gw_db_session_run_one(h->session, c, &err) == 0)
                return 0;
        gw_log_error("hub.lost_database", &err);
        lose(h);
        return -1;
}

static void on_event(void *arg, const struct gw_event_row *row)
{
        struct gw_hub *h = arg;
        hub_waits_meet(&h->waits, row->job, row->project_id);
        atomic_store(&h->now, row->n);
}

/* Gives every event above `now` to the waits. */
static void read_events(struct gw_hub *h)
{
        uint32_t rows = PAGE;
        while (h->session && rows == PAGE) {
                struct gw_db_event_page c = {
                        .after = h->now, .limit = PAGE, .each = on_event, .arg = h};
                gw_db_event_page_init(&c);
                if (ask(h, &c.cmd) < 0)
                        return;
                rows = c.cmd.rows;
        }
}

static void catch_up(struct gw_hub *h)
{
        if (h->waits.count > 0)
                read_events(h);
        else if (h->announced > h->now)
                atomic_store(&h->now, h->announced);
}

static void look(struct gw_hub *h)
{
        struct gw_db_event_last c = {0};
        gw_db_event_last_init(&c);
        if (ask(h, &c.cmd) == 0 && c.n > h->announced)
                h->announced = c.n;
}

/* ---- the connection ---------------------------------------------------------------------------
 */

static void on_notify(void *arg, const char *channel, const char *payload)
{
        struct gw_hub *h = arg;
        if (strcmp(channel, GW_DB_NOTIFY_AUTH) == 0) {
                h->people = true;
                return;
        }
        int64_t n = strtoll(payload, NULL, 10);
        if (n > h->announced)
                h->announced = n;
}

/* After a time without ears anything may have happened. */
static void connect_again(struct gw_hub *h)
{
        struct gw_error err = {0};
        struct gw_db_session_settings s = {
                .conninfo = h->settings.conninfo,
                .application_name = "jobgate hub",
                .listen = GW_DB_NOTIFY_EVENTS "," GW_DB_NOTIFY_AUTH,
                .read_only = true,
                .statement_timeout_ms = 60000,
        };
        h->session = gw_db_session_open(&s, &err);
        if (!h->session) {
                lose(h);
                return;
        }
        look(h);
        if (!h->session)
                return;
        h->back_off_us = BACK_OFF_MIN_US;
        h->people = true;
        atomic_store(&h->up, true);
        if (h->settings.events)
                h->settings.events(h->settings.arg);
}

static void hear(struct gw_hub *h)
{
        int64_t before = h->announced;
        if (gw_db_session_notifications(h->session, on_notify, h) < 0) {
                lose(h);
                return;
        }
        if (h->announced > before && h->settings.events)
                h->settings.events(h->settings.arg);
}

/* ---- waits
 * ---------------------------------------------------------------------------------------- */

static void count_row(void *arg, const struct gw_event_row *row)
{
        struct gw_hub_wait *w = arg;
        w->met = w->met || !gw_id_is_nil(w->job) || hub_wait_wants(w, row->project_id);
}

/* Whether something came between what the owner saw and what the waits here have seen. */
static bool missed(struct gw_hub *h, struct gw_hub_wait *w)
{
        if (w->since >= h->now || !h->session)
                return false;
        struct gw_db_event_page c = {.job = w->job,
                                     .after = w->since,
                                     .limit = gw_id_is_nil(w->job) ? PAGE : 1,
                                     .each = count_row,
                                     .arg = w};
        gw_db_event_page_init(&c);
        /* More between than a page: the owner looks again, which is never wrong. */
        return ask(h, &c.cmd) == 0 && (w->met || c.cmd.rows == PAGE);
}

static void take_waits(struct gw_hub *h)
{
        struct gw_work *next;
        for (struct gw_work *work = gw_mailbox_take(&h->inbox); work; work = next) {
                struct gw_hub_wait *w = GW_CONTAINER(work, struct gw_hub_wait, work);
                next = work->next;
                w->met = false;
                if (missed(h, w)) {
                        w->met = true;
                        gw_work_finish(&w->work);
                } else {
                        hub_waits_add(&h->waits, w);
                }
        }
        if (atomic_exchange(&h->abandoned, false))
                hub_waits_drop_abandoned(&h->waits);
}

/* ---- the thread
 * ------------------------------------------------------------------------------------ */

static int timeout_ms(const struct gw_hub *h, int64_t now_us)
{
        int64_t at = h->session ? h->looked_us + LOOK_US : h->retry_us;
        if (h->waits.earliest_us < at)
                at = h->waits.earliest_us;
        return at <= now_us ? 0 : (int)((at - now_us) / 1000 + 1);
}

static void turn(struct gw_hub *h)
{
        int64_t now_us = gw_clock_mono_us();
        if (!h->session && now_us >= h->retry_us)
                connect_again(h);
        if (h->session)
                hear(h);
        if (h->session && now_us - h->looked_us >= LOOK_US) {
                h->looked_us = now_us;
                look(h);
        }
        if (h->people && h->settings.people) {
                h->people = false;
                h->settings.people(h->settings.arg);
        }
        catch_up(h);
        take_waits(h);
        hub_waits_expire(&h->waits, now_us);
}

static void *run(void *arg)
{
        struct gw_hub *h = arg;
        while (!atomic_load(&h->stopping)) {
                turn(h);
                struct pollfd fds[2] = {
                        {.fd = h->inbox.fd, .events = POLLIN},
                        {.fd = h->session ? gw_db_session_fd(h->session) : -1, .events = POLLIN},
                };
                (void)poll(fds, 2, timeout_ms(h, gw_clock_mono_us()));
        }
        take_waits(h);
        hub_waits_expire(&h->waits, INT64_MAX);
        gw_db_session_close(h->session);
        return NULL;
}

/* ---- the outside
 * ------------------------------------------------------------------------------------- */

struct gw_hub *gw_hub_start(const struct gw_hub_settings *settings, struct gw_error *err)
{
        struct gw_hub *h = calloc(1, sizeof *h);
        if (!h || gw_mailbox_init(&h->inbox, settings->max_waits) < 0) {
                free(h);
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        h->settings = *settings;
        h->back_off_us = BACK_OFF_MIN_US;
        hub_waits_init(&h->waits, settings->max_waits);
        if (gw_thread_start(&h->thread, "hub", run, h, err) < 0) {
                gw_mailbox_done(&h->inbox);
                free(h);
                return NULL;
        }
        return h;
}

void gw_hub_stop(struct gw_hub *hub)
{
        if (!hub)
                return;
        gw_mailbox_close(&hub->inbox);
        atomic_store(&hub->stopping, true);
        gw_mailbox_wake(&hub->inbox);
        gw_thread_join(hub->thread);
        gw_mailbox_done(&hub->inbox);
        free(hub);
}

int64_t gw_hub_now(const struct gw_hub *hub)
{
        return atomic_load(&hub->now);
}

bool gw_hub_up(const struct gw_hub *hub)
{
        return atomic_load(&hub->up);
}

int gw_hub_wait(struct gw_hub *hub, struct gw_hub_wait *wait, struct gw_error *err)
{
        if (atomic_load(&hub->waits.count) >= hub->waits.max ||
            gw_mailbox_post(&hub->inbox, &wait->work) < 0)
                return gw_fail(err, GW_ERR_OVERLOADED, "too many requests wait for jobs already");
        return 0;
}

void gw_hub_abandon(struct gw_hub *hub, struct gw_hub_wait *wait)
{
        atomic_store(&wait->abandoned, true);
        if (!atomic_exchange(&hub->abandoned, true))
                gw_mailbox_wake(&hub->inbox);
}
