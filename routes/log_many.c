/*
 * GET …/logs?tasks=. Runs on the exchange's loop thread; rows are taken on the database's.
 *
 *   read the job ─► look which tasks have output ─► find and open those, a lane each ─► send
 *                     ▲                                      ▲                          │
 *                     └── an event of the job                └── a lane is free ◄───────┘
 *
 * Lanes are sent from in turn, a buffer of whole lines each. What looks and finds is the call's
 * work, for which the exchange is suspended. The lanes' followers and the wait for the job's next
 * event are out while lines are sent; they may outlive the exchange, and so does this.
 *
 * Invariants: a lane that is out has no whole line. `idle` is set exactly while the exchange is
 * suspended and nothing of the call's is out; then something else is.
 */
#include "routes/log_many.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routes/log_agenda.h"
#include "routes/log_find.h"
#include "routes/log_lines.h"
#include "routes/log_stream.h"
#include "routes/log_view.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define PAGE_ROWS 1000
#define STARTED "running,succeeded,failed,cancelled"

/* What one task's output comes through. */
struct lane {
        struct gw_log_many *many;
        struct gw_follower *follower;
        struct gw_log_lines *lines;
        bool busy; /* with this task: */
        uint32_t place;
        int32_t attempt;
        bool last;                     /* the task has no later one */
        bool out;                      /* the follower's work */
        struct gw_log_kept_place kept; /* of what it follows */
        uint64_t left; /* bytes that are asked for; UINT64_MAX: to the attempt's end */
};

struct gw_log_many {
        struct gw_call *call; /* NULL: the exchange has ended */
        struct gw_loop *loop;
        struct gw_hub *hub;
        bool following, streaming;
        bool failed; /* what was sent is not the whole, and will not be */
        bool idle;
        bool abandoned; /* nobody reads any more: nothing more is asked */
        struct gw_log_agenda agenda;
        /* The call's work. */
        enum { MANY_JOB, MANY_PAGE, MANY_FIND, MANY_SEND } stage;
        struct gw_job_read job;
        struct gw_db_task_page page;
        int32_t rows;   /* of the page */
        uint32_t next;  /* the ordinal behind its last */
        uint32_t place; /* of the task that is searched for */
        struct gw_log_find find;
        struct gw_log_stream stream;
        /* When to look again. */
        bool stale;              /* something may have happened since the last look */
        int64_t since;           /* of gw_hub_now(), before it */
        int64_t began_us;        /* monotonic: the last look */
        int64_t look_us, ask_us; /* monotonic: not before these; and not ask at all */
        /* What is out beside it. */
        size_t out;
        bool waiting;
        int64_t until_us; /* of the wait */
        struct gw_hub_wait wait;
        size_t turn, lane_count;
        struct lane lanes[GW_MAX_LOG_LANES];
};

/* ---- what may outlive the exchange ----------------------------------------------------------- */

static void free_many(struct gw_log_many *m)
{
        for (size_t i = 0; i < m->lane_count; i++) {
                gw_follower_free(m->lanes[i].follower);
                gw_log_kept_place_give_back(&m->lanes[i].kept);
                free(m->lanes[i].lines);
        }
        gw_log_agenda_done(&m->agenda);
        gw_loop_release(m->loop);
        free(m);
}

static void come_home(struct gw_log_many *m)
{
        m->out--;
        if (!m->call) {
                if (m->out == 0)
                        free_many(m);
                return;
        }
        if (!m->idle)
                return;
        m->idle = false;
        gw_exchange_wake(m->call->exchange, GW_NEXT_RESPOND);
}

static void on_output(struct gw_work *work)
{
        struct lane *lane = work->owner;
        lane->out = false;
        come_home(lane->many);
}

static void on_event(struct gw_work *work)
{
        struct gw_log_many *m = work->owner;
        m->waiting = false;
        m->stale = true;
        come_home(m);
}

static void stop_waiting(struct gw_log_many *m)
{
        if (m->waiting && m->until_us > 0)
                gw_hub_abandon(m->hub, &m->wait);
        m->until_us = 0;
}

static void call_home(struct gw_log_many *m)
{
        for (size_t i = 0; i < m->lane_count; i++)
                if (m->lanes[i].out)
                        gw_follower_abandon(m->lanes[i].follower);
        stop_waiting(m);
}

/* ---- lanes ----------------------------------------------------------------------------------- */

static struct lane *free_lane(struct gw_log_many *m)
{
        for (size_t i = 0; i < m->lane_count; i++)
                if (!m->lanes[i].busy)
                        return &m->lanes[i];
        return NULL;
}

static size_t busy_lanes(const struct gw_log_many *m)
{
        size_t count = 0;
        for (size_t i = 0; i < m->lane_count; i++)
                count += m->lanes[i].busy;
        return count;
}

static int equip(struct gw_log_many *m, struct lane *lane, struct gw_error *err)
{
        struct gw_work home = {.home = gw_call_home(m->call), .done = on_output, .owner = lane};
        if (!lane->lines)
                lane->lines = malloc(sizeof *lane->lines);
        if (!lane->lines)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        if (!lane->follower)
                lane->follower = gw_follower_new(m->call->service->follow,
                                                 m->call->principal->user_id, &home, err);
        return lane->follower ? 0 : -1;
}

/* Its attempt was sent. The first lane keeps its follower, so that there always is one. */
static void leave_lane(struct gw_log_many *m, struct lane *lane)
{
        struct gw_log_task *task = &m->agenda.tasks[lane->place];
        lane->busy = false;
        task->open = false;
        task->sent = lane->attempt;
        if (lane->last || !m->following)
                gw_log_agenda_over(&m->agenda, lane->place);
        else
                m->stale = true;
        if (lane != m->lanes)
                gw_follower_free(GW_TAKE(lane->follower));
}

/* Reads until there is a whole line, or no more now. */
static size_t take_lines(struct gw_log_many *m, struct lane *lane, char *out, size_t max)
{
        size_t n = gw_log_lines_take(lane->lines, out, max), room = 0;
        while (n == 0 && !lane->out && !m->failed && !lane->lines->over) {
                char *place = gw_log_lines_room(lane->lines, &room);
                room = lane->left < room ? (size_t)lane->left : room;
                ssize_t got =
                        room > 0 ? gw_follower_read(lane->follower, place, room) : GW_FOLLOW_END;
                if (got > 0) {
                        gw_log_lines_added(lane->lines, (size_t)got);
                        lane->left -= lane->left < UINT64_MAX ? (uint64_t)got : 0;
                } else if (got == GW_FOLLOW_WAIT) {
                        lane->out = true;
                        m->out++;
                } else if (got == GW_FOLLOW_END) {
                        gw_log_lines_end(lane->lines);
                } else {
                        m->failed = true;
                }
                n = gw_log_lines_take(lane->lines, out, max);
        }
        if (lane->lines->over && gw_log_lines_empty(lane->lines))
                leave_lane(m, lane);
        return n;
}

/* From each lane in turn, until the room is filled or all have been asked in vain. */
static size_t send_lines(struct gw_log_many *m, char *out, size_t max)
{
        size_t n = 0;
        for (size_t vain = 0; n < max && vain < m->lane_count; vain++) {
                struct lane *lane = &m->lanes[m->turn];
                size_t got = lane->busy ? take_lines(m, lane, out + n, max - n) : 0;
                n += got;
                if (got > 0)
                        vain = 0;
                if (lane->busy && gw_log_lines_begun(lane->lines))
                        break;
                m->turn = (m->turn + 1) % m->lane_count;
        }
        return n;
}

/* ---- the search for one task's output -------------------------------------------------------- */

static bool may_ask(struct gw_log_many *m)
{
        if (!m->streaming)
                return true;
        if (gw_clock_mono_us() < m->ask_us)
                return false;
        if (gw_service_database_up(m->call->service))
                return true;
        m->ask_us = gw_clock_mono_us() + GW_FOLLOW_AGAIN_US;
        return false;
}

static enum gw_next find_next(struct gw_log_many *m)
{
        const struct gw_log_task *task = &m->agenda.tasks[m->place];
        m->stage = MANY_FIND;
        m->find.id = m->job.id;
        m->find.placed = true;
        m->find.ordinal = gw_log_agenda_ordinal(&m->agenda, m->place);
        m->find.in_order = m->following;
        m->find.behind = m->following ? task->sent : 0;
        return gw_log_find_begin(m->call, &m->find);
}

/* The lane has what was found now, or a line about it. */
static void take_lane(struct gw_log_many *m, struct lane *lane)
{
        struct gw_log_task *task = &m->agenda.tasks[m->place];
        task->old = false;
        task->open = true;
        lane->busy = true;
        lane->place = m->place;
        lane->attempt = m->find.attempt;
        lane->last = gw_log_find_is_last(&m->find);
        gw_log_lines_begin(lane->lines, gw_log_agenda_index(&m->agenda, m->place));
}

/* Returns 0; or -1 when it cannot be read. */
static int open_lane(struct gw_log_many *m, struct lane *lane)
{
        struct gw_log_source *source = &m->find.source;
        uint64_t first = 0;
        if (m->agenda.tasks[m->place].old && gw_log_first(m->call, source, &first))
                return -1;
        take_lane(m, lane);
        lane->left = m->following ? UINT64_MAX : source->size - first;
        gw_follower_open(lane->follower, source, first);
        gw_log_kept_place_move(&lane->kept, &m->find.kept_place);
        return 0;
}

/* One task's output that is gone is no reason to show none of the others': a line says so. */
static void tell_gone(struct gw_log_many *m, struct lane *lane)
{
        size_t room = 0;
        take_lane(m, lane);
        char *place = gw_log_lines_room(lane->lines, &room);
        int n = snprintf(place, room, "[jobgate: %s]", m->find.error.message);
        gw_log_lines_added(lane->lines, n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1);
        gw_log_lines_end(lane->lines);
}

static enum gw_next send(struct gw_log_many *m);

/* What was found is away: again later, when the answer has begun. */
static enum gw_next put_off(struct gw_log_many *m, const struct gw_error *error)
{
        if (!m->streaming)
                return gw_call_fail(m->call, error);
        m->failed |= !m->following;
        m->stale = true;
        m->ask_us = gw_clock_mono_us() + GW_FOLLOW_AGAIN_US;
        m->stage = MANY_SEND;
        return GW_NEXT_RESPOND;
}

/* Finds the outputs that there are lanes for, one after the other; then sends. */
static enum gw_next find_more(struct gw_log_many *m)
{
        struct gw_error err = {0};
        struct lane *lane = free_lane(m);
        if (m->abandoned || !lane || !gw_log_agenda_next(&m->agenda, &m->place))
                return send(m);
        if (equip(m, lane, &err) == 0)
                return find_next(m);
        m->ask_us = gw_clock_mono_us() + GW_FOLLOW_AGAIN_US; /* it goes on with the lanes it has */
        return send(m);
}

static enum gw_next after_find(struct gw_log_many *m)
{
        struct gw_log_task *task = &m->agenda.tasks[m->place];
        task->news = false;
        switch (m->find.found) {
        case GW_LOG_THERE:
                if (open_lane(m, free_lane(m)))
                        return gw_call_fail_code(m->call, GW_ERR_IO,
                                                 "the output could not be read");
                break;
        case GW_LOG_SOON:
                m->stale = true;
                break;
        case GW_LOG_NOT_YET:
                break;
        case GW_LOG_NEVER:
                task->sent = m->find.attempt;
                m->stale = true;
                if (gw_log_find_is_last(&m->find))
                        gw_log_agenda_over(&m->agenda, m->place);
                break;
        case GW_LOG_AWAY:
                task->news = true;
                return put_off(m, &m->find.error);
        case GW_LOG_GONE:
                tell_gone(m, free_lane(m));
                break;
        }
        return find_more(m);
}

/* ---- the look at the tasks ------------------------------------------------------------------- */

static enum gw_next look_is_over(struct gw_log_many *m)
{
        m->look_us = gw_follow_next_us(m->began_us);
        m->agenda.begun = true;
        return find_more(m);
}

static void take_task(void *arg, const struct gw_task_row *row)
{
        struct gw_log_many *m = arg;
        struct gw_log_fact fact = {.ordinal = row->ordinal,
                                   .attempts = row->attempts,
                                   .started = row->started_us != 0};
        (void)gw_state_parse(row->state, &fact.state);
        gw_log_agenda_see(&m->agenda, &fact);
        m->next = row->ordinal + 1;
        m->rows++;
}

static enum gw_next ask_page(struct gw_log_many *m)
{
        uint32_t first = 0, last = 0;
        if (m->abandoned || !gw_log_agenda_range(&m->agenda, m->next, &first, &last))
                return look_is_over(m);
        m->stage = MANY_PAGE;
        m->rows = 0;
        m->page = (struct gw_db_task_page){
                .job = m->job.id,
                .after = first,
                .limit = last - first < PAGE_ROWS ? (int32_t)(last - first) + 1 : PAGE_ROWS,
                .states = m->agenda.begun ? STARTED : NULL,
                .each = take_task,
                .arg = m};
        gw_db_task_page_init(&m->page);
        return gw_call_page(m->call, &m->page.cmd);
}

static enum gw_next after_page(struct gw_log_many *m)
{
        if (m->page.cmd.error.code != GW_OK)
                return put_off(m, &m->page.cmd.error);
        return m->rows < m->page.limit ? look_is_over(m) : ask_page(m);
}

/* The job is read first each time: it may have been removed, and then no task tells so. */
static enum gw_next look(struct gw_log_many *m)
{
        m->stale = false;
        m->since = gw_hub_now(m->hub);
        m->began_us = gw_clock_mono_us();
        m->look_us = m->began_us + GW_FOLLOW_SOON_US;
        m->next = 0;
        gw_job_read_done(&m->job);
        m->job.write = m->agenda.begun ? NULL : gw_task_indices_write;
        m->stage = MANY_JOB;
        return gw_job_read_begin(m->call, &m->job);
}

static int read_indices(struct gw_log_many *m)
{
        const char *named = gw_call_text(m->call, "tasks");
        struct gw_error err = {0};
        const char *all = m->job.seen.is_array ? m->job.out.data : "0";
        if (!gw_buf_ok(&m->job.out))
                gw_fail(&err, GW_ERR_NOMEM, "out of memory");
        else if (gw_log_agenda_init(&m->agenda, all, strcmp(named, "all") ? named : NULL, &err) ==
                 0)
                return 0;
        if (err.code != GW_ERR_NOMEM)
                err.code = GW_ERR_UNPROCESSABLE;
        gw_faults_add(m->call->faults, err.code, "?tasks", "%s", err.message);
        gw_call_fail_faults(m->call, m->call->faults);
        return -1;
}

static enum gw_next after_job(struct gw_log_many *m)
{
        const struct gw_job_seen *seen = &m->job.seen;
        if (!m->agenda.tasks && read_indices(m))
                return GW_NEXT_RESPOND;
        if (seen->is_array)
                return ask_page(m);
        gw_log_agenda_see(&m->agenda, &(struct gw_log_fact){.state = seen->state,
                                                            .attempts = seen->attempt,
                                                            .started = seen->state != GW_PENDING});
        return look_is_over(m);
}

/* ---- sending --------------------------------------------------------------------------------- */

enum step { STEP_GO_ON, STEP_WAIT, STEP_END, STEP_CUT };

/* Whether there is a lane for news, and perhaps news for it. */
static bool wants_news(struct gw_log_many *m)
{
        return m->following && free_lane(m) && m->agenda.left > busy_lanes(m);
}

static void wait_for_event(struct gw_log_many *m)
{
        int64_t now_us = gw_clock_mono_us(), until_us = now_us + GW_FOLLOW_LOOK_US;
        uint32_t place;
        bool due = m->stale || gw_log_agenda_next(&m->agenda, &place);
        if (due)
                until_us = m->look_us > m->ask_us ? m->look_us : m->ask_us;
        if (m->waiting && m->until_us > until_us)
                stop_waiting(m);
        if (m->waiting)
                return;
        m->wait = (struct gw_hub_wait){
                .work = {.home = gw_call_home(m->call), .done = on_event, .owner = m},
                .since = m->since,
                .until_us = until_us,
                .sure = true,
        };
        if (!due) /* else for the time only */
                m->wait.job = m->job.id;
        m->until_us = until_us;
        m->waiting = gw_hub_wait(m->hub, &m->wait, NULL) == 0;
        m->out += m->waiting;
}

static enum step stand(struct gw_log_many *m)
{
        if (wants_news(m) && !gw_follow_draining(m->call->service->follow))
                wait_for_event(m);
        if (m->out == 0)
                return STEP_CUT;
        m->idle = true;
        return STEP_WAIT;
}

/* There are no lines to send now. */
static enum step step_on(struct gw_log_many *m)
{
        uint32_t place;
        bool news = gw_log_agenda_next(&m->agenda, &place) && free_lane(m);
        if (m->failed)
                return STEP_CUT;
        if (busy_lanes(m) == 0 && (m->following ? m->agenda.left == 0 : !news))
                return STEP_END;
        if (news && may_ask(m))
                return find_more(m) == GW_NEXT_WAIT ? STEP_WAIT
                       : m->stage == MANY_SEND      ? STEP_GO_ON
                                                    : STEP_CUT;
        if (m->stale && wants_news(m) && gw_clock_mono_us() >= m->look_us && may_ask(m))
                return look(m) == GW_NEXT_WAIT ? STEP_WAIT : STEP_CUT;
        return stand(m);
}

static ssize_t read_on(void *arg, char *out, size_t max)
{
        static const ssize_t ends[] = {[STEP_WAIT] = GW_STREAM_WAIT,
                                       [STEP_END] = GW_STREAM_END,
                                       [STEP_CUT] = GW_STREAM_CUT};
        struct gw_log_many *m = arg;
        enum step step = m->stage == MANY_SEND ? STEP_GO_ON : STEP_CUT;
        while (step == STEP_GO_ON) {
                size_t n = send_lines(m, out, max);
                if (n > 0)
                        return (ssize_t)n;
                step = step_on(m);
        }
        return ends[step];
}

static enum gw_next send(struct gw_log_many *m)
{
        m->stage = MANY_SEND;
        if (!m->streaming)
                gw_log_stream_begin(m->call, &m->stream, &m->job.seen, read_on, m);
        m->streaming = true;
        return GW_NEXT_RESPOND;
}

/* ---- the handler ----------------------------------------------------------------------------- */

bool gw_log_many_is_meant(const struct gw_call *call)
{
        return gw_call_text(call, "tasks") != NULL;
}

static int check(struct gw_call *call)
{
        static const char *const others[] = {"?task", "?attempt"};
        for (size_t i = 0; i < GW_COUNT(others); i++)
                if (gw_call_int(call, others[i] + 1, -1) >= 0)
                        gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE, others[i],
                                      "is for the output of one task, and cannot go with tasks");
        if (!gw_faults_any(call->faults))
                return 0;
        gw_call_fail_faults(call, call->faults);
        return -1;
}

enum gw_next gw_log_many_begin(struct gw_call *call, struct gw_log_many **ret)
{
        struct gw_error err = {0};
        if (check(call))
                return GW_NEXT_RESPOND;
        struct gw_log_many *m = *ret = calloc(1, sizeof *m);
        if (!m)
                return gw_call_fail_code(call, GW_ERR_NOMEM, "out of memory");
        m->call = call;
        m->loop = gw_exchange_keep_loop(call->exchange);
        m->hub = call->service->hub;
        m->following = gw_call_flag(call, "follow");
        m->lane_count = m->following ? GW_MAX_LOG_LANES : 1;
        for (size_t i = 0; i < m->lane_count; i++)
                m->lanes[i].many = m;
        m->job.id = gw_call_path_id(call, 0);
        return equip(m, m->lanes, &err) ? gw_call_fail(call, &err) : look(m);
}

enum gw_next gw_log_many_resume(struct gw_call *call, struct gw_log_many *m)
{
        enum gw_next next = GW_NEXT_RESPOND;
        if (gw_log_stream_resume(&m->stream, &next))
                return next;
        switch (m->stage) {
        case MANY_JOB:
                if (m->job.get.cmd.error.code != GW_OK)
                        return put_off(m, &m->job.get.cmd.error);
                return gw_job_read_resume(call, &m->job, &next) ? after_job(m) : next;
        case MANY_PAGE:
                return after_page(m);
        case MANY_FIND:
                return gw_log_find_resume(call, &m->find, &next) ? after_find(m) : next;
        case MANY_SEND:
                break;
        }
        return next;
}

void gw_log_many_abandon(struct gw_log_many *m)
{
        m->abandoned = true;
        if (!gw_log_stream_abandon(&m->stream) && m->idle)
                call_home(m);
}

void gw_log_many_end(struct gw_log_many *m)
{
        if (!m)
                return;
        gw_log_find_done(&m->find);
        gw_job_read_done(&m->job);
        call_home(m);
        m->call = NULL;
        if (m->out == 0)
                free_many(m);
}
