/*
 * The hub's thread: it listens, reads the events that somebody waits for, and sends waits
 * home.
 *
 * Nothing is missed: `now` is the number up to which every event has been given to the waits
 * that were here, and numbers are committed in their order. A wait brings the `now` that its
 * owner saw before reading the job. If it is still the same when the wait arrives, the next
 * events read are the first it may not have seen; if not, one question to the log settles what
 * lies between, and where it cannot be asked the owner is told to look again, which is never
 * wrong. While nobody waits, no event is read: `now` follows `announced`, the highest number
 * known to be committed.
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
#define STATEMENT_MS 5000 /* the questions are small, and no wait ends while one is out */

struct gw_hub {
        struct gw_hub_settings settings;
        pthread_t thread;
        struct gw_mailbox inbox;
        atomic_bool stopping, draining, up;
        atomic_bool abandoned; /* some wait is */
        _Atomic int64_t now;

        struct gw_db_session *session; /* NULL: away */
        int64_t retry_us, back_off_us; /* monotonic; when to connect again */
        int64_t looked_us;
        int64_t announced; /* highest number heard of */
        bool people;       /* a notification said so */
        bool asked;        /* in this turn: notifications may have come along with the answer */
        struct hub_waits waits;
        struct gw_metric_family *up_gauge, *waits_gauge, *pending_gauge;
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
        h->asked = true;
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

/* Gives the events above `now` to the waits; all that were announced are among them. */
static void read_events(struct gw_hub *h)
{
        int64_t announced = h->announced;
        uint32_t rows = PAGE;
        while (rows == PAGE) {
                struct gw_db_event_page c = {
                        .after = h->now, .limit = PAGE, .each = on_event, .arg = h};
                gw_db_event_page_init(&c);
                if (ask(h, &c.cmd) < 0)
                        return;
                rows = c.cmd.rows;
        }
        if (announced > h->now)
                atomic_store(&h->now, announced);
}

static void catch_up(struct gw_hub *h)
{
        if (!h->session || h->announced <= h->now)
                return;
        if (h->waits.count > 0)
                read_events(h);
        else
                atomic_store(&h->now, h->announced);
}

static void look(struct gw_hub *h)
{
        h->looked_us = gw_clock_mono_us();
        struct gw_db_event_last c = {0};
        gw_db_event_last_init(&c);
        if (ask(h, &c.cmd) == 0 && c.n > h->announced)
                h->announced = c.n;
}

/* ---- the connection ---------------------------------------------------------------------- */

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
                .statement_timeout_ms = STATEMENT_MS,
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
}

static void tell(struct gw_hub *h, bool events)
{
        if (events && h->settings.events)
                h->settings.events(h->settings.arg);
        if (h->people && h->settings.people)
                h->settings.people(h->settings.arg);
        h->people = false;
}

/* Connects when it is time, and hears what there is to hear. */
static void listen_to_log(struct gw_hub *h)
{
        int64_t now_us = gw_clock_mono_us(), before = h->announced;
        bool renewed = !h->session && now_us >= h->retry_us;
        if (renewed)
                connect_again(h);
        if (h->session && gw_db_session_notifications(h->session, on_notify, h) < 0)
                lose(h);
        if (h->session && now_us - h->looked_us >= LOOK_US)
                look(h);
        tell(h, h->announced > before || (renewed && h->session));
}

/* ---- waits ------------------------------------------------------------------------------- */

static void count_row(void *arg, const struct gw_event_row *row)
{
        struct gw_hub_wait *w = arg;
        w->met = w->met || !gw_id_is_nil(w->job) || hub_wait_wants(w, row->project_id);
}

/* Whether something came, or may have come, between what the owner saw and what the waits here
 * have seen. */
static bool missed(struct gw_hub *h, struct gw_hub_wait *w)
{
        bool events = !gw_id_is_nil(w->job) || w->project_count > 0;
        if (!events || w->since >= h->now)
                return false;
        struct gw_db_event_page c = {.job = w->job,
                                     .after = w->since,
                                     .limit = gw_id_is_nil(w->job) ? PAGE : 1,
                                     .each = count_row,
                                     .arg = w};
        gw_db_event_page_init(&c);
        if (!h->session || ask(h, &c.cmd) < 0)
                return true;
        return w->met || c.cmd.rows == PAGE;
}

static void take_waits(struct gw_hub *h)
{
        struct gw_work *next;
        /* Before the mail is taken: what was abandoned until now is in it, or here. */
        bool abandoned = atomic_exchange(&h->abandoned, false);
        for (struct gw_work *work = gw_mailbox_take(&h->inbox); work; work = next) {
                gw_metric_add(h->pending_gauge, 0, 0, -1);
                struct gw_hub_wait *w = GW_CONTAINER(work, struct gw_hub_wait, work);
                next = work->next;
                w->met = false;
                if (missed(h, w))
                        hub_waits_send_home(&h->waits, w, true);
                else
                        hub_waits_add(&h->waits, w);
        }
        if (abandoned)
                hub_waits_drop_abandoned(&h->waits);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static int timeout_ms(const struct gw_hub *h)
{
        int64_t now_us = gw_clock_mono_us();
        int64_t at = h->session ? h->looked_us + LOOK_US : h->retry_us;
        if (h->asked)
                return 0;
        if (h->waits.earliest_us < at)
                at = h->waits.earliest_us;
        return at <= now_us ? 0 : (int)((at - now_us) / 1000 + 1);
}

static void turn(struct gw_hub *h)
{
        h->asked = false;
        listen_to_log(h);
        catch_up(h);
        take_waits(h);
        hub_waits_expire(&h->waits, atomic_load(&h->draining) ? INT64_MAX : gw_clock_mono_us());
        gw_metric_set(h->up_gauge, 0, 0, h->session != NULL);
        gw_metric_set(h->waits_gauge, 0, 0, (int64_t)h->waits.count);
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
                (void)poll(fds, 2, timeout_ms(h));
        }
        take_waits(h);
        hub_waits_expire(&h->waits, INT64_MAX);
        gw_db_session_close(h->session);
        return NULL;
}

/* ---- the outside ----------------------------------------------------------------------------- */

static void add_metrics(struct gw_hub *h, struct gw_metrics *m)
{
        if (!m)
                return;
        h->up_gauge = gw_metrics_add(m, GW_METRIC_GAUGE, "jobgate_hub_up",
                                     "Whether events are heard of at once", NULL, NULL, NULL, NULL);
        h->waits_gauge = gw_metrics_add(m, GW_METRIC_GAUGE, "jobgate_hub_waits",
                                        "Requests that wait for an event", NULL, NULL, NULL, NULL);
        h->pending_gauge = gw_metrics_add(m, GW_METRIC_GAUGE, "jobgate_hub_pending_messages",
                                          "Requests on their way to wait", NULL, NULL, NULL, NULL);
}

struct gw_hub *gw_hub_start(const struct gw_hub_settings *settings, struct gw_error *err)
{
        struct gw_hub *h = calloc(1, sizeof *h);
        if (!h || gw_mailbox_init(&h->inbox, SIZE_MAX) < 0) {
                free(h);
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        h->settings = *settings;
        h->back_off_us = BACK_OFF_MIN_US;
        hub_waits_init(&h->waits, settings->max_waits);
        add_metrics(h, settings->metrics);
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
        if (hub_waits_enter(&hub->waits, wait->sure)) {
                gw_metric_add(hub->pending_gauge, 0, 0, 1);
                if (gw_mailbox_post(&hub->inbox, &wait->work) == 0)
                        return 0;
                gw_metric_add(hub->pending_gauge, 0, 0, -1);
                hub_waits_leave(&hub->waits);
        }
        return gw_fail(err, GW_ERR_OVERLOADED, "too many requests wait for jobs already");
}

void gw_hub_drain(struct gw_hub *hub)
{
        atomic_store(&hub->draining, true);
        gw_mailbox_wake(&hub->inbox);
}

void gw_hub_abandon(struct gw_hub *hub, struct gw_hub_wait *wait)
{
        atomic_store(&wait->abandoned, true);
        if (!atomic_exchange(&hub->abandoned, true))
                gw_mailbox_wake(&hub->inbox);
}
