/* Questions to the record: what is open, wished, due and claimable. Leader's thread only. */
#include "server/engine/leader_state.h"

#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/log.h"

/* Rows are copied while the question runs, for what follows from them are writes on the same
 * session. */
struct answer {
        struct gw_leader *leader;
        size_t count;
        struct found {
                struct live *live; /* a new one, not in the table */
                int32_t version;
                bool cancel, by_owner, hold;
                char timer[24];
        } * rows;
        size_t cap;
};

static void collect(void *arg, const struct gw_record_row *row)
{
        struct answer *a = arg;
        if (a->count == a->cap) {
                size_t cap = a->cap ? 2 * a->cap : LEADER_READS;
                struct found *rows = reallocarray(a->rows, cap, sizeof *rows);
                if (!rows) {
                        a->leader->lost = true;
                        return;
                }
                a->rows = rows;
                a->cap = cap;
        }
        struct live *v = gw_live_new(row);
        if (!v)
                return;
        struct found *f = &a->rows[a->count++];
        *f = (struct found){
                .live = v,
                .version = row->version,
                .cancel = row->cancel,
                .by_owner = row->cancel_by == row->user_id,
                .hold = row->wants_hold,
        };
        if (row->timer)
                strncpy(f->timer, row->timer, sizeof f->timer - 1);
}

static void ask(struct gw_leader *l, enum gw_record_what what, int32_t limit, struct answer *a)
{
        struct gw_error err = {0};
        struct gw_db_record_read c = {
                .backend = l->backend->name, .limit = limit, .each = collect, .arg = a};
        *a = (struct answer){.leader = l};
        gw_db_record_read_init(&c, what);
        if (gw_db_session_run_one(l->session, &c.cmd, &err) < 0) {
                gw_log_error("leader.lost_database", &err);
                l->lost = true;
        }
}

/* What the event goes to: the job the leader has, else the one just read. */
static struct live *known_or_read(struct gw_leader *l, struct found *f)
{
        struct live *v = gw_live_find(&l->live, f->live->job.id);
        if (!v)
                return GW_TAKE(f->live);
        gw_live_free(GW_TAKE(f->live));
        if (v->writing)
                gw_leader_flush(l);
        /* The flush may have ended it. */
        return gw_live_find(&l->live, v->job.id) == v ? v : NULL;
}

static void release(struct answer *a)
{
        for (size_t i = 0; i < a->count; i++)
                gw_live_free(a->rows[i].live);
        free(a->rows);
}

/* ---- wishes ------------------------------------------------------------------------------------
 */

static void grant(struct gw_leader *l, struct found *f)
{
        struct occasion o = {.wish_read = true, .version = f->version};
        struct gw_job_event e = {.at_us = gw_clock_wall_us()};
        struct live *v = known_or_read(l, f);
        if (!v)
                return;
        if (f->cancel) {
                e.type = GW_EVENT_CANCEL;
                e.reason = f->by_owner ? GW_REASON_CANCELLED_BY_USER : GW_REASON_CANCELLED_BY_ADMIN;
        } else {
                e.type = f->hold ? GW_EVENT_HOLD : GW_EVENT_RELEASE;
        }
        gw_leader_apply(l, v, &e, &o);
}

/* ---- timers -------------------------------------------------------------------------------------
 */

static const struct {
        const char *kind;
        enum gw_job_event_type type;
        enum gw_reason reason;
} timer_events[] = {
        {"not_before", GW_EVENT_TIMER_DELAY, GW_REASON_NONE},
        {"retry_delay", GW_EVENT_TIMER_DELAY, GW_REASON_NONE},
        {"start_deadline", GW_EVENT_TIMER_START_DEADLINE, GW_REASON_START_DEADLINE},
        {"deadline", GW_EVENT_TIMER_DEADLINE, GW_REASON_DEADLINE},
};

static void fire(struct gw_leader *l, struct found *f)
{
        struct occasion o = {.timer_fired = f->timer};
        struct gw_job_event e = {.at_us = gw_clock_wall_us()};
        struct live *v = known_or_read(l, f);
        if (!v)
                return;
        for (size_t i = 0; i < GW_COUNT(timer_events); i++) {
                if (strcmp(timer_events[i].kind, f->timer) == 0) {
                        e.type = timer_events[i].type;
                        e.reason = timer_events[i].reason;
                }
        }
        /* The database's clock said that it is due; this machine's may be behind. */
        if (e.at_us < v->job.delayed_us)
                e.at_us = v->job.delayed_us;
        gw_leader_apply(l, v, &e, &o);
        gw_leader_flush(l); /* f->timer is borrowed, and a job may have several timers */
}

static void for_each(struct gw_leader *l, enum gw_record_what what,
                     void (*each)(struct gw_leader *l, struct found *f))
{
        struct answer a;
        do {
                ask(l, what, LEADER_READS, &a);
                for (size_t i = 0; i < a.count && !l->lost; i++)
                        each(l, &a.rows[i]);
                gw_leader_flush(l);
                release(&a);
        } while (!l->lost && a.count == LEADER_READS);
}

void gw_leader_look(struct gw_leader *l)
{
        for_each(l, GW_RECORD_WISHES, grant);
        if (!l->lost)
                for_each(l, GW_RECORD_TIMERS, fire);
}

/* ---- claims
 * -------------------------------------------------------------------------------------- */

void gw_leader_claim(struct gw_leader *l)
{
        gw_live_count(&l->live);
        if (l->live.waiting >= l->settings.window)
                return;
        size_t room = l->settings.window - l->live.waiting;
        int32_t limit = (int32_t)(room < LEADER_READS ? room : LEADER_READS);
        struct answer a;
        ask(l, GW_RECORD_CLAIM, limit, &a);
        l->more = a.count == (size_t)limit;
        for (size_t i = 0; i < a.count && !l->lost; i++) {
                struct gw_job_event e = {.type = GW_EVENT_CLAIM, .at_us = gw_clock_wall_us()};
                if (!gw_live_find(&l->live, a.rows[i].live->job.id))
                        gw_leader_apply(l, GW_TAKE(a.rows[i].live), &e, NULL);
        }
        gw_leader_flush(l);
        release(&a);
}

/* ---- after the lease was taken
 * ------------------------------------------------------------------- */

void gw_leader_load(struct gw_leader *l)
{
        struct answer a;
        ask(l, GW_RECORD_OPEN, 0, &a);
        for (size_t i = 0; i < a.count && !l->lost; i++) {
                struct gw_job_event e = {.type = GW_EVENT_RECOVER, .at_us = gw_clock_wall_us()};
                struct live *v = GW_TAKE(a.rows[i].live);
                v->job.held = a.rows[i].hold;
                v->again_us = INT64_MAX; /* nothing is asked before the backend is led */
                gw_live_keep(&l->live, v);
                gw_leader_apply(l, v, &e, NULL);
        }
        gw_leader_flush(l);
        release(&a);
}
