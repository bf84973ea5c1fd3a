/*
 * An event to a job, its record, and then what the backend must be told (leader_tell.c): always
 * in this order. Leader's thread only.
 *
 * Events gather into one statement. A job that is in the batch already is flushed before its
 * next event, so that each job is in a statement once. A write without a row means that the
 * lease is lost; only an intent may be turned down for another reason: people held or
 * cancelled the job between the claim and the write.
 */
#include "server/engine/leader_state.h"

#include <string.h>

#include "db/leases.h"
#include "server/base/clock.h"
#include "server/base/crash.h"
#include "server/base/log.h"

/* ---- recording ---- */

/* The record is as the job: now the rest of the world follows. */
static void settle(struct gw_leader *l, struct write *w)
{
        struct live *v = w->live;
        v->writing = false;
        v->version = w->command.new_version;
        gw_part_identity(&v->part, GW_TAKE(w->command.identity));
        if (gw_job_step_handed_over(v->job.step)) {
                if (!v->kept)
                        gw_live_keep(&l->live, v);
                gw_leader_act(l, v);
                return;
        }
        if (v->kept) {
                gw_crash_point("leader.recorded");
                struct gw_mark mark = {v->job.id, w->effect.submission_no};
                (void)l->backend->type->forget(l->backend, mark); /* else found at the next lead */
                gw_live_drop(&l->live, v);
        }
        gw_live_free(v);
}

void gw_leader_check_lease(struct gw_leader *l)
{
        struct gw_db_lease_holder c = {.name = l->backend->name};
        gw_db_lease_holder_init(&c);
        if (gw_db_session_run_one(l->session, &c.cmd, NULL) < 0 || c.epoch != l->epoch)
                l->lost = true;
}

static void put_back(const struct write *w)
{
        w->live->writing = false;
        if (!w->live->kept)
                gw_live_free(w->live);
}

/* No row: the job is not what was read any more, or the lease is gone. What the leader keeps
 * cannot change by itself. */
static void turned_down(struct gw_leader *l, const struct write *w)
{
        bool kept = w->live->kept;
        put_back(w);
        if (kept)
                l->lost = true;
        else
                gw_leader_check_lease(l);
}

static void conclude(struct gw_leader *l, struct write *w)
{
        if (w->command.cmd.error.code != GW_OK) {
                gw_log_error("leader.write_failed", &w->command.cmd.error);
                l->lost = true;
        }
        if (l->lost) {
                put_back(w);
        } else if (w->command.cmd.rows == 0) {
                turned_down(l, w);
        } else {
                settle(l, w);
        }
}

void gw_leader_flush(struct gw_leader *l)
{
        struct gw_error err = {0};
        struct gw_work *first = gw_leader_array_chain(l);
        size_t count = l->write_count;
        if ((count == 0 && !first) || l->lost)
                return;
        for (size_t i = count; i-- > 0; first = &l->writes[i].command.cmd.work)
                l->writes[i].command.cmd.work.next = first;
        l->write_count = 0;
        if (gw_db_session_run(l->session, first, &err) < 0) {
                gw_log_error("leader.lost_database", &err);
                l->lost = true;
        }
        for (size_t i = 0; i < count; i++) {
                gw_db_record_write_done(&l->writes[i].command);
                conclude(l, &l->writes[i]);
        }
        gw_leader_array_conclude(l);
}

void gw_leader_discard(struct gw_leader *l)
{
        for (size_t i = 0; i < l->write_count; i++) {
                gw_db_record_write_done(&l->writes[i].command);
                put_back(&l->writes[i]);
        }
        l->write_count = 0;
        gw_array_discard(l);
}

struct live *gw_leader_find(struct gw_leader *l, struct gw_id job)
{
        struct live *v = gw_live_find(&l->live, job);
        if (!v || !v->writing || (v->array && !v->array->claimed))
                return v;
        gw_leader_flush(l);
        return gw_live_find(&l->live, job);
}

static void observe(struct gw_leader *l, struct live *v, const struct gw_job_event *event,
                    const struct gw_job_effect *effect)
{
        const struct gw_leader_metrics *m = &l->settings.metrics;
        if (effect->submission == GW_SUBMISSION_INTENDED)
                v->part.intended_us = event->at_us;
        if (effect->submission == GW_SUBMISSION_ACCEPTED) {
                v->part.accepted_us = event->at_us;
                v->part.cancels = true; /* what was told before may have come too early */
        }
        if (effect->submission == GW_SUBMISSION_ACCEPTED && v->part.intended_us)
                gw_metric_observe(m->handover, m->index, 0, event->at_us - v->part.intended_us);
        if (event->type == GW_EVENT_FACT_ENDED && event->ended_us)
                gw_metric_observe(m->lag, m->index, 0, event->at_us - event->ended_us);
}

/* What is recorded of its open submission, if it changed, goes with the job. */
static void add_part(struct live *v, struct gw_job_effect *effect)
{
        static const enum gw_submission_state open[GW_STEP_COUNT] = {
                [GW_STEP_INTENDED] = GW_SUBMISSION_INTENDED,
                [GW_STEP_UNKNOWN] = GW_SUBMISSION_UNKNOWN,
                [GW_STEP_PENDING] = GW_SUBMISSION_ACCEPTED,
                [GW_STEP_RUNNING] = GW_SUBMISSION_ACCEPTED,
        };
        if (v->part.changed && effect->submission == GW_SUBMISSION_NONE) {
                effect->submission = open[v->job.step];
                effect->submission_no = v->job.submission;
        }
        v->part.changed = false;
}

static void add_write(struct gw_leader *l, struct live *v, const struct occasion *o)
{
        struct write *w = &l->writes[l->write_count];
        w->live = v;
        add_part(v, &w->effect);
        if (w->effect.submission == GW_SUBMISSION_INTENDED)
                v->part.send_before_us = gw_clock_wall_us() + l->settings.send_us;
        w->command = (struct gw_db_record_write){
                .lease = l->backend->name,
                .epoch = l->epoch,
                .backend = l->backend->name,
                .job = &v->job,
                .effect = &w->effect,
                .claimable = gw_job_claimable(&v->job, gw_clock_wall_us()),
                .version = o->wish_read ? o->version : v->version,
                .wish_read = o->wish_read,
                .ref = v->part.ref,
                .error = v->part.error,
                .wishes_read = o->wishes_read,
                .timer_fired = o->timer_fired,
                .send_before_us = v->part.send_before_us,
                .changing = v->part.changing,
        };
        if (gw_db_record_write_init(&w->command) < 0) {
                l->lost = true; /* no memory: the record tells where things stand */
                if (!v->kept)
                        gw_live_free(v);
                return;
        }
        v->writing = true;
        l->write_count++;
}

void gw_leader_apply(struct gw_leader *l, struct live *v, const struct gw_job_event *event,
                     const struct occasion *occasion)
{
        static const struct occasion plain;
        const struct occasion *o = occasion ? occasion : &plain;
        if (l->write_count == LEADER_WRITES)
                gw_leader_flush(l);
        struct gw_job_effect *effect = &l->writes[l->write_count].effect;
        /* If it is to be tried again, it waits as people want it to, whatever others did there. */
        if (event->type == GW_EVENT_FACT_ENDED && v->hold)
                v->job.held = true;
        gw_job_apply(&v->job, event, effect);
        v->hold = v->hold && v->job.step != GW_STEP_RUNNING; /* too late */
        observe(l, v, event, effect);
        if (effect->changed || o->wish_read || o->wishes_read || o->timer_fired)
                add_write(l, v, o);
        else if (!v->kept)
                gw_live_free(v);
        else
                gw_leader_act(l, v);
}

/* ---- parts --------------------------------------------------------------------------------- */

/* What of a fact's span the array has: nothing it says of other ordinals is heard. */
static void apply_span(struct gw_leader *l, struct live *v, struct part *p, struct gw_span span,
                       const struct gw_job_event *event)
{
        struct gw_spans which = {.items = &span, .count = 1};
        if (span.last >= v->array->tasks.total)
                span.last = v->array->tasks.total - 1;
        if (span.first <= span.last)
                gw_array_apply(l, v, p, &which, event);
}

void gw_leader_apply_part(struct gw_leader *l, struct live *v, struct part *p,
                          const struct gw_span *span, const struct gw_job_event *event)
{
        if (!v->array)
                gw_leader_apply(l, v, event, NULL);
        else if (span)
                apply_span(l, v, p, *span, event);
        else
                gw_array_apply(l, v, p, NULL, event);
}

void gw_leader_note_part(struct gw_leader *l, struct live *v, struct part *p)
{
        static const struct occasion plain;
        p->changed = true;
        if (v->array) {
                gw_array_note(l, v);
                return;
        }
        if (l->write_count == LEADER_WRITES)
                gw_leader_flush(l);
        l->writes[l->write_count].effect = (struct gw_job_effect){.changed = true};
        add_write(l, v, &plain);
}

void gw_leader_renew(struct gw_leader *l, struct live *v, struct part *p)
{
        p->send_before_us = gw_clock_wall_us() + l->settings.send_us;
        gw_leader_note_part(l, v, p);
}
