/*
 * A channel: a thread that owns a session and a mailbox. Posters are any thread; everything
 * else runs on the channel's own.
 *
 * There is no artificial delay: what queues while one pipeline is committed is the next. A
 * command is finished once, when its outcome is known. When the connection is lost, the
 * commands without an outcome stay first in line and are run again on the next connection:
 * they are repeatable, so an answer that was lost is fetched again, not guessed. After
 * repeat_ms of outage they fail.
 *
 * Invariant: `session` is not NULL exactly while `up`, but for a moment on either side.
 */
#include <assert.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "db/db.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/thread.h"

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS 2000

/* Works linked by `next`, oldest first. */
struct work_list {
        struct gw_work *first;
        struct gw_work **last; /* the NULL that ends it */
        size_t count;
};

struct gw_db_channel {
        struct gw_db_channel_settings settings;
        char *texts[4]; /* the settings' strings, owned */
        struct gw_mailbox box;
        pthread_t thread;
        atomic_bool up;
        atomic_bool stopping;
        size_t label; /* of the metrics */

        /* The thread's own. */
        struct gw_db_session *session;
        struct work_list waiting; /* accepted and without an outcome */
        bool told;                /* the outage is in the log */
        unsigned backoff_ms;
        int64_t lost_at_us; /* monotonic, as the next */
        int64_t retry_at_us;
};

/* ---- metrics ------------------------------------------------------------------------- */

int gw_db_metrics_init(struct gw_db_metrics *dm, struct gw_metrics *m, const char *const *channels)
{
        const struct {
                struct gw_metric_family **family;
                enum gw_metric_type type;
                const char *name;
                const char *help;
        } rows[] = {
                {&dm->up, GW_METRIC_GAUGE, "jobgate_db_up", "Whether the channel is connected"},
                {&dm->pending, GW_METRIC_GAUGE, "jobgate_db_pending_commands",
                 "Commands accepted and not finished"},
                {&dm->commands, GW_METRIC_COUNTER, "jobgate_db_commands", "Commands finished"},
                {&dm->batch, GW_METRIC_SIZES, "jobgate_db_batch_commands",
                 "Commands sent together in one pipeline"},
                {&dm->lost, GW_METRIC_COUNTER, "jobgate_db_connections_lost",
                 "Database connections lost"},
        };
        dm->channels = channels;
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                *rows[i].family = gw_metrics_add(m, rows[i].type, rows[i].name, rows[i].help,
                                                 "channel", channels, NULL, NULL);
                if (!*rows[i].family)
                        return -1;
        }
        return 0;
}

static void count_pending(const struct gw_db_channel *ch, int64_t by)
{
        if (ch->settings.metrics)
                gw_metric_add(ch->settings.metrics->pending, ch->label, 0, by);
}

static void count_batch(const struct gw_db_channel *ch, size_t commands)
{
        if (ch->settings.metrics)
                gw_metric_observe(ch->settings.metrics->batch, ch->label, 0, (int64_t)commands);
}

static void set_up_state(struct gw_db_channel *ch, bool up)
{
        atomic_store(&ch->up, up);
        if (!ch->settings.metrics)
                return;
        gw_metric_set(ch->settings.metrics->up, ch->label, 0, up);
        if (!up)
                gw_metric_add(ch->settings.metrics->lost, ch->label, 0, 1);
}

/* ---- lists --------------------------------------------------------------------------- */

static void list_clear(struct work_list *l)
{
        *l = (struct work_list){.last = &l->first};
}

static void list_add(struct work_list *l, struct gw_work *w)
{
        w->next = NULL;
        *l->last = w;
        l->last = &w->next;
        l->count++;
}

static struct gw_work *list_pop(struct work_list *l)
{
        struct gw_work *w = l->first;
        l->first = w->next;
        if (!l->first)
                l->last = &l->first;
        l->count--;
        return w;
}

/* Puts l in front of into. */
static void list_prepend(struct work_list *into, struct work_list *l)
{
        if (!l->first)
                return;
        if (!into->first)
                into->last = l->last;
        *l->last = into->first;
        into->first = l->first;
        into->count += l->count;
}

static void take_mail(struct gw_db_channel *ch)
{
        struct gw_work *w = gw_mailbox_take(&ch->box);
        while (w) {
                struct gw_work *next = w->next;
                list_add(&ch->waiting, w);
                w = next;
        }
}

static void finish(struct gw_db_channel *ch, struct work_list *l)
{
        if (ch->settings.metrics)
                gw_metric_add(ch->settings.metrics->commands, ch->label, 0, (int64_t)l->count);
        count_pending(ch, -(int64_t)l->count);
        gw_work_finish_list(l->first);
}

static int fail_away(struct gw_error *err)
{
        return gw_fail(err, GW_ERR_UNAVAILABLE, "The database is away.");
}

/* Gives up on everything that was accepted. */
static void fail_waiting(struct gw_db_channel *ch)
{
        for (struct gw_work *w = ch->waiting.first; w; w = w->next) {
                gw_db_command_of(w)->error = (struct gw_error){0};
                fail_away(&gw_db_command_of(w)->error);
        }
        finish(ch, &ch->waiting);
        list_clear(&ch->waiting);
}

/* ---- connected ----------------------------------------------------------------------- */

static void lose(struct gw_db_channel *ch, const char *why)
{
        gw_db_session_close(GW_TAKE(ch->session));
        set_up_state(ch, false);
        ch->lost_at_us = ch->retry_at_us = gw_clock_mono_us();
        ch->backoff_ms = 0;
        ch->told = true;
        gw_log(GW_LOG_WARN, "db.lost", "{s:s, s:s}", "channel", ch->settings.name, "message", why);
}

/* Runs the oldest commands as one pipeline. */
static void run_batch(struct gw_db_channel *ch)
{
        struct work_list batch, answered, unanswered;
        list_clear(&batch);
        list_clear(&answered);
        list_clear(&unanswered);
        while (ch->waiting.first && batch.count < ch->settings.batch_max)
                list_add(&batch, list_pop(&ch->waiting));
        count_batch(ch, batch.count);

        struct gw_error err = {0};
        bool lost = gw_db_session_run(ch->session, batch.first, &err) < 0;
        while (batch.first) {
                struct gw_work *w = list_pop(&batch);
                bool again = lost && gw_db_command_of(w)->error.code == GW_ERR_UNAVAILABLE;
                list_add(again ? &unanswered : &answered, w);
        }
        if (lost)
                lose(ch, err.message);
        list_prepend(&ch->waiting, &unanswered);
        finish(ch, &answered);
}

/* Sleeps until there is mail, or the idle connection is lost. */
static void wait_for_mail(struct gw_db_channel *ch)
{
        struct pollfd p[] = {{ch->box.fd, POLLIN, 0}, {gw_db_session_fd(ch->session), POLLIN, 0}};
        if (poll(p, GW_COUNT(p), -1) > 0 && p[1].revents &&
            gw_db_session_notifications(ch->session, NULL, NULL) < 0)
                lose(ch, "the server closed the connection");
}

/* Returns false when the channel has ended. */
static bool serve(struct gw_db_channel *ch)
{
        /* Read before the mail is taken: nothing is posted after it was set. */
        bool stopping = atomic_load(&ch->stopping);
        if (!ch->waiting.first)
                take_mail(ch);
        if (ch->waiting.first)
                run_batch(ch);
        else if (stopping)
                return false;
        else
                wait_for_mail(ch);
        return true;
}

/* ---- away ---------------------------------------------------------------------------- */

/* The next wait is twice as long, up to a limit; its second half is random, so that replicas
 * do not all come back at once. */
static void back_off(struct gw_db_channel *ch)
{
        unsigned twice = ch->backoff_ms * 2;
        ch->backoff_ms =
                twice == 0 ? BACKOFF_FIRST_MS : (twice > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : twice);
        unsigned ms = ch->backoff_ms / 2 + arc4random_uniform(ch->backoff_ms / 2 + 1);
        ch->retry_at_us = gw_clock_mono_us() + (int64_t)ms * 1000;
}

static void reconnect(struct gw_db_channel *ch)
{
        struct gw_error err = {0};
        ch->session = gw_db_session_open(&ch->settings.session, &err);
        if (ch->session) {
                set_up_state(ch, true);
                ch->told = false;
                gw_log(GW_LOG_INFO, "db.connected", "{s:s}", "channel", ch->settings.name);
                return;
        }
        if (!ch->told)
                gw_log(GW_LOG_WARN, "db.lost", "{s:s, s:s}", "channel", ch->settings.name,
                       "message", err.message);
        ch->told = true;
        back_off(ch);
}

static void wait_until(struct gw_db_channel *ch, int64_t until_us)
{
        int64_t ms = (until_us - gw_clock_mono_us()) / 1000 + 1;
        struct pollfd p = {ch->box.fd, POLLIN, 0};
        if (ms > 0)
                poll(&p, 1, (int)ms);
}

/* Returns false when the channel has ended. */
static bool recover(struct gw_db_channel *ch)
{
        bool stopping = atomic_load(&ch->stopping);
        int64_t now = gw_clock_mono_us();
        int64_t give_up_at = ch->lost_at_us + (int64_t)ch->settings.repeat_ms * 1000;
        take_mail(ch); /* who saw `up` a moment too late */
        if (ch->waiting.first && (stopping || now >= give_up_at))
                fail_waiting(ch);
        if (stopping)
                return false;
        if (now >= ch->retry_at_us)
                reconnect(ch);
        else
                wait_until(ch, ch->waiting.first && give_up_at < ch->retry_at_us ? give_up_at
                                                                                 : ch->retry_at_us);
        return true;
}

static void *channel_main(void *arg)
{
        struct gw_db_channel *ch = arg;
        while (ch->session ? serve(ch) : recover(ch))
                ;
        gw_db_session_close(GW_TAKE(ch->session));
        return NULL;
}

/* ---- from outside -------------------------------------------------------------------- */

/* Returns a copy that the channel owns; NULL stays NULL. */
static const char *own_text(struct gw_db_channel *ch, size_t i, const char *s, bool *ok)
{
        if (!s)
                return NULL;
        ch->texts[i] = strdup(s);
        *ok = *ok && ch->texts[i];
        return ch->texts[i];
}

static bool copy_settings(struct gw_db_channel *ch, const struct gw_db_channel_settings *settings)
{
        bool ok = true;
        struct gw_db_channel_settings *own = &ch->settings;
        *own = *settings;
        own->name = own_text(ch, 0, settings->name, &ok);
        own->session.conninfo = own_text(ch, 1, settings->session.conninfo, &ok);
        own->session.application_name = own_text(ch, 2, settings->session.application_name, &ok);
        own->session.listen = own_text(ch, 3, settings->session.listen, &ok);
        for (size_t i = 0; own->metrics && own->metrics->channels[i]; i++) {
                if (strcmp(own->metrics->channels[i], own->name) == 0)
                        ch->label = i;
        }
        return ok;
}

static void free_channel(struct gw_db_channel *ch)
{
        for (size_t i = 0; i < GW_COUNT(ch->texts); i++)
                free(ch->texts[i]);
        free(ch);
}

struct gw_db_channel *gw_db_channel_start(const struct gw_db_channel_settings *settings,
                                          struct gw_error *err)
{
        assert(settings->batch_max > 0 && settings->queue_max > 0);
        struct gw_db_channel *ch = calloc(1, sizeof *ch);
        if (!ch || !copy_settings(ch, settings)) {
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                goto failed;
        }
        if (gw_mailbox_init(&ch->box, settings->queue_max) < 0) {
                gw_fail(err, GW_ERR_INTERNAL, "no descriptor for a mailbox");
                goto failed;
        }
        list_clear(&ch->waiting);
        ch->lost_at_us = ch->retry_at_us = gw_clock_mono_us();
        if (gw_thread_start(&ch->thread, settings->name, channel_main, ch, err) == 0)
                return ch;
        gw_mailbox_done(&ch->box);
failed:
        if (ch)
                free_channel(ch);
        return NULL;
}

void gw_db_channel_stop(struct gw_db_channel *ch)
{
        if (!ch)
                return;
        gw_mailbox_close(&ch->box);
        atomic_store(&ch->stopping, true);
        gw_mailbox_wake(&ch->box);
        gw_thread_join(ch->thread);
        gw_mailbox_done(&ch->box);
        free_channel(ch);
}

int gw_db_channel_post(struct gw_db_channel *ch, struct gw_db_command *c, struct gw_error *err)
{
        if (!gw_db_channel_up(ch))
                return fail_away(err);
        count_pending(ch, 1);
        if (gw_mailbox_post(&ch->box, &c->work) == 0)
                return 0;
        count_pending(ch, -1);
        return gw_fail(err, GW_ERR_OVERLOADED, "Too much is waiting for the database.");
}

bool gw_db_channel_up(const struct gw_db_channel *ch)
{
        return atomic_load(&ch->up);
}
