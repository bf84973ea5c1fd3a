/*
 * Pauses between hand-overs, while what is handed over does not get there for a passing cause: a
 * controller that is away or full is not asked by every job each second. Leader's thread only.
 *
 * A pause is of an identity (of a project that has none there, of the project): whom a submission
 * is for is all that causes are seen to differ by, and what keeps one user from submitting is to
 * hold up nobody else. So what it keeps fills no place of the window. After it one submission is
 * tried, and the next time one of those that had no turn in this round: some may never get there.
 * As each success lets two more follow, what was full is filled, and not overrun.
 *
 * Invariant: there is one pause of an identity, from the first hand-over that did not get there
 * until they do, or nobody asks any more.
 */
#include "server/engine/leader_state.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/log.h"

#define FIRST_US GW_SECOND
#define MOST_US (30 * GW_SECOND)
#define QUIET_US (10 * GW_SECOND) /* after an answer: nothing was asked for so long, it is over */
#define ROOM 16                   /* so many may follow: it is over */

struct pause {
        char *identity;     /* owned; "": the project's, which has none */
        int64_t project_id; /* 0: of an identity */
        char *words;        /* owned, or NULL: the backend's, of the last that did not get there */
        enum gw_reason reason;
        int64_t wait_us;      /* how long this one is */
        int64_t until_us;     /* monotonic */
        int64_t open_us;      /* monotonic: since when it is seen to be over; 0: it was not yet */
        int64_t over_us;      /* monotonic: nobody asks any more, if nothing was asked until then */
        int64_t round_us;     /* monotonic: since when each has had a turn or waits for one */
        struct gw_mark tried; /* last, after a pause */
        unsigned room;        /* so many may go without waiting for until_us */
        LIST_ENTRY(pause) link;
};

static const char *identity_of(const struct part *p)
{
        return p->identity ? p->identity : "";
}

static int64_t project_of(const struct live *v, const struct part *p)
{
        return p->identity ? 0 : v->project_id;
}

static struct pause *find(const struct gw_leader *l, const struct live *v, const struct part *p)
{
        struct pause *pause;
        LIST_FOREACH(pause, &l->pauses, link)
        {
                if (pause->project_id == project_of(v, p) &&
                    strcmp(pause->identity, identity_of(p)) == 0)
                        return pause;
        }
        return NULL;
}

static void pause_free(struct pause *pause)
{
        LIST_REMOVE(pause, link);
        free(pause->identity);
        free(pause->words);
        free(pause);
}

static void end(const struct gw_leader *l, struct pause *pause)
{
        gw_log(GW_LOG_INFO, "leader.hands_over_again", "{s:s, s:s}", "backend", l->backend->name,
               "identity", pause->identity);
        pause_free(pause);
}

static void last_until(struct pause *pause, int64_t until_us)
{
        pause->until_us = until_us;
        pause->open_us = 0;
}

static bool had_turn(const struct pause *pause, const struct part *p)
{
        return p->tried_us > 0 && p->tried_us >= pause->round_us;
}

/* NULL without memory: there is no pause then. */
static struct pause *begin(struct gw_leader *l, const struct live *v, const struct part *p,
                           const char *words)
{
        struct pause *pause = calloc(1, sizeof *pause);
        if (!pause || !(pause->identity = strdup(identity_of(p)))) {
                free(pause);
                return NULL;
        }
        pause->project_id = project_of(v, p);
        pause->wait_us = FIRST_US;
        LIST_INSERT_HEAD(&l->pauses, pause, link);
        gw_log(GW_LOG_WARN, "leader.hand_over_fails", "{s:s, s:s, s:s, s:s*}", "backend",
               l->backend->name, "project", v->project, "identity", pause->identity, "words",
               words);
        return pause;
}

static void on_failure(struct gw_leader *l, const struct live *v, const struct part *p,
                       struct gw_mark mark, const struct gw_job_event *event)
{
        struct pause *pause = find(l, v, p);
        if (pause && gw_mark_equal(pause->tried, mark))
                pause->wait_us = 2 * pause->wait_us < MOST_US ? 2 * pause->wait_us : MOST_US;
        else if (!pause && !(pause = begin(l, v, p, event->raw)))
                return;
        int64_t until_us = gw_clock_mono_us() + pause->wait_us;
        if (until_us > pause->until_us)
                last_until(pause, until_us);
        pause->over_us = pause->until_us + QUIET_US;
        pause->room = 0;
        pause->reason = event->reason;
        free(pause->words);
        pause->words = event->raw ? strdup(event->raw) : NULL;
}

static void on_success(struct gw_leader *l, const struct live *v, const struct part *p)
{
        struct pause *pause = find(l, v, p);
        if (!pause)
                return;
        l->asked_us = 0; /* the next follow at once */
        pause->wait_us = FIRST_US;
        last_until(pause, gw_clock_mono_us());
        pause->over_us = pause->until_us + QUIET_US;
        pause->room += 2;
        if (pause->room >= ROOM)
                end(l, pause);
}

/* It was heard: what it said of that one says nothing of the next. */
static void on_refusal(struct gw_leader *l, const struct live *v, const struct part *p)
{
        struct pause *pause = find(l, v, p);
        if (!pause)
                return;
        last_until(pause, gw_clock_mono_us());
        pause->over_us = pause->until_us + QUIET_US;
}

void gw_pause_answered(struct gw_leader *l, const struct live *v, const struct part *p,
                       struct gw_mark mark, const struct gw_job_event *event)
{
        if (event->type == GW_EVENT_NOT_SENT)
                on_failure(l, v, p, mark, event);
        else if (event->type == GW_EVENT_DONE)
                on_success(l, v, p);
        else if (event->type == GW_EVENT_REFUSED)
                on_refusal(l, v, p);
}

bool gw_pause_lets(const struct gw_leader *l, const struct live *v, const struct part *p)
{
        const struct pause *pause = find(l, v, p);
        if (!pause || pause->room > 0)
                return true;
        int64_t now_us = gw_clock_mono_us();
        if (had_turn(pause, p)) /* those that had none go first, however late that is seen */
                return pause->open_us > 0 && now_us >= pause->open_us + LEADER_AGAIN_US;
        return now_us >= pause->until_us;
}

void gw_pause_asked(struct gw_leader *l, const struct live *v, struct part *p, struct gw_mark mark)
{
        struct pause *pause = find(l, v, p);
        int64_t now_us = gw_clock_mono_us();
        if (!pause)
                return;
        /* The answer may take as long as it may be sent. */
        pause->over_us = now_us + l->settings.send_us + QUIET_US;
        if (pause->room > 0) {
                pause->room--;
        } else {
                if (had_turn(pause, p)) /* and nobody else took it */
                        pause->round_us = now_us;
                p->tried_us = now_us;
                pause->tried = mark;
                last_until(pause, now_us + pause->wait_us);
        }
}

void gw_pause_event(const struct gw_leader *l, const struct live *v, const struct part *p,
                    struct gw_job_event *ret)
{
        const struct pause *pause = find(l, v, p);
        *ret = (struct gw_job_event){.type = GW_EVENT_NOT_SENT,
                                     .at_us = gw_clock_wall_us(),
                                     .exit_code = -1,
                                     .reason = pause ? pause->reason : GW_REASON_NONE,
                                     .raw = pause ? pause->words : NULL};
}

void gw_pauses_cut(struct gw_leader *l)
{
        struct pause *pause;
        LIST_FOREACH(pause, &l->pauses, link)
        {
                pause->round_us = gw_clock_mono_us();
                last_until(pause, pause->round_us);
                pause->tried = (struct gw_mark){0};
        }
}

void gw_pauses_look(struct gw_leader *l)
{
        struct pause *next;
        for (struct pause *pause = LIST_FIRST(&l->pauses); pause; pause = next) {
                next = LIST_NEXT(pause, link);
                int64_t now_us = gw_clock_mono_us();
                if (pause->open_us == 0 && now_us >= pause->until_us)
                        pause->open_us = now_us;
                if (now_us >= pause->over_us)
                        end(l, pause);
        }
}

void gw_pauses_clear(struct gw_leader *l)
{
        while (!LIST_EMPTY(&l->pauses))
                pause_free(LIST_FIRST(&l->pauses));
}
