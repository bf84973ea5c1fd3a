/* Questions to the record: what is open, wished, due and claimable. Leader's thread only. */
#include "server/engine/leader_state.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/str.h"

#define BUSY_MAX (4 * 1024 * 1024)
#define FIRSTS 8                  /* projects that get a place beyond the window at a time … */
#define FIRSTS_US (GW_SECOND / 4) /* … and how often at most */

/* Rows are copied while the question runs, for what follows from them are writes on the same
 * session. An array that the leader has not is read by itself when its turn comes. */
struct answer {
        struct gw_leader *leader;
        enum gw_record_what what;
        size_t count;
        struct found {
                struct gw_id job;
                struct live *live; /* a new one, not in the table; NULL: used, known, or an array */
                int64_t project_id;
                int32_t version, weight;
                uint32_t max_parallel;
                bool is_array, cancel, by_owner, hold;
                char *task_wishes; /* owned, or NULL */
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
        bool whole = a->what == GW_RECORD_OPEN || a->what == GW_RECORD_ARRAY;
        struct live *v = NULL;
        if (whole || (!row->index_set && !gw_live_find(&a->leader->live, row->job.id))) {
                v = gw_live_new(row);
                a->leader->lost = a->leader->lost || !v;
                if (!v)
                        return;
        }
        struct found *f = &a->rows[a->count++];
        *f = (struct found){
                .job = row->job.id,
                .live = v,
                .project_id = row->project_id,
                .version = row->version,
                .weight = row->weight,
                .is_array = row->index_set != NULL,
                .max_parallel = (uint32_t)row->max_parallel,
                .cancel = row->cancel,
                .by_owner = row->cancel_by == row->user_id,
                .hold = row->wants_hold,
        };
        if (row->timer)
                gw_str_copy(f->timer, sizeof f->timer, row->timer);
        if (row->task_wishes && !(f->task_wishes = strdup(row->task_wishes)))
                a->leader->lost = true;
}

static void run(struct gw_leader *l, struct gw_db_command *c)
{
        struct gw_error err = {0};
        if (gw_db_session_run_one(l->session, c, &err) < 0) {
                gw_log_error("leader.lost_database", &err);
                l->lost = true;
        }
}

static void ask(struct gw_leader *l, enum gw_record_what what, struct gw_db_record_read *c,
                struct answer *a)
{
        *a = (struct answer){.leader = l, .what = what};
        c->backend = l->backend->name;
        c->each = collect;
        c->arg = a;
        gw_db_record_read_init(c, what);
        run(l, &c->cmd);
}

static void release(struct answer *a)
{
        for (size_t i = 0; i < a->count; i++) {
                gw_live_free(a->rows[i].live);
                free(a->rows[i].task_wishes);
        }
        free(a->rows);
}

/* An array that the leader has not, so it has no open part. NULL: it is gone, or l->lost. */
static struct live *read_array(struct gw_leader *l, struct gw_id job)
{
        struct gw_db_record_read c = {.job = job};
        struct answer a;
        struct live *v = NULL;
        ask(l, GW_RECORD_ARRAY, &c, &a);
        if (a.count == 1 && !l->lost)
                v = GW_TAKE(a.rows[0].live);
        if (v && !LIST_EMPTY(&v->array->parts)) {
                gw_live_free(v);
                v = NULL;
                l->lost = true; /* another leader's doing */
        }
        release(&a);
        return v;
}

/* What the event goes to: the job the leader has, else the one just read. NULL: the leader had
 * it, and what was read is not true any more; or l->lost. */
static struct live *known_or_read(struct gw_leader *l, struct found *f)
{
        if (gw_live_find(&l->live, f->job))
                return gw_leader_find(l, f->job);
        return f->is_array ? read_array(l, f->job) : GW_TAKE(f->live);
}

/* Whether an earlier row of the answer was of the same job: an event came to it since. */
static bool outdated(const struct answer *a, size_t i)
{
        for (size_t k = 0; k < i; k++)
                if (gw_id_equal(a->rows[k].job, a->rows[i].job))
                        return true;
        return false;
}

/* ---- wishes ---- */

/* The backend is to be told of it, whatever is seen there so far. */
static void note_hold(struct live *v, bool hold)
{
        struct part *p = NULL;
        while ((p = gw_live_next_part(v, p))) {
                p->changes = p->changing = p->changed = true;
                p->hold = hold;
        }
}

/* What is not applied to all of its tasks yet stays to be read. A wish about some tasks, or about
 * how many run, says nothing of holds. */
static void grant_array(struct gw_leader *l, struct live *v, const struct found *f,
                        const struct gw_job_event *event, const struct occasion *occasion)
{
        bool all = f->cancel || !v->kept || v->array->unfinished || v->job.held != f->hold;
        bool done = true;
        v->array->max_parallel = f->max_parallel;
        gw_leader_share_anew(l, v);
        /* Who wanted its end before it was confirmed gets that. */
        if (all)
                done = gw_array_apply_all(l, v, event);
        if (done && f->task_wishes && !l->lost)
                done = gw_array_grant_tasks(l, v, f->task_wishes);
        v->array->unfinished = !done;
        if (done)
                gw_array_occasion(l, v, occasion);
        else
                gw_leader_hint(l);
}

/* The wishes about the only task of a plain job, which may end by them. version: the job's, if
 * nobody has wished anything since they were read. */
static void grant_task(struct gw_leader *l, struct live *v, const char *wishes, int32_t version)
{
        json_auto_t *rows = json_loads(wishes, 0, NULL);
        size_t i;
        const json_t *row;
        struct gw_id id = v->job.id;
        l->lost = l->lost || !rows;
        json_array_foreach(rows, i, row)
        {
                struct gw_job_event e;
                struct occasion o = {.wish_read = true,
                                     .version = version + (int32_t)i,
                                     .wishes_read = json_integer_value(json_array_get(row, 0))};
                if (l->lost || !gw_wish_is_dead(row, &e))
                        break;
                gw_leader_apply(l, v, &e, &o);
                v = gw_leader_find(l, id);
                if (!v)
                        return;
        }
}

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
                if (!v->array || v->job.held != f->hold)
                        note_hold(v, f->hold);
        }
        if (v->array) {
                grant_array(l, v, f, &e, &o);
                return;
        }
        struct gw_id id = v->job.id;
        v->hold = f->hold;
        gw_leader_apply(l, v, &e, &o);
        /* As of an array: after a cancel. */
        v = l->lost ? NULL : gw_leader_find(l, id);
        if (v && v->kept && f->task_wishes)
                grant_task(l, v, f->task_wishes, f->version + 1);
}

/* ---- timers ---- */

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
        /* The database's clock said that the delay is over; this machine's may be behind. */
        int64_t due_us = v->array ? gw_tasks_next_delay(&v->array->tasks) : v->job.delayed_us;
        if (e.type == GW_EVENT_TIMER_DELAY && e.at_us < due_us)
                e.at_us = due_us;
        if (!v->array) {
                gw_leader_apply(l, v, &e, &o);
                return;
        }
        if (gw_array_apply_all(l, v, &e))
                gw_array_occasion(l, v, &o);
        else
                gw_leader_hint(l);
}

/* One page: what the backend says is not to wait for a hundred thousand wishes. */
static void for_each(struct gw_leader *l, enum gw_record_what what,
                     void (*each)(struct gw_leader *l, struct found *f))
{
        struct gw_db_record_read c = {.limit = LEADER_READS};
        struct answer a;
        ask(l, what, &c, &a);
        bool more = a.count == LEADER_READS;
        for (size_t i = 0; i < a.count && !l->lost; i++) {
                if (outdated(&a, i))
                        more = true;
                else
                        each(l, &a.rows[i]);
        }
        gw_leader_flush(l); /* it borrows from the rows */
        gw_leader_discard(l);
        release(&a);
        if (more)
                gw_leader_hint(l);
}

/* What a wish or a timer frees may be claimed at once. */
void gw_leader_look(struct gw_leader *l)
{
        struct gw_db_record_due due = {.backend = l->backend->name};
        gw_db_record_due_init(&due);
        run(l, &due.cmd);
        if (due.wishes)
                for_each(l, GW_RECORD_WISHES, grant);
        if (due.timers && !l->lost)
                for_each(l, GW_RECORD_TIMERS, fire);
        l->more = l->more || due.wishes || due.timers || due.claims;
}

/* ---- claims ---- */

/* The weights of the projects that have something, together. */
static size_t weights_of(const struct answer *a)
{
        size_t sum = 0;
        for (size_t i = 0; i < a->count; i++) {
                bool again = false;
                for (size_t k = 0; k < i && !again; k++)
                        again = a->rows[k].project_id == a->rows[i].project_id;
                sum += again ? 0 : (size_t)a->rows[i].weight;
        }
        return sum;
}

/* An array gets its project's share of the room, of what is left of it; and while it has tasks
 * waiting at the backend no less than a quarter of that share of the window. Returns how much of
 * the window it fills. */
static size_t claim_tasks(struct gw_leader *l, struct found *f, size_t room, size_t left,
                          size_t weights)
{
        size_t weight = (size_t)f->weight;
        size_t share = (room * weight + weights - 1) / weights;
        size_t good = l->settings.window / 4 * weight / weights;
        struct live *v = gw_live_find(&l->live, f->job);
        if (!v)
                v = read_array(l, f->job);
        if (!v)
                return 0;
        size_t taken = gw_array_claim(l, v, share < left ? share : left, good);
        if (!v->kept && !v->writing)
                gw_live_free(v);
        return taken;
}

/* Returns how much of the window it fills. */
static size_t claim_job(struct gw_leader *l, struct found *f)
{
        struct gw_job_event e = {.type = GW_EVENT_CLAIM, .at_us = gw_clock_wall_us()};
        struct live *v = GW_TAKE(f->live);
        if (!v || gw_live_find(&l->live, f->job)) {
                gw_live_free(v);
                return 0; /* what was read is not true any more */
        }
        gw_leader_apply(l, v, &e, NULL);
        return 1;
}

/* What the leader has of a project and a pause keeps is bounded, for it fills no window. */
static void ask_claimable(struct gw_leader *l, int32_t limit, const struct waiting *w,
                          struct answer *ret)
{
        struct gw_db_record_read c = {
                .limit = limit,
                .busy = w->projects.data,
                .paused = w->paused.data,
                .most_paused = (int32_t)l->settings.window,
                .last_project = l->last_project,
        };
        ask(l, GW_RECORD_CLAIM, &c, ret);
}

static void claim(struct gw_leader *l, int32_t limit, size_t room, const struct waiting *w)
{
        struct answer a;
        size_t all = 0;
        ask_claimable(l, limit, w, &a);
        size_t weights = weights_of(&a);
        l->more_tasks = false;
        for (size_t i = 0; i < a.count && all < room && !l->lost; i++) {
                struct found *f = &a.rows[i];
                size_t taken = f->is_array ? claim_tasks(l, f, room, room - all, weights)
                                           : claim_job(l, f);
                if (taken > 0)
                        l->last_project = f->project_id;
                all += taken;
        }
        l->more = a.count == (size_t)limit && all > 0;
        gw_leader_flush(l); /* may find more tasks */
        release(&a);
}

/* Whether a project is in a list ("1,1,7"). */
static bool is_in(const char *list, int64_t project)
{
        for (char *end; list && *list; list = *end ? end + 1 : end)
                if (strtoll(list, &end, 10) == project)
                        return true;
        return false;
}

/* The window is full of what others wait for, maybe for long: a project that has nothing in it gets
 * a place all the same. They come first in the answer. */
static void claim_firsts(struct gw_leader *l, const struct waiting *w)
{
        struct answer a;
        l->firsts_us = gw_clock_mono_us() + FIRSTS_US;
        ask_claimable(l, FIRSTS, w, &a);
        for (size_t i = 0; i < a.count && !l->lost; i++) {
                struct found *f = &a.rows[i];
                bool again = i > 0 && a.rows[i - 1].project_id == f->project_id;
                if (again || is_in(w->projects.data, f->project_id))
                        continue;
                (void)(f->is_array ? claim_tasks(l, f, 1, 1, (size_t)f->weight) : claim_job(l, f));
        }
        gw_leader_flush(l);
        release(&a);
}

void gw_leader_claim(struct gw_leader *l)
{
        struct waiting w;
        gw_live_waiting(&l->live, l->backend->type->whole_arrays, BUSY_MAX, &w);
        size_t room = w.count < l->settings.window ? l->settings.window - w.count : 0;
        l->room = room > LEADER_READS;
        if (!gw_buf_ok(&w.projects) || !gw_buf_ok(&w.paused))
                l->lost = true; /* no memory */
        else if (room > 0 && (l->more || room >= l->settings.window / 4))
                claim(l, (int32_t)(l->room ? LEADER_READS : room), room, &w);
        else if (room == 0 && gw_clock_mono_us() >= l->firsts_us)
                claim_firsts(l, &w);
        gw_waiting_done(&w);
}

/* ---- after the lease was taken ---- */

void gw_leader_load(struct gw_leader *l)
{
        struct gw_db_wishes_again again = {.backend = l->backend->name};
        struct gw_db_record_read c = {0};
        struct answer a;
        gw_db_wishes_again_init(&again);
        run(l, &again.cmd);
        ask(l, GW_RECORD_OPEN, &c, &a);
        for (size_t i = 0; i < a.count && !l->lost; i++) {
                struct gw_job_event e = {.type = GW_EVENT_RECOVER, .at_us = gw_clock_wall_us()};
                struct live *v = GW_TAKE(a.rows[i].live);
                if (v->array) {
                        gw_live_keep(&l->live, v);
                        gw_array_recover(l, v);
                        continue;
                }
                if (v->job.step != GW_STEP_PENDING) /* else as it is held there */
                        v->job.held = v->hold;
                v->part.again_us = INT64_MAX; /* nothing is asked before the backend is led */
                gw_live_keep(&l->live, v);
                gw_leader_apply(l, v, &e, NULL);
        }
        gw_leader_flush(l);
        release(&a);
}
