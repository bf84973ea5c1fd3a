/*
 * The leader's thread: take the lease, lead until it is lost or the process stops, step down.
 *
 * One turn of the loop: what the backend said is applied and recorded; then, when there was a
 * hint or a second went by, the record is asked for wishes, timers and claims. The thread
 * blocks on its own database session, and on nothing else.
 */
#include "server/engine/leader_state.h"

#include <poll.h>
#include <string.h>

#include "db/backends.h"
#include "db/leases.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/crash.h"
#include "server/base/log.h"
#include "server/base/thread.h"

/* ---- what the backend said ---- */

static const enum gw_job_event_type phase_events[] = {
        [GW_PHASE_PENDING] = GW_EVENT_FACT_PENDING,
        [GW_PHASE_RUNNING] = GW_EVENT_FACT_RUNNING,
        [GW_PHASE_ENDING] = GW_EVENT_FACT_ENDING,
        [GW_PHASE_ENDED] = GW_EVENT_FACT_ENDED,
};

/* The open submission of a mark with its job, ready for an event; NULL when there is none. */
static struct part *part_of(struct gw_leader *l, struct gw_mark mark, struct live **ret)
{
        *ret = gw_leader_find(l, mark.job);
        return *ret && !l->lost ? gw_live_part(*ret, mark.number) : NULL;
}

static struct gw_job_event event_of(const struct gw_fact *f)
{
        return (struct gw_job_event){
                .type = phase_events[f->phase],
                .at_us = gw_clock_wall_us(),
                .reason = f->reason,
                .exit_code = f->exit_code,
                .signal = f->signal,
                .seen = f->seen,
                .restart = f->restart,
                .started_us = f->started_us,
                .ended_us = f->ended_us,
                .raw = f->raw,
                .node = f->node,
                .usage = f->usage,
        };
}

/* What is held because its turn does not come yet is held by nobody. */
static void tell_turn(struct gw_job_event *e)
{
        if (e->type != GW_EVENT_FACT_PENDING || e->reason != GW_REASON_HELD)
                return;
        e->reason = GW_REASON_LIMIT;
        e->raw = "as many tasks of the array run as may";
}

static void on_fact(struct gw_leader *l, const struct gw_fact *f)
{
        struct gw_job_event e = event_of(f);
        struct live *v;
        struct part *p = part_of(l, f->mark, &v);
        if (!p) {
                /* Recorded before, or closed: nothing of it is to stay, whatever it does. */
                if (!l->lost)
                        (void)l->backend->type->forget(l->backend, f->mark);
                return;
        }
        if (f->phase == GW_PHASE_ENDED)
                gw_crash_point("leader.ended");
        if (p->kept && !v->job.held)
                tell_turn(&e);
        gw_part_ref(p, f->ref);
        gw_leader_apply_part(l, v, p, &f->span, &e);
}

static void on_facts(struct gw_leader *l, const struct message *m)
{
        gw_leader_keep_abouts(l, m);
        for (size_t i = 0; i < m->fact_count && !l->lost; i++)
                on_fact(l, &m->facts[i]);
}

/* Whether a complete read should have shown it, and did not. What this leader learned to be
 * accepted only after the read began, the read may have missed. */
static bool is_gone(const struct live *v, const struct message *m)
{
        bool accepted = v->job.step == GW_STEP_PENDING || v->job.step == GW_STEP_RUNNING;
        return accepted && v->job.seen < m->seen && v->part.accepted_us < m->asked_at_us;
}

static void on_synced(struct gw_leader *l, const struct message *m)
{
        /* With nothing in the batch but what this loop puts there, a flush frees only what it
         * has passed. */
        gw_leader_flush(l);
        for (size_t i = 0; i < LEADER_BUCKETS && !l->lost; i++) {
                struct live *next;
                for (struct live *v = l->live.buckets[i]; v && !l->lost; v = next) {
                        next = v->next;
                        struct gw_job_event e = {.type = GW_EVENT_GONE,
                                                 .at_us = gw_clock_wall_us(),
                                                 .seen = m->seen};
                        if (v->array)
                                gw_array_synced(l, v, m);
                        else if (is_gone(v, m))
                                gw_leader_apply(l, v, &e, NULL);
                }
        }
}

#define NO_EVENT GW_EVENT_COUNT /* ask again */
#define SETTLED (-1)            /* nothing follows; facts will tell */

static const int answer_events[][GW_ANSWER_COUNT] = {
        [GW_REQUEST_SUBMIT] = {[GW_ANSWER_DONE] = GW_EVENT_DONE,
                               [GW_ANSWER_REFUSED] = GW_EVENT_REFUSED,
                               [GW_ANSWER_NOT_SENT] = GW_EVENT_NOT_SENT,
                               [GW_ANSWER_UNKNOWN] = GW_EVENT_LOST_ANSWER,
                               [GW_ANSWER_ABSENT] = GW_EVENT_LOST_ANSWER,
                               [GW_ANSWER_BUSY] = GW_EVENT_NOT_SENT,
                               [GW_ANSWER_FULL] = GW_EVENT_NOT_SENT},
        [GW_REQUEST_RESOLVE] = {[GW_ANSWER_DONE] = GW_EVENT_DONE,
                                [GW_ANSWER_REFUSED] = GW_EVENT_REFUSED,
                                [GW_ANSWER_NOT_SENT] = NO_EVENT,
                                [GW_ANSWER_UNKNOWN] = NO_EVENT,
                                [GW_ANSWER_ABSENT] = GW_EVENT_ABSENT,
                                [GW_ANSWER_BUSY] = NO_EVENT,
                                [GW_ANSWER_FULL] = NO_EVENT},
        [GW_REQUEST_CANCEL] = {[GW_ANSWER_DONE] = SETTLED,
                               [GW_ANSWER_REFUSED] = SETTLED,
                               [GW_ANSWER_NOT_SENT] = NO_EVENT,
                               [GW_ANSWER_UNKNOWN] = NO_EVENT,
                               [GW_ANSWER_ABSENT] = SETTLED,
                               [GW_ANSWER_BUSY] = NO_EVENT,
                               [GW_ANSWER_FULL] = NO_EVENT},
        [GW_REQUEST_CHANGE] = {[GW_ANSWER_DONE] = SETTLED,
                               [GW_ANSWER_REFUSED] = SETTLED,
                               [GW_ANSWER_NOT_SENT] = NO_EVENT,
                               [GW_ANSWER_UNKNOWN] = NO_EVENT,
                               [GW_ANSWER_ABSENT] = SETTLED,
                               [GW_ANSWER_BUSY] = NO_EVENT,
                               [GW_ANSWER_FULL] = NO_EVENT},
        [GW_REQUEST_FORGET] = {SETTLED, SETTLED, SETTLED, SETTLED, SETTLED, SETTLED, SETTLED},
};

/* Why what was not sent waits. */
static const enum gw_reason unsent_reasons[GW_ANSWER_COUNT] = {
        [GW_ANSWER_NOT_SENT] = GW_REASON_BACKEND_UNAVAILABLE,
        [GW_ANSWER_BUSY] = GW_REASON_BACKEND_UNAVAILABLE,
        [GW_ANSWER_FULL] = GW_REASON_LIMIT,
};

static const unsigned request_actions[] = {
        [GW_REQUEST_SUBMIT] = GW_ACTION_SUBMIT,
        [GW_REQUEST_RESOLVE] = GW_ACTION_RESOLVE,
        [GW_REQUEST_CANCEL] = GW_ACTION_CANCEL,
        [GW_REQUEST_CHANGE] = GW_ACTION_CHANGE,
        [GW_REQUEST_FORGET] = 0,
};

/* Monotonic: when to ask again. */
static int64_t again_at(int64_t retry_at_us, int64_t wall_us)
{
        int64_t wait_us = retry_at_us > wall_us ? retry_at_us - wall_us : LEADER_AGAIN_US;
        return gw_clock_mono_us() + wait_us;
}

/* Nothing follows but the question, later. */
static void put_off(struct part *p, unsigned action, int64_t again_us)
{
        p->again_us = again_us;
        p->cancels = p->cancels || action == GW_ACTION_CANCEL;
        if (action != GW_ACTION_CHANGE)
                return;
        p->changes = p->changes || p->said_hold;
        p->told_parallel = 0;
}

/* It was told what it was to be told last: that is all the next leader must know, but of what is to
 * be released when its turn comes. */
static void told(struct gw_leader *l, struct live *v, struct part *p, enum gw_request request)
{
        if (request != GW_REQUEST_CHANGE || p->changes_out > 0 || p->changes || p->kept ||
            !p->changing)
                return;
        p->changing = false;
        gw_leader_note_part(l, v, p);
}

static void keep_error(struct part *p, const char *words)
{
        free(p->error);
        p->error = words ? strdup(words) : NULL;
}

static void on_answer(struct gw_leader *l, const struct message *m)
{
        struct live *v;
        struct part *p = part_of(l, m->mark, &v);
        if (!p)
                return;
        int event = answer_events[m->request][m->answer];
        if (m->request == GW_REQUEST_CHANGE && p->changes_out > 0)
                p->changes_out--;
        if (event == SETTLED) {
                told(l, v, p, m->request);
                return;
        }
        gw_crash_point("leader.answered");
        int64_t now = gw_clock_wall_us();
        unsigned action = request_actions[m->request];
        p->asked &= ~action;
        gw_part_ref(p, m->ref);
        if (event == NO_EVENT || event == GW_EVENT_NOT_SENT)
                put_off(p, action, again_at(m->retry_at_us, now));
        if (event == NO_EVENT)
                return;
        if (event == GW_EVENT_REFUSED)
                keep_error(p, m->raw);
        struct gw_job_event e = {.type = (enum gw_job_event_type)event,
                                 .at_us = now,
                                 .reason = unsent_reasons[m->answer],
                                 .exit_code = -1,
                                 .raw = m->raw};
        if (m->request == GW_REQUEST_SUBMIT)
                gw_pause_answered(l, v, p, m->mark, &e);
        gw_leader_apply_part(l, v, p, NULL, &e);
}

static void (*const on_message[])(struct gw_leader *l, const struct message *m) = {
        [MESSAGE_FACTS] = on_facts,
        [MESSAGE_SYNCED] = on_synced,
        [MESSAGE_ANSWER] = on_answer,
};

/* What comes close behind the last waits for more: a write of many costs hardly more than of one.
 */
static void gather(struct gw_leader *l)
{
        int64_t left_us = l->took_us + LEADER_GATHER_US - gw_clock_mono_us();
        if (left_us > 0 && gw_mailbox_count(&l->inbox) > 0)
                (void)poll(NULL, 0, (int)((left_us + 999) / 1000));
}

static void take_messages(struct gw_leader *l)
{
        gather(l);
        struct gw_work *next;
        struct gw_work *first = gw_mailbox_take(&l->inbox);
        int64_t taken = 0;
        for (struct gw_work *w = first; w; w = w->next, taken++) {
                const struct message *m = GW_CONTAINER(w, struct message, work);
                if (m->epoch == (uint64_t)l->epoch && !l->lost)
                        on_message[m->kind](l, m);
        }
        if (first)
                l->took_us = gw_clock_mono_us();
        if (!l->lost)
                gw_leader_flush(l);
        gw_metric_add(l->settings.metrics.pending, l->settings.metrics.index, 0, -taken);
        gw_leader_discard(l); /* what is to be written borrows from the messages */
        for (struct gw_work *w = first; w; w = next) {
                next = w->next;
                gw_message_free(GW_CONTAINER(w, struct message, work));
        }
        if (atomic_exchange(&l->lost_answer, false))
                l->lost = true;
        if (atomic_exchange(&l->refused, false))
                l->backend->type->resume(l->backend);
}

/* ---- leadership ---- */

static void step_down(struct gw_leader *l)
{
        if (l->epoch)
                gw_log(GW_LOG_INFO, "leader.steps_down", "{s:s, s:I}", "backend", l->backend->name,
                       "epoch", (json_int_t)l->epoch);
        atomic_store(&l->leading, false);
        gw_metric_set(l->settings.metrics.leads, l->settings.metrics.index, 0, 0);
        if (l->epoch)
                l->backend->type->yield(l->backend);
        l->epoch = 0;
        l->lost = l->more = l->more_tasks = false;
        gw_leader_discard(l);
        gw_live_clear(&l->live);
        gw_pauses_clear(l);
        l->idle_runs = 0;
        gw_db_session_close(GW_TAKE(l->session));
}

/* The backend begins to watch, from what the record says is open. */
static void begin(struct gw_leader *l)
{
        size_t count = 0;
        struct gw_submission *live = calloc(gw_live_open(&l->live) + 1, sizeof *live);
        if (!live) {
                l->lost = true;
                return;
        }
        for (size_t i = 0; i < LEADER_BUCKETS; i++) {
                for (struct live *v = l->live.buckets[i]; v; v = v->next) {
                        struct part *p = NULL;
                        while ((p = gw_live_next_part(v, p))) {
                                p->again_us = 0;
                                gw_live_submission(v, p, &live[count++]);
                        }
                }
        }
        l->backend->type->lead(l->backend, (uint64_t)l->epoch, live, count, NULL);
        free(live);
        l->looked_us = l->asked_us = 0;
        atomic_store(&l->leading, true);
        gw_metric_set(l->settings.metrics.leads, l->settings.metrics.index, 0, 1);
        gw_log(GW_LOG_INFO, "leader.leads", "{s:s, s:I, s:I}", "backend", l->backend->name, "epoch",
               (json_int_t)l->epoch, "live", (json_int_t)count);
}

/* Returns whether this process leads now. */
static bool try_to_lead(struct gw_leader *l)
{
        struct gw_error err = {0};
        if (!l->session) {
                struct gw_db_session_settings s = {.conninfo = l->settings.conninfo,
                                                   .application_name = "jobgate leader",
                                                   .statement_timeout_ms = 60000};
                l->session = gw_db_session_open(&s, &err);
        }
        if (!l->session)
                return false;
        if (gw_db_lease_take(l->session, l->backend->name, l->settings.holder, &l->epoch, &err) < 0)
                l->lost = true;
        l->leads_us = gw_clock_wall_us();
        if (l->epoch && !l->lost)
                gw_leader_load(l);
        if (l->epoch && !l->lost)
                begin(l);
        if (l->lost)
                step_down(l);
        return l->epoch != 0;
}

/* ---- the loop ---- */

static void record_offer(struct gw_leader *l)
{
        struct gw_error err = {0};
        pthread_mutex_lock(&l->offer_lock);
        bool is_new = l->offer_new;
        char *offer = is_new ? GW_TAKE(l->offer) : NULL;
        bool reachable = l->reachable;
        l->offer_new = false;
        pthread_mutex_unlock(&l->offer_lock);
        if (!is_new)
                return;
        if (reachable && !l->reached)
                gw_pauses_cut(l);
        l->reached = reachable;
        struct gw_db_backend_describe c = {.name = l->backend->name,
                                           .type = l->backend->type->name,
                                           .offer = offer,
                                           .reachable = reachable};
        gw_db_backend_describe_init(&c);
        if (gw_db_session_run_one(l->session, &c.cmd, &err) < 0) {
                gw_log_error("leader.offer_not_kept", &err);
                l->lost = err.code == GW_ERR_UNAVAILABLE;
        }
        free(offer);
}

/* A hint is followed at once when the last look is a while ago, and no more often than each
 * LEADER_SPACING_US: under load every commit hints. */
static int64_t next_look_us(struct gw_leader *l)
{
        return l->looked_us + (atomic_load(&l->hinted) ? LEADER_SPACING_US : LEADER_LOOK_US);
}

static void turn(struct gw_leader *l)
{
        take_messages(l);
        int64_t now = gw_clock_mono_us();
        if (!l->lost && now - l->asked_us >= LEADER_LOOK_US) {
                l->asked_us = now;
                gw_leader_ask_again(l);
        }
        if (!l->lost)
                record_offer(l);
        if (!l->lost && now >= next_look_us(l)) {
                atomic_store(&l->hinted, false);
                l->looked_us = now;
                gw_leader_look(l);
        }
        if (!l->lost && (l->more || l->more_tasks))
                gw_leader_claim(l);
        gw_metric_set(l->settings.metrics.live, l->settings.metrics.index, 0,
                      (int64_t)l->live.count);
}

static void wait(struct gw_leader *l)
{
        struct pollfd fds[2] = {{.fd = l->inbox.fd, .events = POLLIN},
                                {.fd = -1, .events = POLLIN}};
        int64_t left_us = LEADER_LOOK_US;
        if (l->epoch)
                left_us = l->more && l->room ? 0 : next_look_us(l) - gw_clock_mono_us();
        else if (l->session)
                fds[1].fd = gw_db_session_fd(l->session);
        if (left_us > 0 && !atomic_load(&l->stopping))
                (void)poll(fds, 2, (int)((left_us + 999) / 1000));
        if (fds[1].revents && gw_db_session_notifications(l->session, NULL, NULL) < 0)
                step_down(l);
}

static void *run(void *arg)
{
        struct gw_leader *l = arg;
        while (!atomic_load(&l->stopping)) {
                if (l->epoch || try_to_lead(l))
                        turn(l);
                else
                        take_messages(l); /* of an epoch that is over */
                if (l->lost)
                        step_down(l);
                wait(l);
        }
        step_down(l);
        return NULL;
}

/* ---- the outside ---- */

struct gw_leader *gw_leader_new(const struct gw_leader_settings *settings, struct gw_error *err)
{
        struct gw_leader *l = calloc(1, sizeof *l);
        if (l && (l->writes = calloc(LEADER_WRITES, sizeof *l->writes)) &&
            gw_mailbox_init(&l->inbox, LEADER_INBOX) == 0) {
                l->settings = *settings;
                if (l->settings.send_us == 0)
                        l->settings.send_us = LEADER_SEND_US;
                pthread_mutex_init(&l->offer_lock, NULL);
                return l;
        }
        if (l)
                free(l->writes);
        free(l);
        gw_fail(err, GW_ERR_NOMEM, "out of memory");
        return NULL;
}

struct gw_backend_host gw_leader_host(struct gw_leader *leader)
{
        return gw_leader_inbox_host(leader);
}

int gw_leader_start(struct gw_leader *leader, struct gw_backend *backend, struct gw_error *err)
{
        leader->backend = backend;
        return gw_thread_start(&leader->thread, "leader", run, leader, err);
}

void gw_leader_hint(struct gw_leader *leader)
{
        if (!atomic_exchange(&leader->hinted, true))
                gw_mailbox_wake(&leader->inbox);
}

bool gw_leader_leads(const struct gw_leader *leader)
{
        return atomic_load(&leader->leading);
}

void gw_leader_stop(struct gw_leader *leader)
{
        atomic_store(&leader->stopping, true);
        gw_mailbox_wake(&leader->inbox);
        gw_thread_join(leader->thread);
}

void gw_leader_free(struct gw_leader *leader)
{
        struct gw_work *next;
        if (!leader)
                return;
        for (struct gw_work *w = gw_mailbox_take(&leader->inbox); w; w = next) {
                next = w->next;
                gw_message_free(GW_CONTAINER(w, struct message, work));
        }
        gw_mailbox_done(&leader->inbox);
        pthread_mutex_destroy(&leader->offer_lock);
        free(leader->offer);
        free(leader->writes);
        free(leader);
}
